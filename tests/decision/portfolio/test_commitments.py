"""A scenario bound to a plan: the scenario's work, nothing lost that a plan may want, orders with their day."""

from dataclasses import replace
from datetime import date

import pytest

from workbench import face
from workbench.decision.draws import central
from workbench.decision.offers import options
from workbench.decision.outcome import monthly, plan_of
from workbench.decision.portfolio.commitments import commitments, undominated
from workbench.decision.portfolio.purchase import later, purchase
from workbench.decision.portfolio.solver import relaxed, solve
from workbench.records import Infeasible, Range

EXACT = 1e-9


@pytest.fixture(scope="module")
def chat():
    return face.load("chat")


@pytest.fixture(scope="module")
def facts(chat):
    return face.facts(chat.as_of)


def constrained(scenario, **constraints):
    return replace(scenario, constraints=replace(scenario.constraints, **constraints))


def growing(scenario, share, **demand):
    growth = Range(value=share, low=share, high=share)
    return replace(scenario, demand=replace(scenario.demand, growth_per_month=growth, **demand))


def grown(scenario, factor):
    """The same service with more traffic."""
    counted = ("tokens_in_per_month", "tokens_out_per_month", "requests_per_month")
    more = {name: factor * getattr(scenario.demand, name) for name in counted}
    return replace(scenario, demand=replace(scenario.demand, **more))


# --- the work


def test_a_plan_with_one_serverless_offer_costs_what_that_option_costs(facts, chat):
    alone = constrained(chat, providers=("fal",))
    found = purchase(facts, alone)
    (offer,) = {order["offer"] for order in found.schedule}
    option = next(o for o in options(facts, alone) if o.id == offer)
    middle = central([option])
    assert found.cost == pytest.approx(monthly(plan_of((option,), middle, alone), middle, alone.months).sum())


def test_a_plan_with_one_fleet_on_demand_costs_what_that_option_costs_but_for_whole_instances(facts, chat):
    """The plan buys parts of an instance; the option's hours, base and burst together, are the same."""
    alone = constrained(grown(chat, 20), providers=("Hyperstack",), accelerators=("H100-SXM",), max_commitment_months=0)
    found = purchase(facts, alone)
    (offer,) = {order["offer"] for order in found.schedule}
    option = next(o for o in options(facts, alone) if o.id == offer)
    middle = central([option])
    assert found.cost == pytest.approx(monthly(plan_of((option,), middle, alone), middle, alone.months).sum())


@pytest.mark.parametrize("name", ["chat", "health", "images"])
def test_base_and_burst_are_all_of_the_work(name):
    scenario = face.load(name)
    asked = commitments(face.facts(scenario.as_of), scenario)
    base = asked.demand[0] / asked.demand.sum(axis=0)
    assert base == pytest.approx(base[0])
    assert asked.shares[0].low <= base[0] <= asked.shares[0].high


def test_a_committed_fleet_does_more_of_the_base_than_of_the_burst(facts, chat):
    for b in commitments(facts, grown(chat, 20)).bound:
        base, burst = b.capacity.serves
        assert base > burst or b.option.basis == "serverless"


# --- what is left out


@pytest.mark.parametrize("name", ["chat", "tpu"])
def test_what_is_left_out_would_not_make_a_plan_cheaper(name, monkeypatch):
    """With nothing whole, for the size of blocks is set aside."""
    scenario = face.load(name)
    facts = face.facts(scenario.as_of)
    few = commitments(facts, scenario)
    monkeypatch.setattr("workbench.decision.portfolio.commitments.undominated", lambda every, rules: (list(every), []))
    every = commitments(facts, scenario)
    assert len(few.bound) + len(few.left_out) == len(every.bound) > len(few.bound)

    def least(asked):
        return relaxed(asked.demand, [b.capacity for b in asked.bound], asked.onboarding).cost

    assert least(few) == pytest.approx(least(every), rel=EXACT)


def test_of_two_equal_capacities_one_is_kept(facts, chat):
    one = commitments(facts, chat).bound[0]
    twin = replace(one, capacity=replace(one.capacity, name="a twin"))
    kept, left_out = undominated([one, twin])
    assert len(kept) == len(left_out) == 1


# --- the plan


def test_a_job_that_does_not_run_in_two_places_is_planned_in_one():
    training = face.load("training")
    found = purchase(face.facts(training.as_of), training)
    assert len({(o["provider"], o["gpu"]) for o in found.schedule}) == 1
    asked = found.asked
    assert len(asked.places) > 1
    for place in asked.places:
        rivals = solve(asked.demand, [b.capacity for b in place], {b.capacity.provider: b.onboarding for b in place})
        assert found.bound <= rivals.cost + asked.fixed


def test_growth_makes_a_ladder_of_commitments(facts, chat):
    """A block joins where the work has grown enough to fill it."""
    busy = growing(constrained(grown(chat, 20), providers=("Hyperstack",), max_commitment_months=36), 0.1)
    found = purchase(facts, replace(busy, months=24))
    starts = {o["month"] for o in found.schedule if o["kind"] == "reserved"}
    assert len(starts) > 3
    assert found.cost < found.on_demand_only


def test_capacity_with_a_lead_is_ordered_before_it_starts(facts, chat):
    busy = replace(constrained(grown(chat, 20), providers=("Hyperstack",)), months=24)
    slow = replace(busy, assumptions={"lead_time_months": Range(value=2, low=2, high=4)})
    found = purchase(facts, slow)
    ordered = [o for o in found.schedule if o["kind"] == "reserved"]
    assert ordered
    assert min(o["month"] for o in ordered) == 2
    for o in ordered:
        assert o["order_by"] == later(chat.as_of, o["month"] - 2).isoformat()
        assert (o["order_by_cautious"] is None) == (o["month"] < 4)
    bridging = [o for o in found.schedule if o["kind"] == "on_demand" and o["month"] < 2]
    assert {o["month"] for o in bridging} == {0, 1}


def test_no_provider_does_more_than_its_share(facts, chat):
    limit = 0.6
    found = purchase(facts, constrained(chat, max_provider_share=limit))
    served = {}
    values = found.plan.optimum.values
    columns, market = found.plan.optimum.programme.columns, found.plan.optimum.programme.market
    for pair, used in enumerate(columns.use.of(values)[0]):
        group, pool = columns.group[pair], columns.pool[pair]
        provider = market.provider_of[pool]
        served[provider] = served.get(provider, 0) + used.sum() * market.serves_gp[group, pool]
    assert max(served.values()) <= limit * found.asked.demand.sum() * (1 + EXACT)
    assert sum(served.values()) == pytest.approx(found.asked.demand.sum())
    assert found.cost >= purchase(facts, chat).cost


def test_too_few_providers_for_the_shares_asked_for_say_what_to_relax(facts, chat):
    with pytest.raises(Infeasible) as error:
        purchase(facts, constrained(chat, providers=("fal",), max_provider_share=0.5))
    assert "raise the share of fal by 50.00%" in error.value.remedy


def test_a_plan_that_commits_to_nothing_costs_what_on_demand_costs(facts, chat):
    found = purchase(facts, chat)
    if not any(o["kind"] == "reserved" for o in found.schedule):
        assert found.cost == pytest.approx(found.on_demand_only)
    assert found.bound <= found.cost


def test_every_order_cites_its_price(facts, chat):
    found = purchase(facts, grown(chat, 20))
    for b, _ in found.used:
        assert set(b.option.price.usd_per_gpu_hour.rows) <= set(found.rows)


def test_the_work_of_a_month_is_the_tokens_at_the_pace_of_the_reference(facts, chat):
    """At the medians: prompts and answers each at their own pace, in accelerators at work all month."""
    asked = commitments(facts, chat)
    option = asked.bound[0].option
    middle = central([option])

    def at(name):
        quantity = option.inputs[name]
        drawn = middle.values.get((quantity.text, *quantity.rows))
        return quantity.value if drawn is None else float(drawn[0, 0])

    pace = {p: at(f"{p}_tokens_per_gpu_hour") for p in ("prefill", "decode")}
    hours = 134e9 / pace["prefill"] + 25e9 / pace["decode"]
    assert asked.demand[:, 0].sum() == pytest.approx(hours / at("hours_per_month"))
    assert asked.demand.sum(axis=0)[-1] / asked.demand.sum(axis=0)[0] == pytest.approx(1.04**11)


@pytest.mark.parametrize(
    ("months", "day"),
    [(0, "2026-11-30"), (1, "2026-12-30"), (3, "2027-02-28"), (15, "2028-02-29"), (-11, "2025-12-30")],
)
def test_a_day_some_months_on_is_that_day_or_the_last_of_a_shorter_month(months, day):
    assert later(date(2026, 11, 30), months) == date.fromisoformat(day)
