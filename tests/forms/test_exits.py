"""The form of leaving: a scenario goes in, a scenario comes out, and the bill and the advice follow."""

from dataclasses import replace
from pathlib import Path

import pytest

import workbench as wb
from workbench import charts
from workbench.forms import exits
from workbench.records import Lockin

FEW = 64
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "03_lock_in.ipynb"


@pytest.fixture(scope="module")
def scenario():
    contract = Lockin(jurisdiction="EU", term_months=3, committed_per_month=50_000)
    return replace(wb.load("health"), draws=FEW, lockin=contract)


@pytest.fixture
def form(scenario):
    return exits.form(scenario)


def test_untouched_sliders_leave_the_scenario_as_it_was(form, scenario):
    assert form.scenario == scenario
    assert form.leaving.parts == wb.lockin(scenario).parts


def test_every_slider_names_the_rows_or_the_lines_that_it_stands_on(form):
    for dial in form.dials:
        assert dial.quantity.low < dial.quantity.high
        assert dial.tooltip
    assert {d.name for d in form.dials} == {
        "surface_growth_per_month", "term_months", "stored_tb", "offer_volatility", "price_correlation",
    }  # fmt: skip


def test_a_longer_contract_is_a_larger_bill(form):
    before = form.leaving.parts["breakage"]
    form.sliders["term_months"].value = 24
    assert form.scenario.lockin.term_months == 24
    assert form.leaving.parts["breakage"] == pytest.approx(8 * before)


def test_another_law_is_another_bill(form):
    before = form.leaving.parts["breakage"]
    form.law.value = "US"
    assert form.leaving.ties.jurisdiction == "US"
    assert form.leaving.parts["breakage"] > before
    assert "No law on record" in form.said.value


def test_growth_of_the_surface_and_data_move_the_course_of_the_bill(form):
    flat = form.leaving.mean("re_engineering")[-1]
    form.sliders["surface_growth_per_month"].value = 0.05
    assert form.leaving.mean("re_engineering")[-1] > flat
    before = form.leaving.parts["egress"]
    form.sliders["stored_tb"].value = 4000
    assert form.leaving.parts["egress"] > before


def test_volatility_and_correlation_move_the_diamond_of_the_map(form):
    form.sliders["offer_volatility"].value = 0.2
    wide = form.leaving.worth.volatility
    form.sliders["price_correlation"].value = 0.8
    assert form.leaving.worth.volatility < wide


def test_pictures_are_built_once_and_swapped(form):
    built = form.pictures._built[None]
    form.sliders["term_months"].value = 12
    assert form.pictures._built == {None: built}
    assert [charts.finding(s) for s in form.pictures.specs] == [
        frame(form.leaving)["finding"][0] for _, frame in exits.PICTURES
    ]


def test_a_scenario_with_nowhere_to_go_says_why(scenario):
    alone = replace(scenario, lockin=replace(scenario.lockin, rival="Modal"))
    form = exits.form(alone)
    assert form.leaving is None
    assert "no option of Modal is feasible" in form.said.value
    assert form.pictures.specs == []
