"""Commit now, buy the rest later: the commitments that are best over all that may happen, not for one forecast.

A two-stage programme: reserved capacity and onboarding are decided before the scenario is known, on-demand and spot in
it. Its objective is the expected cost plus a weight on the mean of the worst scenarios (CVaR; Rockafellar and Uryasev,
2000).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.checks import numbers
from workbench.decision.portfolio.capacity import Array, Capacity, Risk, Rules, market
from workbench.decision.portfolio.programme import BEFORE, Columns, Programme, order_prices, programme, usage_prices
from workbench.decision.portfolio.schedule import Optimum, amounts, joined, running, schedule
from workbench.decision.portfolio.solver import committed, optimum
from workbench.decision.value import cvar
from workbench.records import WorkbenchError

AXES = 3
"""Of a demand with workloads: (scenarios, workloads, months)."""


@dataclass(frozen=True, kw_only=True)
class Hedge:
    """`objective` is `expected` plus the weight times `at_risk`, the mean cost of the worst scenarios; no commitments
    do better than `bound`. `costs` are USD in each scenario, whole terms paid to their end.

    `schedule` has the rows of `Plan.schedule` that are decided now; `running` is (scenarios, capacities, months).
    """

    objective: float
    bound: float
    gap: float
    expected: float
    at_risk: float
    costs: Array
    schedule: list[dict[str, Any]]
    joined: tuple[str, ...]
    running: Array


def hedge(
    demand: Any,
    capacities: Sequence[Capacity],
    onboarding: Mapping[str, float] | None = None,
    *,
    risk: Risk | None = None,
    rules: Rules | None = None,
) -> Hedge:
    """The commitments of least expected cost and money at risk, to the gap that `risk` asks for.

    `demand` is (scenarios, months) or (scenarios, workloads, months); orders of reserved capacity in later months are
    decided now too, so a plan that may still change is at least as good. Raises Infeasible where some scenario cannot
    be served, saying what would have to give, and WorkbenchError on bad input.
    """
    where = "decision.portfolio.hedge.hedge"
    asked = market(where, _demand(where, demand), capacities, onboarding or {}, (rules or Rules(), risk or Risk()))
    return _told(optimum(where, programme(asked), asked.risk.gap))


def realised(
    commitments: Sequence[Mapping[str, Any]],
    demand: Any,
    capacities: Sequence[Capacity],
    onboarding: Mapping[str, float] | None = None,
    *,
    risk: Risk | None = None,
) -> Hedge:
    """What given commitments cost in scenarios that they were not made for, everything else bought at its best.

    `commitments` are rows with month, offer and amount, as a schedule has them; rows of capacities that are not
    reserved are left out. Other arguments and errors as in `hedge`; WorkbenchError too for an impossible order.
    """
    where = "decision.portfolio.hedge.realised"
    asked = market(where, _demand(where, demand), capacities, onboarding or {}, (Rules(), risk or Risk()))
    arrays = programme(asked)
    orders = np.zeros(arrays.columns.use.first)
    for row in commitments:
        if (place := _place(where, arrays.columns, capacities, row)) is not None:
            orders[place] += row["amount"]
    return _told(committed(where, arrays, orders))


def _place(where: str, columns: Columns, capacities: Sequence[Capacity], row: Mapping[str, Any]) -> int | None:
    """The column of a commitment; None for an order that is decided later."""
    named = [i for i, c in enumerate(capacities) if c.name == row["offer"]]
    wanted = [i for i in named if capacities[i].whole]
    if named and not wanted:
        return None
    found = np.flatnonzero(
        (columns.scenario == BEFORE) & np.isin(columns.capacity, wanted) & (columns.start == row["month"])
    )
    (amount,) = numbers(where, amount=row["amount"])
    if not len(found) or amount % 1:
        raise WorkbenchError(where, f"an order of {row['amount']} of {row['offer']!r} for month {row['month']}",
                             "give whole amounts of reserved capacities, in months that their lead allows")  # fmt: skip
    return int(found[0])


def _told(optimum: Optimum) -> Hedge:
    arrays, values = optimum.programme, optimum.values
    costs, risk, chance = _costs(arrays, values), arrays.market.risk, arrays.market.probabilities
    expected, at_risk = float(costs @ chance), float(cvar(costs, risk.level, chance))
    rows = [row for row in schedule(arrays, values) if row["kind"] == "reserved"]
    return Hedge(objective=expected + risk.weight * at_risk, bound=optimum.bound, gap=optimum.gap, expected=expected,
                 at_risk=at_risk, costs=costs, schedule=rows, joined=joined(arrays, values),
                 running=running(arrays, values))  # fmt: skip


def _costs(arrays: Programme, values: Array) -> Array:
    """USD in each scenario: (scenarios,)."""
    columns, units = arrays.columns, amounts(arrays, values)
    paid = order_prices(arrays.market, columns) * units
    before = columns.scenario == BEFORE
    later = np.bincount(columns.scenario[~before], paid[~before], minlength=arrays.market.scenarios)
    used = np.einsum("skm,k->s", columns.use.of(values), usage_prices(arrays.market, columns))
    onboarding = sum(arrays.market.onboarding[p] for p in joined(arrays, values))
    return np.asarray(paid[before].sum() + onboarding + later + used)


def _demand(where: str, demand: Any) -> Array:
    """(scenarios, workloads, months)."""
    (checked,) = numbers(where, demand=demand)
    if np.ndim(checked) not in (2, AXES):
        raise WorkbenchError(where, f"demand has {np.ndim(checked)} axes",
                             "give (scenarios, months) or (scenarios, workloads, months)")  # fmt: skip
    return checked if np.ndim(checked) > 2 else checked[:, None]
