"""What a plan says beside its orders: the rule for demand that nobody can forecast."""

from dataclasses import replace

import numpy as np
import pytest

import workbench as wb


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
