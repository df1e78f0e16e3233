"""The plan that serves a demand at the least cost: how much to order of what, and when. HiGHS solves it.

The relaxation, in which nothing need be whole, gives a bound and the shadow prices in tens of milliseconds, while a
slider moves; the whole plan comes on rest, with its gap stated. One thread and a fixed seed: a result repeats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from workbench.checks import numbers
from workbench.decision.portfolio.capacity import Array, Capacity, Risk, Rules, market, moved
from workbench.decision.portfolio.programme import Programme, objective, programme
from workbench.decision.portfolio.relief import SIGNS, told
from workbench.decision.portfolio.schedule import Optimum, Plan, plan
from workbench.records import Infeasible, WorkbenchError

__all__ = ["Capacity", "Plan", "Rules", "committed", "optimum", "relaxed", "repriced", "solve"]

GAP = 1e-3
OPTIONS = {"output_flag": False, "threads": 1, "parallel": "off", "random_seed": 0, "mip_feasibility_tolerance": 1e-9}
SEARCH = {"presolve": "off"}
"""HiGHS 1.16 forgets presolve's offset in the cost of a start and then calls the best what is not; nor is it faster."""
ROWWISE, MINIMISE, FEASIBLE = 2, 1, 2
"""HiGHS's own codes."""
SMALL = 100
NODES = 2000
"""With so few whole amounts the plan for one future is solved to the end, whatever the gap, unless it takes more
branches than this."""
NO_OPTIONS: Mapping[str, float] = {}
NOISE = 1e-7
"""A whole amount that is off by less is whole: it is the solver's own tolerance."""
CLOSE = 1e-9
"""Relative: a bound gives way by this much before anything rests on it."""


def solve(
    demand: Any,
    capacities: Sequence[Capacity],
    onboarding: Mapping[str, float] | None = None,
    gap: float = GAP,
    *,
    rules: Rules | None = None,
) -> Plan:
    """The plan of least cost that serves `demand`, units of (months,) or (workloads, months), to a relative `gap`.

    `onboarding` is USD paid once for a provider that is used at all. Whole terms are paid, also beyond the horizon;
    reserved amounts are whole numbers, and workloads share them. Raises Infeasible, saying which limit to relax and by
    how much, where no plan is possible, and WorkbenchError on bad input.
    """
    where = "decision.portfolio.solve"
    largest = _gap(where, gap)
    asked = market(where, _demand(where, demand), capacities, onboarding or {}, (rules or Rules(), Risk()))
    return plan(optimum(where, programme(asked), largest), np.shape(demand))


def relaxed(
    demand: Any,
    capacities: Sequence[Capacity],
    onboarding: Mapping[str, float] | None = None,
    *,
    rules: Rules | None = None,
) -> Plan:
    """The plan in which nothing need be whole, for a slider that moves: no plan costs less.

    Arguments and errors as in `solve`.
    """
    where = "decision.portfolio.relaxed"
    asked = market(where, _demand(where, demand), capacities, onboarding or {}, (rules or Rules(), Risk()))
    arrays = programme(asked)
    solver = _relaxation(where, arrays)
    cost = _cost(solver)
    found = Optimum(programme=arrays, values=_values(solver), cost=cost, bound=cost, relaxed=cost,
                    corner=_values(solver), duals=_duals(solver), hot=(solver, solver))  # fmt: skip
    return plan(found, np.shape(demand))


def repriced(old: Plan, capacities: Sequence[Capacity], gap: float = GAP) -> Plan:
    """The plan after a price move: the same `capacities` at other rates, solved from where the `old` plan ended.

    The relaxation at the new rates gives a bound, the old whole amounts with everything else bought anew a cost; only
    where the two are further apart than `gap` is the whole plan searched again, from those amounts on.
    Raises WorkbenchError where more than a rate differs.
    """
    where = "decision.portfolio.repriced"
    largest = _gap(where, gap)
    before = old.optimum.programme
    if [replace(c, rate=0) for c in capacities] != [replace(c, rate=0) for c in before.market.capacities]:
        raise WorkbenchError(where, "these are not the plan's capacities at other rates", "ask `solve`")
    asked = moved(where, before.market, capacities)
    if before.rates_in_rows:
        return plan(optimum(where, programme(asked), largest), old.demand_shape)
    arrays = replace(before, market=asked, cost=objective(asked, before.columns))
    return plan(_again(where, old.optimum, arrays, largest), old.demand_shape)


def _gap(where: str, gap: Any) -> float:
    (largest,) = numbers(where, gap=gap)
    if np.ndim(largest):
        raise WorkbenchError(where, f"gap={gap!r} is not one number", "give a share of the cost, such as 0.001")
    return float(largest)


def _demand(where: str, demand: Any) -> Array:
    """(1, workloads, months)."""
    (checked,) = numbers(where, demand=demand)
    if np.ndim(checked) not in (1, 2):
        raise WorkbenchError(where, f"demand has {np.ndim(checked)} axes", "give (months,) or (workloads, months)")
    return np.atleast_2d(checked)[None]


# --- the best values


class _Known(NamedTuple):
    """What a search knows: the relaxation's values, a bound, and the best values so far that are whole where they must
    be, with the solver that found them once these were decided, where it is at hand."""

    corner: Array
    bound: float
    best: Array | None = None
    cost: float = np.inf
    fixed: Any = None

    @property
    def values(self) -> Array:
        return self.corner if self.best is None else self.best

    def or_better(self, arrays: Programme, values: Array | None, fixed: Any = None) -> "_Known":
        cost = np.inf if values is None else float(arrays.cost @ values)
        return self._replace(best=values, cost=cost, fixed=fixed) if cost < self.cost else self

    def within(self, gap: float) -> bool:
        return self.best is not None and self.cost - self.bound <= gap * self.cost


def optimum(where: str, arrays: Programme, gap: float) -> Optimum:
    """The best values of a programme, to a relative gap. Raises Infeasible in the name of `where`."""
    relaxation = _relaxation(where, arrays)
    known, duals = _Known(_values(relaxation), _cost(relaxation)), _duals(relaxation)
    least = known.bound
    if np.abs(known.corner - np.rint(known.corner))[arrays.whole].max(initial=0) <= NOISE:
        known = known.or_better(arrays, known.corner)
    else:
        known = _searched(where, arrays, gap, known)
    return _settled(arrays, known, relaxation, (least, duals))


def committed(where: str, arrays: Programme, orders: Array) -> Optimum:
    """The best values with the whole orders given, one figure for each order; which providers to join is left open.

    Raises Infeasible in the name of `where`.
    """
    every = np.append(orders, np.zeros(arrays.columns.count - len(orders)))
    low, high = every.copy(), every.copy()
    arrays.columns.joined.of(high)[:] = 1
    found = _branched(arrays, _Known(every, 0), 0, bounds=(low[arrays.whole], high[arrays.whole]))
    if found is None:
        raise _infeasible(where, arrays)
    values, bound = found
    return _settled(arrays, _Known(every, bound, values), None, (bound, np.zeros(len(arrays.lower))))


def _again(where: str, old: Optimum, arrays: Programme, gap: float) -> Optimum:
    """The best values at other costs, from the bases that the old ones ended in."""
    relaxation, fixed = old.hot
    for solver in (relaxation, fixed):
        solver.changeColsCost(len(arrays.cost), np.arange(len(arrays.cost), dtype=np.int32), arrays.cost)
        solver.run()
    known = _Known(_values(relaxation), _cost(relaxation)).or_better(arrays, _values(fixed), fixed)
    least, duals = known.bound, _duals(relaxation)
    if not known.within(gap) and old.bound > old.relaxed * (1 + CLOSE):
        known = known._replace(bound=max(least, _proven_before(relaxation, old)))
    if not known.within(gap):
        known = _searched(where, arrays, gap, known)
    return _settled(arrays, known, relaxation, (least, duals))


def _settled(arrays: Programme, known: _Known, relaxation: Any, relaxed: tuple[float, Array]) -> Optimum:
    """With the whole amounts decided, the best of the rest."""
    fixed = known.fixed or _fixed(arrays, known.values)
    cost = _cost(fixed)
    return Optimum(programme=arrays, values=_values(fixed), cost=cost, bound=min(max(known.bound, relaxed[0]), cost),
                   relaxed=relaxed[0], corner=known.corner, duals=relaxed[1], hot=(relaxation, fixed))  # fmt: skip


def _proven_before(relaxation: Any, old: Optimum) -> float:
    """The bound at the new costs of a relaxation that knows what was proven at the old ones: no whole amounts cost
    less than the old bound at the old prices. The relaxation is left as it was."""
    basis, rows = relaxation.getBasis(), relaxation.getNumRow()
    dear = np.flatnonzero(old.programme.cost).astype(np.int32)
    relaxation.addRow(old.bound * (1 - CLOSE), np.inf, len(dear), dear, old.programme.cost[dear])
    relaxation.run()
    bound = _cost(relaxation)
    relaxation.deleteRows(1, np.array([rows], dtype=np.int32))
    relaxation.setBasis(basis)
    return bound


def _searched(where: str, arrays: Programme, gap: float, known: _Known) -> _Known:
    """Whole amounts to a relative gap, and the bound that proves it.

    A small programme is solved to the end. In another what lies near the relaxation comes first, and will do if it is
    close to the known bound. From cold that means well within the gap: so a price move can be followed from there.
    """
    close = gap if known.best is not None else gap / 2 / 2
    near: Sequence[Any] = (_rounded, _next_to)
    if arrays.whole.sum() <= SMALL and arrays.market.scenarios == 1:
        near, close = (_to_the_end,), gap
    for step in near:
        known = step(arrays, known, close)
        if known.within(close):
            return known
    found = _branched(arrays, known, gap / 2)
    if found is None and known.best is None:
        raise _infeasible(where, arrays)
    if found is None:  # HiGHS gave up on the numbers: what is known stands, with the gap that it has
        return known
    return known.or_better(arrays, found[0])._replace(bound=max(found[1], known.bound))


def _to_the_end(arrays: Programme, known: _Known, close: float) -> _Known:
    found = _branched(arrays, known, 0, {"mip_max_nodes": NODES})
    if found is None:
        return known
    return known.or_better(arrays, found[0])._replace(bound=max(found[1], known.bound))


def _rounded(arrays: Programme, known: _Known, close: float) -> _Known:
    """The relaxation's amounts, each to its nearest whole; a provider that is used in part is joined."""
    values = known.corner.copy()
    partly = arrays.columns.joined.of(values)
    partly[:] = np.ceil(partly - NOISE)
    fixed = _fixed(arrays, values)
    return known.or_better(arrays, _values(fixed) if _solved(fixed) else None, fixed)


def _next_to(arrays: Programme, known: _Known, close: float) -> _Known:
    """The best between the whole amounts below and above the relaxation's, and those that are known."""
    corner, best = known.corner[arrays.whole], known.values[arrays.whole]
    low, high = np.floor(np.minimum(corner, best) + NOISE), np.ceil(np.maximum(corner, best) - NOISE)
    found = _branched(arrays, known, close / 2, {"mip_max_nodes": NODES}, (low, high))
    return known.or_better(arrays, None if found is None else found[0])


# --- HiGHS


def _loaded(arrays: Programme, whole: Any) -> Any:
    """A solver with the arrays in it; `whole` says of each column whether it must be."""
    import highspy  # 0.1 s of CPU, for whoever asks for a plan

    plain: Any = highspy.Highs.__base__  # its wrapper prints a banner before it can be told not to
    solver = plain()
    for name, value in OPTIONS.items():
        solver.setOptionValue(name, value)
    columns, rows = len(arrays.cost), len(arrays.lower)
    solver.passModel(columns, rows, len(arrays.values), ROWWISE, MINIMISE, 0.0, arrays.cost, np.zeros(columns),
                     arrays.most, arrays.lower, arrays.upper, arrays.starts.astype(np.int32),
                     arrays.indices.astype(np.int32), arrays.values,
                     np.broadcast_to(whole, columns).astype(np.int32))  # fmt: skip
    return solver


def _solved(solver: Any) -> bool:
    """Whether there is a solution."""
    solver.run()
    return bool(solver.getInfo().primal_solution_status == FEASIBLE)


def _relaxation(where: str, arrays: Programme) -> Any:
    solver = _loaded(arrays, 0)
    if not _solved(solver):
        raise _infeasible(where, arrays)
    return solver


def _branched(
    arrays: Programme, known: _Known, gap: float, options: Mapping[str, float] = NO_OPTIONS, bounds: Any = None
) -> tuple[Array, float] | None:
    """Values of least cost to a gap, from the best known, and their bound; None where nothing is possible.

    `bounds` are the least and most of the whole columns, where they are narrower than the programme's.
    """
    solver = _loaded(arrays, arrays.whole)
    for name, value in {**SEARCH, "mip_rel_gap": gap, **options}.items():
        solver.setOptionValue(name, value)
    if bounds is not None:
        whole = np.flatnonzero(arrays.whole).astype(np.int32)
        solver.changeColsBounds(len(whole), whole, *bounds)
    if known.best is not None:
        solver.setSolution(len(known.best), np.arange(len(known.best), dtype=np.int32), known.best)
    return (_values(solver), float(solver.getInfo().mip_dual_bound)) if _solved(solver) else None


def _fixed(arrays: Programme, values: Array) -> Any:
    """The programme with its whole amounts decided, solved for the rest."""
    solver = _loaded(arrays, 0)
    whole = np.flatnonzero(arrays.whole).astype(np.int32)
    decided = np.rint(values[whole])
    solver.changeColsBounds(len(whole), whole, decided, decided)
    solver.run()
    return solver


def _values(solver: Any) -> Array:
    return np.array(solver.getSolution().col_value)


def _duals(solver: Any) -> Array:
    return np.array(solver.getSolution().row_dual)


def _cost(solver: Any) -> float:
    return float(solver.getInfo().objective_function_value)


def _infeasible(where: str, arrays: Programme) -> Infeasible:
    """The error that says, for each kind of limit that could give way alone, by how much at the least."""
    ways = [way for kind in SIGNS if (way := _relief(arrays, kind))]
    return Infeasible(where, "no plan serves the demand within its limits",
                      f"relax one: {'; or '.join(ways) or 'what is committed already'}")  # fmt: skip


def _relief(arrays: Programme, kind: str) -> str:
    """What one kind of limit would have to give, in words; nothing where it cannot help alone."""
    block = arrays.rows.get(kind)
    if block is None:
        return ""
    solver = _loaded(replace(arrays, cost=np.zeros(len(arrays.cost))), arrays.whole)
    ones, first = np.ones(block.size), solver.getNumCol()
    rows = np.arange(block.first, block.first + block.size, dtype=np.int32)
    solver.addCols(block.size, ones, 0 * ones, ones * np.inf, block.size, np.arange(block.size, dtype=np.int32), rows,
                   ones * SIGNS[kind])  # fmt: skip
    solver.setOptionValue("mip_max_nodes", NODES)
    return told(arrays, kind, _values(solver)[first:]) if _solved(solver) else ""
