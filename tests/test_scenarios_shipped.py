"""The shipped scenarios: each decides on the shipped datasets, and a mechanism of its own changes its answer."""

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import workbench as wb
from tests.narrow import narrow
from workbench import scenario as scenarios
from workbench import store
from workbench.decision import answer
from workbench.decision.answer import Decision
from workbench.decision.coldstart.frontier import Point
from workbench.decision.contrast import HYPERSCALER, NEOCLOUD, side
from workbench.decision.outcome import Outcome
from workbench.models.policies import Fixed, Modal, Policy
from workbench.records import Basis, Facts, Quantity, Scenario

DRAWS = 512
DATASETS = store.folder()
NAMES = scenarios.shipped(DATASETS)
TABLES = ("demand", "data", "constraints", "incumbent", "terms")
SIDES = {name: {HYPERSCALER, NEOCLOUD} for name in NAMES} | {"health": {HYPERSCALER}}
"""Who must be feasible: no neocloud states that its accelerators stand in the EU, where the notes must stay."""
GPUS = ("A100-SXM", "B200-SXM", "B300-SXM", "GB200", "GH200", "H100-NVL", "H100-SXM", "H200-SXM", "L40S", "MI300X")


def shipped(name: str) -> Scenario:
    return replace(wb.load(name), draws=DRAWS)


@cache
def decided(name: str) -> Decision:
    return wb.decide(shipped(name))


def changed(name: str, **parts: object) -> Decision:
    """The decision with parts of the scenario changed: a table by some of its keys, anything else as a whole."""
    base = shipped(name)
    new = {k: replace(getattr(base, k), **v) if k in TABLES and isinstance(v, dict) else v for k, v in parts.items()}
    return wb.decide(replace(base, **new))  # type: ignore[arg-type]


def best(decision: Decision) -> str:
    return decision.answer.plan.id


def kind(decision: Decision) -> str:
    return side(decision.answer.plan, decision.study.facts)


def bases(decision: Decision) -> set[Basis]:
    return {leg.basis for leg in decision.answer.plan.legs}


def jurisdictions(decision: Decision) -> set[str]:
    known = decision.study.facts.regions
    found = (known.get((leg.provider, leg.price.region)) for leg in decision.answer.plan.legs)
    return {region["jurisdiction"] if region else "unstated" for region in found}


# --- all of them


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_states_its_months_first_and_what_runs_today(name: str) -> None:
    text = scenarios.find(name, DATASETS).read_text(encoding="utf-8")
    scenario = wb.load(name)
    number = re.search(r"\d+", text)
    assert number is not None
    assert text[: number.start()].endswith("\nmonths = ")
    assert int(number.group()) == scenario.months
    assert {"name", "incumbent.provider", "incumbent.services", "seed", "title", "summary"} <= scenario.places.keys()
    assert scenario.name == name
    assert scenario.draws == 4096
    assert bool(scenario.incumbent.services) == (scenario.incumbent.provider != "none")


def test_scenarios_have_seeds_of_their_own() -> None:
    seeds = [wb.load(name).seed for name in NAMES]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_decides_between_hyperscalers_and_neoclouds_in_finite_numbers(name: str) -> None:
    decision = decided(name)
    text = json.dumps(decision.as_dict(), allow_nan=False)
    result = json.loads(text)
    feasible = [o for o in result["options"] if o["feasible"]]
    assert result["answer"]["id"] == feasible[0]["id"]
    assert all(0 < o["p10"] <= o["p50"] <= o["p90"] for o in feasible)
    assert all(o["mean"] > 0 and all(v >= 0 for v in o["parts"].values()) for o in feasible)
    assert {side(o.plan, decision.study.facts) for o in decision.study.outcomes} >= SIDES[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_excluded_offer_states_why_and_on_which_row(name: str) -> None:
    excluded = decided(name).study.excluded
    assert excluded
    for reason, row in {pair for option in excluded for pair in option.reasons}:
        file, _, line = row.rpartition(":")
        assert reason
        assert 0 < int(line) <= _lines(file), f"{reason}: no such row {row}"
    assert all(option.reasons for option in excluded)


@cache
def _lines(file: str) -> int:
    return len((DATASETS / file).read_text(encoding="utf-8").splitlines())


# --- chat: replicas on a single accelerator


def test_chat_moves_when_the_model_outgrows_one_accelerator() -> None:
    larger = changed("chat", constraints={"model_memory_gb": 320})
    assert best(larger) != best(decided("chat"))
    assert all(leg.price.max_gpus > 1 for leg in larger.answer.plan.legs)


def test_chat_takes_spot_where_it_may_and_spot_is_there() -> None:
    there = changed("chat", constraints={"spot_allowed": True}, assumptions={"unavailable_share": 0.02})
    assert Basis.SPOT in bases(there)
    assert Basis.SPOT not in bases(decided("chat"))


# --- training: one failure stops all


def test_training_takes_spot_only_where_interruptions_are_rare() -> None:
    rare = changed("training", assumptions={"interruptions_per_hour": 0.0005})
    often = changed("training", assumptions={"interruptions_per_hour": 0.03})
    assert bases(rare) == {Basis.SPOT}
    assert Basis.SPOT not in bases(often)


# --- images: bursts


def test_images_leave_serverless_when_the_traffic_is_always_on() -> None:
    steady = changed("images", assumptions={"utilisation": 0.95}, demand={"wakeups_per_month": 0.0})
    assert Basis.SERVERLESS in bases(decided("images"))
    assert Basis.SERVERLESS not in bases(steady)


# --- health: what may be considered at all


def test_health_stays_in_the_eu_only_because_it_must() -> None:
    free = changed("health", constraints={"residency": ()})
    assert jurisdictions(decided("health")) == {"EU"}
    assert "EU" not in jurisdictions(free)


def test_health_buys_another_machine_without_confidential_computing() -> None:
    plain = changed("health", constraints={"confidential_computing": False})
    assert best(plain) != best(decided("health"))
    assert jurisdictions(plain) == {"EU"}


# --- finetune: a day in seven


def test_finetuning_round_the_clock_is_rivalled_by_a_commitment_and_has_no_flex_start() -> None:
    weekly, clock = decided("finetune"), changed("finetune", demand={"active_share": 1.0, "sessions_per_month": 1.0})
    flexible = {o.plan.id for o in weekly.study.outcomes if Basis.FLEX_START in {leg.basis for leg in o.plan.legs}}
    assert [d.rival.plan.head.basis is Basis.COMMITTED for d in (weekly, clock)] == [False, True]
    assert flexible
    assert flexible <= {option.id for option in clock.study.excluded}


def test_finetuning_leaves_the_hyperscaler_where_spot_is_forbidden() -> None:
    assert kind(decided("finetune")) == HYPERSCALER
    assert bases(decided("finetune")) == {Basis.SPOT}
    assert kind(changed("finetune", constraints={"spot_allowed": False})) == NEOCLOUD


# --- tpu: the claim of two thirds


def test_tpu_answer_costs_more_where_only_gpus_are_asked_for() -> None:
    gpus_only = changed("tpu", constraints={"accelerators": GPUS})
    assert decided("tpu").answer.plan.head.price.gpu.startswith("TPU")
    assert kind(decided("tpu")) == HYPERSCALER
    assert gpus_only.answer.plan.head.price.gpu in GPUS
    assert gpus_only.answer.mean > decided("tpu").answer.mean


@pytest.mark.parametrize("name", NAMES)
def test_few_accelerators_lead_to_the_answer_of_all(name):
    """What other tests stand on that ask about few, to be quick."""
    few = wb.decide(replace(narrow(name), draws=DRAWS))
    assert few.answer.plan.id == decided(name).answer.plan.id
    assert len(few.study.outcomes) < 65


def test_tpu_of_half_the_throughput_is_not_the_answer() -> None:
    slow = answer.decide(_slower_tpus(decided("tpu").study.facts), shipped("tpu"))
    assert not any(leg.price.gpu.startswith("TPU") for leg in slow.answer.plan.legs)


def _slower_tpus(facts: Facts) -> Facts:
    def half(quantity: Quantity) -> Quantity:
        return replace(quantity, value=quantity.value / 2, low=quantity.low / 2, high=quantity.high / 2)

    return replace(facts, assumptions=tuple(
        replace(a, quantity=half(a.quantity))
        if a.quantity.name == "relative_throughput" and a.scope.get("gpu", "").startswith("TPU") else a
        for a in facts.assumptions
    ))  # fmt: skip


def test_tpu_bill_of_today_and_its_saving_are_those_of_the_claim() -> None:
    decision = decided("tpu")
    today = next(o for o in decision.study.outcomes if _is_todays(o))
    saving = 1 - decision.answer.total / today.total
    low, high = np.quantile(saving, (0.1, 0.9))
    assert today.monthly[0] == pytest.approx(2.1e6, rel=0.1)
    assert low < 0.65 < high


def _is_todays(outcome: Outcome) -> bool:
    head = outcome.plan.head
    named = (head.provider, head.product, head.price.gpu, head.basis) == ("AWS", "EC2", "H100-SXM", Basis.ON_DEMAND)
    return named and len(outcome.plan.legs) == 1 and head.price.gpu_count == 8


# --- assistant: asked now and then


def woken(policy: type[Policy], limit_s: float | None = None) -> Point:
    base = shipped("assistant")
    assert base.serving is not None
    asked = replace(base.serving, limit_s=limit_s or base.serving.limit_s)
    return wb.coldstart(replace(base, serving=asked), only=policy).chosen


def test_assistant_sleeps_though_one_request_in_five_wakes_it() -> None:
    asleep, awake = woken(Modal), woken(Fixed)
    assert asleep.met
    assert awake.met
    assert asleep.cost_usd < awake.cost_usd
    assert 0.1 < asleep.run.cold_share < 0.3


def test_assistant_stays_awake_where_a_minute_is_too_long() -> None:
    asleep, awake = woken(Modal, limit_s=60), woken(Fixed, limit_s=60)
    assert awake.met
    assert asleep.cost_usd > awake.cost_usd
