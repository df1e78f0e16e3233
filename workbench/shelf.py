"""The reports that stand in a folder, and the page that lists them.

Nothing is remembered elsewhere: what the list tells of a report, it reads from the report's own page.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

from workbench.cite import VOID, Name, Prose, html, numerals
from workbench.records import Evidence, Scenario

INDEX = "index.html"
KEPT = {"span": ("class", "data-evidence", "title"), "code": ()}
"""Elements that a title or headline keeps, with their attributes: cited numbers, names and what is quoted."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a report's page tells of it; `title` and `headline` are safe HTML, each number with its citation."""

    path: Path
    scenario: str
    day: str
    status: str
    title: str
    headline: str


def marks(scenario: Scenario, status: str = "ok") -> str:
    """What a report's page says of itself to programs: elements for its head."""
    told = {"scenario": scenario.name, "day": scenario.as_of.isoformat(), "status": status}
    return "\n".join(f'<meta name="report-{k}" content="{escape(v, quote=True)}">' for k, v in told.items())


def css() -> str:
    """The one style of all pages."""
    return (files("workbench") / "page" / "page.css").read_text(encoding="utf-8")


def cards(folder: Path) -> list[Card]:
    """The reports that stand in a folder, the newest day first; a page that is no report of ours is none."""
    found = (_card(path) for path in sorted(folder.glob("*.html")) if path.name != INDEX)
    return sorted((card for card in found if card), key=lambda card: card.day, reverse=True)


def _card(path: Path) -> Card | None:
    reader = _Reader()
    # It may be gone meanwhile, or be no page at all: html.parser asserts that what it reads is well formed.
    with suppress(OSError, AssertionError), path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            reader.feed(line)
            if reader.texts["section"]:
                break  # what follows is long
    told = reader.told
    if "scenario" not in told:
        return None
    return Card(
        path=path, scenario=told["scenario"], day=told.get("day", ""), status=told.get("status", ""),
        title=reader.texts["h1"] or html(Name(told["scenario"])), headline=reader.texts["section"],
    )  # fmt: skip


class _Reader(HTMLParser):
    """A page's marks, its title and its headline, of which nothing is kept but text, cited numbers and names."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.told: dict[str, str] = {}
        self.texts = {"h1": "", "section": ""}
        self.inside = ""
        self.ends: list[str] = []
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "meta" and found.get("name", "").startswith("report-"):
            self.told.setdefault(found["name"].removeprefix("report-"), found.get("content", ""))
        elif tag == "wbr" and self.inside:
            self.parts.append("<wbr>")
        elif self.inside and tag not in VOID:
            shown = "".join(f' {k}="{escape(found[k], quote=True)}"' for k in KEPT.get(tag, ()) if k in found)
            self.parts.append(f"<{tag}{shown}>" if tag in KEPT else "")
            self.ends.append(f"</{tag}>" if tag in KEPT else "")
        elif self.texts.get(tag) == "" and (tag == "h1" or "headline" in found.get("class", "").split()):
            self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        if not self.inside or tag in VOID:
            return
        if self.ends:
            self.parts.append(self.ends.pop())
        else:
            self.texts[self.inside] = "".join(self.parts).strip()
            self.inside, self.parts = "", []

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.parts.append(escape(data))


# --- pages


_SHELL = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
{marks}
<title>{title}</title>
<style>
{css}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def failure(scenario: Scenario, why: str) -> str:
    """The page of a report that could not be made: what stopped it, in its own words."""
    place = scenario.places.get("title")
    title = scenario.title or scenario.name
    name = Prose((numerals(title, (place,) if place else (), Evidence.YOURS),), tag="h1")
    body = f'<section>{html(name)}</section>\n<section class="headline"><code>{escape(why)}</code></section>'
    return _SHELL.format(marks=marks(scenario, "error"), title=escape(title), css=css(), body=body)


def index(folder: Path) -> str:
    """The page that lists every report of a folder, those of earlier runs too; as free of requests as they are."""
    body = "\n".join(["<section><h1>Reports</h1></section>", *map(_entry, cards(folder))])
    return _SHELL.format(marks="", title="Reports", css=css(), body=body)


def _entry(card: Card) -> str:
    status = "made" if card.status == "ok" else "failed"
    facts = f"{html(Name(card.scenario))} · as of {html(Name(card.day))} · {status} · {' · '.join(_links(card.path))}"
    return f'<section><h2>{card.title}</h2><p>{card.headline}</p><p class="note">{facts}</p></section>'


def _links(page: Path) -> Iterator[str]:
    for path in (page, page.with_suffix(".ipynb")):
        if path.is_file():
            name = escape(path.name, quote=True)
            yield f'<a class="name" href="{name}">{name}</a>'
