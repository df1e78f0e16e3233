"""The form: a scenario goes in, a scenario comes out, and what is shown follows."""

import asyncio
import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

import workbench as wb
from workbench.forms import choice, parts
from workbench.forms.dials import dials
from workbench.records import Range

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_hyperscaler_or_neocloud.ipynb"
SHIPPED = sorted(p.stem for p in (ROOT / "datasets" / "scenarios").glob("*.toml"))
FEW = 64
HOSTILE = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"&../"


@pytest.fixture(scope="module")
def chat():
    """The chat service among the sellers of one accelerator: a form shows few of all options anyway."""
    scenario = wb.load("chat")
    limits = replace(scenario.constraints, accelerators=("H100-SXM",))
    return replace(scenario, draws=FEW, constraints=limits)


@pytest.fixture
def form(chat):
    return choice.form(chat)


def turned(name):
    """The dials of a shipped scenario."""
    scenario = wb.load(name)
    return dials(wb.facts(scenario.as_of), scenario)


# --- the dials


def test_a_dial_has_the_range_unit_and_evidence_of_its_rows():
    utilisation = next(d.quantity for d in turned("chat") if d.name == "utilisation")
    lines = list(csv.reader((ROOT / "datasets" / "assumptions.csv").open(encoding="utf-8")))
    rows = [dict(zip(lines[0], lines[int(r.rpartition(":")[2]) - 1], strict=True)) for r in utilisation.rows]
    assert {r["name"] for r in rows} == {"utilisation", "utilisation_poor", "utilisation_good"}
    assert (utilisation.low, utilisation.high) == (
        min(float(r["low"]) for r in rows),
        max(float(r["high"]) for r in rows),
    )
    assert {r["unit"] for r in rows} == {utilisation.unit}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_dial_names_the_rows_that_it_stands_on(name):
    assert [d.name for d in turned(name) if not d.quantity.rows or d.quantity.rows[0] not in d.tooltip] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_workload_has_the_dials_that_people_ask_for(name):
    asked = {"utilisation", "demand", "months", "egress_tb_per_month", "price_drift", "committed_share"}
    assert asked <= {d.name for d in turned(name)}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_slider_starts_on_one_of_its_steps(name):
    """A page moves a value that lies between two steps, and the form would take that for the user's move."""
    for dial in turned(name):
        made = parts.slider(dial)
        start = parts.log2(made.value) if dial.quantity.unit == "x" else made.value
        steps = (start - made.min) / made.step
        assert steps == pytest.approx(round(steps), abs=1e-6), dial.name
        assert made.min <= start <= made.max


@pytest.mark.parametrize("name", SHIPPED)
def test_every_end_of_a_dial_makes_a_scenario_that_passes_the_door(name):
    scenario = wb.load(name)
    facts = wb.facts(scenario.as_of)
    for dial in dials(facts, scenario):
        for end in (dial.quantity.low, dial.quantity.high):
            choice._check(dial.write(scenario, end), facts)


def test_more_demand_scales_all_of_the_work_and_keeps_its_doubt(chat):
    demand = next(d for d in turned("chat") if d.name == "demand")
    stated = replace(chat, demand=replace(chat.demand, requests_per_month=Range(value=10, low=5, high=20)))
    twice = demand.write(stated, 2.0).demand
    assert twice.tokens_in_per_month == 2 * chat.demand.tokens_in_per_month
    assert twice.tokens_out_per_month == 2 * chat.demand.tokens_out_per_month
    assert twice.requests_per_month == Range(value=20, low=10, high=40)


def test_accelerators_stay_whole():
    demand = next(d for d in turned("training") if d.name == "demand")
    assert demand.write(wb.load("training"), 1.001).demand.gpus == 513


# --- the form without a browser


def test_what_nobody_moved_is_the_scenario_that_went_in(form, chat):
    assert form.scenario == chat
    assert form.decision.answer.mean == wb.decide(chat).answer.mean


def test_a_moved_slider_changes_scenario_verdict_and_charts(form, chat):
    specs, verdict = form.pictures.specs, form.verdict.value
    form.sliders["utilisation"].value = 0.8
    assert form.scenario == replace(chat, assumptions={"utilisation": 0.8})
    assert form.decision.answer.mean == wb.decide(form.scenario).answer.mean
    assert form.verdict.value != verdict
    for before, after in zip(specs, form.pictures.specs, strict=True):
        assert before["data"] != after["data"]
        assert {k: v for k, v in before.items() if k not in ("data", "title")} == {
            k: v for k, v in after.items() if k not in ("data", "title")
        }


def test_charts_are_built_once_for_a_horizon(form, monkeypatch):
    def built(_):
        raise AssertionError("a chart was built again")

    monkeypatch.setattr(choice, "PICTURES", [(built, frame) for _, frame in choice.PICTURES])
    form.sliders["utilisation"].value = 0.8
    assert form.scenario.assumptions == {"utilisation": 0.8}
    with pytest.raises(AssertionError, match="built again"):  # another horizon has another axis
        form.sliders["months"].value = 24


def test_the_monthly_chart_ends_with_the_horizon(form):
    form.sliders["months"].value = 24
    assert form.scenario.months == 24
    assert max(row["month"] for row in form.pictures.specs[1]["data"]["values"]) == 24
    assert '"domain": [1, 24]' in json.dumps(form.pictures.specs[1])


def test_what_a_slider_wrote_cites_no_line_of_the_file(form):
    assert "data.egress_tb_per_month" in form.scenario.places
    form.sliders["egress_tb_per_month"].value = 50.0
    assert form.scenario.data.egress_tb_per_month == 50.0
    assert "data.egress_tb_per_month" not in form.scenario.places


def test_back_leads_to_the_scenario(form, chat):
    verdict = form.verdict.value
    form.sliders["utilisation"].value, form.sliders["months"].value = 0.8, 6
    form._reset(None)
    assert form.scenario == chat
    assert form.verdict.value == verdict


def test_few_draws_while_it_moves_and_all_when_it_rests(chat, monkeypatch):
    monkeypatch.setattr(choice, "FEW", FEW // 2)
    monkeypatch.setattr(parts, "REST", 0.05)
    sizes = []

    async def drag():
        form = choice.form(chat)
        for value in (0.5, 0.6):
            form.sliders["utilisation"].value = value
            sizes.append(form.decision.study.draws.size)
        await asyncio.sleep(0.5)
        sizes.append(form.decision.study.draws.size)

    asyncio.run(drag())
    assert sizes == [FEW // 2, FEW // 2, FEW]


def test_without_a_kernel_the_finding_is_what_is_seen(form):
    assert "cheaper in" in repr(form)
    assert len(repr(form)) < 110, "ipywidgets cuts what is longer"


def test_a_hostile_title_is_text(chat):
    shown = choice.form(replace(chat, title=HOSTILE, name=HOSTILE)).verdict.value
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize(
    "wrong",
    [{"months": 0}, {"months": 61}, {"assumptions": {"utilisation": float("nan")}}, {"assumptions": {HOSTILE: 1.0}}],
)
def test_a_scenario_out_of_range_is_refused_in_words(chat, wrong):
    form = choice.form(replace(chat, **wrong))
    assert "No answer as it stands" in form.verdict.value
    assert "<script" not in form.verdict.value
    assert form.decision is None
    assert not form.pictures.specs


def test_a_scenario_that_nothing_satisfies_says_which_constraint_binds(chat):
    form = choice.form(replace(chat, constraints=replace(chat.constraints, min_gpu_memory_gb=1e6)))
    assert "memory" in form.verdict.value
    form.sliders["months"].value = 6
    assert "memory" in form.verdict.value


def test_a_day_before_the_first_row_is_refused_in_words(chat):
    form = choice.form(replace(chat, as_of=chat.as_of.replace(year=1990)))
    assert "ask for a day from" in form.verdict.value
