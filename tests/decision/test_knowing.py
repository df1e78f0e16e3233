"""What knowing more is worth: never more than certainty, more with more weeks, in words that cite their rows."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import workbench as wb
from tests.narrow import narrow
from workbench import prose_plan
from workbench.cite import Cited
from workbench.decision import knowing
from workbench.decision.portfolio.purchase import purchase

NOISE = 0.1
"""Share of certainty's worth by which a fitted rule may miss."""


@pytest.fixture(scope="module")
def decision():
    return wb.decide(replace(wb.load("chat"), draws=2048))


def test_no_input_is_worth_more_than_knowing_everything(decision):
    worths = knowing.worths(decision.study)
    assert worths
    assert all(0 < w.usd <= decision.study.perfect_information for w in worths)
    assert [w.usd for w in worths] == sorted((w.usd for w in worths), reverse=True)


def test_a_longer_pilot_is_worth_no_less_and_never_more_than_certainty(decision):
    worths = [knowing.pilot(decision.study, weeks).worth for weeks in (1, 4, 16, 64)]
    certain = decision.study.perfect_information
    assert all(b >= a - NOISE * certain for a, b in pairwise(worths))
    assert 0 <= worths[-1] <= certain
    assert worths[-1] > worths[0]


def test_a_pilot_costs_in_proportion_to_its_weeks_and_pays_if_it_is_worth_more(decision):
    one, four = (knowing.pilot(decision.study, weeks) for weeks in (1, 4))
    assert four.cost == pytest.approx(4 * one.cost)
    assert all(p.pays == (p.worth > p.cost) for p in (one, four))


def test_a_pilot_shows_no_future_price(decision):
    assert not {q.name for q in decision.pilot.inputs} & {"price_drift", "market_volatility", "list_price"}
    assert decision.as_dict()["pilot"]["worth"] == decision.pilot.worth


def test_where_one_option_is_left_there_is_nothing_to_find_out(decision):
    study = replace(decision.study, outcomes=decision.study.outcomes[:1])
    assert knowing.worths(study) == []
    assert knowing.pilot(study) is None


def test_what_tells_nothing_apart_is_worth_nothing(decision):
    """An input of one draw's own, shuffled, is worth nothing to the choice."""
    costs = np.array([o.total for o in decision.study.outcomes[:5]])
    shuffled = np.random.default_rng(0).permutation(costs.shape[1]).astype(float)
    found = knowing.value.partial_information(costs, shuffled[:, None])
    assert found[0] <= NOISE * decision.study.perfect_information


@pytest.mark.parametrize("name", ["chat", "tpu"])
def test_the_advice_says_four_things_and_cites_every_numeral(name):
    decision = wb.decide(replace(narrow(name), draws=256))
    told = str(prose_plan.advice(decision))
    assert all(f"{what}:" in told for what in ("Commit", "Order", "Keep free", "Find out"))
    found = purchase(decision.study.facts, decision.scenario)
    cost = next(p for p in prose_plan.commit(found).parts if isinstance(p, Cited) and "USD" in str(p))
    assert set(cost.rows) == set(found.rows)


def test_a_plan_says_what_it_is_worth_to_find_out_as_the_decision_does(decision):
    found = wb.portfolio(decision.scenario).learning.as_dict()
    assert found["pilot"] == decision.as_dict()["pilot"]
    assert found["perfect_information"] == decision.as_dict()["perfect_information"]
    worths = knowing.worths(decision.study)
    assert [(i["input"], i["usd"]) for i in found["inputs"]] == [(w.input, w.usd) for w in worths]
    assert all(i["rows"] for i in found["inputs"])


def test_a_plan_without_a_single_option_to_choose_says_nothing_of_it(decision):
    """One provider may do half: a mix of three can, and no pair of one base and one burst."""
    limits = replace(decision.scenario.constraints, max_provider_share=0.45)
    assert wb.portfolio(replace(decision.scenario, constraints=limits)).learning is None
