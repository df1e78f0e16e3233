"""What a plan says beside its orders: the rule for demand that nobody can forecast."""

from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from workbench.decision.portfolio.commitments import commitments


@pytest.fixture(scope="module")
def found():
    return wb.portfolio("tpu")


def test_the_rule_for_demand_that_nobody_can_forecast_commits_when_the_fee_is_spent(found):
    """By hand: the fee of the cheapest term for base work, against the cheapest that is bought by the hour."""
    rule = found.unforeseen
    held = next(b for b in found.place if b.option.id == rule["commit"])
    loose = next(b for b in found.place if b.option.id == rule["instead_of"])
    assert held.capacity.whole
    assert not loose.capacity.whole
    assert rule["threshold_usd"] == pytest.approx(np.ravel(held.capacity.rate)[0] * held.capacity.term_months)
    assert rule["threshold_usd"] < rule["on_demand_usd_per_month"] * rule["term_months"], "or it would never pay"
    assert rule["ratio"] == 2
    assert found.summary()["unforeseen"] == rule
    alone = replace(found, place=tuple(b for b in found.place if not b.capacity.whole))
    assert alone.unforeseen is None


@pytest.mark.parametrize("end", ["low", "high"])
def test_a_price_that_is_an_estimate_is_told_with_what_the_same_orders_cost_at_either_end(found, end):
    """The rates of the plan's own capacities, bound anew with the price at that end of its row."""
    (quote,) = found.quotes
    told = quote.as_dict()
    row = quote.price.rows[0]
    assert told["evidence"] == "estimated"
    facts = wb.face.facts(found.scenario.as_of)
    prices = [p if row not in p.usd_per_gpu_hour.rows else replace(p, usd_per_gpu_hour=replace(
        p.usd_per_gpu_hour, value=told[end], low=None, high=None)) for p in facts.prices]  # fmt: skip
    assert told[end] == getattr(next(p for p in facts.prices if row in p.usd_per_gpu_hour.rows).usd_per_gpu_hour, end)
    moved = {
        b.option.id: b.capacity.rate for b in commitments(replace(facts, prices=tuple(prices)), found.scenario).every
    }
    rates = {b.option.id: b.capacity.rate for b in found.place}
    more = sum(o["amount"] * o["term_months"] * (moved[o["offer"]][o["month"]] - rates[o["offer"]][o["month"]])
               for o in found.plan.schedule)  # fmt: skip
    assert told[f"cost_at_{end}"] == pytest.approx(found.cost + more, rel=0.01)
    assert found.summary()["uncertain_prices"] == [told]


def test_a_price_without_a_range_is_told_without_one():
    assert wb.portfolio("chat").quotes == []
