"""The list of reports: read from the reports themselves, whatever lies beside them, and safe whatever they hold."""

import html
import tempfile
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench import cite, shelf
from workbench.cite import Cited
from workbench.records import Evidence

LAW = settings(max_examples=60, deadline=None, derandomize=True)
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
MADE = Cited(1_412_640, "USD", ("prices/aws.csv:3",), Evidence.LISTED)


@pytest.fixture(scope="module")
def chat():
    return wb.load("chat")


def page(scenario, headline: str) -> str:
    """A report of a title and a headline."""
    head = f"<!DOCTYPE html><head>{shelf.marks(scenario)}<title>x</title></head>"
    return f'{head}\n<h1>{scenario.title}</h1>\n<section class="headline">\n{headline}\n</section>\n<p>the rest 123</p>'


class Elements(HTMLParser):
    """Every element of a page with the names of its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.add(" ".join((tag, *(name for name, _ in attrs))))


def elements(folder: Path) -> set[str]:
    return Elements(shelf.index(folder)).found


@LAW
@given(name=WORDS, title=WORDS, why=WORDS)
def test_any_words_come_back_as_they_went_in_and_add_no_element(chat, name, title, why):
    with tempfile.TemporaryDirectory() as made:
        folder, scenario = Path(made), replace(chat, name=name, title=title)
        plain = elements(folder)
        (folder / "a.failed.html").write_text(shelf.failure(scenario, why), encoding="utf-8")
        (card,) = shelf.cards(folder)
        assert (card.scenario, card.day, card.status) == (name, "2026-11-24", "error")
        assert html.unescape(card.headline.removeprefix("<code>").removesuffix("</code>")) == why
        assert list(cite.uncited(shelf.index(folder))) == []
        assert elements(folder) - plain <= {
            "h2", "p", "p class", "code", "span class", "span class data-evidence title", "a class href",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("headline", "kept"),
    [
        (f"<p>It costs {MADE._repr_html_()} a year.</p>", f"It costs {MADE._repr_html_()} a year."),
        ("<script>alert(1)</script><b onclick='x()'>bold</b>", "alert(1)bold"),
        ('<span class="name" onclick="x()" style="a">H100</span>', '<span class="name">H100</span>'),
        ("<img src=x onerror=alert(1)>a<br/>b<wbr>c</br>", "ab<wbr>c"),
        ("a &lt;b&gt; &amp;amp; &quot;c", "a &lt;b&gt; &amp;amp; &quot;c"),
        ('<span class="cited" title="&quot;&gt;&lt;script&gt;">1</span>',
         '<span class="cited" title="&quot;&gt;&lt;script&gt;">1</span>'),
    ],
)  # fmt: skip
def test_of_a_headline_text_citations_and_names_are_kept(tmp_path, chat, headline, kept):
    (tmp_path / "a.html").write_text(page(chat, headline), encoding="utf-8")
    assert [card.headline for card in shelf.cards(tmp_path)] == [kept]
    assert f"<p>{kept}</p>" in shelf.index(tmp_path)


def test_what_is_no_report_is_not_listed_and_does_no_harm(tmp_path, chat):
    (tmp_path / "a.html").write_text(page(chat, "all is well"), encoding="utf-8")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "index.html").write_text(page(chat, "an older index"), encoding="utf-8")
    (tmp_path / "other.html").write_text("<h1>A page</h1>", encoding="utf-8")
    (tmp_path / "torn.html").write_text("<![torn[", encoding="utf-8")
    (tmp_path / "bytes.html").write_bytes(b"\xff\xfe\x00<")
    assert [card.path.name for card in shelf.cards(tmp_path)] == ["a.html"]


def test_the_newest_day_comes_first_and_one_day_goes_by_name(tmp_path, chat):
    for name, day in (("a", 1), ("b", 9), ("c", 9)):
        text = page(replace(chat, as_of=date(2026, 11, day)), "well")
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
    assert [card.path.stem for card in shelf.cards(tmp_path)] == ["b", "c", "a"]


def test_a_folder_without_reports_has_an_index_without_entries(tmp_path):
    assert shelf.cards(tmp_path) == []
    assert "<h2>" not in shelf.index(tmp_path)
