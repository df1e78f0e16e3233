"""Uncertain inputs become draws: a Latin hypercube, drawn once from the scenario's seed and reused for every option.

Every distinct quantity has one column, so two options that rest on the same row move together. A column depends on the
seed and on what it stands for alone: adding an offer or moving a slider leaves all others as they were, but for those
that rows say are correlated with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.decision.laws import middle, quantile
from workbench.records import Evidence, Quantity

Array = NDArray[np.float64]
Key = tuple[str, ...]
MARKET: Key = ("market price",)
STREAM_BYTES = 8
PRICES = ("list_price", "committed_list_price")
"""Inputs that are quotes: what they may turn out to be differs from how they move after that."""


class Bound(Protocol):
    """An option, or anything else that has bound rows to names."""

    @property
    def inputs(self) -> Mapping[str, Quantity]:
        """Name -> what is bound to it."""


@dataclass(frozen=True)
class Inputs:
    """Quantities by name as something to draw, where no option binds them."""

    inputs: Mapping[str, Quantity]


def key(quantity: Quantity) -> Key:
    """What makes two quantities the same uncertain thing: what it is called and the rows it rests on.

    A number of the user's own is known by its name alone: moving a line of the scenario's file moves no draw.
    """
    return (quantity.text, *(quantity.rows if quantity.evidence is not Evidence.YOURS else ()))


def shock_key(quantity: Quantity) -> Key:
    """An offer's own price movement, told apart from the uncertainty of its quote."""
    return ("movement of the " + quantity.text, *quantity.rows)


class Together(Protocol):
    """Columns that are correlated: `components` is (column, component), how far each follows a principal component."""

    @property
    def keys(self) -> tuple[Key, ...]: ...

    @property
    def components(self) -> Array: ...


@dataclass(frozen=True)
class Draws:
    """`values[key]` has the shape (draws, 1); `quantities[key]` says what was drawn. Shocks have no quantity."""

    values: Mapping[Key, Array]
    quantities: Mapping[Key, Quantity]

    @property
    def size(self) -> int:
        return len(self.values[MARKET])

    def of(self, k: Key, quantity: Quantity | None = None) -> Any:
        """The draws of a key, (draw,); the quantity's own value where it is certain."""
        drawn = self.values.get(k)
        return drawn[:, 0] if drawn is not None else None if quantity is None else quantity.value


def uncertain(options: Iterable[Bound]) -> tuple[dict[Key, Quantity], list[Key]]:
    """The distinct uncertain quantities of the options, and the shocks that move their prices."""
    quantities: dict[Key, Quantity] = {}
    shocks: dict[Key, None] = {MARKET: None}
    for option in options:
        for name, quantity in option.inputs.items():
            if quantity.uncertain:
                quantities[key(quantity)] = quantity
            if name in PRICES:
                shocks[shock_key(quantity)] = None
    return quantities, list(shocks)


def draw(options: Iterable[Bound], size: int, seed: int, together: Sequence[Together] = ()) -> Draws:
    """`size` draws of every uncertain quantity by its law, and of every shock, normal.

    Each column has one draw in each of `size` strata of equal probability, in an order of its own; columns that are
    `together` have the same values in an order that is correlated (a Gaussian copula; Iman and Conover, 1982).
    """
    quantities, shocks = uncertain(options)
    normal, values = _normal_quantiles(size), {}
    orders = {}
    for k, quantity in quantities.items():
        orders[k], generator = _strata(k, size, seed)
        values[k] = quantile((orders[k] + generator.random(size)) / size, quantity)
    for k in shocks:
        orders[k], _ = _strata(k, size, seed)
        values[k] = normal[orders[k]]
    for block in together:
        values |= _correlated(block, values, orders)
    return Draws({k: v[:, None] for k, v in values.items()}, quantities)


def _correlated(
    block: Together, values: Mapping[Key, Array], orders: Mapping[Key, NDArray[np.int64]]
) -> dict[Key, Array]:
    """The values of each column of a block in the order of the correlated normals that the columns' own orders make."""
    normal = _normal_quantiles(len(orders[block.keys[0]]))
    moved, made = block.components @ np.array([normal[orders[k]] for k in block.keys]), {}
    for k, new in zip(block.keys, moved, strict=True):
        rising = np.empty_like(values[k])
        rising[orders[k]] = values[k]
        made[k] = np.empty_like(rising)
        made[k][_order(new)] = rising
    return made


def _order(column: Array) -> NDArray[np.intp]:
    """From the least to the greatest, ties by place: the fast sort of some processors leaves their order open."""
    order = np.argsort(column)
    rising = column[order]
    return order if (rising[1:] > rising[:-1]).all() else np.argsort(column, kind="stable")


def central(options: Iterable[Bound]) -> Draws:
    """One draw with every input at its median, and of several models the one with the most weight."""
    quantities, shocks = uncertain(options)
    values = {k: np.full((1, 1), middle(q)) for k, q in quantities.items()}
    return Draws(values | dict.fromkeys(shocks, np.zeros((1, 1))), quantities)


def _strata(k: Key, size: int, seed: int) -> tuple[NDArray[np.int64], np.random.Generator]:
    stream = int.from_bytes(blake2b("\0".join(k).encode(), digest_size=STREAM_BYTES).digest(), "big")
    generator = np.random.default_rng([seed, stream])
    return generator.permutation(size), generator


@cache
def _normal_quantiles(size: int) -> Array:
    """The standard normal at the middle of each stratum."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 1 / 2) / size) for i in range(size)])
