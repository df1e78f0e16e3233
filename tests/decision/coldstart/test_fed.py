"""What the simulation tells the decision: hours that are paid in both are the same, and who says so."""

from dataclasses import replace

import pytest

import workbench as wb
from workbench.decision import answer
from workbench.decision.coldstart import fed
from workbench.decision.coldstart.latency import Floor
from workbench.decision.desk import Desk
from workbench.records import Basis, Evidence


@pytest.fixture(scope="module")
def found():
    """The chat service with a fiftieth of its requests: a night is simulated in a moment."""
    chat = wb.load("chat")
    sizes = ("requests_per_month", "tokens_in_per_month", "tokens_out_per_month")
    return wb.coldstart(replace(chat, demand=replace(chat.demand, **{s: getattr(chat.demand, s) / 50 for s in sizes})))


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


def test_a_serverless_share_leaves_the_idle_time_of_a_lone_replica_to_its_own_term(found, told):
    share = told.assumption("batch_fill", basis="serverless", workload="decode")
    chosen = best(found, "serverless")
    idle = Floor(told, found.load.asked).idle_replicas(chosen.policy.scaledown_window_s / 3600)
    paid = chosen.run.mean_replicas
    assert found.load.busy / share.value + idle == pytest.approx(paid)


def test_what_the_scenario_states_goes_before_the_simulation(found):
    stated = replace(found.load.scenario, assumptions={"utilisation": 0.7})
    facts = fed.fed(wb.facts(stated.as_of), replace(found, load=replace(found.load, scenario=stated)))
    assert Desk(facts, stated).assumption("utilisation", basis="on_demand", workload="decode").value == 0.7


def test_where_no_policy_meets_the_objective_the_row_stays(found):
    facts = wb.facts(found.load.scenario.as_of)
    missed = replace(found, points=tuple(replace(p, met=False) for p in found.points))
    assert fed.fed(facts, missed).assumptions == facts.assumptions


def test_a_plan_of_one_offer_costs_more_where_the_simulated_share_is_smaller(found, told):
    scenario = found.load.scenario
    facts = wb.facts(scenario.as_of)
    before, after = answer.decide(facts, scenario), answer.decide(fed.fed(facts, found), scenario)
    cost, rows, moved = {o.plan.id: o.mean for o in before.study.outcomes}, Desk(facts, scenario), []
    for o in after.study.outcomes:
        if o.plan.id in cost and len(o.plan.legs) == 1:
            scope = {"basis": o.plan.head.basis.value, "workload": "decode"}
            name = "batch_fill" if o.plan.head.basis is Basis.SERVERLESS else "utilisation"
            less = told.assumption(name, **scope).value < rows.assumption(name, **scope).value
            moved.append(less)
            assert (o.mean > cost[o.plan.id]) == less
    assert len(moved) > 10


def test_each_simulated_share_is_told_beside_the_one_that_it_replaces(found):
    facts = wb.facts(found.load.scenario.as_of)
    said = fed.told(facts, fed.fed(facts, found))
    assert len(said) == 6
    assert "not 0.5: " in next(line for line in said if line.startswith("utilisation (on_demand"))
