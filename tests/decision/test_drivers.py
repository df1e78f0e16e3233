"""What is behind a study's answer: the ends of each input are what the study itself says there."""

from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from workbench import face
from workbench.decision import answer
from workbench.decision.answer import Decision
from workbench.decision.draws import MARKET, key
from workbench.decision.drivers import importance, tornado
from workbench.decision.outcome import Plan, monthly
from workbench.records import Constraints, Quantity

ERROR = 0.06
"""Of an index at 1,024 draws."""


@pytest.fixture(scope="module")
def decision() -> Decision:
    return wb.decide(face.changed(wb.load("chat"), draws=1024))


def mean_at(decision: Decision, plan: Plan, quantity: Quantity, at: float) -> float:
    """The mean of a plan evaluated from nothing again, with one quantity fixed and the draws of the others."""
    fixed = replace(quantity, value=at, low=at, high=at)
    legs = tuple(
        replace(leg, inputs={n: replace(fixed, name=q.name) if key(q) == key(quantity) else q
                             for n, q in leg.inputs.items()})
        for leg in plan.legs
    )  # fmt: skip
    known = decision.study.draws
    draws = replace(known, values={k: v for k, v in known.values.items() if k != key(quantity)})
    return float(monthly(replace(plan, legs=legs), draws, decision.scenario.months).sum(axis=1).mean())


def test_a_bar_ends_where_the_study_drawn_again_says(decision):
    for swing in tornado(decision.study)[:4]:
        for end, told in ((swing.quantity.low, swing.at_low), (swing.quantity.high, swing.at_high)):
            ours, theirs = (mean_at(decision, o.plan, swing.quantity, end) for o in (decision.answer, decision.rival))
            assert told == pytest.approx(theirs - ours, rel=1e-6, abs=1e-3 * abs(decision.answer.mean))


def test_the_widest_bar_comes_first(decision):
    widths = [swing.width for swing in tornado(decision.study)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0


def test_a_bar_that_crosses_nothing_saved_is_a_flip(decision):
    """Each input that flips the answer to the runner-up itself is a bar that crosses zero."""
    crossing = {swing.input for swing in tornado(decision.study) if swing.flips}
    flips = {f.input for f in decision.flips[1:] if f.new_best == decision.rival.plan.id}
    assert flips <= crossing


def test_importance_on_its_own_agrees_with_the_drivers(decision):
    """Two estimators, one from the draws at hand and one that asks again."""
    found = importance(decision.study)
    first = dict(zip(found.names, found.indices.first, strict=True))
    for name, share in decision.drivers[:4]:
        assert first[name] == pytest.approx(share, abs=ERROR)


def test_an_input_explains_no_less_with_others_than_alone(decision):
    found = importance(decision.study).indices
    assert (found.total >= found.first - 3 * (found.first_error + found.total_error)).all()


def test_all_prices_may_be_one_group(decision):
    moving = [k for k in decision.study.draws.values if k == MARKET or k[0].startswith("movement of")]
    alone, together = importance(decision.study), importance(decision.study, groups={"prices": moving})
    assert together.names[0] == "prices"
    assert len(together.names) < len(alone.names)
    inside = sum(f for n, f in zip(alone.names, alone.indices.first, strict=True) if n.startswith(("move", "market")))
    assert together.indices.first[0] >= inside - ERROR


def test_importance_is_the_same_for_the_same_seed(decision):
    one, other = importance(decision.study), importance(decision.study)
    assert np.array_equal(one.indices.total, other.indices.total)


def test_one_option_alone_has_no_drivers(decision):
    alone = replace(face.changed(wb.load("chat"), draws=64), constraints=Constraints(
        providers=("Nebius",), accelerators=("B200-SXM",), spot_allowed=False, max_commitment_months=0))  # fmt: skip
    made = answer.decide(decision.study.facts, alone)
    assert tornado(made.study) == []
    assert importance(made.study) is None
