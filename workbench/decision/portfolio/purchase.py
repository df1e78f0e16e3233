"""What to commit, of whom, by when, for a scenario: its plan of least cost with dates, rows and what was left out.

At the median inputs, as `Commitments` binds them; money in USD over the horizon, whole terms paid to their end.
"""

from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from workbench.decision.draws import PRICES
from workbench.decision.knowing import Learning, learning
from workbench.decision.laws import middle
from workbench.decision.outcome import P10, P90
from workbench.decision.portfolio.capacity import Array
from workbench.decision.portfolio.commitments import Bound, Commitments, commitments
from workbench.decision.portfolio.futures import Point, demand_band, frontier
from workbench.decision.portfolio.procurement import online_ratio
from workbench.decision.portfolio.schedule import Plan
from workbench.decision.portfolio.solver import relaxed, solve
from workbench.decision.study import Study, study
from workbench.records import Facts, Infeasible, Quantity, Scenario

Solver = Callable[..., Plan]
YEAR = 12
"""Months."""
WORKLOADS = ("base", "burst")
CALLED = {"workloads 0-1": "base and burst", "workload 0": "the base", "workload 1": "the burst"}
"""What the optimiser numbers."""


class Quote(NamedTuple):
    """A price of the plan that has a range, in its row's unit, and USD over the horizon with it at either end."""

    bound: Bound
    price: Quantity
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it."""
        price = self.price
        return {"offer": self.bound.option.id, "value": price.value, "low": price.low, "high": price.high,
                "unit": price.unit, "evidence": str(price.evidence), "rows": list(price.rows),
                "cost_at_low": self.low, "cost_at_high": self.high}  # fmt: skip


@dataclass(frozen=True, kw_only=True, repr=False)
class Purchase:
    """The plan and what it was chosen from. `on_demand_only` is the cost of the best plan that commits to nothing and
    takes nothing that can be taken away; None where there is none."""

    asked: Commitments
    place: tuple[Bound, ...]
    plan: Plan
    bound: float
    on_demand_only: float | None
    stamp: Mapping[str, Any] = field(default_factory=dict)
    study: Callable[[], Study] | None = field(default=None, compare=False)
    """The options of the scenario over draws, where they are at hand."""

    @property
    def scenario(self) -> Scenario:
        return self.asked.scenario

    @property
    def cost(self) -> float:
        return self.plan.cost + self.asked.fixed

    @property
    def gap(self) -> float:
        return (self.cost - self.bound) / self.cost if self.cost > 0 else 0.0

    @cached_property
    def schedule(self) -> list[dict[str, Any]]:
        """A row for each order, with the days by which to place it. `order_by` follows from the lead time that is
        likely, `order_by_cautious` from the longest; it is None where that day is past."""
        return [self._order(row) for row in self.plan.schedule]

    def _order(self, row: Mapping[str, Any]) -> dict[str, Any]:
        chosen = next(b for b in self.place if b.option.id == row["offer"])
        month, day = row["month"], self.scenario.as_of
        cautious = month - chosen.cautious_lead_months
        rates: Any = chosen.capacity.rate
        return {
            **row, "provider": chosen.option.provider, "basis": chosen.option.basis.value,
            "accelerators": row["amount"] * chosen.unit_gpus, "gpu": chosen.option.price.gpu,
            "usd": float(row["amount"] * rates[month] * row["term_months"]),
            "order_by": later(day, row["order_month"]).isoformat(), "starts": later(day, month).isoformat(),
            "order_by_cautious": later(day, cautious).isoformat() if cautious >= 0 else None,
            "stale": chosen.option.stale,
        }  # fmt: skip

    @property
    def used(self) -> list[tuple[Bound, list[float]]]:
        """Accelerators by month of every capacity that the plan uses, the dearest over the horizon first."""
        spent: dict[str, float] = {}
        for order in self.schedule:
            spent[order["offer"]] = spent.get(order["offer"], 0.0) + order["usd"]
        running = [(b, (units * b.unit_gpus).tolist()) for b, units in zip(self.place, self.plan.running, strict=True)]
        chosen = [(b, months) for b, months in running if b.option.id in spent]
        return sorted(chosen, key=lambda u: -spent[u[0].option.id])

    @property
    def rows(self) -> list[str]:
        """The rows of what is bought, prices first, and those that say how the work is split."""
        inputs = [q for b, _ in self.used for q in b.option.inputs.values()] + [*self.asked.shares]
        prices = [q for q in inputs if q.name in PRICES]
        return list(dict.fromkeys([*(row for q in [*prices, *inputs] for row in q.rows), *self.asked.read]))

    @cached_property
    def band(self) -> Array:
        """P10 and P90 of the work by month, (2, months), in the unit of the demand: what growth may make of it."""
        scale = self.asked.demand.sum(axis=0) / demand_band(self.asked, 1 / 2)
        return np.array([demand_band(self.asked, share) * scale for share in (P10, P90)])

    @property
    def unforeseen(self) -> dict[str, Any] | None:
        """The rule for base work that nobody can forecast: commit a unit when doing its work on demand has cost its
        fee within the last term. Never dearer than `ratio` times hindsight; None where no commitment ever pays."""
        held = [b for b in self.place if b.capacity.whole and b.unit_costs[0].mean() < np.inf]
        loose = [b for b in self.place if b.capacity.kind == "on_demand"]
        if not held or not loose:
            return None
        bound, instead = (min(bs, key=lambda b: b.unit_costs[0].mean()) for bs in (held, loose))
        fee = float(np.ravel(bound.capacity.rate)[0]) * bound.capacity.term_months
        month = float(instead.unit_costs[0].mean() * np.ravel(bound.capacity.serves)[0])
        if fee >= month * bound.capacity.term_months:
            return None
        return {
            "commit": bound.option.id, "accelerators": bound.unit_gpus, "term_months": bound.capacity.term_months,
            "instead_of": instead.option.id, "on_demand_usd_per_month": month, "threshold_usd": fee,
            "ratio": float(online_ratio(0.0)),
        }  # fmt: skip

    @cached_property
    def studied(self) -> Study | None:
        """The study; None where none is at hand, or no single option could be chosen."""
        try:
            return self.study() if self.study else None
        except Infeasible:  # a limit by provider that one option cannot keep, and a mix can
            return None

    @cached_property
    def learning(self) -> Learning | None:
        """What it is worth to find out before signing; None where no single option could be chosen."""
        return learning(self.studied) if self.studied else None

    @cached_property
    def quotes(self) -> list[Quote]:
        """The prices of what is bought that have a range, and what the same orders would cost at either end."""
        told = []
        for b, _ in self.used:
            price = b.option.inputs["committed_list_price" if b.capacity.whole else "list_price"]
            if price.uncertain:
                ends = (self.cost + self._quoted(b) * (end / middle(price) - 1) for end in (price.low, price.high))
                told.append(Quote(b, price, *ends))
        return told

    def _quoted(self, bound: Bound) -> float:
        """USD over the horizon that go with the quoted price of a capacity."""
        orders = (o for o in self.plan.schedule if o["offer"] == bound.option.id)
        return float(sum(o["amount"] * bound.quoted[o["month"]] * o["term_months"] for o in orders))

    @cached_property
    def frontier(self) -> list[Point]:
        """What else could be committed, by expected cost and money at risk. It takes seconds."""
        return frontier(self.asked, self.place, self.plan.schedule)

    def risks(self) -> list[dict[str, Any]]:
        """The frontier as the command line prints it."""
        return [point.as_dict(self.asked.fixed) for point in self.frontier]

    def as_dict(self) -> dict[str, Any]:
        """The plan as the command line prints it with --json, and what it is worth to find out before signing."""
        return {**self.summary(), "find_out": self.learning and self.learning.as_dict()}

    def summary(self) -> dict[str, Any]:
        """The plan alone, which takes no draws."""
        demand, prices = self.asked.demand, self.plan.shadow_prices
        names = WORKLOADS if len(demand) > 1 else ("work",)
        shadow = {**prices, "demand": {n: row.tolist() for n, row in zip(names, prices["demand"], strict=True)}}
        return {
            "scenario": self.scenario.name, "as_of": self.scenario.as_of.isoformat(), "months": self.scenario.months,
            "cost": self.cost, "bound": self.bound, "gap": self.gap, "fixed": self.asked.fixed,
            "unit": "H100-SXM at work all month", "demand": dict(zip(names, demand.tolist(), strict=True)),
            "schedule": self.schedule, "joined": list(self.plan.joined),
            "running": [{"offer": b.option.id, "kind": b.capacity.kind, "accelerators": months}
                        for b, months in self.used],
            "on_demand_only": self.on_demand_only, "liability_after": self.plan.liability_after,
            "shadow_prices": shadow, "considered": [b.option.id for b in self.asked.bound],
            "left_out": [{"offer": option.id, "reason": reason} for option, reason in self.asked.left_out],
            "uncertain_prices": [q.as_dict() for q in self.quotes],
            "unforeseen": self.unforeseen, "rows": self.rows, "stamp": dict(self.stamp),
        }  # fmt: skip


def purchase(
    facts: Facts, scenario: Scenario, *, strict: bool = False, stamp: Mapping[str, Any] | None = None
) -> Purchase:
    """The plan of least cost for a scenario by the facts of its day.

    Raises Infeasible where no option is left, or where none together serve the demand, saying what to relax.
    """
    found = planned(commitments(facts, scenario, strict=strict), stamp=stamp)
    return replace(found, study=partial(study, facts, scenario, strict=strict))


def planned(asked: Commitments, solver: Solver = solve, *, stamp: Mapping[str, Any] | None = None) -> Purchase:
    """The plan of least cost of what was bound; `relaxed` as its solver gives one in which nothing need be whole.

    Raises Infeasible as `purchase` does.
    """
    place, plan, bound = _best(asked, asked.places, solver)
    plain = [tuple(b for b in p if b.capacity.kind == "on_demand") for p in asked.places]
    try:
        on_demand_only = _best(asked, [p for p in plain if p], solver)[1].cost + asked.fixed
    except Infeasible:
        on_demand_only = None
    return Purchase(asked=asked, place=place, plan=plan, bound=bound + asked.fixed, on_demand_only=on_demand_only,
                    stamp=stamp or {})  # fmt: skip


def _best(
    asked: Commitments, places: Sequence[tuple[Bound, ...]], solver: Solver
) -> tuple[tuple[Bound, ...], Plan, float]:
    """The place of the cheapest plan, the plan, and what no plan in any place costs less than."""
    where = f"scenario {asked.scenario.name}"
    bounds, lack = [], Infeasible(where, "there is nothing to choose from", "relax a constraint of the scenario")
    for place in places:
        try:
            bounds.append((relaxed(asked.demand, *_market(place), rules=asked.rules), place))
        except Infeasible as error:
            lack = _named(where, error)
    found: list[tuple[tuple[Bound, ...], Plan, float]] = []
    for least, place in sorted(bounds, key=lambda b: b[0].cost):
        if found and least.cost >= min(plan.cost for _, plan, _ in found):
            break
        try:
            plan = least if solver is relaxed else solver(asked.demand, *_market(place), rules=asked.rules)
        except Infeasible as error:
            lack = _named(where, error)
        else:
            found.append((place, plan, plan.bound))
    if not found:
        raise lack
    place, plan, _ = min(found, key=lambda f: f[1].cost)
    return place, plan, min(bound for *_, bound in found)


def _named(where: str, error: Infeasible) -> Infeasible:
    """The error of a scenario, with its workloads by name: work is in H100 at work all month."""
    remedy = error.remedy
    for number, name in CALLED.items():
        remedy = remedy.replace(number, name)
    return Infeasible(where, error.what, remedy)


def _market(place: Sequence[Bound]) -> tuple[list[Any], dict[str, float]]:
    return [b.capacity for b in place], {b.capacity.provider: b.onboarding for b in place}


def later(day: date, months: int) -> date:
    """The same day so many months on, or the last of a shorter month."""
    year, month = divmod(day.year * YEAR + day.month - 1 + months, YEAR)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
