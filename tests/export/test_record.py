"""A decision as a record: five parts on a page, every figure with its rows, and no text that is Markdown of its own."""

import json
import re
import shlex
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.export.test_formats import HOSTILE
from tests.narrow import narrow, narrowed
from workbench import cli, face
from workbench.export import record
from workbench.records import Infeasible

PARTS = ["Context", "Options", "Decision", "Consequences", "What would flip it"]
PAGE_WORDS = 900
MARKED = [
    "# heading", "- item", "1. one", "> quote", "| a | b |", "[x](http://y.z)", "![x](y)", "<script>x()</script>",
    "**b**", "`code`", "```", "[^1]: mine", "&lt;", "@everyone", "www.y.z", "---", "===", "$x^2$", "a\\",
]  # fmt: skip
READER = MarkdownIt("commonmark").enable("table")


@pytest.fixture(scope="module")
def made():
    scenario = face.changed(narrow("tpu"), draws=256)
    return face.decide(scenario), face.portfolio(scenario)


@pytest.fixture(scope="module")
def text(made):
    return record.record(*made)


def tokens(text):
    """Kind and content of each block and of each piece of a line."""
    found = READER.parse(text)
    return [(t.type, t.content) for t in found] + [(c.type, c.content) for t in found for c in t.children or ()]


def headings(text):
    found = READER.parse(text)
    return [(t.tag, found[i + 1].content) for i, t in enumerate(found) if t.type == "heading_open"]


def renamed(made, **texts):
    decision, found = made
    scenario = replace(decision.scenario, **texts)
    return replace(decision, study=replace(decision.study, scenario=scenario)), found


@pytest.fixture(scope="module")
def small():
    """A decision of few draws among three sellers: text is text whatever the figures are."""
    scenario = face.changed(narrow("tpu"), draws=32)
    scenario = replace(scenario, constraints=replace(scenario.constraints, providers=("AWS", "GCP", "Nebius")))
    return face.decide(scenario), face.portfolio(scenario)


@pytest.fixture(scope="module")
def plain(small):
    """The pieces of the record of a scenario whose every text is a letter."""
    return tokens(record.record(*renamed(small, name="a", title="a", summary="a")))


# --- what it says


def test_a_record_has_its_five_parts_and_fits_a_page(text):
    assert headings(text) == [("h1", "From GPU to TPU"), *(("h2", part) for part in PARTS)]
    assert len(text.partition("\n[^1]:")[0].split()) < PAGE_WORDS


def test_it_says_what_the_decision_and_the_plan_say(made, text):
    decision, found = made
    for part in ("GCP TPU, TPU-v6e, committed 36 months", "The runner-up is", "**Commit**: to 438", "**Find out**",
                 f"by {found.schedule[0]['order_by']}", "datasets " + decision.stamp["datasets"]):  # fmt: skip
        assert part in text
    assert text.count("\n| ") == 1 + record.MOST_OPTIONS


def test_every_sum_of_money_and_every_share_has_a_footnote(text):
    body = text.partition("\n[^1]:")[0]
    assert not re.findall(r"\d(?: million)? USD(?:/GPU-hour)?(?!\[\^|/)", body)
    assert not re.findall(r"\d%(?!\[\^)", body)


def test_every_footnote_is_defined_once_and_used(text):
    defined = re.findall(r"^\[\^(\d+)\]:", text, re.MULTILINE)
    used = re.findall(r"\[\^(\d+)\](?!:)", text)
    assert defined == [str(n) for n in range(1, len(defined) + 1)] == list(dict.fromkeys(used))


def test_a_footnote_leads_to_rows(made, text):
    decision, _ = made
    known = {*decision.study.facts.row_sources, *decision.scenario.places.values()}
    cited = set(re.findall(r"[\w/]+\.(?:csv|toml):\d+", text.partition("\n[^1]:")[2]))
    assert len(cited) > 10
    assert cited <= known


def test_where_no_plan_is_possible_the_record_says_why(made):
    told = record.record(made[0], Infeasible("scenario tpu", "no plan", "pay 5 USD more in month 0"))
    assert "No plan serves all of the work month by month: pay 5 USD more in month 0." in told
    assert [part for _, part in headings(told)][1:] == PARTS


# --- hostile text


def harmless(text, plain):
    """The same blocks in the same order, and no kind of piece that the record does not have itself."""
    found = tokens(text)
    assert [t for t, _ in found if t.endswith("_open")] == [t for t, _ in plain if t.endswith("_open")]
    assert {t for t, _ in found} <= {t for t, _ in plain} | {"entity", "text_special"}
    assert all(c.isprintable() for line in text.split("\n") for c in line)
    assert "@" not in text
    assert not re.search(r"://|www\.", text)
    defined = re.findall(r"^\[\^(\d+)\]:", text, re.MULTILINE)
    assert len(defined) == len(set(defined))


@pytest.mark.parametrize("hostile", [*HOSTILE, *MARKED], ids=ascii)
def test_hostile_text_stays_text(hostile, small, plain):
    harmless(record.record(*renamed(small, name=hostile, title=hostile, summary=hostile)), plain)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(title=st.text(min_size=1, max_size=200), summary=st.text(min_size=1, max_size=300))
def test_no_text_of_a_scenario_is_markdown(small, plain, title, summary):
    harmless(record.record(*renamed(small, title=title, summary=summary)), plain)


@given(st.text(max_size=60))
@settings(derandomize=True, deadline=None)
def test_a_command_stays_code(text):
    pieces = [t for t, _ in tokens("again: " + record._code(text or " ")) if t not in ("inline", "text")]
    assert pieces == ["paragraph_open", "paragraph_close", "code_inline"]


# --- the command


def test_the_command_in_the_record_makes_it_again(capsys, tmp_path):
    assert cli.main(["export", "record", narrowed("finetune", tmp_path)]) == 0
    text = capsys.readouterr().out
    command = re.search(r"again: `(workbench [^`]+)`", text).group(1)
    assert cli.main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out == text


def test_json_holds_the_text_the_decision_and_the_plan(capsys, tmp_path):
    assert cli.main(["export", "record", narrowed("finetune", tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == "record"
    assert found["text"].startswith("# ")
    assert found["decision"]["flips"]
    assert found["plan"]["cost"] > 0
    assert "manifest" not in found
