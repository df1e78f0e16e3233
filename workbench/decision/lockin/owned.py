"""Owned hardware as the target of an exit: servers bought, written off, housed and run by one's own people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench import formula
from workbench.decision.desk import Desk
from workbench.decision.draws import Array, Inputs, draw, key
from workbench.decision.outcome import PARTS, Outcome, axis, evaluate
from workbench.decision.study import Study
from workbench.models import exit_cost
from workbench.records import Basis, Infeasible, Quantity

OWNED = str(Basis.OWNED)
"""The rival's name in a scenario."""
LABEL = "owned hardware"
BUYS = ("server_usd_per_gpu", "server_kw_per_gpu")
"""What must be on record for an accelerator that is bought."""
HOUSES = ("colocation_usd_per_kw_month", "power_usd_per_kwh", "pue", "operators", "hardware_life", "hours_per_month",
          "engineer_usd_per_month")  # fmt: skip
REPLACED = ("commitment_cost", "usage_cost", "bridge_cost", "waiting_cost", "failure_cost", "support_cost")
"""Parts of a seller's bill that ownership stands in for."""
KEPT = frozenset(PARTS) - frozenset(REPLACED)


@dataclass(frozen=True, kw_only=True)
class Owned:
    """A fleet of one's own, ordered today. `bill` is (month, draw): the old one runs until the servers work, after
    `lead_months`.

    `fleet` is the cheapest plan on the same accelerator: what is neither hardware nor its site is priced as there.
    """

    fleet: Outcome
    gpus: Array
    bill: Array
    lead_months: float
    values: Mapping[str, Any]
    inputs: Mapping[str, Quantity]

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*(r for q in self.inputs.values() for r in q.rows), *self.fleet.rows)))

    def mean(self, name: str) -> float:
        """A value that has no month, on average."""
        return float(np.mean(self.values[name]))

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it; money in USD."""
        hours = self.mean("hours_per_month")
        return {
            "accelerator": self.fleet.plan.head.price.gpu, "gpus": float(self.gpus.mean()),
            "hardware": self.mean("hardware_usd"), "site_per_month": self.mean("site_usd_per_month"),
            "per_month": self.mean("owned_usd_per_month"), "lead_months": self.lead_months,
            "usd_per_gpu_hour": float(np.mean(self.values["owned_usd_per_month"] / self.gpus)) / hours,
            "not_written_off_at_the_end": self.mean("hardware_left"),
            "rows": list(dict.fromkeys(r for q in self.inputs.values() for r in q.rows)),
        }  # fmt: skip


def owned(study: Study, desk: Desk, running: Array) -> Owned:
    """The cheapest fleet to own: as many accelerators as its largest month asks for, in whole servers.

    `running` is the incumbent's bill, (month, draw), which runs until the servers work. Raises Infeasible where no
    feasible plan is on an accelerator whose price to buy is on record.
    """
    fleet = next((o for o in study.outcomes if _for_sale(desk, o)), None)
    if fleet is None:
        what = "no feasible plan is on an accelerator whose price to buy is on record"
        raise Infeasible(f"scenario {study.scenario.name}", what, "add server_usd_per_gpu rows, or name another rival")
    leg, months = fleet.plan.head, study.scenario.months
    inputs = {n: desk.assumption(n, gpu=leg.price.gpu) for n in (*BUYS, *HOUSES)}
    lead = desk.assumption("lead_time_months", basis=str(Basis.OWNED))
    used = evaluate(leg, study.draws, months, fleet.plan.committed_gpus[0])
    need = np.broadcast_to(used["instances"] * used["gpus_per_instance"], (months, study.draws.size))
    drawn = draw([Inputs(inputs)], study.scenario.draws, study.scenario.seed)
    bought = {n: drawn.of(key(q), q) for n, q in inputs.items()}
    bought |= {"owned_gpus": need.max(axis=0), "owned_months": max(months - lead.value, 0.0)}
    values = formula.evaluate(exit_cost, bought, ("owned_usd_per_month", "hardware_left"))
    rest = sum(np.broadcast_to(v, (months, study.draws.size)) for n, v in used.items() if n in KEPT)
    waits = axis(months)[:, None] < lead.value
    bill = np.where(waits, running, values["owned_usd_per_month"] + rest)
    return Owned(fleet=fleet, gpus=bought["owned_gpus"], bill=bill, lead_months=float(lead.value), values=values,
                 inputs=inputs | {lead.name: lead})  # fmt: skip


def _for_sale(desk: Desk, outcome: Outcome) -> bool:
    """Whether a plan is one fleet of machines whose accelerator is on record with what it costs to buy."""
    head = outcome.plan.head
    known = {s.quantity.name for s in desk.facts.assumptions if s.scope.get("gpu") == head.price.gpu}
    return len(outcome.plan.legs) == 1 and head.basis is not Basis.SERVERLESS and known.issuperset(BUYS)
