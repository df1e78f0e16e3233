"""Why the answer is what it is: one place for all reasons, each what the study itself says."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from tests.narrow import narrow
from workbench import charts, cli, face
from workbench.decision import answer, value
from workbench.decision.answer import Decision
from workbench.decision.discovery import contains
from workbench.decision.reasons import Reasons, reasons, region, risks
from workbench.records import Constraints, WorkbenchError

BUDGET = 2e6


@pytest.fixture(scope="module")
def decision() -> Decision:
    return wb.decide(face.changed(narrow("chat"), draws=1024))


@pytest.fixture(scope="module")
def found(decision) -> Reasons:
    return reasons(decision.study, BUDGET)


@pytest.fixture(scope="module")
def alone(decision) -> Decision:
    only = Constraints(providers=("Nebius",), accelerators=("B200-SXM",), spot_allowed=False, max_commitment_months=0)
    return answer.decide(decision.study.facts, replace(decision.scenario, constraints=only))


def test_the_region_is_one_in_which_the_answer_loses_more_often(decision, found):
    inside = contains(found.region.box, found.region.inputs, found.region.names)
    loses = decision.answer.total > decision.rival.total
    assert loses[inside].mean() == pytest.approx(found.region.box.density)
    assert found.region.share == pytest.approx(loses.mean())
    assert found.region.box.density >= 1.5 * loses.mean()


def test_the_region_is_said_in_a_sentence_with_its_limits(found):
    sentence = found.region.sentence
    assert sentence.startswith(f"The answer loses to {found.region.rival} where ")
    for limit in found.region.box.limits:
        assert limit.input.replace("_", " ") in sentence
    assert len(re.findall(r" is (over|under) ", sentence)) == sum(
        end is not None for limit in found.region.box.limits for end in (limit.low, limit.high)
    )


def test_risks_are_those_of_all_options_over_all_draws(decision, found):
    costs = np.array([o.total for o in decision.study.outcomes])
    for o, risk in zip(decision.study.outcomes, found.risks, strict=False):
        assert risk["id"] == o.plan.id
        assert risk["maximum_regret"] == pytest.approx((o.total - costs.min(axis=0)).max())
        assert risk["expected_regret"] <= risk["maximum_regret"]
        assert risk["worst_tenth"] == pytest.approx(value.cvar(o.total, 0.9))
        assert risk["worst_tenth"] >= o.quantile(0.9)
        assert risk["exceeds_budget"] == pytest.approx((o.total > BUDGET).mean())


def test_a_larger_budget_is_exceeded_less_often(decision):
    less, more = (risks(decision.study, budget) for budget in (1e6, 3e6))
    assert all(a["exceeds_budget"] >= b["exceeds_budget"] for a, b in zip(less, more, strict=True))
    assert "exceeds_budget" not in risks(decision.study)[0]


def test_a_budget_that_is_no_number_is_refused(decision):
    with pytest.raises(WorkbenchError):
        risks(decision.study, float("nan"))


def test_no_information_is_worth_more_than_all_of_it(decision, found):
    for worth in (*(w.usd for w in found.worths), *(p.worth for p in found.pilots)):
        assert worth <= decision.study.perfect_information * (1 + 1e-9)
    assert len(found.pilots) == 3


def test_the_json_has_the_caveat_of_the_indices(found):
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert "independent" in told["indices_hold_for"]
    assert all(s["total"] >= s["first"] - 3 * (s["first_error"] + s["total_error"]) for s in told["indices"])
    assert all(s["rows"] for s in told["tornado"])


def test_an_only_option_has_no_rival_to_lose_to(alone):
    found = reasons(alone.study).as_dict()
    assert found["loses"] is None
    assert found["indices"] == found["tornado"] == []
    assert region(alone.study) is None


def test_the_command_line_prints_the_reasons_where_asked(capsys):
    asked = ["decide", "chat", "--draws", "256"]
    assert cli.main([*asked, "--why", "--budget", "2000000", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["why"]) >= {"tornado", "indices", "loses", "worth_knowing", "pilots", "risks"}
    assert told["stamp"]["command"].endswith("--why --budget 2000000.0")
    assert cli.main([*asked, "--json"]) == 0
    assert "why" not in json.loads(capsys.readouterr().out)
    assert cli.main([*asked, "--why"]) == 0
    assert "The answer loses to" in capsys.readouterr().out


# --- the map


def test_the_map_says_how_often_the_answer_loses_in_each_part(decision, found):
    frame = charts.losing_frame(decision)
    parts = frame.filter(~frame["box"])
    assert parts["share"].min() >= 0
    assert parts["share"].max() <= 1
    assert frame["box"].sum() == 1
    title = charts.finding(charts.losing(decision))
    assert f"{found.region.share:.0%}" in title
    assert found.region.rival in title


def test_the_map_is_drawn_from_its_frame_and_without_a_rival_too(decision, alone):
    frame = charts.losing_frame(decision)
    assert charts.losing(frame).to_dict() == charts.losing(decision).to_dict()
    assert "<svg" in charts.svg(charts.losing(decision))
    assert "<svg" in charts.svg(charts.losing(alone))
