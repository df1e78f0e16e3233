"""The shapes of uncertain numbers: the quantile of what a quantity may turn out to be.

A row of parameters.csv (`draws`, the name of an input) says its law, or three rows of assumptions.csv the weights of
its low, value and high; all others are triangular. Whatever the law, every draw lies between low and high.
"""

from collections.abc import Mapping
from functools import cache
from math import erfc, lgamma, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.records import Law, Quantity, WorkbenchError

Array = NDArray[np.float64]
MODEL = "draws"
TRIANGULAR: Law = ("triangular", ())
ENDS = ("low", "value", "high")
WEIGHT = "{name}_weight_of_{end}"
"""Names of the rows that make a number one of the three of its own row: which of several models or sources is right."""
EMPIRICAL = "quantile_"
NODES = 4096
"""Of the tables from which a normal or a beta distribution is read."""
FAR = 8.0
"""Standard deviations beyond which a normal does not go in any number of draws."""


def quantile(share: Any, quantity: Quantity) -> Array:
    """The quantile at `share` (0 to 1) of what a quantity may turn out to be, in its shape.

    Raises WorkbenchError for a law that is not known, or that the quantity's range does not allow.
    """
    kind, numbers = quantity.law
    if kind not in LAWS:
        raise WorkbenchError(_where(quantity), f"the law {kind!r} is not known", f"use one of {', '.join(LAWS)}")
    return np.asarray(LAWS[kind](np.asarray(share, float), quantity, *numbers))


def middle(quantity: Quantity) -> float:
    """What stands for a quantity where one value must: its median; of several models the one with the most weight."""
    kind, weights = quantity.law
    if kind == "switch":
        return float(getattr(quantity, ENDS[int(np.argmax(weights))]))
    return float(quantile(1 / 2, quantity))


def laws(parameters: Mapping[tuple[str, str, str], Quantity]) -> dict[str, Law]:
    """The law of each input that has rows, by the input's name.

    Raises WorkbenchError where rows of one input do not make one law.
    """
    rows: dict[str, dict[str, Quantity]] = {}
    for (model, subject, name), quantity in parameters.items():
        if model == MODEL and "; " not in subject:
            rows.setdefault(subject, {})[name] = quantity
    return {subject: _law(subject, found) for subject, found in rows.items()}


def _law(subject: str, rows: Mapping[str, Quantity]) -> Law:
    if all(name.startswith(EMPIRICAL) for name in rows):
        places = sorted((float(name.removeprefix(EMPIRICAL)), float(q.value)) for name, q in rows.items())
        return "empirical", tuple(number for place in places for number in place)
    if len(rows) == 1 and (name := next(iter(rows))) in ("pert", "lognormal"):
        return name, (float(rows[name].value),)
    where = next(iter(rows.values())).rows[0]
    raise WorkbenchError(where, f"the rows of {subject} ({', '.join(rows)}) are no law",
                         f"give pert, lognormal, or {EMPIRICAL}0 to {EMPIRICAL}1")  # fmt: skip


def _where(quantity: Quantity) -> str:
    return quantity.rows[0] if quantity.rows else quantity.text


def triangular(share: Array, quantity: Quantity) -> Array:
    """The triangular distribution with mode `value` between `low` and `high`."""
    low, mode, high = quantity.low, quantity.value, quantity.high
    split = (mode - low) / (high - low)
    rising = low + np.sqrt(share * (high - low) * (mode - low))
    falling = high - np.sqrt((1 - share) * (high - low) * (high - mode))
    return np.where(share < split, rising, falling)


def pert(share: Array, quantity: Quantity, weight: float) -> Array:
    """The beta distribution between `low` and `high` with mode `value`, which counts `weight` times as much as an end
    (Malcolm et al., 1959: 4). For what people tell as least, most likely and most."""
    low, mode, high = quantity.low, quantity.value, quantity.high
    place = (mode - low) / (high - low)
    return low + (high - low) * np.interp(share, *_beta(1 + weight * place, 1 + weight * (1 - place)))


@cache
def _beta(a: float, b: float) -> tuple[Array, Array]:
    """The distribution function of a beta distribution and where it is read, denser towards the ends."""
    angle = np.linspace(0, np.pi, NODES + 1)
    at = (1 - np.cos(angle)) / 2
    inner = (at[1:] + at[:-1]) / 2
    log_density = (a - 1) * np.log(inner) + (b - 1) * np.log1p(-inner) + lgamma(a + b) - lgamma(a) - lgamma(b)
    below = np.append(0.0, np.cumsum(np.exp(log_density) * np.diff(at)))
    return below / below[-1], at


def lognormal(share: Array, quantity: Quantity, coverage: float) -> Array:
    """The lognormal around `value` of which `coverage` lies within the factor from `low` to `high`, cut at both. For
    what is known to a factor, and cannot be negative."""
    if quantity.low <= 0 or not 0 < coverage < 1:
        raise WorkbenchError(_where(quantity), f"{quantity.text} from {quantity.low:g} cannot be lognormal",
                             "give a low above 0 and a coverage between 0 and 1")  # fmt: skip
    spread = np.log(quantity.high / quantity.low) / 2 / NormalDist().inv_cdf((1 + coverage) / 2)
    low, high = (below(np.log(end / quantity.value) / spread) for end in (quantity.low, quantity.high))
    grid, shares = _normal()
    made = quantity.value * np.exp(spread * np.interp(low + share * (high - low), shares, grid))
    return np.clip(made, quantity.low, quantity.high)


def empirical(share: Array, quantity: Quantity, *places: float) -> Array:
    """What was observed: straight between the quantiles given, as share and value in turn."""
    return np.clip(np.interp(share, places[::2], places[1::2]), quantity.low, quantity.high)


def switch(share: Array, quantity: Quantity, *weights: float) -> Array:
    """One of `low`, `value` and `high`, with these weights."""
    if min(weights) < 0 or sum(weights) <= 0:
        raise WorkbenchError(_where(quantity), f"weights {weights} of {quantity.text}", "give weights of at least 0")
    edges = np.cumsum(weights) / sum(weights)
    ends = np.array([quantity.low, quantity.value, quantity.high], float)
    return ends[np.minimum(np.searchsorted(edges, share, side="right"), 2)]


@cache
def _normal() -> tuple[Array, Array]:
    grid = np.linspace(-FAR, FAR, 2 * NODES + 1)
    return grid, np.array([erfc(-z / sqrt(2)) / 2 for z in grid])


def below(normal: Any) -> Array:
    """The share of a standard normal below each value, to six digits: read from a table with even steps, without a
    search."""
    shares = _normal()[1]
    place = np.clip((np.asarray(normal) + FAR) * (NODES / FAR), 0, 2 * NODES)
    cell = np.minimum(place.astype(np.intp), 2 * NODES - 1)
    return np.asarray(shares[cell] + (place - cell) * (shares[cell + 1] - shares[cell]))


LAWS = {f.__name__: f for f in (triangular, pert, lognormal, empirical, switch)}
