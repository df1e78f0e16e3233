"""What the solved arrays say: the schedule of orders, what runs when, what is owed after the horizon, shadow prices."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.decision.portfolio.capacity import Array
from workbench.decision.portfolio.programme import BEFORE, Programme, held, order_prices

NOISE = 1e-6
"""Amounts below this are the solver's rounding."""


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """The solved arrays: the best values found, and that no others cost less than `bound`. `relaxed` is the cost if
    nothing had to be whole, `corner` are its values and `duals` its shadow prices by row, `hot` the solvers of the
    relaxation and of the rest with whole amounts decided: from where they ended a price move is a few steps."""

    programme: Programme
    values: Array
    cost: float
    bound: float
    relaxed: float
    corner: Array
    duals: Array
    hot: tuple[Any, Any]

    @property
    def gap(self) -> float:
        return (self.cost - self.bound) / self.cost if self.cost > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`cost` is USD for whole terms, those that outlive the horizon to their end; `liability_after` of it falls due
    after the horizon. No plan costs less than `bound`, and `gap` is (cost - bound) / cost. `relaxed` is the cost if
    nothing had to be whole.

    `schedule` has a row for each order: month (in which it starts), offer, amount, kind, provider, term_months and
    order_month (by which to order). `running` is units there to be used, (capacities, months). `joined` are the
    providers whose onboarding is paid. `shadow_prices` are USD that the relaxed plan would save for one unit less of
    demand (in the shape of the demand), for one unit more of a cap (by name and month), of what a provider has (by
    provider and month) or of the budget (by month), and for a provider's share raised by the whole of the work.
    """

    cost: float
    bound: float
    gap: float
    relaxed: float
    schedule: list[dict[str, Any]]
    joined: tuple[str, ...]
    running: Array
    liability_after: float
    shadow_prices: dict[str, Any]
    demand_shape: tuple[int, ...]
    optimum: Optimum = field(repr=False, compare=False)


def plan(optimum: Optimum, demand_shape: tuple[int, ...]) -> Plan:
    """The optimum of one scenario in words that people use."""
    arrays, values = optimum.programme, optimum.values
    return Plan(cost=optimum.cost, bound=optimum.bound, gap=optimum.gap, relaxed=optimum.relaxed,
                schedule=schedule(arrays, values), joined=joined(arrays, values), running=running(arrays, values)[0],
                liability_after=_liability(arrays, values), shadow_prices=_shadow_prices(optimum, demand_shape),
                demand_shape=demand_shape, optimum=optimum)  # fmt: skip


def amounts(arrays: Programme, values: Array) -> Array:
    """Units of each order: whole where they must be, and none that are rounding or of a provider that is not joined (at
    a rate of 0 the solver may order what is of no use)."""
    ordered = values[: arrays.columns.use.first]
    near = np.rint(ordered)
    exact = np.where(arrays.whole[: len(ordered)] & (np.abs(ordered - near) < NOISE), near, ordered)
    idle = set(arrays.columns.providers) - set(joined(arrays, values))
    useless = np.array([c.provider in idle for c in arrays.market.capacities])[arrays.columns.capacity]
    return np.where((ordered < NOISE) | useless, 0, exact)


def joined(arrays: Programme, values: Array) -> tuple[str, ...]:
    """The providers whose onboarding is paid."""
    shares = arrays.columns.joined.of(values)
    return tuple(p for p, share in zip(arrays.columns.providers, shares, strict=True) if share > NOISE)


def schedule(arrays: Programme, values: Array) -> list[dict[str, Any]]:
    """A row for each order of what is decided before, and in the first scenario, by month and offer."""
    columns, units, rows = arrays.columns, amounts(arrays, values), []
    for i in np.flatnonzero(units * np.isin(columns.scenario, (BEFORE, 0))):
        capacity, start = arrays.market.capacities[columns.capacity[i]], int(columns.start[i])
        amount = int(units[i]) if capacity.whole and units[i] % 1 == 0 else float(units[i])
        rows.append({"month": start, "offer": capacity.name, "amount": amount, "kind": capacity.kind,
                     "provider": capacity.provider, "term_months": int(capacity.term_months),
                     "order_month": start - int(capacity.lead_months)})  # fmt: skip
    return sorted(rows, key=lambda row: row["month"])


def running(arrays: Programme, values: Array) -> Array:
    """Units there to be used: (scenarios, capacities, months)."""
    market, (order, scenario, month) = arrays.market, arrays.columns.running
    units = np.zeros((market.scenarios, len(market.capacities), market.months))
    np.add.at(units, (scenario, arrays.columns.capacity[order], month), amounts(arrays, values)[order])
    return units


def _liability(arrays: Programme, values: Array) -> float:
    """What the orders owe for the months after the horizon, at their monthly price, paid upfront or not."""
    columns = arrays.columns
    after = np.maximum(columns.start + columns.term - arrays.market.months, 0)
    return float((order_prices(arrays.market, columns) / columns.term * after) @ amounts(arrays, values))


def _shadow_prices(optimum: Optimum, demand_shape: tuple[int, ...]) -> dict[str, Any]:
    arrays, market = optimum.programme, optimum.programme.market
    duals = {name: block.of(optimum.duals)[0] for name, block in arrays.rows.items()}
    demand = duals["demand"]  # and demand stands in other rows too: what a provider may serve grows with it
    if "join" in duals:
        demand = demand + np.einsum("gpm,p->gm", duals["join"], arrays.columns.joined.of(optimum.corner))
    limited = [p for p in market.max_share if p in market.provider_of]
    if limited:
        demand = demand + duals["share"] @ np.array([market.max_share[p] for p in limited])
    prices: dict[str, Any] = {"demand": demand[market.group_of].reshape(demand_shape)}
    capped = [c.name for c in market.capacities if c.cap is not None]
    if capped:
        prices["cap"] = {name: -row for name, row in zip(capped, duals["cap"], strict=True)}
    if "size" in duals:
        prices["size"] = {p: -row for p, row in zip(held(market), duals["size"], strict=True)}
    if "budget" in duals:
        prices["budget"] = -duals["budget"]
    if limited:
        work = market.demand_sgm.sum()
        prices["share"] = {p: float(-dual * work) for p, dual in zip(limited, duals["share"], strict=True)}
    return prices
