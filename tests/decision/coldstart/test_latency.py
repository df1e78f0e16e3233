"""The objective in the decision: offers that cannot be fast enough are out, with the reason; wake-ups are paid."""

from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from workbench.decision.coldstart import frontier, waking
from workbench.decision.coldstart.latency import Floor, judged
from workbench.decision.desk import Desk
from workbench.decision.offers import options
from workbench.models.policies import Modal
from workbench.records import Basis


@pytest.fixture(scope="module")
def chat():
    return wb.load("chat")


@pytest.fixture(scope="module")
def found(chat):
    return options(wb.facts(chat.as_of), chat)


def judge(chat, found, **change):
    scenario = replace(chat, serving=replace(chat.serving, **change))
    return {o.id: o for o in judged(Desk(wb.facts(chat.as_of), scenario), found)}


def test_a_slow_accelerator_is_excluded_with_the_time_that_it_takes_and_its_row(chat, found):
    slow = [o for o in judge(chat, found).values() if any("by theory" in why for why, _ in o.reasons)]
    assert {"L4", "A10G"} <= {o.price.gpu for o in slow}
    assert not {"H100-SXM", "B200-SXM", "MI300X"} & {o.price.gpu for o in slow}
    assert all(row == o.price.usd_per_gpu_hour.rows[0] for o in slow for _, row in o.reasons)


def test_a_wider_limit_excludes_no_more_offers(chat, found):
    left = [sum(o.feasible for o in judge(chat, found, limit_s=s).values()) for s in (5.0, 20.0, 40.0, 120.0)]
    assert left == sorted(left)
    assert left[0] < left[-1]


def test_without_serving_or_sizes_nothing_is_judged(chat, found):
    facts = wb.facts(chat.as_of)
    assert judged(Desk(facts, replace(chat, serving=None)), found) == found
    unknown = replace(chat, demand=replace(chat.demand, requests_per_month=None))
    assert judged(Desk(facts, unknown), found) == found


def test_busy_traffic_wakes_nobody_and_quiet_traffic_wakes_for_nearly_every_request(chat):
    facts = wb.facts(chat.as_of)
    quiet = replace(chat.demand, requests_per_month=100.0, tokens_in_per_month=1e5, tokens_out_per_month=2e4)
    busy, rare = (Floor(Desk(facts, replace(chat, demand=d)), chat.serving) for d in (chat.demand, quiet))
    assert busy.cold_share(0.1) < 1e-6
    assert rare.cold_share(0.001) > 0.99
    assert rare.cold_share(0.001) > rare.cold_share(1.0) > rare.cold_share(100.0)


def test_a_serverless_offer_pays_an_idle_timeout_for_each_wake_up_and_is_out_where_most_wait(chat, found):
    quiet = replace(chat, demand=replace(chat.demand, requests_per_month=100.0, tokens_in_per_month=1e5,
                                         tokens_out_per_month=2e4))  # fmt: skip
    here = [o for o in judge(quiet, found, limit_s=3000.0).values() if o.basis is Basis.SERVERLESS and o.feasible]
    assert here
    assert all(90 < o.inputs["wakeups_per_month"].value <= 100 for o in here)
    strict = judge(quiet, found, limit_s=60.0)
    assert any("meet a cold start" in why for o in here for why, _ in strict[o.id].reasons)


def test_the_wait_that_is_judged_is_that_of_the_draws_which_are_simulated(chat, found):
    """Between the limit at the middle values and that of the draws an offer is out, as a simulation would find."""
    few = {"requests_per_month": 100.0, "tokens_in_per_month": 1e5, "tokens_out_per_month": 2e4}
    quiet = replace(chat, demand=replace(chat.demand, **few))
    floor = Floor(Desk(wb.facts(chat.as_of), quiet), quiet.serving)
    option = next(o for o in found if o.feasible and o.provider == "Modal" and o.price.gpu == "H100-SXM")
    cold = floor.cold_share(option.inputs["idle_timeout_hours"].value)
    wait = np.quantile(floor.waking(option).seconds, 1 - (1 - chat.serving.p) / cold)
    whole = float(wait + floor.alone_s("H100-SXM"))
    assert not judge(quiet, found, limit_s=0.99 * whole)[option.id].feasible
    assert judge(quiet, found, limit_s=1.01 * whole)[option.id].feasible


@pytest.mark.parametrize("window_s", [30, 300, 3600])
def test_idle_time_between_requests_is_what_a_simulation_without_cold_starts_pays(window_s):
    """Busy time and idle time add up to the replicas of a pool that is kept so long."""
    quiet = wb.load("assistant")
    facts = wb.facts(quiet.as_of)
    floor, load = Floor(Desk(facts, quiet), quiet.serving), waking.load(facts, quiet)
    at_once = Modal(np.array([1e-3]), concurrency=load.replica.slots, scaledown_window_s=window_s)
    run = frontier.run(load, at_once)
    never = frontier.run(load, replace(at_once, scaledown_window_s=1e-3))
    assert floor.idle_replicas(window_s / 3600) + never.mean_replicas == pytest.approx(run.mean_replicas, rel=0.03)


def test_a_seller_whose_window_may_be_longer_is_judged_by_the_least_that_is_fast_enough():
    """assistant: Modal's own 60 s miss the objective, 300 s do not; RunPod bills its 5 s and nothing else."""
    quiet = wb.load("assistant")
    found = options(wb.facts(quiet.as_of), quiet)

    def windows(options):
        kept = (o for o in options if o.feasible and o.basis is Basis.SERVERLESS and o.provider == "Modal")
        return {round(o.inputs["idle_timeout_hours"].value * 3600) for o in kept if o.price.gpu == "H100-SXM"}

    assert windows(found) == {60}
    assert windows(judge(quiet, found).values()) == {300}
    assert windows(judge(quiet, found, limit_s=600.0).values()) == {60}
