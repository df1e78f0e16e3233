"""The load, the cold start and the frontier: what is described is what is simulated, and the choice is the cheapest."""

from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from workbench.decision import frontier as frontiers
from workbench.decision import waking
from workbench.models import policies
from workbench.records import Infeasible, Quote, WorkbenchError


@pytest.fixture(scope="module")
def chat():
    return wb.load("chat")


@pytest.fixture(scope="module")
def facts(chat):
    return wb.facts(chat.as_of)


@pytest.fixture(scope="module")
def quiet(chat):
    """The same service with a four-hundredth of the traffic: a day and more is simulated in a moment."""
    few = {
        n: getattr(chat.demand, n) / 400 for n in ("requests_per_month", "tokens_in_per_month", "tokens_out_per_month")
    }
    return replace(chat, demand=replace(chat.demand, **few))


@pytest.fixture(scope="module")
def found(quiet):
    return wb.coldstart(quiet)


def test_the_described_traffic_has_the_scenarios_rate_sizes_and_peak(facts, quiet):
    load, demand = waking.load(facts, quiet), quiet.demand
    rate = demand.requests_per_month / (730 * 3600)
    assert load.traffic.rate_per_s == pytest.approx(rate, rel=0.05)
    assert load.traffic.tokens_in.mean() == pytest.approx(
        demand.tokens_in_per_month / demand.requests_per_month, rel=0.01
    )
    day, _ = waking.hours_of_day(facts, 2.0)
    assert (day.max(), day.mean()) == (pytest.approx(2.0), pytest.approx(1.0))
    again = waking.load(facts, quiet).traffic.arrivals_s
    np.testing.assert_array_equal(load.traffic.arrivals_s, again)


def test_a_busy_day_has_shorter_hours_and_the_same_rate(facts, chat):
    traffic = waking.load(facts, chat).traffic
    assert traffic.arrivals_s.size == pytest.approx(waking.MOST_REQUESTS, rel=0.02)
    assert "each hour of a day for" in traffic.says


def test_the_stages_add_up_to_the_mean_of_the_tiers(facts, chat):
    for mitigation in ("none", "image_cache+parallel_loader"):
        woken = waking.waking(facts, replace(chat.serving, mitigation=mitigation))
        assert sum(s for _, s in woken.stages) == pytest.approx(woken.middle_s)
        assert sum(share for _, share, _ in woken.tiers) == pytest.approx(1.0)
        assert woken.seconds.size == pytest.approx(waking.DRAWS, abs=4)
        assert (woken.seconds > 0).all()


def test_mitigation_makes_a_start_shorter(facts, chat):
    plain, better = (waking.waking(facts, replace(chat.serving, mitigation=m)).middle_s for m in
                     ("none", "node_buffer+image_cache+parallel_loader"))  # fmt: skip
    assert better < plain / 2


def test_the_choice_is_the_cheapest_that_surely_meets_the_objective(found):
    sure = [p for p in found.points if p.met and p.confidence >= frontiers.CONFIDENT]
    assert found.chosen is min(sure, key=lambda p: p.cost_usd)
    assert found.chosen.run.attainment >= found.load.asked.p


def test_nothing_on_the_frontier_is_beaten_in_cost_and_latency(found):
    best = found.best
    assert [p.cost_usd for p in best] == sorted(p.cost_usd for p in best)
    assert [p.tail_s for p in best] == sorted((p.tail_s for p in best), reverse=True)
    assert all(any(b.cost_usd <= p.cost_usd and b.tail_s <= p.tail_s for b in best) for p in found.points)


def test_a_cost_is_replica_hours_times_accelerators_times_their_price(found):
    for p in found.points:
        by_hand = p.run.mean_replicas * 730 * 4 * p.capacity.price.usd_per_gpu_hour.value
        assert p.cost_usd == pytest.approx(by_hand)


def hour_of(facts, scenario, kind):
    """What an hour of one accelerator costs where capacity is had in that way, and where."""
    load = waking.load(facts, scenario)
    return next(c.price for c in frontiers.capacities(facts, load) if c.kind == kind)


def test_a_serverless_hour_has_its_cpu_memory_and_region_in_it(facts, quiet):
    """Modal by hand: the accelerator with 8 vCPU and 64 GB, times what a pinned region costs."""
    price = hour_of(facts, quiet, "serverless")
    assert price.provider == "Modal"
    rate = {(s.category, s.plan): s.rates[0] for s in facts.services if s.provider == "Modal"}
    need = {a.quantity.name: a.quantity.value for a in facts.assumptions}
    listed = next(p.usd_per_gpu_hour for p in facts.prices if p.key == price.key).value
    extras = need["vcpus_per_gpu"] * rate["cpu", "standard"] + need["memory_per_gpu"] * rate["memory", "standard"]
    by_hand = (listed + extras) * rate["region_multiplier", "broad"]
    assert price.usd_per_gpu_hour.value == pytest.approx(by_hand)
    assert len(price.usd_per_gpu_hour.rows) > 3


@pytest.mark.parametrize("kind", ["reserved", "autoscaled", "serverless"])
def test_a_negotiated_discount_is_taken_off(facts, quiet, kind):
    plain = hour_of(facts, quiet, kind)
    terms = replace(quiet.terms, negotiated_discount={plain.provider: 0.5})
    assert hour_of(facts, replace(quiet, terms=terms), kind).usd_per_gpu_hour.value == pytest.approx(
        plain.usd_per_gpu_hour.value / 2
    )


@pytest.mark.parametrize("kind", ["reserved", "autoscaled"])
def test_a_quote_of_the_users_own_counts(facts, quiet, kind):
    quote = Quote(provider="AWS", gpu="H100-SXM", usd_per_gpu_hour=1.25)
    price = hour_of(facts, replace(quiet, quotes=(quote,)), kind)
    assert (price.product, price.usd_per_gpu_hour.value) == ("quote", 1.25)


def test_the_same_question_has_the_same_answer(quiet, found):
    assert wb.coldstart(quiet).as_dict() == found.as_dict()


def test_the_answer_has_what_the_contract_names(found):
    told = found.as_dict()
    assert {"p50_s", "p95_s", "p99_s", "wait_p99_s", "cold_share", "mean_replicas", "replica_hours", "cost_usd"} <= {
        *told
    }
    assert {"p", "limit_s", "met", "attainment"} <= {*told["objective"]}
    assert all({"policy", "p99_s", "cost_usd"} <= {*p} for p in told["frontier"])
    assert all({"stage", "seconds"} == {*s} for s in told["stages"])


def test_lost_requests_have_a_price_where_the_user_states_it(facts, quiet, found):
    asked = replace(quiet.serving, patience_s=1.0, usd_per_lost_request=5.0)
    load = waking.load(facts, replace(quiet, serving=asked))
    cold = next(p for p in found.points if p.run.cold_share > 0)
    dearer = frontiers.point(load, cold.policy, cold.capacity, cold.run)
    assert dearer.lost_share > 0
    assert dearer.cost_usd > cold.cost_usd


def test_one_kind_of_policy_can_be_asked_for(quiet):
    only = wb.coldstart(quiet, only=policies.Knative)
    assert {type(p.policy) for p in only.points} == {policies.Knative}


def test_what_nobody_sells_is_infeasible_and_what_is_not_said_is_refused(quiet):
    with pytest.raises(Infeasible, match="nobody sells H100-SXM"):
        wb.coldstart(replace(quiet, constraints=replace(quiet.constraints, accelerators=("MI300X",))))
    with pytest.raises(WorkbenchError, match="does not say how the model is served"):
        wb.coldstart(replace(quiet, serving=None))
    with pytest.raises(WorkbenchError, match="no measured pace of H100-SXM/Llama-3"):
        wb.coldstart(replace(quiet, serving=replace(quiet.serving, gpus=3)))
    with pytest.raises(WorkbenchError, match="mitigation 'prayer'"):
        wb.coldstart(replace(quiet, serving=replace(quiet.serving, mitigation="prayer")))
