"""What the product says in words: one is singular, and figures that differ are reconciled by their own arithmetic."""

import re
from dataclasses import replace

import pytest

import workbench as wb
from workbench import exit_prose, face, prose, prose_plan, prose_why, tables, terminal, terminal_plan
from workbench.cite import plain
from workbench.decision import drivers, reasons, value
from workbench.decision.answer import Decision
from workbench.decision.discovery import contains
from workbench.decision.draws import central
from workbench.decision.outcome import monthly
from workbench.decision.portfolio.purchase import Purchase, purchase

SEVERAL_OF_ONE = re.compile(r"\b1 (months|weeks|days|hours|accelerators|orders|person-days)\b")


def decided(name: str, **changes) -> Decision:
    return wb.decide(replace(face.changed(wb.load(name), draws=256), **changes))


def plan_of(decision: Decision) -> Purchase:
    return purchase(decision.study.facts, decision.scenario)


def test_one_month_is_told_in_the_singular(capsys):
    decision = decided("chat", months=1)
    plan = plan_of(decision)
    told = [prose.verdict(decision), prose.figures(decision), prose_plan.advice(decision)]
    told += exit_prose.sentences(exit_prose.of(decision))
    terminal.show(decision)
    terminal_plan.show(plan)
    text = "\n".join(map(str, told)) + capsys.readouterr().out
    assert "over 1 month" in text
    assert not SEVERAL_OF_ONE.findall(text)


def test_a_lead_time_of_one_month_is_told_in_the_singular():
    assert "perhaps 1 month," in str(prose_plan.order(plan_of(decided("tpu"))))


@pytest.mark.parametrize("name", ["chat", "training"])
def test_where_the_answer_loses_is_told_by_the_inputs_that_move_it_furthest(name):
    decision = decided(name, draws=4096)
    region = reasons.region(decision.study)
    lost = decision.answer.total > decision.rival.total
    inside = contains(region.box, region.inputs, region.names)
    text = str(prose_why.runner_up(decision))
    assert region.names == tuple(s.input for s in drivers.tornado(decision.study)[: len(region.names)])
    assert lost[inside].sum() / lost.sum() > 1 / 2
    assert f"in {plain(lost.mean(), 'share')} of the draws, most of them {region.where}" in text
    assert f"there in {plain(lost[inside].mean(), 'share')}." in text


def test_a_region_that_holds_few_of_the_lost_draws_is_not_said():
    decision = decided("assistant", draws=1024)
    region = reasons.region(decision.study)
    assert not region.tells
    for text in (str(prose_why.loses(region)), region.sentence):
        assert "no range of an input tells in which" in text
        assert " where " not in text


def test_the_worst_tenth_is_told_of_the_answer_and_its_runner_up():
    decision = decided("chat")
    tails = [value.cvar(o.total, 0.9) for o in (decision.answer, decision.rival)]
    assert all(prose.usd(tail) in str(prose_why.worst(decision)) for tail in tails)


@pytest.mark.parametrize("name", ["chat", "tpu"])
def test_the_plan_is_reconciled_with_the_mean_of_the_decision(name):
    """Mean less doubt is the answer at the medians; that less the mix is the plan."""
    decision = decided(name, draws=4096)
    plan, answer = plan_of(decision), decision.answer
    middle = central(answer.plan.legs)
    alone = float(monthly(answer.plan, middle, decision.scenario.months).sum())
    text = str(prose_plan.reconciled(plan, answer))
    assert (
        f"the mean of {prose.usd(answer.mean)} over all draws, which is {prose.usd(answer.mean - alone)} more" in text
    )
    mixed = f"{prose.usd(alone - plan.cost)} less than the answer alone at the medians ({prose.usd(alone)})"
    assert (mixed in text) == (name == "tpu")


def test_a_plan_counts_months_from_one_as_charts_and_reports_do_and_tells_like_ways_to_commit_once(capsys):
    plan = wb.portfolio("tpu")
    like = {"expected": 2.0, "p10": 1.0, "p90": 3.0, "at_risk": 4.0, "schedule": []}
    risks = [{"name": f"weight {w:g}", "weight": w, **like} for w in (0.0, 0.5)] + [
        {"name": "commit to nothing", "weight": None, **like}]  # fmt: skip
    terminal_plan.show(plan, risks)
    said = capsys.readouterr().out
    assert "\n1-36 " in said
    assert "risk weighs 0 to 0.5 " in said
    assert said.count("commit to nothing ") == 1


def test_a_price_of_the_answer_that_is_an_estimate_is_a_weak_point():
    weak = tables.weak(decided("tpu")).as_raw_html()
    assert "is an estimate" in weak
    assert "0.945" in weak
    assert "is an estimate" not in tables.weak(decided("chat")).as_raw_html()


def test_the_inputs_with_one_meaning_are_explained_once():
    text = str(prose.inputs(decided("training")))
    assert text.count("speed of this accelerator at this work") == 1


def test_a_large_number_of_things_is_plural():
    asked = tables.asked(decided("chat", draws=256)).as_raw_html()
    assert "billion tokens/" in asked
    assert "egress GB per month" in asked


def test_a_part_of_the_bill_says_what_it_is():
    text = str(exit_prose.bill(exit_prose.of(decided("chat"))))
    assert re.search(r"dual running [\d,]+ USD \(both bills at once\)", text)
    assert re.search(r"risk [\d,]+ USD \(overrun and outage\)", text)


def test_what_could_be_simulated_and_was_not_is_said():
    decision = wb.decide(replace(wb.load("chat"), draws=64))
    assert "assumed, not simulated" in str(prose.evidence(decision))
    fed = replace(decision, stamp={**decision.stamp, "simulated": ["utilisation 0.35 as simulated"]})
    assert "not simulated" not in str(prose.evidence(fed))
    assert prose.assumed(wb.decide(replace(wb.load("training"), draws=64))) == ""
