"""Rules for buying: their worked cases, and what they promise held against the best in hindsight."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from workbench.decision.portfolio.procurement import (
    commit_online,
    forward_rates,
    lead_time_order,
    newsvendor,
    newsvendor_normal,
    online_ratio,
    randomised_ratio,
)
from workbench.decision.portfolio.solver import Capacity, solve
from workbench.records import WorkbenchError

CASES = json.loads((Path(__file__).parents[2] / "cases" / "decision.json").read_text(encoding="utf-8"))
LAW = settings(max_examples=60, deadline=None, derandomize=True)
NAN = float("nan")
RATIO, MEAN, SD = 0.6, 100, 20  # of the worked case, whose note states them


# --- worked cases


def test_the_worked_newsvendor_has_its_quantity_and_cost():
    order = newsvendor_normal(RATIO, 1, MEAN, SD)
    assert order.quantity == pytest.approx(CASES["newsvendor"]["quantity"], abs=1e-6)
    assert order.cost == pytest.approx(CASES["newsvendor"]["cost"], abs=1e-6)


def test_the_worked_ratios_of_the_online_rules_come_out():
    assert [online_ratio(0.4), randomised_ratio(0.4)] == pytest.approx(CASES["commit_or_not_online"]["a_0.4"], abs=1e-6)


def test_the_worked_forward_curve_comes_out():
    case = CASES["forward_curve"]
    ratio, second, third = forward_rates(case["one_year"], case["three_year"])
    assert (ratio, second, third) == pytest.approx((case["annual_ratio"], case["year_2"], case["year_3"]), abs=1e-6)


@pytest.mark.parametrize("weeks", [36, 52])
def test_the_worked_orders_ahead_of_a_lead_time_come_out(weeks):
    case = CASES["lead_time_order"]
    ordered = lead_time_order(case["demand_0"], case["growth"], case["volatility"], case["critical_ratio"], weeks)
    assert ordered == pytest.approx(case[f"weeks_{weeks}"], abs=1e-6)


# --- newsvendor

RATES = st.floats(0.1, 10)
DEMANDS = arrays.arrays(float, (12, 3), elements=st.integers(0, 50).map(float))


@LAW
@given(demand=DEMANDS, committed=RATES, on_demand=RATES)
def test_no_other_quantity_costs_less_on_average(demand, committed, on_demand):
    def cost(units):
        return (committed * units + on_demand * np.maximum(demand - units, 0)).mean(axis=0)

    best = cost(newsvendor(demand, committed, on_demand))
    for units in (np.zeros(3), *demand):
        assert (best <= cost(units) + 1e-9).all()


@LAW
@given(committed=RATES, on_demand=RATES, mean=st.floats(0, 1e3), sd=st.floats(1, 1e3), other=st.floats(0, 3))
def test_no_other_quantity_costs_less_of_a_normal_demand(committed, on_demand, mean, sd, other):
    def cost(units):
        z = (units - mean) / sd
        return committed * units + on_demand * sd * (stats.norm.pdf(z) - z * stats.norm.sf(z))

    best = newsvendor_normal(committed, on_demand, mean, sd)
    assert best.cost == pytest.approx(cost(best.quantity), rel=1e-9, abs=1e-6)
    assert best.cost <= cost(other * mean) + 1e-6


@LAW
@given(committed=RATES, on_demand=RATES, mean=st.floats(0, 1e3))
def test_a_demand_that_is_known_is_bought_at_the_lower_rate(committed, on_demand, mean):
    assert newsvendor_normal(committed, on_demand, mean, 0).cost == pytest.approx(min(committed, on_demand) * mean)


def test_the_closed_form_is_the_mean_over_draws():
    demand = np.random.default_rng(3).normal(MEAN, SD, (200_000, 1))
    units = newsvendor(demand, RATIO, 1)
    order = newsvendor_normal(RATIO, 1, MEAN, SD)
    assert units[0] == pytest.approx(order.quantity, rel=2e-3)
    assert RATIO * units[0] + np.maximum(demand - units, 0).mean() == pytest.approx(order.cost, rel=2e-3)


def test_nothing_is_committed_at_more_than_the_on_demand_rate():
    assert newsvendor([[5.0], [7.0]], 2, 1).tolist() == [0]
    assert newsvendor_normal(2, 1, MEAN, SD).quantity == 0
    assert newsvendor_normal(2, 1, MEAN, SD).cost == pytest.approx(MEAN, rel=1e-6)


# --- the online rule


@settings(LAW, max_examples=200)
@given(
    demand=st.lists(st.integers(0, 3), min_size=1, max_size=9), term=st.integers(1, 5), on_demand=st.integers(1, 4),
    fee=st.floats(0.5, 15), share=st.floats(0, 0.9),
)  # fmt: skip
def test_the_rule_costs_at_most_its_ratio_times_the_best_in_hindsight(demand, term, on_demand, fee, share):
    usage = share * on_demand
    online = commit_online(demand, on_demand, fee, term, usage)
    offers = [Capacity("od", "X", on_demand),
              Capacity("r", "X", fee / term, "reserved", term_months=term, usage=usage)]  # fmt: skip
    best = solve(demand, offers, gap=0).cost
    assert best * (1 - 1e-6) <= online.cost <= online_ratio(share) * best * (1 + 1e-6)


def test_no_ratio_below_the_stated_one_would_hold():
    """The demand that stops the month after the rule commits: fine steps come close to the ratio."""
    steps = 200
    demand = [1] * (steps + 1)
    online = commit_online(demand, 1.0, float(steps), steps * 2)
    best = solve(demand, [Capacity("od", "X", 1.0), Capacity("r", "X", 0.5, "reserved", term_months=steps * 2)]).cost
    assert online.cost / best == pytest.approx(online_ratio(0.0), rel=0.01)


@LAW
@given(demand=st.lists(st.integers(0, 3), min_size=2, max_size=12), cut=st.integers(1, 11))
def test_the_rule_knows_nothing_of_the_future(demand, cut):
    whole, part = (commit_online(d, 2.0, 5.0, 4, 0.5) for d in (demand, demand[:cut]))
    assert whole.orders[:cut].tolist() == part.orders.tolist()


def test_a_demand_that_stays_is_committed_to_once_its_spend_has_passed_the_break_even():
    online = commit_online([1] * 6, 1.0, 2.5, 6)
    assert online.orders.tolist() == [0, 0, 1, 0, 0, 0]
    assert online.on_demand.tolist() == [1, 1, 0, 0, 0, 0]
    assert online.cost == 2 + 2.5


def test_spend_that_led_to_one_order_leads_to_no_second():
    assert commit_online([1, 1, 2], 1.0, 1.5, 4).orders.tolist() == [0, 1, 0]


def test_a_single_peak_is_never_committed_to():
    assert commit_online([0, 0, 5, 0, 0], 1.0, 2.5, 5).orders.sum() == 0


def test_luck_does_no_better_than_its_ratio_and_better_than_none():
    shares = np.linspace(0, 1, 11)
    assert (randomised_ratio(shares) <= online_ratio(shares) + 1e-12).all()
    assert online_ratio(1) == randomised_ratio(1) == 1


# --- the rest


@LAW
@given(one=RATES, share=st.floats(0.34, 2))
def test_three_years_at_the_forward_rates_cost_what_the_three_year_price_says(one, share):
    three = share * one
    _, second, third = forward_rates(one, three)
    assert one + second + third == pytest.approx(3 * three)


@pytest.mark.parametrize(
    "call",
    [
        lambda: newsvendor([1.0, 2.0], 1, 2), lambda: newsvendor([[NAN]], 1, 2), lambda: newsvendor([[1.0]], 0, 2),
        lambda: newsvendor([[1.0]], [1, 2], 2), lambda: newsvendor_normal(1, 2, 100, -1),
        lambda: newsvendor_normal(1, -2, 100, 1), lambda: commit_online([], 1, 1, 1),
        lambda: commit_online([0.5], 1, 1, 1), lambda: commit_online([[1]], 1, 1, 1),
        lambda: commit_online([1], 1, 1, 0), lambda: commit_online([1], 1, 1, 1.5), lambda: commit_online([1], 1, 0, 1),
        lambda: commit_online([1], 1, 1, 1, usage=1), lambda: commit_online([-1], 1, 1, 1),
        lambda: online_ratio(1.1), lambda: randomised_ratio(-0.1), lambda: forward_rates(7.2, 1.0),
        lambda: forward_rates(0, 1.0), lambda: lead_time_order(200, 0.5, 0.45, 1, 36),
        lambda: lead_time_order(200, 0.5, 0.45, 0, 36), lambda: lead_time_order(200, NAN, 0.45, 0.4, 36),
        lambda: lead_time_order(-1, 0.5, 0.45, 0.4, 36),
    ],
    ids=range(22),
)  # fmt: skip
def test_bad_input_is_refused(call):
    with pytest.raises(WorkbenchError, match=r"decision\.portfolio\.procurement"):
        call()
