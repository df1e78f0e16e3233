"""What the simulation tells the decision: hours that are paid in both are the same, and who says so."""

from dataclasses import replace

import pytest

import workbench as wb
from workbench.decision import answer, fed
from workbench.decision.desk import Desk
from workbench.records import Evidence


@pytest.fixture(scope="module")
def found():
    return wb.coldstart("chat")


@pytest.fixture(scope="module")
def told(found):
    scenario = found.load.scenario
    return Desk(fed.fed(wb.facts(scenario.as_of), found), scenario)


def best(found, kind):
    return next(p for p in found.points if p.capacity.kind == kind and p.met and p.confidence >= 0.95)


@pytest.mark.parametrize(
    ("kind", "name", "basis"),
    [("reserved", "utilisation", "committed"), ("reserved", "utilisation", "contract"),
     ("autoscaled", "utilisation", "on_demand"), ("autoscaled", "utilisation", "spot")],
)  # fmt: skip
def test_hours_with_work_over_the_share_are_the_hours_that_the_simulation_pays(found, told, kind, name, basis):
    share, policy = told.assumption(name, basis=basis, workload="decode"), best(found, kind)
    assert found.load.busy / share.value == pytest.approx(policy.run.mean_replicas + policy.capacity.standing)
    assert share.low < share.value < share.high <= 1
    assert share.evidence is Evidence.ESTIMATED
    assert policy.label in share.note
    assert set(found.rows) < set(share.rows)


def test_a_serverless_share_is_the_simulated_one_where_nobody_idles_alone(found, told):
    share = told.assumption("batch_fill", basis="serverless", workload="decode")
    assert found.load.busy / share.value == pytest.approx(best(found, "serverless").run.mean_replicas, rel=1e-3)


def test_what_the_scenario_states_goes_before_the_simulation(found):
    stated = replace(found.load.scenario, assumptions={"utilisation": 0.7})
    facts = fed.fed(wb.facts(stated.as_of), replace(found, load=replace(found.load, scenario=stated)))
    assert Desk(facts, stated).assumption("utilisation", basis="on_demand", workload="decode").value == 0.7


def test_where_no_policy_meets_the_objective_the_row_stays(found):
    facts = wb.facts(found.load.scenario.as_of)
    missed = replace(found, points=tuple(replace(p, met=False) for p in found.points))
    assert fed.fed(facts, missed).assumptions == facts.assumptions


def test_fleets_that_work_a_smaller_share_of_their_hours_cost_more(found):
    """chat: all three shares are below what rows assume, so each plan costs more than before."""
    scenario = found.load.scenario
    facts = wb.facts(scenario.as_of)
    before, after = answer.decide(facts, scenario), answer.decide(fed.fed(facts, found), scenario)
    cost = {o.plan.id: o.mean for o in before.study.outcomes}
    both = [(cost[o.plan.id], o.mean) for o in after.study.outcomes if o.plan.id in cost]
    assert len(both) > 10
    assert all(now > then for then, now in both)
