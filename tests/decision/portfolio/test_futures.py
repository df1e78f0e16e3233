"""Commitments over drawn futures: dearer on average buys a cheaper worst, and no rule does better than the best."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from workbench import face
from workbench.decision.portfolio.capacity import Risk
from workbench.decision.portfolio.futures import frontier, futures
from workbench.decision.portfolio.hedge import realised
from workbench.decision.portfolio.purchase import purchase
from workbench.decision.value import cvar

EXACT = 1e-9
"""Each plan only to a gap, but for each weight the best of all that was found."""
LEVEL = 0.9
FEW = 6


@pytest.fixture(scope="module")
def found():
    """A service large enough to commit for, at one seller with two terms and one on demand."""
    chat = face.load("chat")
    counted = ("tokens_in_per_month", "tokens_out_per_month", "requests_per_month")
    more = {name: 20 * getattr(chat.demand, name) for name in counted}
    constraints = replace(chat.constraints, providers=("RunPod",), accelerators=("H100-SXM",))
    busy = replace(chat, demand=replace(chat.demand, **more), constraints=constraints)
    return purchase(face.facts(chat.as_of), busy)


@pytest.fixture(scope="module")
def points(found):
    return frontier(found.asked, found.place, found.plan.schedule, size=FEW, weights=(0.0, 1.0, 2.0))


def test_more_weight_on_the_worst_makes_it_cheaper_and_the_mean_dearer(points):
    weighed = [p.found for p in points if p.weight is not None]
    for less, more in pairwise(weighed):
        assert more.at_risk <= less.at_risk * (1 + EXACT)
        assert more.expected >= less.expected * (1 - EXACT)


def test_no_rule_is_cheaper_on_average_than_the_best_for_the_average(points):
    best = next(p.found for p in points if p.weight == 0)
    assert all(p.found.expected >= best.expected * (1 - EXACT) for p in points)
    assert {p.name for p in points} >= {"the plan at the median", "commit to nothing"}


def test_what_is_told_is_the_costs_with_what_every_plan_pays(points):
    for p in points:
        told = p.as_dict(1.0)
        assert told["expected"] == pytest.approx(p.found.costs.mean() + 1)
        assert told["at_risk"] == pytest.approx(cvar(p.found.costs + 1, LEVEL))
        assert told["p10"] <= told["expected"] <= told["at_risk"]


def test_futures_start_at_today_and_spread(found):
    known = futures(found.asked, found.place, 64)
    rates = next(iter(known.rates.values()))
    spread = np.log(rates).std(axis=0)
    assert spread[-1] > spread[1]
    assert known.demand[:, :, 0] == pytest.approx(np.broadcast_to(found.asked.demand[:, 0], known.demand.shape[:2]))
    assert known.demand[:, :, -1].std() > 0
    plan = next(b for b in found.place if b.capacity.name in known.rates)
    assert np.median(rates[:, 0]) == pytest.approx(plan.capacity.rate[0], rel=0.2)


def test_a_future_costs_more_where_its_prices_are_higher(found):
    known = futures(found.asked, found.place, FEW)
    market = [b.capacity for b in found.place], found.asked.onboarding
    risk = Risk(rates=known.rates, level=LEVEL)
    dearer = Risk(rates={n: 2 * r for n, r in known.rates.items()}, level=LEVEL)
    low, high = (realised((), known.demand, *market, risk=r).costs for r in (risk, dearer))
    assert (high > low).all()


def test_for_its_weight_no_point_is_better_than_the_one_that_is_shown(points):
    for p in points:
        if p.weight is not None:
            assert p.found.objective == pytest.approx(p.found.expected + p.weight * p.found.at_risk)
            assert all(
                p.found.objective <= (q.found.expected + p.weight * q.found.at_risk) * (1 + EXACT) for q in points
            )
            assert p.found.bound <= p.found.objective * (1 + EXACT)
            assert 0 <= p.found.gap < 1
