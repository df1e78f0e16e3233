"""Numbers that know their rows, the list of sources behind them, and the finder of numbers that do not."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser

from workbench.records import Evidence, Facts

FIRST_ROWS = 3


@dataclass(frozen=True, slots=True)
class Cited:
    """A number with its unit, the rows it rests on (by share of what they explain) and its evidence class."""

    value: float
    unit: str
    rows: tuple[str, ...]
    evidence: Evidence
    digits: int = 0
    text: str = ""

    def __str__(self) -> str:
        return self.text or money(self.value, self.unit, self.digits)

    @property
    def citation(self) -> str:
        """The first three rows and how many more there are."""
        more = len(self.rows) - FIRST_ROWS
        return ", ".join(self.rows[:FIRST_ROWS]) + (f" and {more} more" if more > 0 else "")

    def with_rows(self) -> str:
        """As a report in plain text prints it: `1,412,640 USD [assumptions.csv:2, prices/aws.csv:3]`."""
        return f"{self} [{self.citation}]"

    def _repr_html_(self) -> str:
        title = f"{self.evidence}: {self.citation}" if self.rows else str(self.evidence)
        return f'<span class="cited" data-evidence="{self.evidence}" title="{escape(title, quote=True)}">{escape(str(self))}</span>'


def money(value: float, unit: str, digits: int = 0) -> str:
    """A number for people: shares as per cent, USD with thousands, a minus that is a minus."""
    if unit == "share":
        return f"{value:.{digits}%}"
    number = f"{value:,.{digits}f}"
    return f"{number} {unit}".strip().replace("-", "−", 1) if value < 0 else f"{number} {unit}".strip()


def sources(rows: Iterable[str], facts: Facts) -> list[tuple[str, str, str, list[str]]]:
    """(title, day, address, rows) for each source behind the rows, in the order in which the rows name them."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row in facts.row_sources:
            found.setdefault(facts.row_sources[row][0], []).append(row)
    return [(s.title, s.as_of, s.address, cited) for i, cited in found.items() if (s := facts.sources.get(i)) is not None]


# --- the finder of uncited numerals

_NAMES = re.compile(
    r"\d{4}-\d{2}-\d{2}|\d{4}-\d{2}"  # days
    r"|[\w./-]+\.(?:csv|toml|ipynb|sql|md|py|yml|yaml|json|mdx)(?::\d+)?"  # row addresses
    r"|[A-Za-z_][\w.+-]*\d[\w.+-]*|\d+[A-Za-z][\w.-]*"  # names: H100, P10, p5.48xlarge, 70B
)
_NUMERAL = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)?%?(?!\w)")
_SILENT = ("style", "script", "svg", "head", "title", "code")
_ALLOWED = ("cited", "stamp", "sources", "name")
_VOID = ("br", "hr", "img", "input", "link", "meta", "col", "wbr")


class _Text(HTMLParser):
    """The text that a reader sees, without what is cited, a name, the stamp or the list of sources."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[bool] = []
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        classes = (dict(attrs).get("class") or "").split()
        self.stack.append(tag in _SILENT or bool(set(classes) & set(_ALLOWED)))

    def handle_endtag(self, tag: str) -> None:
        if self.stack and tag not in _VOID:
            self.stack.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.stack):
            self.parts.append(data)


def uncited(html: str) -> Iterator[str]:
    """Each numeral of the rendered text that no `Cited` printed, with what stands around it."""
    reader = _Text()
    reader.feed(html)
    text = " ".join(" ".join(reader.parts).split())
    bare = _NAMES.sub(lambda m: " " * len(m.group()), text)
    for found in _NUMERAL.finditer(bare):
        yield text[max(found.start() - 30, 0) : found.end() + 30]
