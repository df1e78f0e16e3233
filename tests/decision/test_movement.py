"""How offers' prices move: lists step, rents may turn, a stated drift is the only one, a signed price stays."""

from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from tests.narrow import narrow
from workbench import face
from workbench.decision.answer import Decision
from workbench.decision.draws import central
from workbench.decision.drivers import importance, tornado
from workbench.decision.offers import Option
from workbench.decision.outcome import arrays, monthly
from workbench.records import Basis

MONTHS = 36


@pytest.fixture(scope="module")
def decision() -> Decision:
    return wb.decide(face.changed(narrow("chat"), draws=2048))


def offers(decision: Decision, kind: str, basis: Basis) -> list[Option]:
    kinds = decision.study.facts.provider_kinds
    plans = [o.plan for o in decision.study.outcomes if len(o.plan.legs) == 1]
    return [p.head for p in plans if kinds[p.head.provider][0] == kind and p.head.basis is basis]


def factor(decision: Decision, option: Option) -> np.ndarray:
    """(month, draw) of the price against its quote."""
    return np.broadcast_to(arrays(option, decision.study.draws, MONTHS)["price_factor"], (MONTHS, 2048))


def test_list_prices_of_hyperscalers_mostly_stay_and_step_down_at_once(decision):
    for option in offers(decision, "hyperscaler", Basis.ON_DEMAND)[:8]:
        moved = factor(decision, option)
        rate = option.inputs["step_rate"].value
        assert (moved[12] == 1).mean() == pytest.approx(np.exp(-rate * 12), abs=0.1)
        assert ((np.diff(moved, axis=0) != 0).sum(axis=0) <= 1).all()
        assert (moved <= 1).all()  # every step that was seen was a cut


def test_two_list_prices_step_in_months_of_their_own(decision):
    one, other = (factor(decision, o)[-1] != 1 for o in offers(decision, "hyperscaler", Basis.ON_DEMAND)[:8:7])
    assert 0 < (one & other).mean() < one.mean()


def test_rents_of_neoclouds_rise_on_average_and_then_turn(decision):
    """Of the draws of that model: the middle path has its peak inside the horizon."""
    option = offers(decision, "neocloud", Basis.ON_DEMAND)[0]
    model = arrays(option, decision.study.draws, MONTHS)["price_trend_model"]
    middle = np.median(factor(decision, option)[:, model == 2], axis=1)
    assert 3 < np.argmax(middle) < 24
    assert middle[0] < middle.max() > middle[-1]
    still = np.median(factor(decision, option)[:, model == 0], axis=1)
    assert still == pytest.approx(1, abs=0.05)


def test_which_trend_holds_is_drawn_by_weight_once_for_all_rents(decision):
    found = {arrays(o, decision.study.draws, 12)["price_trend_model"].tobytes()
             for kind in ("neocloud", "marketplace") for o in offers(decision, kind, Basis.ON_DEMAND)}  # fmt: skip
    assert len(found) == 1
    (drawn,) = (np.frombuffer(f) for f in found)
    assert [(drawn == model).mean() for model in range(3)] == pytest.approx([0.4, 0.2, 0.4], abs=2e-3)


def test_a_drift_of_the_users_own_is_the_only_movement_but_chance(decision):
    own = replace(decision.scenario, assumptions={"price_drift": -0.02})
    asked = wb.decide(own)
    for kind in ("hyperscaler", "neocloud"):
        option = offers(asked, kind, Basis.ON_DEMAND)[0]
        moved = arrays(option, central([option]), MONTHS)["price_factor"]
        assert np.diff(np.log(moved[:, 0])) == pytest.approx(-0.02)


def test_a_contract_and_a_running_term_do_not_move(decision):
    committed = offers(decision, "neocloud", Basis.COMMITTED)[0]
    term = committed.term_months
    moved = arrays(committed, decision.study.draws, 2 * term)["committed_price_factor"]
    assert np.ptp(moved[:term], axis=0).max() == 0
    assert np.ptp(moved[term:], axis=0).max() == 0
    assert (moved[0] != moved[-1]).any()


def test_at_the_medians_nothing_changes(decision):
    """Of the three models of rents the first has as much weight as any, and a list's median wait is years."""
    for kind in ("hyperscaler", "neocloud"):
        option = offers(decision, kind, Basis.ON_DEMAND)[0]
        plan = next(o.plan for o in decision.study.outcomes if o.plan.head is option)
        assert np.ptp(arrays(option, central([option]), 12)["price_factor"]) == 0
        assert monthly(plan, central([option]), 12).shape == (1, 12)


def test_the_model_of_the_trend_is_an_input_of_the_sensitivity(decision):
    names = {swing.input for swing in tornado(decision.study)}
    assert "price_trend_model" in names
    assert "price_trend_model" in importance(decision.study).names
