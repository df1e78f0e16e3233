"""A plan over the draws: money that adds up, evidence that is told, commitments that are paid, splits that share."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.narrow import narrow
from workbench import face, store
from workbench.decision import answer, outcome
from workbench.decision.answer import Decision
from workbench.decision.desk import constant
from workbench.decision.draws import central, key
from workbench.decision.outcome import PARTS, Outcome
from workbench.records import Basis, Constraints, Data, Demand, Evidence, Facts, Infeasible, Range, Scenario, Terms

DATASETS = Path(__file__).parents[2] / "datasets"
FEW = 128


@pytest.fixture(scope="module")
def chat() -> Scenario:
    return face.changed(narrow("chat"), draws=FEW)


@pytest.fixture(scope="module")
def facts(chat: Scenario) -> Facts:
    return store.load(chat.as_of, DATASETS)


@pytest.fixture(scope="module")
def decision(chat: Scenario, facts: Facts) -> Decision:
    return answer.decide(facts, chat, stamp=face.stamp(chat, facts))


Ask = Callable[..., Decision]


@pytest.fixture(scope="module")
def ask(chat: Scenario, facts: Facts) -> Ask:
    """The decision of the chat scenario with other inputs, among a few sellers of one accelerator."""

    def ask(**changes: Any) -> Decision:
        limits = replace(chat.constraints, accelerators=("H100-SXM",), **changes.pop("constraints", {}))
        return answer.decide(facts, replace(chat, constraints=limits, **changes))

    return ask


def outcomes(decision: Decision) -> tuple[Outcome, ...]:
    return decision.study.outcomes


# --- money adds up


def test_parts_sum_to_the_mean_and_median_parts_to_the_median_total(decision, chat):
    for o in outcomes(decision):
        total = outcome.monthly(o.plan, central(o.plan.legs), chat.months).sum()
        assert sum(o.median_parts.values()) == pytest.approx(total, rel=1e-9)
        assert sum(o.parts.values()) == pytest.approx(o.mean, rel=1e-9)


def test_the_months_sum_to_the_total_in_every_draw(decision, chat):
    for o in outcomes(decision):
        assert o.by_month.shape == (FEW, chat.months)
        assert o.total == pytest.approx(o.by_month.sum(axis=1))
        assert o.monthly.sum() == pytest.approx(o.mean)


def test_what_is_paid_adds_up_to_what_accrues_within_whole_terms(decision, chat):
    for o in outcomes(decision):
        if not o.liability_after and all(chat.months % (leg.term_months or 1) == 0 for leg in o.plan.legs):
            assert o.cash.sum() == pytest.approx(o.mean, rel=1e-9)


def test_the_present_value_is_no_more_than_what_is_paid(decision):
    for o in outcomes(decision):
        assert 0 < o.net_present_value <= o.cash.sum() * (1 + 1e-12)


def test_no_figure_is_missing(decision):
    for o in outcomes(decision):
        figures = [*o.total, *o.parts.values(), *o.cash, o.net_present_value, o.liability_after, *o.work.values()]
        assert np.isfinite(figures).all()
        assert min(o.total) > 0


def test_unit_costs_are_the_total_by_what_the_workload_counts(decision):
    for o in outcomes(decision):
        assert o.units["USD/million tokens"] * o.work["tokens"] / 1e6 == pytest.approx(o.mean)
        assert o.units["USD/request"] * o.work["requests"] == pytest.approx(o.mean)
        assert "USD/run" not in o.units


# --- all options do the same work


def test_all_options_do_the_same_work(decision):
    tokens = [o.work["tokens"] for o in outcomes(decision)]
    assert tokens == pytest.approx([tokens[0]] * len(tokens), rel=1e-9)


def test_billed_hours_are_never_fewer_than_useful_ones(decision):
    for o in outcomes(decision):
        assert o.work["billed_gpu_hours"] >= o.work["useful_gpu_hours"] * (1 - 1e-12)


# --- evidence


def test_shares_of_evidence_sum_to_one(decision):
    for o in outcomes(decision):
        assert set(o.evidence) == set(map(str, Evidence))
        assert sum(o.evidence.values()) == pytest.approx(1)


def test_a_part_takes_the_class_of_its_weakest_input(decision):
    for o in outcomes(decision):
        for leg in o.plan.legs:
            if leg.inputs["list_price"].evidence is Evidence.ESTIMATED:
                assert o.part_evidence["usage_cost"] is Evidence.ESTIMATED
            if o.parts["storage_cost"]:
                assert o.part_evidence["storage_cost"].rank >= leg.inputs["storage_rates"].evidence.rank


def test_every_part_of_the_total_stands_on_rows(decision):
    for o in outcomes(decision):
        cited = set(o.rows)
        for leg in o.plan.legs:
            assert set(leg.inputs["list_price"].rows[:1]) <= cited
    assert set(PARTS) == set(decision.answer.parts)


def test_rows_come_by_their_share_of_the_cost(decision):
    """The first row of a plan that buys by the hour is that of its price."""
    for o in outcomes(decision):
        if o.parts["usage_cost"] > max(v for p, v in o.parts.items() if p != "usage_cost") and len(o.plan.legs) == 1:
            assert o.rows[0] in o.plan.head.inputs["list_price"].rows


# --- commitments


def committed(decision: Decision) -> list[Outcome]:
    return [o for o in outcomes(decision) if len(o.plan.legs) == 1 and o.plan.head.basis is Basis.COMMITTED]


def test_a_commitment_is_paid_for_what_it_does_not_use(ask, chat):
    """The plan stays signed when the work goes away: its price stays, and all of its hours are unused."""
    shrinking = ask(demand=replace(chat.demand, growth_per_month=-0.1))
    for o in committed(shrinking):
        idle = {n: constant(n, 0.0, "token/month") for n in ("tokens_in_per_month", "tokens_out_per_month")}
        legs = tuple(replace(leg, inputs={**leg.inputs, **idle}) for leg in o.plan.legs)
        scenario = shrinking.scenario
        empty = outcome.outcome(replace(o.plan, legs=legs), shrinking.study.draws, central(legs), scenario)
        assert o.work["unused_gpu_hours"] > 0
        assert empty.parts["commitment_cost"] == o.parts["commitment_cost"] > 0
        assert empty.work["unused_gpu_hours"] > o.work["unused_gpu_hours"]
        assert empty.mean >= empty.parts["commitment_cost"]
    assert committed(shrinking)


def test_by_default_nothing_is_owed_after_the_horizon(decision):
    assert {o.liability_after for o in outcomes(decision)} == {0.0}


def test_what_outlives_the_horizon_is_named(ask, chat):
    """Three years signed for a horizon of one: two more years at the monthly price."""
    signed = ask(constraints={"max_commitment_months": 36})
    long = [o for o in committed(signed) if o.plan.head.term_months == 36]
    assert long
    for o in long:
        hours = o.plan.committed_gpus[0][-1] * o.plan.head.inputs["hours_per_month"].value
        quote = o.plan.head.inputs["committed_list_price"]
        assert quote.low * 0.5 <= o.liability_after / (24 * hours) <= quote.high * 1.5
        assert o.liability_after > o.parts["commitment_cost"]


@pytest.mark.parametrize("months", [6, 11, 12, 18, 24])
def test_terms_are_renewed_while_they_fit(ask, months):
    for o in committed(ask(months=months)):
        term, held = o.plan.head.term_months, o.plan.committed_gpus[0]
        assert (held > 0).sum() == months // term * term
        assert o.liability_after == 0


def test_capacity_is_committed_in_whole_instances(decision):
    for o in committed(decision):
        step = o.plan.head.inputs["gpus_per_instance"].value
        assert (o.plan.committed_gpus[0] % step == 0).all()


# --- the split


def splits(decision: Decision) -> list[Outcome]:
    return [o for o in outcomes(decision) if len(o.plan.legs) == 2]


def test_one_split_over_two_providers_is_an_option(decision):
    (found,) = splits(decision)
    assert len(found.plan.providers) == 2
    assert " + " in found.plan.id


def test_the_two_shares_of_a_split_are_the_whole_in_every_draw(decision):
    (found,) = splits(decision)
    base, burst = found.plan.legs
    done = decision.study.draws.of(key(base.inputs["work_share"]), base.inputs["work_share"])
    taken = decision.study.draws.of(key(burst.inputs["taken_share"]), burst.inputs["taken_share"])
    assert "work_share" not in burst.inputs
    assert np.array_equal(done, taken)


def test_a_limit_on_one_provider_leaves_the_split_alone(ask):
    limited = ask(constraints={"max_provider_share": 0.9})
    assert all(len(o.plan.providers) == 2 for o in outcomes(limited))
    assert any("limit" in reason for o in limited.study.excluded for reason, _ in o.reasons)


def test_no_split_serves_a_limit_that_none_can_meet(ask):
    with pytest.raises(Infeasible, match="limit"):
        ask(constraints={"max_provider_share": 0.01})


def test_one_training_job_is_never_split(facts, chat):
    job = Demand(work="training", gpus=512.0, gpu_hours_per_month=512 * 730.0)
    made = answer.decide(facts, replace(chat, demand=job, constraints=Constraints(accelerators=("H100-SXM",))))
    assert splits(made) == []


# --- the same question, the same answer


def test_the_same_scenario_and_seed_give_the_same_json(decision, chat, facts):
    again = answer.decide(facts, chat, stamp=face.stamp(chat, facts))
    assert json.dumps(again.as_dict(), default=str) == json.dumps(decision.as_dict(), default=str)


def test_another_seed_moves_the_figures_a_little(decision, chat, facts):
    other = answer.decide(facts, face.changed(chat, seed=chat.seed + 1))
    means = {o.plan.head.price.key: o.mean for o in outcomes(other) if len(o.plan.legs) == 1}
    moved = [o.mean / means[o.plan.head.price.key] for o in outcomes(decision) if len(o.plan.legs) == 1]
    assert any(m != 1 for m in moved)
    assert moved == pytest.approx([1.0] * len(moved), rel=0.2)


def test_the_frame_holds_every_option_the_answer_first(decision):
    frame = decision.options
    assert frame.height == len(outcomes(decision)) + len(decision.study.excluded)
    assert frame["id"][0] == decision.answer.plan.id
    feasible = frame["feasible"].to_list()
    assert feasible == sorted(feasible, reverse=True)
    assert frame.filter(~frame["feasible"])["mean"].null_count() == frame.height - sum(feasible)


# --- any workload within the scenario's own limits

SHORT = Constraints(accelerators=("H100-SXM", "TPU-v6e"), marketplace_allowed=True)
WORKLOADS = {
    "one month": {"months": 1},
    "sixty months": {"months": 60},
    "a ramp as long as the horizon": {"demand": {"ramp_months": 60.0}},
    "a growing range": {"demand": {"growth_per_month": Range(value=0.1, low=-0.1, high=0.3)}},
    "a shrinking workload": {"demand": {"growth_per_month": -0.5}},
    "a trickle": {"demand": {"tokens_in_per_month": 1.0, "tokens_out_per_month": 1.0}},
    "nothing at all": {"demand": {"tokens_in_per_month": 0.0, "tokens_out_per_month": 0.0}},
    "an hour a day": {"demand": {"active_share": 1 / 24, "sessions_per_month": 30.0}},
    "images": {"demand": {"work": "image", "requests_per_month": 1e6, "gpu_hours_per_request": 0.001}},
    "weekly runs": {"demand": {"work": "training", "runs_per_month": 4.3, "gpu_hours_per_run": 300.0}},
    "one big job": {"demand": {"work": "training", "gpus": 512.0, "gpu_hours_per_month": 512 * 730.0}},
    "waiting for what is late": {"terms": Terms(waiting_cost_per_week=50_000.0)},
    "no support": {"terms": Terms(support="none")},
    "half off at AWS": {"terms": Terms(negotiated_discount={"AWS": 0.5})},
    "a petabyte out": {"data": Data(egress_tb_per_month=1024.0, stored_tb=5000.0, inter_region_tb_per_month=100.0)},
    "an uncertain amount of data": {"data": Data(egress_tb_per_month=Range(value=20, low=1, high=400))},
    "a file system": {"data": Data(stored_tb=10.0, storage="file")},
}  # fmt: skip


@pytest.mark.parametrize("case", WORKLOADS)
def test_any_workload_has_finite_figures_that_add_up(case, facts, chat):
    changes = dict(WORKLOADS[case])
    if "demand" in changes:
        changes["demand"] = replace(chat.demand, **changes["demand"])
    made = answer.decide(facts, replace(chat, draws=32, constraints=SHORT, **changes))
    for o in outcomes(made):
        assert np.isfinite(o.total).all()
        total = outcome.monthly(o.plan, central(o.plan.legs), made.scenario.months).sum()
        assert sum(o.median_parts.values()) == pytest.approx(total, rel=1e-9, abs=1e-6)
        assert sum(o.parts.values()) == pytest.approx(o.mean, rel=1e-9, abs=1e-6)
    json.dumps(made.as_dict(), allow_nan=False, default=str)


def test_a_negotiated_discount_reaches_the_price_that_is_paid(ask):
    """Half off the list at one seller: its hours cost half, the others' the same."""
    full, half = ask(), ask(terms=Terms(negotiated_discount={"AWS": 0.5}))
    before = {o.plan.id: o.parts["usage_cost"] for o in outcomes(full) if len(o.plan.legs) == 1}
    after = {o.plan.id: o.parts["usage_cost"] for o in outcomes(half) if len(o.plan.legs) == 1}
    plain = [i for i in before if i.startswith("AWS / EC2")]
    assert any(before[i] > 0 for i in plain)
    for i, cost in before.items():
        assert after[i] == pytest.approx(cost * (0.5 if i in plain else 1)) or i.startswith("AWS / SageMaker")


def test_the_incumbent_has_no_set_up_and_no_extra_provider(ask, chat):
    at_home = ask(incumbent=replace(chat.incumbent, provider="Lambda"))
    for o in outcomes(at_home):
        if o.plan.providers == ("Lambda",):
            assert o.parts["setup_cost"] == 0
            assert o.plan.head.inputs["extra_providers"].value == 0
        elif len(o.plan.legs) == 1:
            assert o.plan.head.inputs["extra_providers"].value == 1


def test_poor_utilisation_is_a_lever_of_its_own(decision):
    lever = decision.study.lever
    assert lever is not None
    assert lever.low.value < lever.high.value
    assert lever.cost_at_low > lever.cost_at_high > 0
    assert lever.cost_to_reach > 0
    assert all(q.rows for q in (lever.low, lever.high, *lever.reach))
