"""Numbers that know their rows, the list of sources behind them, and the finder of numbers that do not."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
from math import floor, log10
from string import Formatter
from typing import Any
from unicodedata import numeric

from workbench.records import Evidence, Facts, Quantity

FIRST_ROWS = 3
SIGNIFICANT = 3
MOVES = "movement of the price of "


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

    def _repr_html_(self) -> str:
        title = f"{self.evidence}: {self.citation}" if self.rows else str(self.evidence)
        marks = f'class="cited" data-evidence="{self.evidence}" title="{escape(title, quote=True)}"'
        return f"<span {marks}>{escape(str(self)).replace('/', '/<wbr>')}</span>"  # a unit may break, not a word in it


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
    known = ((facts.sources.get(i), cited) for i, cited in found.items())
    return [(s.title, s.as_of, s.address, cited) for s, cited in known if s is not None]


def of(quantity: Quantity, value: float | None = None, text: str = "") -> Cited:
    """A quantity, or another value that was found for it, as a cited number with three significant digits."""
    number = float(quantity.value if value is None else value)
    return Cited(number, quantity.unit, quantity.rows, quantity.evidence, text=text or plain(number, quantity.unit))


def plain(value: float, unit: str) -> str:
    """A number and its unit with no more digits than an estimate deserves; a share is shown as per cent."""
    if unit == "share" or unit.startswith("share/"):
        digits = next((d for d in range(3) if abs(value) >= 10.0 ** -(d + 1)), 2) if value else 0
        return money(value, "share", digits).replace("-", "−") + unit.removeprefix("share")
    digits = max(SIGNIFICANT - 1 - floor(log10(abs(value))), 0) if value else 0
    number = f"{round(value, SIGNIFICANT - 1 - floor(log10(abs(value)))) if value else 0:,.{digits}f}"
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{number} {unit if unit != 'x' else ''}".strip().replace("-", "−", 1 if value < 0 else 0)


def many(count: float, noun: str) -> str:
    """The noun for so many as are shown: 1 month, 2 months."""
    return noun if plain(count, "") == "1" else f"{noun}s"


def so_many(count: float, noun: str) -> str:
    """A whole number with its noun: `1 month`, `1,200 months`."""
    return f"{count:,.0f} {many(count, noun)}"


def words(name: str) -> str:
    """The name of an input as people say it."""
    name = re.sub(r"_h\b", "_hours", re.sub(r"\bre_", "re-", name))
    said = re.sub(r"\b(usd|gpu|gb|tb)\b", lambda found: found.group().upper(), name.replace("_", " "))
    return "future price of " + said.removeprefix(MOVES) if said.startswith(MOVES) else said


# --- text in which every numeral is cited


@dataclass(frozen=True, slots=True)
class Name:
    """What an offer, a place or a file is called: its digits state no quantity."""

    text: str

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f'<span class="name">{escape(self.text)}</span>'


@dataclass(frozen=True, slots=True, repr=False)
class Prose:
    """Text whose numbers are `Cited` and whose names are `Name`: plain where printed, safe HTML where shown."""

    parts: tuple[Any, ...]
    tag: str = "p"
    css: str = ""

    def __str__(self) -> str:
        return "".join(map(str, self.parts))

    __repr__ = __str__

    @property
    def html(self) -> str:
        """The text without its element."""
        return "".join(map(html, self.parts))

    def _repr_html_(self) -> str:
        css = f' class="{self.css}"' if self.css else ""
        return f"<{self.tag}{css}>{self.html}</{self.tag}>"


def html(part: Any) -> str:
    """A piece of a text as HTML: what is no `Cited`, `Name` or `Prose` is escaped, whatever it holds.

    A paragraph within a text flows into it; any other element stays one.
    """
    if isinstance(part, Prose) and part.tag == "p":
        return part.html
    return part._repr_html_() if isinstance(part, Cited | Name | Prose) else escape(str(part))


def say(template: str, *, tag: str = "p", css: str = "", **values: Any) -> Prose:
    """`say("Run it on {where}: {cost}.", where=Name(...), cost=Cited(...))`: names in braces are replaced."""
    parts: list[Any] = []
    for text, name, _, _ in Formatter().parse(template):
        parts += [text] if name is None else [text, values[name]]
    return Prose(tuple(p for p in parts if p != ""), tag, css)


def counted(number: Cited, noun: str) -> Prose:
    """A number with its noun: `12 months`."""
    return Prose((number, " ", many(number.value, noun)))


def numerals(text: str, rows: tuple[str, ...], evidence: Evidence) -> Prose:
    """A dataset's or a user's own words, with each of their numerals cited to the row that the words come from."""
    parts: list[Any] = []
    end = 0
    for found in _NUMERAL.finditer(_bare(text)):
        shown, figure = found.group(), found["figure"]
        value = numeric(figure) if figure in FRACTIONS else float(figure.replace(",", ""))
        parts += [text[end : found.start()], Cited(value, found["unit"], rows, evidence, text=shown)]
        end = found.end()
    return Prose((*parts, text[end:]))


# --- the finder of uncited numerals

FRACTIONS = "¼½¾⅓⅔⅛⅜⅝⅞"
_CURRENCIES = ("USD", "EUR", "GBP")
_NAMES = re.compile(
    r"\d{4}-\d{2}-\d{2}|\d{4}-\d{2}"  # days
    r"|[\w./-]+\.(?:csv|toml|ipynb|sql|md|py|yml|yaml|json|mdx)(?::\d+)?"  # row addresses
    rf"|\b(?!(?:{'|'.join(_CURRENCIES)})\d)[A-Za-z_][\w.+-]*\d[\w.+-]*"  # names: H100, P10, p5.48xlarge; not USD12
    r"|\d+(?:\.\d+)?B\b"  # sizes of models: 70B
)
_NUMERAL = re.compile(
    rf"(?:(?<![\w.])|{'|'.join(f'(?<={c})' for c in _CURRENCIES)})"
    rf"[-+−]?(?P<figure>\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?|[{FRACTIONS}])(?P<unit>%?\w*)"  # 12, 1e9, 15k, 7x, 30days
)
_SILENT = ("style", "script", "svg", "head", "title", "code")
_ALLOWED = ("cited", "stamp", "sources", "name")
VOID = ("br", "hr", "img", "input", "link", "meta", "col", "wbr")


def _bare(text: str) -> str:
    """The text with its days, addresses and names blanked out."""
    return _NAMES.sub(lambda m: " " * len(m.group()), text)


class _Text(HTMLParser):
    """The text that a reader sees, without what is cited, a name, the stamp or the list of sources."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[bool] = []
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            return
        classes = (dict(attrs).get("class") or "").split()
        self.stack.append(tag in _SILENT or bool(set(classes) & set(_ALLOWED)))

    def handle_endtag(self, tag: str) -> None:
        if self.stack and tag not in VOID:
            self.stack.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.stack):
            self.parts.append(data)


def uncited(html: str) -> Iterator[str]:
    """Each numeral of the rendered text that no `Cited` printed, with what stands around it."""
    reader = _Text()
    reader.feed(html)
    text = " ".join(" ".join(reader.parts).split())
    for found in _NUMERAL.finditer(_bare(text)):
        yield text[max(found.start() - 30, 0) : found.end() + 30]
