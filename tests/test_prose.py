"""What the product says in words: one is singular, and figures that differ are reconciled by their own arithmetic."""

import re
from dataclasses import replace

import workbench as wb
from workbench import exit_prose, face, prose, prose_plan, terminal, terminal_plan
from workbench.decision.answer import Decision
from workbench.decision.purchase import Purchase, purchase

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
