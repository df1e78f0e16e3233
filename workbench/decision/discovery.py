"""Scenario discovery: where in the space of inputs a plan loses, as a box that can be said in a sentence.

"The neocloud loses where utilisation is under 31% and egress over 400 TB": PRIM, the patient rule induction method
(Friedman and Fisher, 1999), as used for scenario discovery (Bryant and Lempert, 2010).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.checks import numbers
from workbench.records import WorkbenchError

PEEL = 0.05
"""Share of the draws in the box that one peel takes away: Friedman and Fisher's patience."""
SMALLEST = 0.05
"""A box with a smaller share of all draws is an anecdote."""

Array = NDArray[np.float64]
Inside = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One side condition: the input lies above `low` and below `high`; None where that side is free."""

    input: str
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Box:
    """`coverage` is the share of all cases that lie in the box, `density` the share of its draws that are cases,
    `mass` its share of all draws."""

    limits: tuple[Limit, ...]
    coverage: float
    density: float
    mass: float

    @property
    def merit(self) -> float:
        """The harmonic mean of coverage and density; 0 of a box without a case."""
        return 2 * self.coverage * self.density / (self.coverage + self.density) if self.coverage else 0.0


def peels(inputs: Any, cases: Any, names: Sequence[str]) -> list[Box]:
    """The boxes from the whole space inwards, each with one more peel: the trade of coverage against density.

    `inputs` is (draws, inputs), `cases` (draws,) true where the plan loses, `names` one for each input. At each step a
    twentieth of the draws goes, an input's lowest or highest, so that the rest is as dense in cases as can be.
    Deterministic. Raises WorkbenchError on arrays that do not fit or where there is no case.
    """
    table, found = _checked(inputs, cases, names)
    inside = np.ones(len(found), bool)
    limits = np.full((table.shape[1], 2), np.nan)
    boxes = [_box(limits, inside, found, names)]
    while boxes[-1].density < 1 and (best := _peel(table, inside, found)) is not None:
        column, side, at, inside = best
        limits[column, side] = at
        boxes.append(_box(limits, inside, found, names))
    return boxes


def discover(inputs: Any, cases: Any, names: Sequence[str], *, least_density: float = 0.0) -> Box:
    """The box of the peels that best joins coverage and density, of those with at least `least_density` where there is
    one; limits that it does without are taken away again.

    Arguments as in `peels`. Raises WorkbenchError as there, and on a density outside 0 to 1.
    """
    where = "decision.discovery.discover"
    (least_density,) = numbers(where, least_density=least_density)
    if least_density > 1:
        raise WorkbenchError(where, f"least_density={least_density:g} is out of range", "give a share of 0 to 1")
    table, found = _checked(inputs, cases, names)
    boxes = peels(table, found, names)
    dense = [b for b in boxes if b.density >= least_density] or [max(boxes, key=lambda b: b.density)]
    best = max(dense, key=lambda b: b.merit)
    return _simpler(best, (table, found, names), min(least_density, best.density))


def contains(box: Box, inputs: Any, names: Sequence[str]) -> Inside:
    """Which draws lie in the box: (draws,) of bool, for a map of the space. Arguments as in `peels`.

    Raises WorkbenchError where an input of the box has no column.
    """
    where = "decision.discovery.contains"
    (table,) = numbers(where, low=-np.inf, inputs=inputs)
    columns = dict(zip(names, np.atleast_2d(table).T, strict=False))
    inside = np.ones(len(table), bool)
    for limit in box.limits:
        if limit.input not in columns:
            raise WorkbenchError(where, f"no input {limit.input!r} among {list(names)}", "give the inputs of the box")
        if limit.low is not None:
            inside &= columns[limit.input] > limit.low
        if limit.high is not None:
            inside &= columns[limit.input] < limit.high
    return inside


def _checked(inputs: Any, cases: Any, names: Sequence[str]) -> tuple[Array, Inside]:
    where = "decision.discovery.peels"
    (table,) = numbers(where, low=-np.inf, inputs=inputs)
    found = np.asarray(cases)
    if np.ndim(table) != 2 or found.shape != (len(table),) or len(names) != table.shape[1]:
        shapes = f"inputs of shape {np.shape(table)}, cases of {found.shape}, {len(names)} names"
        raise WorkbenchError(where, shapes, "give (draws, inputs), (draws,) and a name for each input")
    if found.dtype != bool:
        raise WorkbenchError(where, f"cases of type {found.dtype}", "give true or false for each draw")
    if not found.any():
        raise WorkbenchError(where, "no draw is a case, so there is nothing to find", "ask about what does happen")
    return table, found


def _peel(table: Array, inside: Inside, found: Inside) -> tuple[int, int, float, Inside] | None:
    """The column, side and place of the peel that leaves the densest box; None where the box is small already."""
    best, density = None, -1.0
    for column, values in enumerate(table.T):
        ordered = np.sort(values[inside])
        taken = max(int(PEEL * len(ordered)), 1)
        for side, edge in enumerate((ordered[taken - 1], ordered[-taken])):
            kept = inside & (values > edge if side == 0 else values < edge)
            if kept.sum() < max(SMALLEST * len(found), 1) or (share := found[kept].mean()) <= density:
                continue
            nearest = values[kept].min() if side == 0 else values[kept].max()
            middle = (edge + nearest) / 2
            place = float(middle if middle != nearest else edge)  # two neighbouring numbers have no middle
            best, density = (column, side, place, kept), share
    return best


def _box(limits: Array, inside: Inside, found: Inside, names: Sequence[str]) -> Box:
    sides = [
        Limit(input=name, low=None if np.isnan(low) else float(low), high=None if np.isnan(high) else float(high))
        for name, (low, high) in zip(names, limits, strict=True)
        if not (np.isnan(low) and np.isnan(high))
    ]
    hits = found & inside
    return Box(limits=tuple(sides), coverage=float(hits.sum() / found.sum()), density=float(found[inside].mean()),
               mass=float(inside.mean()))  # fmt: skip


def _simpler(box: Box, among: tuple[Array, Inside, Sequence[str]], least_density: float) -> Box:
    """The box without the sides that add nothing to its merit, the least useful gone first, as long as it is dense."""
    while box.limits:
        fewer = [_measured(limits, *among) for limits in _one_side_less(box.limits)]
        better = max((b for b in fewer if b.density >= least_density), key=lambda b: b.merit, default=box)
        if better is box or better.merit < box.merit:
            break
        box = better
    return box


def _one_side_less(limits: tuple[Limit, ...]) -> list[tuple[Limit, ...]]:
    found = []
    for i, limit in enumerate(limits):
        for low, high in ((None, limit.high), (limit.low, None)):
            if (low, high) != (limit.low, limit.high):
                kept = () if low is None and high is None else (Limit(input=limit.input, low=low, high=high),)
                found.append((*limits[:i], *kept, *limits[i + 1 :]))
    return found


def _measured(limits: tuple[Limit, ...], table: Array, found: Inside, names: Sequence[str]) -> Box:
    inside = contains(Box(limits=limits, coverage=0, density=0, mass=0), table, names)
    return Box(limits=limits, coverage=float((found & inside).sum() / found.sum()),
               density=float(found[inside].mean()), mass=float(inside.mean()))  # fmt: skip
