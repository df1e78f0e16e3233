"""The headline question: the answer against the best of the other kind."""

from dataclasses import replace
from pathlib import Path

import pytest

import workbench as wb
from tests.narrow import narrow
from workbench import face, store
from workbench.decision import answer
from workbench.decision.answer import Decision
from workbench.decision.contrast import HYPERSCALER, MIX, NEOCLOUD, contrast, label, shortlist, side, weakest
from workbench.records import Constraints, Facts

DATASETS = Path(__file__).parents[2] / "datasets"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return store.load(wb.load("chat").as_of, DATASETS)


@pytest.fixture(scope="module")
def decision(facts: Facts) -> Decision:
    return answer.decide(facts, face.changed(narrow("chat"), draws=64))


def test_every_plan_is_on_one_side(decision, facts):
    for o in decision.study.outcomes:
        kinds = {facts.provider_kinds[p][0] == "hyperscaler" for p in o.plan.providers}
        assert side(o.plan, facts) == {True: HYPERSCALER, False: NEOCLOUD}[kinds.pop()] if len(kinds) == 1 else MIX


def test_the_rival_is_the_cheapest_of_the_other_kind(decision, facts):
    found = contrast(decision.study)
    assert found is not None
    others = [o for o in decision.study.outcomes if side(o.plan, facts) not in (found.side, MIX)]
    assert found.rival is min(others, key=lambda o: o.mean)
    assert found.answer is decision.answer


def test_the_saving_is_the_difference_in_each_draw(decision):
    found = contrast(decision.study)
    assert found.mean == pytest.approx(found.rival.mean - found.answer.mean)
    assert found.quantile(0.1) <= found.quantile(0.9)
    assert found.share == pytest.approx(found.mean / found.rival.mean)
    assert found.probability == pytest.approx(
        ((found.saving > 0).mean() + (found.saving >= 0).mean()) / 2
    )  # a tie counts half
    assert found.evidence.rank >= weakest(found.answer).rank


def test_without_another_kind_there_is_no_contrast(facts):
    alone = replace(face.changed(narrow("chat"), draws=64), constraints=Constraints(providers=("AWS", "Azure")))
    assert contrast(answer.decide(facts, alone).study) is None


@pytest.mark.parametrize("size", [2, 5, 12])
def test_a_shortlist_holds_the_answer_and_its_rival_in_order(decision, size):
    chosen, found = shortlist(decision.study, size), contrast(decision.study)
    assert len(chosen) == size
    assert chosen[0] is decision.answer
    assert any(o is found.rival for o in chosen)
    assert [o.mean for o in chosen] == sorted(o.mean for o in chosen)


def test_a_shortlist_holds_the_runner_up_though_it_is_of_a_seller_that_is_there():
    found = wb.decide(replace(wb.load("assistant"), draws=256)).study
    assert found.rival.plan.providers == found.answer.plan.providers, "else this proves nothing"
    assert any(o is found.rival for o in shortlist(found, 6))


def test_a_shortlist_shows_a_seller_before_anyones_second_offer(decision):
    chosen = shortlist(decision.study, 8)
    assert len({o.plan.providers for o in chosen}) >= 6


def test_a_label_names_seller_and_terms(decision):
    for o in decision.study.outcomes[:20]:
        text = label(o.plan)
        assert all(p in text for p in o.plan.providers)
        assert all(leg.terms in text for leg in o.plan.legs)
