"""Uncertain inputs become draws: Sobol points, drawn once from the scenario's seed and reused for every option.

Every distinct quantity has one dimension, so two options that rest on the same row move together. The market's shock
comes first, then what most options share, then each offer's own.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from workbench.decision.offers import Option
from workbench.records import Quantity

Array = NDArray[np.float64]
Key = tuple[str, ...]
MARKET: Key = ("market price",)


def key(quantity: Quantity) -> Key:
    """What makes two quantities the same uncertain thing: what it is called and the rows it rests on."""
    return (quantity.text, *quantity.rows)


def shock_key(quantity: Quantity) -> Key:
    """An offer's own price movement, told apart from the uncertainty of its quote."""
    return ("movement of the " + quantity.text, *quantity.rows)


@dataclass(frozen=True)
class Draws:
    """`values[key]` has the shape (draws, 1); `quantities[key]` says what was drawn. Shocks have no quantity."""

    values: Mapping[Key, Array]
    quantities: Mapping[Key, Quantity]

    @property
    def size(self) -> int:
        return len(self.values[MARKET])


def uncertain(options: Iterable[Option]) -> tuple[dict[Key, Quantity], list[Key]]:
    """The distinct uncertain quantities of the options, and all keys in the order of their dimensions."""
    uses: Counter[Key] = Counter()
    quantities: dict[Key, Quantity] = {}
    shocks: Counter[Key] = Counter()
    for option in options:
        for quantity in option.inputs.values():
            if quantity.uncertain:
                uses[key(quantity)] += 1
                quantities[key(quantity)] = quantity
        shocks.update(shock_key(option.inputs[n]) for n in ("list_price", "committed_list_price") if n in option.inputs)
    ordered = sorted(uses, key=lambda k: (-uses[k], k)) + sorted(shocks)
    return quantities, [MARKET, *ordered]


def draw(options: Iterable[Option], size: int, seed: int) -> Draws:
    """`size` scrambled Sobol points over all uncertain quantities, triangular between low, value and high."""
    from scipy.stats import qmc  # slow to import (0.9 s of CPU with all of scipy.stats): only where points are drawn

    quantities, keys = uncertain(options)
    with warnings.catch_warnings():  # a size that is no power of two is the user's choice; balance is then approximate
        warnings.simplefilter("ignore", UserWarning)
        points = qmc.Sobol(d=len(keys), scramble=True, rng=seed).random(size)
    return _shape(quantities, keys, points)


def central(options: Iterable[Option]) -> Draws:
    """One draw with every input at its median."""
    quantities, keys = uncertain(options)
    return _shape(quantities, keys, np.full((1, len(keys)), 1 / 2))


def _shape(quantities: Mapping[Key, Quantity], keys: list[Key], points: Array) -> Draws:
    tiny = np.finfo(float).tiny
    columns = {k: np.ascontiguousarray(points[:, [i]]) for i, k in enumerate(keys)}
    values = {
        k: triangular(u, quantities[k]) if k in quantities else ndtri(np.clip(u, tiny, 1 - np.finfo(float).eps))
        for k, u in columns.items()
    }
    return Draws(values, quantities)


def triangular(share: Array, quantity: Quantity) -> Array:
    """The quantile at `share` of the triangular distribution with mode `value` between `low` and `high`."""
    low, mode, high = quantity.low, quantity.value, quantity.high
    split = (mode - low) / (high - low)
    rising = low + np.sqrt(share * (high - low) * (mode - low))
    falling = high - np.sqrt((1 - share) * (high - low) * (high - mode))
    return np.where(share < split, rising, falling)
