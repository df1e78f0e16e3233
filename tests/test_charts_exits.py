"""Charts of leaving: what they add up to, what their titles say, and the map of what to do."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import workbench as wb
from tests.narrow import narrow
from workbench import charts
from workbench.charts.exits import VOLATILITIES, ratios
from workbench.decision.lockin.leaving import Leaving
from workbench.decision.lockin.timing import NOW, STAY, WAIT, regions, windows
from workbench.records import Lockin


@cache
def found(name: str) -> Leaving:
    return wb.lockin(replace(narrow(name), draws=256))


@pytest.mark.parametrize("name", ["tpu", "health"])
def test_the_bars_of_the_bill_lead_to_its_total(name):
    frame = charts.waterfall_frame(found(name))
    parts, total = frame.filter(~frame["total"]), frame.filter(frame["total"])
    assert total["end"].item() * 1000 == pytest.approx(found(name).parts["total"])
    assert parts["usd"].sum() == pytest.approx(total["usd"].item(), rel=0.02)  # slivers have no bar
    assert parts["end"].to_list()[-1] == pytest.approx(total["end"].item(), rel=0.02)


def test_options_are_shown_both_ways_and_the_title_says_from_which_chance_the_order_turns():
    heavy = wb.lockin(
        replace(wb.load("health"), draws=256, lockin=Lockin(jurisdiction="EU", services={"Azure ML": 30}))
    )
    frame = charts.both_frame(heavy)
    made = heavy.ranking
    assert len(set(frame["option"])) == len(frame) >= 2
    assert (frame["end"] > frame["cost"]).all()
    assert frame["cost"][0] * 1e6 == pytest.approx(made.without.outcome.mean)
    assert frame["end"].min() * 1e6 == pytest.approx(made.best.with_exit)
    assert f"likelier than {made.flip[0]:.0%}" in charts.finding(charts.both(heavy))
    assert "whether one leaves at the end or stays" in charts.finding(charts.both(found("tpu")))
    assert charts.svg(charts.both(heavy)).startswith("<svg")


def test_the_course_says_when_it_pays():
    assert "pays up to month" in charts.finding(charts.course(found("tpu")))
    assert "pays in no month" in charts.finding(charts.course(found("health")))


def test_the_map_agrees_with_the_advice_where_the_scenario_stands():
    leaving = found("tpu")
    ratio = leaving.mean("saving_pv")[0] / leaving.parts["total"]
    cell = regions(leaving, np.array([ratio]), np.array([leaving.worth.volatility]))
    assert cell.item() == leaving.worth.advice


def test_on_the_map_going_needs_a_larger_saving_where_prices_move_more():
    asked = ratios(found("tpu"))
    advice = regions(found("tpu"), asked, VOLATILITIES)
    assert set(np.unique(advice)) == {NOW, WAIT, STAY}
    now = [np.flatnonzero(advice[:, j] == NOW) for j in range(len(VOLATILITIES))]
    first = [int(rows[0]) if rows.size else len(asked) for rows in now]
    assert first[0] < first[-1]
    assert first == sorted(first)
    assert all((advice[f:, j] == NOW).all() for j, f in enumerate(first))


@pytest.mark.parametrize("name", ["tpu", "health", "chat"])
def test_the_bands_of_the_map_fill_it_and_hold_the_scenario(name):
    frame = charts.region_frame(found(name))
    here, bands = frame.filter(frame["here"]), frame.filter(~frame["here"])
    top = float(ratios(found(name))[-1])
    for _, column in bands.group_by("at"):
        assert column["advice"].to_list() == [STAY, WAIT, NOW]
        assert column["low"].to_list() == [0.0, *column["high"].to_list()[:-1]]
        assert column["high"][-1] == top
    assert 0 <= here["low"].item() <= top


def test_the_map_shows_no_saving_beyond_what_is_paid_today():
    """Of a rival who is free, and the bill is larger still: whoever asks is told so."""
    heavy = wb.lockin(
        replace(wb.load("health"), draws=256, lockin=Lockin(jurisdiction="EU", services={"Azure ML": 30}))
    )
    paid = float(windows(heavy).value[0, 0])
    assert ratios(heavy)[-1] * heavy.parts["total"] == pytest.approx(paid)
    assert paid < heavy.parts["total"]
    assert "were free" in charts.finding(charts.region(heavy))


@pytest.mark.parametrize("name", ["tpu", "health", "chat"])
def test_every_title_says_what_was_found(name):
    """A verb and a figure or a verdict, never the name of the axes."""
    for build in (charts.waterfall, charts.course, charts.region, charts.both):
        title = charts.finding(build(found(name)))
        assert re.search(r"\b(costs|pays|saving is|saves|were|is the cheapest|beats)\b", title), title
        assert "-0" not in title


def test_a_swapped_chart_is_the_chart_of_the_other_rows():
    one, other = (charts.course_frame(found("tpu")), charts.course_frame(found("health")))
    assert charts.finding(charts.swapped(charts.course(one).to_dict(), other)) == other["finding"][0]
