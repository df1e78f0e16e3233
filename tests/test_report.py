"""Reports: every numeral is cited, nothing is fetched, nothing is half-written, and no name does harm."""

import ast
import html
import json
import re
import shlex
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

import workbench as wb
from tests.narrow import text_of
from workbench import cite, cli, report, shelf
from workbench.cite import numerals
from workbench.records import Evidence, WorkbenchError

HOSTILE = "<script>alert(1)</script> ../../x \"quoted' ambulance 🚑"
CHAT = text_of("chat")


def small(folder: Path, file: str, **strings: str) -> Path:
    """The chat scenario with few draws of few options, and with other strings under its own keys."""
    text = re.sub(r"(?m)^draws = .*$", "draws = 256", CHAT)
    for key, value in strings.items():
        text = re.sub(
            rf"(?m)^{key} = .*$", lambda _, k=key, v=value: f"{k} = {json.dumps(v, ensure_ascii=False)}", text
        )
    path = folder / file
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One run over a plain scenario and one whose name, title and file are hostile: (result, folder, pages)."""
    folder = tmp_path_factory.mktemp("report")
    paths = [
        small(folder, "plain.toml"),
        small(
            folder,
            'it\'s "odd" {x} 🚑.toml',
            name=HOSTILE,
            title=f"{HOSTILE} 4711",
            summary=f"{{braces}} {HOSTILE} & 99",
        ),
    ]
    result = report.batch(paths, folder / "out", quiet=True)
    assert [r["status"] for r in result["reports"]] == ["ok", "ok"], result
    return result, folder / "out", [Path(r["files"][0]).read_text(encoding="utf-8") for r in result["reports"]]


def tiny(folder: Path, *sources: str) -> Path:
    """A template of a few cells, the first of which holds the parameter."""
    cells = [nbformat.v4.new_code_cell(s) for s in ('scenario: str = "chat"  # a scenario', *sources)]
    cells[0].metadata["tags"] = ["parameters"]
    cells[1].metadata["tags"] = ["headline"]
    kernel = {"name": "python3", "language": "python", "display_name": "Python"}
    path = folder / "tiny.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


SHOW = "from IPython.display import HTML\nHTML({})"


# --- every numeral is cited


def test_a_planted_numeral_is_found_in_text():
    assert list(cite.uncited("<p>The planted 123 stands here.</p>")) == ["The planted 123 stands here."]
    assert not list(cite.uncited('<p>H100, P10, 2026-11-24, <span class="cited">123</span></p>'))


def test_a_planted_numeral_is_found_in_a_rendered_report(made):
    _, folder, (page, _) = made
    assert not list(cite.uncited(page))
    notebook = nbformat.read(folder / "chat.ipynb", as_version=4)
    notebook.cells.insert(5, nbformat.v4.new_markdown_cell("We looked at 123 offers."))
    assert any("123" in found for found in cite.uncited(report.render(notebook, wb.load("chat"))))


def test_an_uncited_numeral_fails_the_build(tmp_path, monkeypatch, capsys):
    template = tiny(tmp_path, SHOW.format("'<p>There are 123 offers.</p>'"))
    monkeypatch.setattr(report, "template", lambda: template)
    status = cli.main(["report", str(small(tmp_path, "a.toml")), "--out", str(tmp_path / "out"), "--json"])
    result = json.loads(capsys.readouterr().out)
    assert status == 1
    assert result["reports"][0]["status"] == "error"
    assert "123" in result["reports"][0]["headline"]
    assert not (tmp_path / "out" / "chat.html").exists()


class Spans(HTMLParser):
    """The titles of what is cited."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if found.get("class") == "cited":
            self.titles.append(found["title"])


def test_every_cited_row_has_its_source_on_the_page(made):
    _, _, (page, _) = made
    facts = wb.facts(wb.load("chat").as_of)
    titles = Spans(page).titles
    assert len(titles) > 50
    rows = {r for t in titles for r in re.findall(r"[\w./-]+\.csv:\d+", t)}
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for row in rows:
        source = facts.sources[facts.row_sources[row][0]]
        assert source.title in text.replace("&amp;", "&"), f"{row} comes from {source.title}"
        assert source.as_of in text


def test_a_datasets_words_keep_their_numerals_and_cite_them():
    text = numerals("160 GB of <b>model</b> needs 4 of L40S", ("prices/aws.csv:5",), Evidence.LISTED)
    assert str(text) == "160 GB of <b>model</b> needs 4 of L40S"
    assert not list(cite.uncited(text._repr_html_()))
    assert "<b>" not in text.html
    assert text.html.count("prices/aws.csv:5") == 2


# --- names do no harm


def test_a_hostile_name_is_shown_escaped(made):
    _, _, pages = made
    index = (made[1] / "index.html").read_text(encoding="utf-8")
    for page in (pages[1], index):
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_hostile_name_stays_inside_the_folder(made):
    result, folder, _ = made
    files = [Path(f) for r in result["reports"] for f in r["files"]] + [Path(result["index"])]
    assert {f.parent for f in files} == {folder}
    assert sorted(p.name for p in folder.iterdir()) == sorted(f.name for f in files)


def test_a_hostile_name_is_in_no_code(made):
    """The notebook is told the file's path as a parameter; its code is the template's, word for word."""
    _, folder, _ = made
    template = nbformat.read(report.template(), as_version=4)
    ours = [c.source for c in template.cells if c.cell_type == "code"]
    for path in folder.glob("*.ipynb"):
        done = nbformat.read(path, as_version=4)
        injected = [c.source for c in done.cells if "injected-parameters" in c.metadata.get("tags", [])]
        rest = [
            c.source
            for c in done.cells
            if c.cell_type == "code" and "injected-parameters" not in c.metadata.get("tags", [])
        ]
        assert rest == ours
        assert len(injected) == 1
        assert re.fullmatch(r"# Parameters\nscenario = \"(?:[^\"\\]|\\.)*\"\n?", injected[0])


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("chat", "chat"),
        ("../../etc/passwd", "etc-passwd"),
        ("🚑", "scenario"),
        ("", "scenario"),
        ("Ünïcode ø", "unicode"),
        ("a" * 300, "a" * report.LONGEST),
        ("con/..\\x\0", "con-x"),
        ("<script>", "script"),
    ],
)
def test_a_file_is_named_by_letters_digits_and_hyphens(name, file):
    assert report.slug(name) == file


def test_two_scenarios_never_share_a_file():
    assert report.unique(["a", "a", "index", "a-2", "a"]) == ["a", "a-2", "index-2", "a-2-2", "a-3"]


# --- nothing is fetched


class Fetching(HTMLParser):
    """What would make a browser ask somebody: elements that load, and addresses in attributes that load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "link", "iframe", "object", "embed", "base", "form", "img", "audio", "video", "image"):
            self.found.append((tag, str(attrs)))
        for name, value in attrs:
            if name in ("src", "srcset", "data", "background", "action", "xlink:href") or name.startswith("on"):
                self.found.append((name, value or ""))
            if name == "href" and (tag != "a" or "/" in (value or "")):
                self.found.append((name, value or ""))


def test_a_report_fetches_nothing_and_runs_nothing(made):
    _, folder, pages = made
    for page in (*pages, (folder / "index.html").read_text(encoding="utf-8")):
        assert Fetching(page).found == []
        assert not re.search(r"@import|url\((?!#)", page)
        assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page


# --- the index


def listed(folder: Path) -> list[str]:
    """The files that the index leads to."""
    return re.findall(r'href="([^"]+)"', (folder / "index.html").read_text(encoding="utf-8"))


def test_the_index_names_every_report(made):
    result, folder, _ = made
    assert listed(folder) == [Path(f).name for r in result["reports"] for f in r["files"]]


def test_a_headline_on_the_index_has_the_citations_of_its_report(made):
    """Word for word the spans of the verdict, and a numeral without one would be found."""
    _, folder, pages = made
    index = (folder / "index.html").read_text(encoding="utf-8")
    for page in pages:
        verdict = re.search(r'<p class="verdict">(.*?)</p>', page)[1]
        assert verdict.count('class="cited"') > 3
        assert html.unescape(f"<p>{verdict}</p>") in html.unescape(index)
    assert list(cite.uncited(index)) == []
    assert list(cite.uncited(index.replace('class="cited"', 'class="other"')))


def test_the_index_lists_what_earlier_runs_left_and_forgets_a_failure_that_is_mended(made, tmp_path, monkeypatch):
    template, out = tiny(tmp_path, "'all is well'"), tmp_path / "out"
    monkeypatch.setattr(report, "template", lambda: template)
    shutil.copytree(made[1], out)
    before = listed(out)
    path = small(tmp_path, "third.toml", name="third")
    (out / "third.failed.html").write_text(shelf.failure(wb.load(path), "no 4711"), encoding="utf-8")
    assert "<code>no 4711</code>" in shelf.index(out)
    report.batch([path], out, quiet=True)
    assert listed(out) == [*before, "third.html", "third.ipynb"]
    index = (out / "index.html").read_text(encoding="utf-8")
    assert "4711</code>" not in index
    assert '<span class="name">third</span> · as of <span class="name">2026-11-24</span> · made' in index


# --- what made it


def test_a_report_says_what_made_it(made):
    _, _, (page, other) = made
    facts = wb.facts(wb.load("chat").as_of)
    assert wb.__version__ in page
    assert facts.digest in page
    assert re.search(r"<code>workbench report .*plain.toml</code>", page)
    again = html.unescape(re.search(r"<code>(workbench report .*)</code>", other)[1])
    assert shlex.split(again)[2].endswith('it\'s "odd" {x} 🚑.toml')


# --- what is read, written and kept


def test_a_scenario_that_does_not_load_leaves_nothing_written(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("name = 'bad'\nmonths = 0\n", encoding="utf-8")
    with pytest.raises(WorkbenchError):
        report.batch([small(tmp_path, "good.toml"), bad], tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_bad_input_is_exit_status_2(tmp_path, capsys):
    assert cli.main(["report", "no-such-scenario", "--out", str(tmp_path / "out"), "--json"]) == 2
    assert set(json.loads(capsys.readouterr().out)["error"]) >= {"where", "what", "remedy"}
    assert not (tmp_path / "out").exists()


def test_a_failed_report_keeps_its_notebook_and_spares_the_others(tmp_path, monkeypatch, capsys):
    template = tiny(tmp_path, "'all is well'", "assert 'bad' not in scenario, 'this one is bad'")
    monkeypatch.setattr(report, "template", lambda: template)
    paths = [small(tmp_path, "bad.toml", name="first"), small(tmp_path, "good.toml", name="second")]
    result = report.batch(paths, tmp_path / "out")
    assert [r["status"] for r in result["reports"]] == ["error", "ok"]
    assert set(result["reports"][0]) == {"scenario", "status", "files", "seconds", "headline"}
    assert result["reports"][0]["headline"] == "this one is bad"
    assert result["reports"][1]["headline"] == "'all is well'"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "first.failed.html",
        "first.failed.ipynb",
        "index.html",
        "second.html",
        "second.ipynb",
    ]
    assert listed(tmp_path / "out") == [Path(f).name for r in result["reports"] for f in r["files"]]
    kept = (tmp_path / "out" / "first.failed.ipynb").read_text(encoding="utf-8")
    assert "papermill-error-cell" in kept
    said = capsys.readouterr()
    assert said.out == f"'all is well'\n{tmp_path / 'out' / 'second.html'}\n"
    assert "of 2, about" in said.err


def test_another_kernel_of_the_same_name_does_not_interfere(tmp_path, monkeypatch):
    """Nor a module beside the user: the kernel is this very Python, with nothing from the current folder."""
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    (tmp_path / "polars.py").write_text("raise SystemExit('the wrong polars')")
    monkeypatch.chdir(tmp_path)
    notebook = tiny(tmp_path, "import sys, polars\nsys.executable")
    done = report.execute(notebook, tmp_path / "done.ipynb", {"scenario": "x"})
    assert Path(ast.literal_eval(report._headline(done))) == Path(sys.executable)


def test_an_unknown_parameter_is_refused(tmp_path):
    with pytest.raises(WorkbenchError, match="no parameter 'scenarios'"):
        report.execute(tiny(tmp_path, "1"), tmp_path / "done.ipynb", {"scenarios": "x"})


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match="cannot be made"):
        report.batch([small(tmp_path, "a.toml")], tmp_path / "file" / "out", quiet=True)


# --- what leaving would take


def test_a_report_tells_what_leaving_would_take(made):
    _, _, (page, _) = made
    assert "What leaving would take" in page
    assert "Nothing runs yet, so" in page


def test_a_report_without_anywhere_to_go_says_so(tmp_path):
    path = small(tmp_path, "alone.toml")
    path.write_text(path.read_text(encoding="utf-8").replace("[constraints]", '[constraints]\nproviders = ["Lambda"]'),
                    encoding="utf-8")  # fmt: skip
    result = report.batch([path], tmp_path / "out", quiet=True)["reports"][0]
    assert result["status"] == "ok"
    assert "No bill can be told" in Path(result["files"][0]).read_text(encoding="utf-8")


# --- in a browser


@pytest.mark.browser
def test_a_report_opens_offline_and_prints_on_two_sheets(made, browser):
    result, _, _ = made
    path = Path(result["reports"][0]["files"][0])
    said: list[str] = []
    browser.page.on("console", lambda message: said.append(message.text))
    browser.page.on("pageerror", lambda error: said.append(str(error)))
    browser.page.goto(path.as_uri())
    assert browser.page.locator(".verdict").inner_text() == result["reports"][0]["headline"]
    assert browser.page.locator("svg").count() == 5
    assert set(browser.requests) == {path.as_uri()}
    assert said == []
    pdf = browser.page.pdf(prefer_css_page_size=True)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 2


FAINT = """() => {
    const shade = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number)
        .map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const page = shade(getComputedStyle(document.documentElement).backgroundColor);
    const faint = [];
    for (const e of document.querySelectorAll('main *')) {
        if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
        if (e.tagName === 'STYLE' || !e.getClientRects().length) continue;
        const style = getComputedStyle(e), own = shade(e.closest('svg') ? style.fill : style.color);
        const ratio = (Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05);
        if (ratio < 3) faint.push([e.textContent.trim().slice(0, 40), ratio]);
    }
    return faint;
}"""


@pytest.mark.browser
def test_every_word_is_legible_by_day_and_by_night(made, browser):
    for scheme in ("light", "dark"):
        browser.page.emulate_media(color_scheme=scheme)
        browser.page.goto(Path(made[0]["reports"][1]["files"][0]).as_uri())
        assert browser.page.evaluate(FAINT) == [], scheme


@pytest.mark.browser
def test_a_hostile_title_runs_nothing(made, browser):
    browser.page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    for path in (made[0]["reports"][1]["files"][0], made[0]["index"]):
        browser.page.goto(Path(path).as_uri())
        assert HOSTILE in browser.page.locator("main").inner_text()
