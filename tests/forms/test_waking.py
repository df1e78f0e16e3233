"""The form of a pool: theory while a slider moves, a simulation when it rests, charts that are built once."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import workbench as wb
from workbench.decision.coldstart import pool
from workbench.forms import parts, waking
from workbench.models.policies import Modal

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "02_cold_start.ipynb"


@pytest.fixture(scope="module")
def found():
    return wb.coldstart("assistant", only=Modal)


@pytest.fixture
def form(found):
    return waking.form(found)


def unchanged(spec):
    return {k: v for k, v in spec.items() if k not in ("data", "title")}


# --- without a browser


def test_the_form_starts_at_the_answer(form, found):
    assert form.seen.how == "simulation"
    assert form.seen.cost_usd == found.chosen.cost_usd
    assert form.setting == pool.setting(form.start)
    assert "98%" in form.verdict.value


def test_there_is_a_slider_for_everything_that_people_ask_for(form):
    assert set(form.sliders) == {"weights_gb", "storage", "keep_alive_s", "min_replicas", "limit_s"}
    for name in ("weights_gb", "storage"):
        assert "parameters.csv:" in form.sliders[name].tooltip
    for name, each in form.sliders.items():
        assert each.value == getattr(pool.setting(form.start), name)


@pytest.mark.parametrize(
    ("name", "value", "moves"),
    [("weights_gb", 131.4, {0, 1, 2}), ("storage", "gp3", {0, 1, 2}), ("keep_alive_s", 60.0, {0, 1}),
     ("min_replicas", 1, {0, 1}), ("limit_s", 60.0, {0, 1})],
)  # fmt: skip
def test_a_moved_slider_changes_sentence_and_charts_in_their_rows_alone(form, name, value, moves):
    before, said = form.pictures.specs, form.verdict.value
    form.sliders[name].value = value
    assert getattr(form.setting, name) == value
    assert form.verdict.value != said
    assert {
        i for i, (a, b) in enumerate(zip(before, form.pictures.specs, strict=True)) if a["data"] != b["data"]
    } == moves
    assert [unchanged(s) for s in form.pictures.specs] == [unchanged(s) for s in before]


def test_charts_are_built_once(form, monkeypatch):
    def built(_):
        raise AssertionError("a chart was built again")

    monkeypatch.setattr(waking, "PICTURES", (built,) * 3)
    form.sliders["keep_alive_s"].value = 60.0
    assert form.pool.keep_alive_s == 60


def test_a_tighter_objective_is_missed_by_the_same_pool(form):
    cost = form.seen.cost_usd
    form.sliders["limit_s"].value = 30.0
    assert form.seen.cost_usd == cost
    assert "is missed" in form.verdict.value


def test_what_else_there_is_stays_where_only_the_keep_alive_moves(form, monkeypatch):
    asked = []
    options = pool.options_simulated
    monkeypatch.setitem(waking.ANSWERS, "simulation", (pool.simulated, lambda *a: asked.append(1) or options(*a)))
    for name, value in (("keep_alive_s", 60.0), ("keep_alive_s", 600.0), ("limit_s", 60.0)):
        form.sliders[name].value = value
    assert len(asked) == 1


def test_back_leads_to_the_start(form):
    said = form.verdict.value
    form.sliders["keep_alive_s"].value, form.sliders["storage"].value = 60.0, "gp3"
    form._reset(None)
    assert form.verdict.value == said


def test_theory_while_it_moves_and_a_simulation_when_it_rests(found, monkeypatch):
    monkeypatch.setattr(parts, "REST", 0.05)
    ways = []

    async def drag():
        form = waking.form(found)
        for value in (60.0, 120.0):
            form.sliders["keep_alive_s"].value = value
            ways.append((form.seen.how, "by theory" in form.verdict.value))
        await asyncio.sleep(0.5)
        ways.append((form.seen.how, "by theory" in form.verdict.value))

    asyncio.run(drag())
    assert ways == [("theory", True), ("theory", True), ("simulation", False)]


def test_theory_says_where_it_flatters(found):
    start = pool.start(found)
    busy = replace(start, load=replace(start.load, replica=replace(start.load.replica, slots=1)))
    crowded = replace(busy, load=replace(busy.load, replica=replace(
        busy.load.replica, batching=replace(busy.load.replica.batching, step_s=2.0))))  # fmt: skip
    assert waking.prose_waking.basis(start, pool.by_theory(start)) == "by theory"
    assert "flatters" in waking.prose_waking.basis(crowded, pool.by_theory(start))


def test_without_a_kernel_the_finding_is_what_is_seen(form):
    assert "a month" in repr(form)
    assert len(repr(form)) < 110, "ipywidgets cuts what is longer"


def test_where_nobody_sells_by_use_the_form_says_so(found):
    reserved = tuple(replace(p, capacity=replace(p.capacity, kind="reserved")) for p in found.points)
    form = waking.form(replace(found, points=reserved))
    assert "by use" in form.verdict.value
    assert not form.sliders
    assert not form.pictures.specs


def test_a_setting_that_cannot_be_is_refused_in_words_and_left_again(form, monkeypatch):
    facts = dict(form.facts.parameters)
    monkeypatch.setattr(
        form, "facts", replace(form.facts, parameters={k: v for k, v in facts.items() if k[1] != "gp3"})
    )
    form.sliders["storage"].value = "gp3"
    assert "No answer as it stands" in form.verdict.value
    assert form.seen is None
    form.sliders["storage"].value = ""
    assert form.seen is not None
    assert form.pictures.specs
