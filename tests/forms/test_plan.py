"""A plan shown and moved: charts say what the plan holds, and a slider gives the plan for what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import workbench as wb
from workbench import charts
from workbench.charts import plan as pictures
from workbench.decision.portfolio.commitments import moved
from workbench.decision.portfolio.purchase import planned
from workbench.decision.portfolio.solver import relaxed, repriced, solve
from workbench.forms import plan
from workbench.records import WorkbenchError

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04_commitments.ipynb"


@pytest.fixture(scope="module")
def scenario():
    """A service that grows and is large enough to commit for, at one seller."""
    chat = wb.load("chat")
    counted = ("tokens_in_per_month", "tokens_out_per_month", "requests_per_month")
    more = {name: 10 * getattr(chat.demand, name) for name in counted}
    limits = replace(chat.constraints, providers=("RunPod", "fal"))
    return replace(chat, demand=replace(chat.demand, **more), constraints=limits)


@pytest.fixture(scope="module")
def form(scenario):
    return plan.Planner(scenario)


@pytest.fixture(scope="module")
def found(scenario):
    return wb.portfolio(scenario)


def test_the_stack_is_what_runs_in_each_month(found):
    rows = pictures.stack_frame(found)
    top = rows.drop_nulls("to").group_by("month", maintain_order=True).agg(pl.col("to").max())
    assert top["to"].to_numpy() == pytest.approx(np.sum([months for _, months in found.used], axis=0))


def test_the_band_holds_the_plan_and_widens(found):
    rows = pictures.stack_frame(found).drop_nulls("low").sort("month")
    top = np.sum([months for _, months in found.used], axis=0)
    assert (rows["low"].to_numpy() <= top * (1 + 1e-9)).all()
    assert (rows["high"].to_numpy() >= top * (1 - 1e-9)).all()
    width = (rows["high"] - rows["low"]).to_numpy() / top
    assert width[0] == pytest.approx(0, abs=1e-9)
    assert width[-1] == max(width)


def test_the_calendar_has_every_order_that_must_be_placed_ahead(found):
    rows = pictures.calendar_frame(found)
    orders = [o for o in found.schedule if o["kind"] == "reserved"]
    assert len(rows) == min(len(orders), pictures.MOST)
    assert (rows["by"] <= rows["from"]).all()
    assert orders[0]["order_by"] in rows["finding"][0]


@pytest.mark.parametrize("build", [pictures.stack, pictures.calendar])
def test_a_chart_of_a_plan_has_its_finding_as_title_and_draws(found, build):
    chart = build(found)
    assert charts.finding(chart)
    assert charts.svg(chart).startswith("<svg")


def test_a_plan_without_commitments_says_so(scenario):
    free = wb.portfolio(replace(scenario, constraints=replace(scenario.constraints, providers=("fal",))))
    assert "Nothing is committed" in charts.finding(pictures.stack(free))
    assert "Nothing has to be ordered" in charts.finding(pictures.calendar(free))


def test_a_slider_gives_the_plan_for_what_it_says(form):
    cost = form.found.cost
    form.work.value = 2.0
    assert form.found.asked.demand.sum() == pytest.approx(2 * form.asked.demand.sum())
    assert cost < form.found.cost < 2 * cost * 1.05
    form.work.value = 1.0
    assert form.found.cost == pytest.approx(cost)
    assert repr(form) == charts.finding(form.pictures.specs[0])


def test_dearer_hours_commit_more(form):
    def committed(found):
        return sum(sum(months) for b, months in found.used if b.capacity.whole)

    low, high = (planned(moved(form.asked, price=factor)) for factor in (0.5, 2.0))
    assert committed(low) < committed(high)
    assert low.cost < high.cost


def test_while_a_slider_moves_the_plan_is_the_bound_of_the_whole_one(form):
    quick, whole = planned(moved(form.asked, work=1.3), relaxed), planned(moved(form.asked, work=1.3), solve)
    assert quick.cost <= whole.cost * (1 + 1e-9)
    assert quick.cost == pytest.approx(whole.plan.relaxed + form.asked.fixed)


def test_weights_that_choose_the_same_are_one_dot(found, monkeypatch):
    told = [{"name": f"weight {w:g}", "weight": w, "expected": e, "at_risk": 9.0 - e, "schedule": []}
            for w, e in ((0.0, 1.0), (1.0, 2.0), (2.0, 2.0))]  # fmt: skip
    monkeypatch.setattr(type(found), "risks", lambda self: told)
    assert pictures.frontier_frame(found)["way"].to_list() == ["risk weighs 0", "risk weighs 1 to 2"]


def test_what_is_large_in_the_last_month_has_its_name_beside_it(found):
    drawn = charts.svg(pictures.stack(found))
    last = {pictures.label(b): months[-1] for b, months in found.used}
    total = sum(last.values())
    for name, there in last.items():
        if there > 2 * pictures.THIN * total:
            assert name in drawn


def test_a_price_move_goes_on_from_the_last_plan_and_costs_what_a_search_from_cold_finds(scenario, monkeypatch):
    asked = []
    monkeypatch.setattr(plan, "repriced", lambda *a: asked.append("warm") or repriced(*a))
    monkeypatch.setattr(plan, "solve", lambda *a, **k: asked.append("cold") or solve(*a, **k))
    made = plan.Planner(scenario)
    assert "warm" not in asked
    asked.clear()
    made.price.value = 2 ** (1 / 8)
    assert "warm" in asked
    cold = planned(moved(made.asked, 1.0, made.price.value), solve)
    assert made.found.cost == pytest.approx(cold.cost, rel=2e-3)
    assert max(made.found.gap, cold.gap) <= 1e-3 * (1 + 1e-9)
    asked.clear()
    made.work.value = 2 ** (1 / 8)
    assert "cold" in asked, "other work is another plan"


def test_why_there_is_no_plan_is_text_and_no_mark_up(scenario, monkeypatch):
    def refuse(*_, **__):
        raise WorkbenchError("<b>here</b>", "<script>", "<i>way</i>")

    made = plan.Planner(scenario)
    monkeypatch.setattr(plan, "planned", refuse)
    made.show(solve)
    assert "<script>" not in made.verdict.value
    assert "&lt;script&gt;" in made.verdict.value
