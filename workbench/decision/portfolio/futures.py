"""What commitments cost in futures that nobody knows yet: the frontier of expected cost and money at risk.

Futures are draws of the calibrated price process and of the growth of demand; all else is at the median, as in the
plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.decision.copula import blocks
from workbench.decision.draws import Draws, central, draw
from workbench.decision.offers import Option
from workbench.decision.outcome import P10, P90, evaluate
from workbench.decision.portfolio.capacity import Array, Risk
from workbench.decision.portfolio.commitments import Bound, Commitments, usage_price, work_of
from workbench.decision.portfolio.hedge import Hedge, hedge, realised
from workbench.decision.portfolio.solver import relaxed

MOVING = (
    "price_drift", "market_volatility", "offer_volatility", "price_trend_model", "rent_rise", "rent_fall", "turn_month",
    "step_rate", "step_size", "growth_per_month",
)  # fmt: skip
"""Inputs that are drawn, beside the movements of prices."""
FUTURES = 16
"""Enough for a tail of a tenth to hold more than one, few enough to be solved while somebody waits."""
GAP = 2e-2
"""That will do over futures: rounding the relaxation comes within half a per cent of its bound, in a second; to prove
more takes a minute and moves no order."""
MANY = 512
"""Futures of demand alone, which cost nothing."""
WEIGHTS = (0.0, 1 / 2, 1.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class Futures:
    """`demand` is (futures, workloads, months), `rates` USD per unit and month by name, (futures, months)."""

    demand: Array
    rates: dict[str, Array]

    @property
    def size(self) -> int:
        return len(self.demand)

    def of(self, number: int, place: Sequence[Bound]) -> list[Any]:
        """The capacities at the rates of one future."""
        return [replace(b.capacity, rate=tuple(self.rates[b.capacity.name][number])) if b.capacity.name in self.rates
                else b.capacity for b in place]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Point:
    """A way to commit over the futures: `weight` is that of the money at risk, None for a rule that has none."""

    name: str
    weight: float | None
    found: Hedge

    def as_dict(self, fixed: float) -> dict[str, Any]:
        """USD over the horizon, with what every plan pays."""
        costs = self.found.costs + fixed
        low, high = np.quantile(costs, (P10, P90))
        return {"name": self.name, "weight": self.weight, "expected": float(costs.mean()), "p10": float(low),
                "p90": float(high), "at_risk": self.found.at_risk + fixed, "gap": self.found.gap,
                "schedule": self.found.schedule}  # fmt: skip


def futures(asked: Commitments, place: Sequence[Bound], size: int = FUTURES) -> Futures:
    """Draws of the prices of what is bought as it comes, and of demand, from the scenario's seed."""
    options, months = [b.option for b in place], asked.scenario.months
    moving = _moving(asked, options, size)
    rates = {}
    for b in place:
        if not b.capacity.whole:
            told = evaluate(b.option, moving, months, np.zeros(months), known={"waiting_share": 0.0})
            rates[b.capacity.name] = usage_price(told, (months, size)).T
    return Futures(demand=work_of(options[0], moving, months, asked.shares), rates=rates)


def demand_band(asked: Commitments, share: float) -> Array:
    """(months,) quantiles of the work in many futures."""
    option = asked.every[0].option
    drawn = work_of(option, _moving(asked, [option], MANY), asked.scenario.months, asked.shares)
    return np.asarray(np.quantile(drawn.sum(axis=1), share, axis=0))


def _moving(asked: Commitments, options: Sequence[Option], size: int) -> Draws:
    """Draws of what moves, with all else at its median."""
    together = blocks(options, asked.tied)
    drawn, middle = draw(options, size, asked.scenario.seed, together), central(options)
    values = {k: drawn.values[k] if k not in drawn.quantities or drawn.quantities[k].name in MOVING
              else np.broadcast_to(middle.values[k], (size, 1)) for k in drawn.values}  # fmt: skip
    return Draws(values, drawn.quantities)


def frontier(
    asked: Commitments, place: Sequence[Bound], orders: Sequence[Mapping[str, Any]], *, size: int = FUTURES,
    weights: Sequence[float] = WEIGHTS,
) -> list[Point]:  # fmt: skip
    """Commitments of least expected cost plus a weight on the mean of the worst tenth, a point for each weight; beside
    them the plan at the median, whose `orders` these are, and no commitment at all.

    They are chosen among what the plan uses at the median or in some future: what is never best could still hedge, and
    is left out. Raises Infeasible where some future cannot be served.
    """
    known = futures(asked, place, size)
    few = _some_time_best(asked, place, known, orders)
    market = [b.capacity for b in few], {b.capacity.provider: b.onboarding for b in few}
    rates = {c.name: known.rates[c.name] for c in market[0] if not c.whole}
    risk = Risk(rates=rates, level=P90, gap=GAP)
    points = [
        Point(name=f"weight {w:g}", weight=w,
              found=hedge(known.demand, *market, risk=replace(risk, weight=w), rules=asked.rules))
        for w in weights
    ]  # fmt: skip
    if asked.rules.max_share or asked.rules.max_size or asked.rules.budget is not None:
        return _envelope(points)  # what is given may break it in some future
    given = {"the plan at the median": orders, "commit to nothing": ()}
    return _envelope(points + [Point(name=name, weight=None, found=realised(rows, known.demand, *market, risk=risk))
                               for name, rows in given.items()])  # fmt: skip


def _envelope(points: Sequence[Point]) -> list[Point]:
    """For each weight the best of all that was found: within the gap, what was found for another may be better."""
    return [p if p.weight is None else replace(p, found=_best_for(p, [q.found for q in points])) for p in points]


def _best_for(point: Point, found: Sequence[Hedge]) -> Hedge:
    weight, bound = point.weight or 0.0, point.found.bound
    best = min(found, key=lambda h: h.expected + weight * h.at_risk)
    objective = min(best.expected + weight * best.at_risk, point.found.objective)
    if objective == point.found.objective:
        return point.found
    return replace(best, objective=objective, bound=bound, gap=max((objective - bound) / objective, 0.0))


def _some_time_best(
    asked: Commitments, place: Sequence[Bound], known: Futures, orders: Sequence[Mapping[str, Any]]
) -> list[Bound]:
    """The capacities that the plan at the median orders, those of the plan for each future, and the best bought as it
    comes."""
    names = {order["offer"] for order in orders}
    onboarding = {b.capacity.provider: b.onboarding for b in place}
    for number in range(known.size):
        told = relaxed(known.demand[number], known.of(number, place), onboarding, rules=asked.rules)
        names |= {order["offer"] for order in told.schedule}
    plain = [b for b in place if not b.capacity.whole]
    names |= {min(plain, key=lambda b: float(b.unit_costs.mean())).option.id} if plain else set()
    return [b for b in place if b.option.id in names]
