"""A pool that is turned: theory is near the simulation where it says so, and a setting is what the pool becomes."""

from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from workbench.decision.coldstart import course, frontier, pool, waking
from workbench.models.policies import Fixed, Modal
from workbench.records import WorkbenchError


@pytest.fixture(scope="module")
def facts():
    return wb.facts(wb.load("assistant").as_of)


@pytest.fixture(scope="module")
def load(facts):
    return waking.load(facts, wb.load("assistant"))


@pytest.fixture(scope="module")
def found():
    return wb.coldstart("assistant", only=Modal)


@pytest.fixture
def start(found):
    return pool.start(found)


def setting(start, **changed):
    return replace(pool.setting(start), **changed)


# --- from the frontier to a pool


def test_the_pool_starts_as_the_policy_that_was_chosen(found, start):
    seen = pool.simulated(start)
    assert seen.cost_usd == found.chosen.cost_usd
    assert seen.attainment == found.chosen.run.attainment
    assert seen.cold_share == found.chosen.run.cold_share


def test_what_is_not_turned_stays_as_it_is(facts, start):
    same = pool.turned(facts, start, pool.setting(start))
    assert pool.simulated(same).cost_usd == pool.simulated(start).cost_usd
    assert same.capacity.waking.tiers == start.capacity.waking.tiers


def test_a_fleet_that_only_reserved_sellers_have_starts_no_pool(found):
    reserved = tuple(replace(p, capacity=replace(p.capacity, kind="reserved")) for p in found.points)
    with pytest.raises(WorkbenchError, match="by use"):
        pool.start(replace(found, points=reserved))


def test_larger_weights_load_longer_step_slower_and_leave_less_room(facts, start):
    small, large = (pool.turned(facts, start, setting(start, weights_gb=gb)) for gb in (14.96, 131.4))
    assert small.capacity.waking.middle_s < large.capacity.waking.middle_s
    assert small.load.replica.batching.step_s < large.load.replica.batching.step_s
    assert small.load.replica.slots > large.load.replica.slots


def test_the_pace_of_other_weights_is_near_what_was_measured_of_such_a_model(facts):
    """An 8B model in 16 bits on a B200, from the row of a 70B model in 8 bits on the same."""
    rows = facts.parameters
    ratio = (
        rows["serving", "Llama-3.1-8B", "weights_gb"].value / rows["serving", "Llama-3.1-70B-FP8", "weights_gb"].value
    )
    scaled = rows["serving", "B200-SXM/Llama-3.1-70B-FP8/1", "t0"].value * ratio
    assert scaled == pytest.approx(rows["serving", "B200-SXM/Llama-3.1-8B/1", "t0"].value, rel=0.1)


def test_weights_that_leave_no_room_for_a_request_are_refused(facts, start):
    with pytest.raises(WorkbenchError, match="does not fit"):
        pool.turned(facts, start, setting(start, weights_gb=147.0))


def test_storage_counts_where_the_host_has_nothing_and_nowhere_else(facts, start):
    fast, slow = (pool.turned(facts, start, setting(start, storage=s)).capacity.waking.tiers for s in ("nvme", "gp3"))
    changed = {name for (name, _, a), (_, _, b) in zip(fast, slow, strict=True) if a < b}
    assert changed == {"remote", "new_node"}


def test_sizes_and_rates_are_rows_in_rising_order(facts, start):
    sizes, storages = pool.sizes(facts, start), pool.storages(facts, start)
    assert start.load.replica.inputs["weights_gb"].value in [gb for gb, _ in sizes]
    assert [gb for gb, _ in sizes] == sorted(gb for gb, _ in sizes)
    assert [rate for _, rate, _ in storages] == sorted(rate for _, rate, _ in storages)
    assert "" in [name for name, *_ in storages]
    assert all(row.startswith("parameters.csv:") for *_, rows in (*sizes, *storages) for row in rows)


# --- theory beside the simulation


@pytest.mark.parametrize("kept_s", [0.0, 60.0, 300.0, 900.0, 3600.0])
def test_a_quiet_pool_is_by_theory_nearly_what_it_is_by_simulation(start, kept_s):
    turned = replace(start, keep_alive_s=kept_s)
    theory, simulation = pool.by_theory(turned), pool.simulated(turned)
    assert theory.cold_share == pytest.approx(simulation.cold_share, abs=0.015)
    assert theory.attainment == pytest.approx(simulation.attainment, abs=0.01)
    assert theory.cost_usd == pytest.approx(simulation.cost_usd, rel=0.05)
    for p in (0.5, 0.95, 0.99):
        assert theory.latency_quantile(p) == pytest.approx(simulation.latency_quantile(p), rel=0.1)


@pytest.mark.parametrize("storage", ["s3_mount", "network_volume", "peer"])
def test_theory_knows_that_more_requests_come_in_the_course_of_a_long_start(facts, start, storage):
    turned = pool.turned(facts, start, setting(start, storage=storage, keep_alive_s=60.0))
    assert pool.by_theory(turned).attainment == pytest.approx(pool.simulated(turned).attainment, abs=0.02)


def test_one_replica_that_stays_awake_leaves_nobody_waiting(start):
    awake = replace(start, min_replicas=1)
    for seen in (pool.by_theory(awake), pool.simulated(awake)):
        assert seen.cold_share == 0
        assert seen.mean_replicas == pytest.approx(1, abs=1e-6)


def test_fleets_that_are_always_on_answer_more_in_time_the_larger_they_are(load):
    few = pool.always_on(load, [1, 2, 3])
    assert few == sorted(few)
    run = frontier.run(load, Fixed(1, concurrency=load.replica.slots))
    assert few[0] == pytest.approx(run.attainment, abs=0.005)


def test_an_hour_that_is_too_much_for_a_fleet_is_answered_in_time_by_none(load):
    busy = replace(load, replica=replace(load.replica, slots=1))
    assert pool.always_on(busy, [1])[0] < pool.always_on(busy, [4])[0]
    tiny = replace(busy, replica=replace(busy.replica, batching=replace(load.replica.batching, step_s=100.0)))
    assert pool.always_on(tiny, [1]) == [0.0]


def test_users_who_leave_cost_the_same_in_both(start):
    asked = replace(start.load.asked, patience_s=30.0, usd_per_lost_request=5.0)
    impatient = replace(start, load=replace(start.load, asked=asked))
    plain, theory, simulation = pool.by_theory(start), pool.by_theory(impatient), pool.simulated(impatient)
    assert theory.cost_usd > 1.5 * plain.cost_usd
    assert theory.cost_usd == pytest.approx(simulation.cost_usd, rel=0.1)


def test_what_else_there_is_costs_about_the_same_by_theory_and_by_simulation(load, start):
    capacities = {c.kind: c for c in frontier.capacities(wb.facts(load.scenario.as_of), load)}
    for reserved in (capacities["reserved"], None):
        both = [how(start, [60.0, 300.0], reserved, [1]) for how in (pool.options, pool.options_simulated)]
        assert [len(o.always_on) for o in both] == ([1, 1] if reserved else [0, 0])
        for a, b in zip(*(o.kept + o.always_on for o in both), strict=True):
            assert a[0] == pytest.approx(b[0], rel=0.05)
            assert a[1] == pytest.approx(b[1], abs=0.01)


# --- a day


def test_a_day_adds_up_to_what_was_simulated(load, start):
    made = course.day(load, start.policy)
    assert made.hours[0] == 0
    assert made.hours[-1] == 23.75
    day = load.traffic.arrivals_s // waking.DAY_S == load.traffic.span_s / 2 // waking.DAY_S
    assert made.requests_per_minute.mean() * 1440 == pytest.approx(day.sum())
    up = made.ready + made.starting
    assert 0 < made.asleep_share < 1
    assert up.mean() == pytest.approx(1 - made.asleep_share)  # of one replica
    assert made.most == 1


def test_a_fleet_that_is_always_on_has_a_flat_day(load):
    made = course.day(load, Fixed(2, concurrency=load.replica.slots))
    assert np.all(made.ready == 2)
    assert np.all(made.starting == 0)
    assert made.asleep_share == 0
