"""Commitments over all that may happen: the best before it is known, no better than knowing, and safer where asked."""

import json
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.decision.portfolio.capacity import Capacity, Risk, Rules
from workbench.decision.portfolio.hedge import hedge, realised
from workbench.decision.portfolio.solver import solve
from workbench.decision.value import cvar
from workbench.records import Infeasible, WorkbenchError

CASE = json.loads((Path(__file__).parents[2] / "cases" / "decision.json").read_text(encoding="utf-8"))["portfolio"]
LAW = settings(max_examples=30, deadline=None, derandomize=True)
MARKET = [
    Capacity("H on demand", "H", 3.0),
    Capacity("H reserved", "H", 2.0, "reserved", term_months=3),
    Capacity("N on demand", "N", 2.0, cap=3),
    Capacity("N reserved", "N", 1.2, "reserved", term_months=3, lead_months=2),
]
ONBOARDING = {"N": 5.0}
GAP = 1e-3
SEEDS = st.integers(0, 10_000)


def futures(seed, size=12):
    """Demands that may come: the worked one, larger or smaller."""
    levels = np.random.default_rng(seed).lognormal(0, 0.4, (size, 1))
    return np.array(CASE["demand"]) * levels


def test_one_future_alone_is_the_plan_for_it():
    assert hedge([CASE["demand"]], MARKET, ONBOARDING).objective == pytest.approx(CASE["optimum"], abs=1e-6)


@settings(LAW, max_examples=15)
@given(seed=SEEDS)
def test_hedging_lies_between_knowing_the_future_and_planning_for_its_mean(seed):
    demand = futures(seed)
    best = hedge(demand, MARKET, ONBOARDING)
    knowing = np.mean([solve(d, MARKET, ONBOARDING).cost for d in demand])
    forecast = realised(solve(demand.mean(axis=0), MARKET, ONBOARDING).schedule, demand, MARKET, ONBOARDING)
    assert knowing * (1 - GAP) <= best.expected <= forecast.expected * (1 + GAP)


@settings(LAW, max_examples=15)
@given(seed=SEEDS, weight=st.sampled_from([0.0, 0.5, 5.0]), level=st.sampled_from([0.0, 0.5, 0.9]))
def test_the_objective_is_the_expected_cost_and_the_weighted_mean_of_the_worst(seed, weight, level):
    found = hedge(futures(seed), MARKET, ONBOARDING, risk=Risk(weight=weight, level=level))
    assert found.expected == pytest.approx(found.costs.mean())
    assert found.at_risk == pytest.approx(cvar(found.costs, level))
    assert found.objective == pytest.approx(found.expected + weight * found.at_risk)
    assert found.bound <= found.objective * (1 + 1e-9)
    assert found.gap <= GAP


@settings(LAW, max_examples=10)
@given(seed=SEEDS)
def test_more_weight_on_the_worst_buys_safety_with_expected_cost(seed):
    demand = futures(seed)
    found = [hedge(demand, MARKET, ONBOARDING, risk=Risk(weight=w, level=0.8)) for w in (0, 1, 20)]
    slack = 1 + 20 * GAP
    for bold, careful in pairwise(found):
        assert careful.at_risk <= bold.at_risk * slack
        assert careful.expected >= bold.expected / slack


@settings(LAW)
@given(
    demand=st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=2), min_size=1, max_size=3),
    rates=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    term=st.integers(1, 3),
    weight=st.sampled_from([0.0, 1.0]),
)
def test_a_small_hedge_is_the_best_that_counting_finds(demand, rates, term, weight):
    offers = [Capacity("od", "X", rates[0]), Capacity("r", "X", rates[1], "reserved", term_months=term)]
    best = np.inf
    for units in product(range(3), repeat=2):
        running = np.zeros(2)
        for start, amount in enumerate(units):
            running[start : start + term] += amount
        bought = np.maximum(np.array(demand) - running, 0).sum(axis=1) * rates[0] + sum(units) * term * rates[1]
        best = min(best, bought.mean() + weight * cvar(bought, 0.5))
    found = hedge(demand, offers, risk=Risk(weight=weight, level=0.5))
    assert found.objective == pytest.approx(best, abs=1e-6)


def test_unlikely_futures_count_for_as_little_as_they_are_likely():
    demand = [[0, 0], [4, 4]]
    offers = [Capacity("od", "X", 3.0), Capacity("r", "X", 2.0, "reserved", term_months=2)]
    likely, unlikely = (hedge(demand, offers, risk=Risk(probabilities=[1 - p, p])) for p in (0.9, 0.1))
    assert [r["amount"] for r in likely.schedule] == [4]
    assert unlikely.schedule == []
    assert unlikely.expected == pytest.approx(0.1 * 4 * 2 * 3)


def test_prices_that_may_rise_are_a_reason_to_commit():
    demand = [[1, 1], [1, 1]]
    offers = [Capacity("od", "X", 3.0), Capacity("r", "X", 4.0, "reserved", term_months=2)]
    calm, moving = (hedge(demand, offers, risk=Risk(rates={"od": paths})) for paths in
                    ([[3, 3], [3, 3]], [[3, 3], [3, 9]]))  # fmt: skip
    assert calm.schedule == []
    assert [r["offer"] for r in moving.schedule] == ["r"]
    assert moving.costs.tolist() == [8, 8]


def test_on_demand_is_bought_when_the_future_is_there():
    found = hedge([[1, 1], [3, 3]], [Capacity("od", "X", 1.0)])
    assert found.running[:, 0].tolist() == [[1, 1], [3, 3]]
    assert found.schedule == []
    assert found.costs.tolist() == [2, 6]


def test_workloads_may_be_part_of_each_future():
    demand = [[[1, 1], [0, 0]], [[0, 0], [1, 1]]]
    assert hedge(demand, [Capacity("r", "X", 1.0, "reserved", term_months=2)]).costs.tolist() == [2, 2]
    only = Capacity("r", "X", 1.0, "reserved", term_months=2, serves=[1, 0])
    found = hedge(demand, [only, Capacity("od", "X", 5.0)])
    assert found.expected == pytest.approx(min(2 + 10 / 2, 10))


def test_a_share_and_a_budget_hold_in_every_future():
    demand = np.array([[2, 2], [4, 4]])
    offers = [Capacity("cheap", "X", 1.0), Capacity("dear", "Y", 2.0)]
    found = hedge(demand, offers, rules=Rules(max_share={"X": 0.5}))
    assert found.costs == pytest.approx([2 + 4, 4 + 8])
    with pytest.raises(Infeasible, match="pay 1 USD more in months 0-1"):
        hedge(demand, offers, rules=Rules(budget=3))


# --- what commitments cost in a future that they were not made for


@settings(LAW, max_examples=15)
@given(seed=SEEDS)
def test_a_hedge_realised_in_its_own_futures_costs_what_it_says(seed):
    demand, risk = futures(seed), Risk(weight=1.0, level=0.8)
    found = hedge(demand, MARKET, ONBOARDING, risk=risk)
    again = realised(found.schedule, demand, MARKET, ONBOARDING, risk=risk)
    assert again.objective == pytest.approx(found.objective, rel=GAP)


def test_no_commitments_are_all_on_demand():
    assert realised([], [CASE["demand"]], MARKET, ONBOARDING).costs == pytest.approx([CASE["on_demand_mix"]])
    assert realised([], [CASE["demand"]], MARKET[:2], ONBOARDING).costs == pytest.approx([CASE["all_H_on_demand"]])


def test_what_is_committed_is_paid_though_nobody_needs_it():
    rows = [{"month": 0, "offer": "H reserved", "amount": 5}]
    assert realised(rows, [[0] * 6], MARKET, ONBOARDING).costs.tolist() == [5 * 3 * 2]


@pytest.mark.parametrize(
    "row",
    [{"month": 0, "offer": "N reserved", "amount": 1}, {"month": 9, "offer": "H reserved", "amount": 1},
     {"month": 0, "offer": "H reserved", "amount": 0.5}, {"month": 0, "offer": "nobody's", "amount": 1},
     {"month": 0, "offer": "H reserved", "amount": -1}],
    ids=str,
)  # fmt: skip
def test_an_impossible_order_is_refused(row):
    with pytest.raises(WorkbenchError, match="realised"):
        realised([row], [CASE["demand"]], MARKET, ONBOARDING)


@pytest.mark.parametrize(
    "risk",
    [
        Risk(probabilities=[1.0]), Risk(probabilities=[0.5, 0.6]), Risk(weight=-1), Risk(level=1), Risk(level=-0.1),
        Risk(rates={"r": [[1, 1], [1, 1]]}), Risk(rates={"od": [1, 1]}), Risk(rates={"od": [[1, 1], [1, -1]]}),
    ],
    ids=str,
)  # fmt: skip
def test_bad_risks_are_refused(risk):
    offers = [Capacity("od", "X", 3.0), Capacity("r", "X", 4.0, "reserved", term_months=2)]
    with pytest.raises(WorkbenchError, match="hedge"):
        hedge([[1, 1], [1, 1]], offers, risk=risk)


def test_a_demand_without_futures_is_refused():
    with pytest.raises(WorkbenchError, match="axes"):
        hedge([1, 2], MARKET)
