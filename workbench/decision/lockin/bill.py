"""The bill for leaving in a given month: rows and law of that day, put into the formulas of models/exit_cost.py."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from workbench import formula
from workbench.decision.desk import constant
from workbench.decision.draws import Array, Draws, key
from workbench.decision.lockin.sides import YEAR_MONTHS, Side
from workbench.decision.lockin.ties import Ties
from workbench.models import exit_cost
from workbench.models.exit_cost import EgressLaw, switching_egress_share
from workbench.records import Quantity

PARTS = formula.formulas(exit_cost)["exit_cost"].arguments
"""The parts of the bill, as the formula that adds them up names them."""


def bills(tied: Ties, draws: Draws, as_of: date, months: Array, running: Array) -> dict[str, Any]:
    """The bill for leaving at the start of each of `months`, with all values behind it, over (month, draw).

    `running` is what the plan costs in each of those months, USD, (month, draw).
    """
    inputs: dict[str, Any] = {name: draws.of(key(q), q) for name, q in tied.inputs.items()}
    inputs["exit_rates"] = np.atleast_2d(inputs["exit_rates"])
    at_cost = inputs.pop("at_cost_share")
    used, days, share = effort(tied, draws)
    inputs |= {"used": used, "build_days": days, "rewrite_share": share, "month": months[:, None], "month_length": 1.0}
    inputs["egress_chargeable"] = _chargeable(tied, as_of, months, at_cost)
    inputs["incumbent_usd_per_month"] = inputs["waiting_usd_per_month"] = running
    return formula.evaluate(exit_cost, inputs, ("exit_cost", "failure_usd_per_month"))


def effort(tied: Ties, draws: Draws) -> tuple[Array, Array, Array]:
    """How much is in use, days to build one, and the share to rewrite: (service, draw)."""

    def stacked(quantities: Sequence[Quantity]) -> Array:
        return np.stack([np.broadcast_to(draws.of(key(q), q), (draws.size,)) for q in quantities])

    used, services = stacked([t.used for t in tied.services]), [t.service for t in tied.services]
    return used, stacked([s.build_days for s in services]), stacked([s.rewrite_share for s in services])


def cited(tied: Ties, here: Side) -> dict[str, list[Quantity]]:
    """For each part of the bill the quantities with rows that it rests on."""
    running = replace(constant("incumbent_usd_per_month", 0.0, "USD/month"), rows=here.rows, evidence=here.evidence)
    known = {**tied.inputs, running.name: running, "egress_chargeable": tied.inputs["at_cost_share"]}
    found = {}
    for part in PARTS:
        names = formula.leaves(exit_cost, (part,))
        own = [*tied.effort] if "build_days" in names else []
        found[part] = [q for q in [*own, *(known[n] for n in names if n in known)] if q.rows]
    return found


# --- law by the day


def day_of(as_of: date, month: int) -> date:
    """The day so many months later, the month's last where it is shorter."""
    year, ahead = divmod(as_of.month - 1 + month, YEAR_MONTHS)
    year, number = as_of.year + year, ahead + 1
    return date(year, number, min(as_of.day, monthrange(year, number)[1]))


def _chargeable(tied: Ties, as_of: date, months: Array, at_cost: Any) -> Any:
    """The share of list egress that the law, or the seller's own word, leaves to pay in each month: (month, draw)."""
    word = [r for r in tied.laws if r.name == "parallel_egress" and r.quantity]
    rules = [r for r in tied.laws if r.name == "egress_chargeable" and r.quantity and r.valid_from]
    if not rules:
        return np.ones((len(months), 1))
    starts = [r.valid_from or date.min for r in rules]
    bans = [r.valid_from for r in rules if r.quantity and r.quantity.value == 0]
    laws = {tied.jurisdiction: EgressLaw(min(starts), bans[0] if bans else date.max)}
    days = [day_of(as_of, int(m)) for m in months]

    def charged(day: date, share: float) -> float:
        if any(r.valid_from and day >= r.valid_from for r in word):
            return 0.0
        return switching_egress_share(
            day, tied.jurisdiction, "parallel" if tied.purpose == "parallel" else "switching", laws, share
        )

    lists = np.array([[charged(day, 0.0)] for day in days])
    allowed = np.array([[charged(day, 1.0)] for day in days])
    return lists + (allowed - lists) * at_cost
