"""The load, the cold start and the frontier: what is described is what is simulated, and the choice is the cheapest."""

import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from workbench.decision.coldstart import frontier as frontiers
from workbench.decision.coldstart import waking
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
        kept_free = 1 if "a node kept free" in p.capacity.name else 0
        by_hand = (p.run.mean_replicas + kept_free) * 730 * 4 * p.capacity.price.usd_per_gpu_hour.value
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


# --- the search


def in_a_row(chat, rate, answer, **demand):
    """Long answers at some requests a second: several replicas are busy, and few requests show it."""
    n = rate * 730 * 3600
    sizes = {"requests_per_month": n, "tokens_in_per_month": n * 3000, "tokens_out_per_month": n * answer}
    return replace(chat, demand=replace(chat.demand, **sizes, **demand))


def test_the_cheapest_is_found_whatever_it_pays_for(chat, facts, monkeypatch):
    """Every candidate is tried on the whole day: some policies pay for its peak, others for its start."""
    monkeypatch.setattr(waking, "MOST_REQUESTS", 60_000)
    asked = in_a_row(chat, 3.0, 1500, peak_to_mean=2.0)
    serving, constraints = replace(chat.serving, limit_s=120.0), replace(chat.constraints, max_commitment_months=0)
    load = waking.load(facts, replace(asked, serving=serving, constraints=constraints))
    told = []
    found = frontiers.frontier(facts, load, progress=lambda done, of: told.append((done, of)))
    tried = [c for c in frontiers.candidates(facts, load) if big_enough(load, c[0])]
    alone = [frontiers.point(load, *c, frontiers.run(load, c[0])) for c in tried]
    sure = [p for p in alone if p.met and p.confidence >= frontiers.CONFIDENT]
    assert found.chosen.cost_usd == min(p.cost_usd for p in sure)
    assert told == [(n, found.tried) for n in range(1, found.tried + 1)]
    assert len(alone) == len(found.points) <= found.tried


def big_enough(load, policy):
    return not isinstance(policy, policies.Fixed) or policy.replicas > load.busy


def test_a_fleet_below_the_peak_is_tried_where_the_objective_allows_it(chat, facts, monkeypatch):
    monkeypatch.setattr(waking, "MOST_REQUESTS", 60_000)
    asked = in_a_row(chat, 6.0, 1500, peak_to_mean=2.0)
    load = waking.load(facts, replace(asked, serving=replace(chat.serving, p=0.5, limit_s=2000.0)))
    chosen = frontiers.frontier(facts, load, only=policies.Fixed).chosen
    assert chosen.met
    assert chosen.policy.replicas < load.busy * 2


def test_candidates_come_in_the_same_order_however_the_threads_end(chat, facts, monkeypatch):
    """The choice among equals may not hang on which simulation was done first."""
    monkeypatch.setattr(waking, "MOST_REQUESTS", 20_000)
    load = waking.load(facts, in_a_row(chat, 2.0, 500))
    tried = [c for c in frontiers.candidates(facts, load) if isinstance(c[0], policies.Knative)][:6]
    slow = frontiers.run

    def run(load, policy, **more):
        time.sleep(0.02 if policy == tried[0][0] else 0)
        return slow(load, policy, **more)

    monkeypatch.setattr(frontiers, "run", run)
    points = frontiers.runs(load, tried, lambda done, of: None)
    assert [p.policy for p in points] == [policy for policy, _ in tried]


def test_no_policy_is_held_at_a_hundred_replicas_by_a_default(chat, facts, monkeypatch):
    monkeypatch.setattr(waking, "MOST_REQUESTS", 20_000)
    load = waking.load(facts, in_a_row(chat, 600.0, 1000))
    assert load.busy > 100
    for policy, _ in frontiers.candidates(facts, load):
        assert policy.max_replicas is None or isinstance(policy, policies.Fixed) or policy.max_replicas > 2 * load.busy


def test_a_load_of_a_thousand_replicas_is_refused_with_what_to_state(chat, facts):
    with pytest.raises(WorkbenchError, match=r"replicas busy are not simulated; state a part of the load"):
        frontiers.frontier(facts, waking.load(facts, in_a_row(chat, 100_000.0, 1000)))


def test_a_policy_that_is_no_candidate_is_refused_with_those_that_are(quiet):
    with pytest.raises(WorkbenchError, match="no candidate is a KeepAlive; use one of Fixed, Knative, Keda"):
        wb.coldstart(quiet, only=policies.KeepAlive)


def test_a_fleet_that_is_too_small_is_left_out_and_is_no_error(chat, facts, monkeypatch):
    monkeypatch.setattr(waking, "MOST_REQUESTS", 20_000)
    load = waking.load(facts, in_a_row(chat, 3.0, 1500))
    capacity = next(frontiers.capacities(facts, load))
    fleets = [(policies.Fixed(n, concurrency=load.replica.slots), capacity) for n in (1, 9)]
    told = []
    points = frontiers.runs(load, fleets, lambda done, of: told.append(done))
    assert [p.policy.replicas for p in points] == [9]
    assert told == [1, 2]


def test_a_load_that_saturates_every_fleet_is_infeasible(chat, facts, monkeypatch):
    monkeypatch.setattr(waking, "MOST_REQUESTS", 20_000)
    load = waking.load(facts, in_a_row(chat, 3.0, 1500))
    monkeypatch.setattr(frontiers, "candidates", lambda facts, load: iter([(policies.Fixed(1), capacity)]))
    capacity = next(frontiers.capacities(facts, load))
    with pytest.raises(Infeasible, match="every fleet that was tried is saturated"):
        frontiers.frontier(facts, load)


def test_few_requests_that_all_are_quick_are_no_certainty(chat, facts):
    """Thirty of thirty within the limit are no proof that 99 of 100 will be."""
    n = 30.0
    sizes = {"requests_per_month": n, "tokens_in_per_month": n * 1000, "tokens_out_per_month": n * 200}
    load = waking.load(facts, replace(chat, demand=replace(chat.demand, **sizes)))
    capacity = next(frontiers.capacities(facts, load))
    policy = policies.Fixed(1, concurrency=8)
    point = frontiers.point(load, policy, capacity, frontiers.run(load, policy))
    assert point.met
    assert point.confidence < 0.8


def test_where_nothing_meets_the_objective_the_most_reliable_is_shown_as_such(facts, quiet, monkeypatch):
    monkeypatch.setattr(waking, "FEW_REQUESTS", 3_000)
    load = waking.load(facts, replace(quiet, serving=replace(quiet.serving, limit_s=0.5)))
    found = frontiers.frontier(facts, load)
    assert not found.chosen.met
    assert found.chosen.run.attainment == max(p.run.attainment for p in found.points)
    assert not found.as_dict()["objective"]["met"]


def test_where_no_request_is_fast_enough_the_fastest_is_shown(facts, quiet, monkeypatch):
    monkeypatch.setattr(waking, "FEW_REQUESTS", 3_000)
    found = frontiers.frontier(facts, waking.load(facts, replace(quiet, serving=replace(quiet.serving, limit_s=0.001))))
    assert {p.run.attainment for p in found.points} == {0}
    assert found.chosen.tail_s == min(p.tail_s for p in found.points)


def test_a_fleet_that_no_memory_holds_is_told_in_words_of_the_scenario(facts, quiet, monkeypatch):
    """The scenario has no maximum to set: a part of the load is the way out."""
    monkeypatch.setattr(waking, "FEW_REQUESTS", 3_000)
    load = waking.load(facts, quiet)
    capacity = next(frontiers.capacities(facts, load))
    with pytest.raises(WorkbenchError, match=r"room for .* replicas at once.*; state a part of the load") as caught:
        frontiers.runs(load, [(policies.Fixed(1 << 23), capacity)])
    assert caught.value.where == f"scenario {quiet.name}: {1 << 23} replicas, always on"


def test_the_price_of_lost_requests_can_change_the_choice(chat, facts, monkeypatch):
    """Cheap and slow to wake, until each request that does not wait costs something."""
    monkeypatch.setattr(waking, "FEW_REQUESTS", 3_000)
    asked = in_a_row(chat, 0.02, 200, peak_to_mean=4.0)
    chosen = []
    for usd in (0.0, 50.0):
        serving = replace(chat.serving, p=0.3, limit_s=40.0, patience_s=20.0, usd_per_lost_request=usd)
        found = frontiers.frontier(facts, waking.load(facts, replace(asked, serving=serving)))
        chosen.append(found.chosen)
    assert chosen[0].lost_share > chosen[1].lost_share
    assert type(chosen[0].policy) is not type(chosen[1].policy)


def test_a_lost_request_is_paid_by_hand(facts, quiet, found):
    asked = replace(quiet.serving, patience_s=1.0, usd_per_lost_request=5.0)
    load = waking.load(facts, replace(quiet, serving=asked))
    for p in found.points[:10]:
        lossy = frontiers.point(load, p.policy, p.capacity, p.run)
        a_month = p.run.requests / p.run.span_s * 730 * 3600
        assert lossy.cost_usd == pytest.approx(p.cost_usd + 5.0 * lossy.lost_share * a_month)


def test_nothing_in_the_answer_but_the_stamp_knows_the_time(found):
    """No clock and no duration: numbers are finite, and their names are those of the model."""
    told = json.dumps(found.as_dict(), allow_nan=False)
    assert not re.search(r"elapsed|duration|took|started_at", told)


def test_a_free_node_is_paid_for_and_without_one_every_start_waits_for_a_node(facts, quiet):
    load = waking.load(facts, quiet)
    kept, none = (c for c in frontiers.capacities(facts, load) if c.kind == "autoscaled")
    assert kept.usd_per_month(load, 3) == pytest.approx(none.usd_per_month(load, 4))
    assert [name for name, *_ in none.waking.tiers] == ["new_node"]
    node = facts.parameters["coldstart", "any/none", "provision_s"]
    assert none.waking.seconds.min() > node.low
    assert kept.waking.mean_s < none.waking.mean_s - node.low


def test_the_last_replica_is_kept_for_longer_where_knative_may_sleep(facts, quiet):
    tried = [p for p, _ in frontiers.candidates(facts, waking.load(facts, quiet)) if isinstance(p, policies.Knative)]
    assert {p.pod_retention_s for p in tried if not p.min_replicas} == {0, 300, 900}
    assert {p.pod_retention_s for p in tried if p.min_replicas} == {0}
    told = [frontiers.label(p) for p in tried]
    assert len(set(told)) == len(told) / 2, "on two kinds of capacity each, and told apart"
