"""Numbers that know their rows, and the finder of those that do not."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import cite, store
from workbench.cite import Cited, Name, counted, plain, say, uncited
from workbench.records import Evidence, Quantity

DATASETS = Path(__file__).parents[1] / "datasets"
ROWS = ("assumptions.csv:2", "prices/aws.csv:3", "services.csv:4", "services.csv:5")
COST = Cited(1_412_640.4, "USD", ROWS[:2], Evidence.LISTED)
LAW = settings(max_examples=200, deadline=None, derandomize=True)


def test_a_citation_names_three_rows_and_how_many_more():
    many = Cited(1, "USD", ROWS, Evidence.LISTED)
    assert many.citation == "assumptions.csv:2, prices/aws.csv:3, services.csv:4 and 1 more"


@pytest.mark.parametrize(
    ("value", "unit", "digits", "text"),
    [(0.254, "share", 0, "25%"), (1234.5, "USD", 0, "1,234 USD"), (-1234.5, "USD", 2, "−1,234.50 USD"),
     (6.88, "", 1, "6.9"), (-3, "USD/GPU-hour", 0, "−3 USD/GPU-hour")],
)  # fmt: skip
def test_numbers_are_written_for_people(value, unit, digits, text):
    assert cite.money(value, unit, digits) == text


def test_braces_in_a_value_are_no_placeholder():
    assert str(say("At {where}", where=Name("{cost} & <b>"))) == "At {cost} & <b>"
    assert say("At {where}", where=Name("{cost} & <b>")).html == 'At <span class="name">{cost} &amp; &lt;b&gt;</span>'


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.153, "share", "15%"),
        (0.0312, "share", "3.1%"),
        (-0.00186, "share/month", "−0.19%/month"),
        (1.4534, "USD", "1.45 USD"),
        (14_234_567, "token", "14,200,000 token"),
        (0, "USD", "0 USD"),
        (0.00040797, "USD", "0.000408 USD"),
        (-999.7, "USD", "−1,000 USD"),
    ],
)
def test_a_number_has_no_more_digits_than_an_estimate_deserves(value, unit, text):
    assert plain(value, unit) == text


def test_what_is_shown_is_escaped():
    hostile = Cited(1, "<b>", ('"><script>',), Evidence.YOURS, text="<script>alert(1)</script>")
    for shown in (
        hostile._repr_html_(),
        Name("<script>")._repr_html_(),
        say("<script> {x}", x="<script>")._repr_html_(),
    ):
        assert "<script>" not in shown


# --- the finder


@pytest.mark.parametrize("numeral", ["123", "1,412,640", "3.5", "25%", "-7", "−7", "+4", "0", "1.5%"])
def test_a_planted_number_is_caught(numeral):
    (found,) = uncited(f"<p>It costs {numeral} a month.</p>")
    assert numeral in found
    assert "It costs" in found


@pytest.mark.parametrize(
    "text",
    ["H100", "P10 and P90", "p5.48xlarge", "a 70B model", "on 2026-11-24", "in 2026-11", "prices/aws.csv:12",
     "see assumptions.csv:2", "no number at all", "TPU v6e"],
)  # fmt: skip
def test_names_days_and_addresses_are_no_quantities(text):
    assert list(uncited(f"<p>{text}</p>")) == []


@pytest.mark.parametrize(
    "text",
    ["15k", "12k USD", "1e9", "7x", "½", "12GB", "10s", "30days", "100ms", "USD12", "-3.5%", "2nd", "10²", "$12"],
)
def test_a_number_with_a_unit_grown_to_it_is_caught(text):
    assert len(list(uncited(f"<p>a {text} b</p>"))) == 1
    words = cite.numerals(f"a {text} b", ("assumptions.csv:2",), Evidence.REPORTED)
    assert (list(uncited(words._repr_html_())), str(words)) == ([], f"a {text} b")


def test_a_cited_number_is_not_caught_and_its_neighbour_is():
    page = f"<p>{COST._repr_html_()} instead of 99 USD.</p>"
    assert len(list(uncited(page))) == 1


@pytest.mark.parametrize("css", ["cited", "stamp", "sources", "name"])
def test_what_is_marked_is_left_alone_with_all_that_is_in_it(css):
    assert list(uncited(f'<div class="{css}">1 <b>2</b> <br> 3</div>')) == []
    assert len(list(uncited(f'<div class="{css}">1</div><p>2</p>'))) == 1


@pytest.mark.parametrize("tag", ["style", "script", "svg", "title"])
def test_what_nobody_reads_is_left_alone(tag):
    assert list(uncited(f"<{tag}>12 px</{tag}><p>none</p>")) == []


def test_a_number_split_by_markup_is_caught():
    assert list(uncited("<p><b>12</b>34 a month</p>"))
    assert list(uncited("<p>&#49;&#50;</p>"))


@LAW
@given(value=st.floats(-1e9, 1e9), unit=st.sampled_from(["USD", "share", "x", "USD/GPU-hour", "hour"]))
def test_a_sentence_of_cited_numbers_is_clean_and_its_plain_text_is_not(value, unit):
    number = cite.of(Quantity(name="n", value=value, unit=unit, rows=("assumptions.csv:2",)))
    sentence = say("It is {number} in all.", number=number)
    assert list(uncited(sentence._repr_html_())) == []
    assert list(uncited(f"<p>{sentence}</p>"))


@LAW
@given(text=st.text(max_size=60))
def test_words_of_a_row_are_cited_to_the_last_numeral(text):
    assert list(uncited(cite.numerals(text, ("assumptions.csv:2",), Evidence.REPORTED)._repr_html_())) == []
    assert str(cite.numerals(text, (), Evidence.REPORTED)) == text


# --- the list of sources


def test_every_row_has_a_source_with_a_day_and_an_address():
    facts = store.load(date(2026, 11, 24), DATASETS)
    rows = [p.usd_per_gpu_hour.rows[0] for p in facts.prices] + [s.quantity.rows[0] for s in facts.assumptions]
    found = cite.sources(rows, facts)
    assert {row for *_, cited in found for row in cited} == set(rows)
    for title, day, address, cited in found:
        assert title
        assert day
        assert address
        assert cited


def test_a_row_of_the_users_own_file_needs_no_source():
    assert cite.sources(["mine.toml:3"], store.load(date(2026, 11, 24), DATASETS)) == []


def test_one_is_told_in_the_singular():
    told = {count: str(counted(Cited(count, "", (), Evidence.YOURS), "month")) for count in (0, 1, 2, 1000)}
    assert told == {0: "0 months", 1: "1 month", 2: "2 months", 1000: "1,000 months"}
