"""What flips the answer really does: the same question is asked again with the input at its crossing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.narrow import narrow
from workbench import face, store
from workbench.decision import answer
from workbench.decision.answer import Decision
from workbench.decision.breakeven import Flip
from workbench.decision.draws import draw, key
from workbench.decision.outcome import Outcome, Plan, monthly
from workbench.records import Basis, Constraints, Facts, Quantity, Range, Scenario

DATASETS = Path(__file__).parents[2] / "datasets"
QUESTIONS = {
    "as shipped": Constraints(market="North America", model_memory_gb=160.0),
    "H100 of four sellers": Constraints(
        providers=("Lambda", "CoreWeave", "Nebius", "AWS"), accelerators=("H100-SXM",), spot_allowed=False),
    "commitments only count": Constraints(providers=("CoreWeave", "AWS"), max_commitment_months=12),
    "serverless": Constraints(providers=("fal", "Modal")),
}  # fmt: skip


@pytest.fixture(scope="module")
def facts() -> Facts:
    return store.load(wb.load("chat").as_of, DATASETS)


@pytest.fixture(scope="module", params=QUESTIONS)
def decision(request: pytest.FixtureRequest, facts: Facts) -> Decision:
    scenario = face.changed(narrow("chat"), draws=512)
    return answer.decide(facts, replace(scenario, constraints=QUESTIONS[request.param]))


def scaled(quote: Quantity, by: float) -> Quantity:
    return replace(quote, value=quote.value * by, low=quote.low * by, high=quote.high * by)


def mean_with(decision: Decision, plan: Plan, old: Quantity, new: Quantity) -> float:
    """The mean of a plan evaluated from nothing again, with one quantity exchanged and all else drawn as before."""
    legs = tuple(
        replace(leg, inputs={n: replace(new, name=q.name) if key(q) == key(old) else q for n, q in leg.inputs.items()})
        for leg in plan.legs
    )
    again, known = draw(legs, decision.scenario.draws, decision.scenario.seed), decision.study.draws.values
    same = {k: v for k, v in known.items() if k in again.values and k != key(old)}
    draws = replace(again, values={**again.values, **same})
    return float(monthly(replace(plan, legs=legs), draws, decision.scenario.months).sum(axis=1).mean())


def by_id(decision: Decision, plan_id: str) -> Outcome:
    return next(o for o in decision.study.outcomes if o.plan.id == plan_id)


def price_flip(decision: Decision) -> Flip:
    return decision.flips[0]


def test_flips_hold_the_price_at_which_the_runner_up_ties(decision):
    flip = price_flip(decision)
    assert flip.input.startswith("list_price")
    assert flip.new_best == decision.rival.plan.id
    assert flip.to > flip.start


def test_at_the_flipped_price_the_two_really_tie(decision):
    flip = price_flip(decision)
    dearer = mean_with(decision, decision.answer.plan, flip.quantity, scaled(flip.quantity, flip.to / flip.start))
    assert dearer == pytest.approx(decision.rival.mean, rel=1e-3)


def test_a_runner_up_that_buys_at_the_same_quote_ties_as_well(facts):
    """The health service's runner-up is a split that sends its bursts to the answer's own offer."""
    decision = answer.decide(facts, face.changed(wb.load("health"), draws=256))
    flip = price_flip(decision)
    assert any(key(q) == key(flip.quantity) for leg in decision.rival.plan.legs for q in leg.inputs.values())
    moved = scaled(flip.quantity, flip.to / flip.start)
    ours, theirs = (mean_with(decision, o.plan, flip.quantity, moved) for o in (decision.answer, decision.rival))
    assert ours == pytest.approx(theirs, rel=1e-3)
    assert theirs > decision.rival.mean


def test_past_the_flipped_price_the_runner_up_is_cheaper(decision):
    flip = price_flip(decision)
    before, beyond = (
        mean_with(decision, decision.answer.plan, flip.quantity, scaled(flip.quantity, flip.to / flip.start * by))
        for by in (0.98, 1.02)
    )
    assert before < decision.rival.mean < beyond


def test_a_flip_outside_the_range_says_so(decision):
    for flip in decision.flips:
        inside = flip.quantity.low <= flip.to <= flip.quantity.high
        assert flip.outside_range is not inside


def test_only_the_price_may_flip_outside_its_range(decision):
    assert not any(f.outside_range for f in decision.flips[1:])


def test_at_each_other_flip_the_two_tie_as_well(decision):
    """With the input held at its crossing, and everything else drawn as before."""
    for flip in decision.flips[1:]:
        held = replace(flip.quantity, value=flip.to, low=flip.to, high=flip.to)
        answer_, rival = (mean_with(decision, o.plan, flip.quantity, held)
                          for o in (decision.answer, by_id(decision, flip.new_best)))  # fmt: skip
        assert answer_ == pytest.approx(rival, rel=1e-2), flip.input


def test_one_feasible_option_has_nothing_to_flip(facts):
    alone = face.changed(narrow("chat"), draws=64)
    limits = Constraints(providers=("Nebius",), accelerators=("B200-SXM",), spot_allowed=False, max_commitment_months=0)
    made = answer.decide(facts, replace(alone, constraints=limits))
    assert len(made.study.outcomes) == 1
    assert (made.flips, made.drivers, made.rival) == ([], [], None)
    assert made.as_dict()["flips"] == []


def test_a_price_row_at_the_flip_ties_when_the_whole_question_is_asked_again(facts):
    """From the row itself: the seller's quote is exchanged in the facts, and everything is decided anew."""
    scenario = replace(face.changed(narrow("chat"), draws=512), constraints=QUESTIONS["serverless"])
    first = answer.decide(facts, scenario)
    flip = price_flip(first)
    assert first.answer.plan.head.basis is Basis.SERVERLESS  # no bridge is priced by a serverless row
    row = flip.quantity.rows[0]
    prices = tuple(
        replace(p, usd_per_gpu_hour=scaled(p.usd_per_gpu_hour, flip.to / flip.start))
        if p.usd_per_gpu_hour.rows[0] == row
        else p
        for p in facts.prices
    )
    again = answer.decide(replace(facts, prices=prices), scenario)
    means = [by_id(again, i).mean for i in (first.answer.plan.id, flip.new_best)]
    assert means[0] == pytest.approx(means[1], rel=1e-3)


def test_an_input_that_only_the_answer_uses_flips_within_its_range(facts):
    """A negotiated discount that may be lost: somewhere between the rival wins."""
    scenario: Scenario = replace(face.changed(narrow("chat"), draws=256), constraints=QUESTIONS["H100 of four sellers"])
    plain = answer.decide(facts, scenario)
    assert plain.rival is not None
    uncertain = replace(scenario, assumptions={"utilisation": Range(value=0.5, low=0.1, high=0.9)})
    made = answer.decide(facts, uncertain)
    for flip in made.flips[1:]:
        ends = sorted((flip.quantity.low, flip.quantity.high))
        assert ends[0] <= flip.to <= ends[1]
        assert np.isfinite(flip.to)
