"""How prices move: what raises them, what a signature stops, and that today's quote is today's price."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import formula
from workbench.models import price

LAW = settings(max_examples=200, deadline=None, derandomize=True)
BOTH = ("price_factor", "committed_price_factor")
SPAN = {
    "month": (0.0, 59.0), "term_start": (0.0, 59.0), "age_months": (0.0, 24.0), "committed_age_months": (0.0, 24.0),
    "price_drift": (-0.05, 0.05), "committed_drift": (-0.05, 0.05), "market_volatility": (0.0, 0.1),
    "offer_volatility": (0.0, 0.1), "committed_volatility": (0.0, 0.1), "market_shock": (-3.0, 3.0),
    "offer_shock": (-3.0, 3.0), "committed_shock": (-3.0, 3.0), "price_trend_model": (0.0, 2.0),
    "rent_rise": (-0.05, 0.05), "rent_fall": (-0.05, 0.05), "turn_month": (0.0, 60.0), "step_wait": (0.0, 8.0),
    "committed_wait": (0.0, 8.0), "step_rate": (0.0, 0.2), "committed_step_rate": (0.0, 0.2), "step_size": (-0.7, 0.7),
}  # fmt: skip
LEAVES = formula.leaves(price, BOTH)
INPUTS = st.fixed_dictionaries({name: st.floats(*SPAN[name]) for name in SPAN})
STILL = dict.fromkeys(LEAVES, 0.0) | {"step_wait": 9.0, "committed_wait": 9.0, "price_trend_model": 1.0}
RISES = ("price_drift", "committed_drift", "market_shock", "offer_shock", "committed_shock", "rent_rise", "rent_fall",
         "step_size")  # fmt: skip


def factors(**inputs) -> tuple:
    made = formula.evaluate(price, {**STILL, **inputs}, BOTH)
    return tuple(made[name] for name in BOTH)


def test_every_input_is_known_here():
    assert sorted(SPAN) == sorted(LEAVES)


def test_what_does_not_move_stays_at_its_quote():
    hour, commitment = factors(month=np.arange(36.0), age_months=3.0)
    assert (hour == 1).all()
    assert commitment == 1


@pytest.mark.parametrize("name", RISES)
@LAW
@given(inputs=INPUTS, share=st.floats(0.01, 1.0))
def test_a_price_never_falls_when_this_rises(name, inputs, share):
    higher = {**inputs, name: inputs[name] + (SPAN[name][1] - inputs[name]) * share}
    for after, before in zip(factors(**higher), factors(**inputs), strict=True):
        assert after >= before * (1 - 1e-12)


@LAW
@given(inputs=INPUTS)
def test_a_price_seen_and_asked_on_one_day_is_the_quote(inputs):
    today = {**inputs, "month": 0.0, "age_months": 0.0, "step_wait": 1.0}
    assert factors(**today)[0] == 1


def test_age_and_horizon_widen_a_price_by_one_process():
    """A price seen three months ago is as uncertain today as today's price is in three months."""
    moving = {"price_drift": 0.01, "market_volatility": 0.03, "offer_volatility": 0.02, "market_shock": 1.5,
              "offer_shock": -0.5}  # fmt: skip
    assert factors(age_months=3.0, **moving)[0] == factors(month=3.0, **moving)[0] != 1


def test_a_signed_price_does_not_move_within_its_term():
    month = np.arange(24.0)
    moving = {"committed_age_months": 3.0, "committed_drift": 0.02, "market_volatility": 0.03, "market_shock": 1.0}
    _, factor = factors(term_start=month // 12 * 12, **moving)
    assert (factor[:12] == factor[0]).all()
    assert (factor[12:] == factor[12]).all()
    assert factor[12] > factor[0]


def test_a_list_price_stays_until_it_steps_and_then_stays():
    """A rate of one step in ten months and a wait of 0.95 mean waits: it moves in month 10."""
    factor, _ = factors(month=np.arange(20.0), step_rate=0.1, step_wait=0.95, step_size=-0.4)
    assert (factor[:10] == 1).all()
    assert factor[10:] == pytest.approx(np.exp(-0.4))


def test_rents_that_turn_are_a_v_and_no_slide():
    """They rise up to the turn at one pace and fall after it at the other, whatever the age of the quote."""
    month = np.arange(24.0)
    for age in (0.0, 4.0):
        factor, _ = factors(month=month, age_months=age, price_trend_model=2.0, rent_rise=0.01, rent_fall=-0.03,
                            turn_month=12.0, price_drift=0.5)  # fmt: skip
        steps = np.diff(np.log(factor))
        assert steps[:12] == pytest.approx(0.01)
        assert steps[12:] == pytest.approx(-0.03)
        assert factor[0] == pytest.approx(np.exp(0.01 * age))


def test_each_model_of_the_trend_uses_its_own_slope_alone():
    slopes = {"price_drift": -0.02, "rent_rise": 0.01, "rent_fall": -0.03, "turn_month": 99.0}
    logs = [np.log(factors(month=10.0, price_trend_model=float(model), **slopes)[0]) for model in range(3)]
    assert logs == pytest.approx([0.0, -0.2, 0.1])
