"""Very many draws in bounded memory: chunks are drawn, evaluated by compiled loops, and reduced to sums and counts.

Draws are plain random numbers, since a million of them need no even spread. Each chunk has a seed of its own, and
nothing of it is kept but what it adds to the sums. Means, chances and regret are those of all draws; quantiles are
read from bins a tenth of a per cent wide.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.decision import copula, loop
from workbench.decision.draws import Array, Draws, Key, uncertain
from workbench.decision.laws import below, quantile
from workbench.decision.outcome import Plan, inputs, shared
from workbench.decision.study import Study
from workbench.records import Quantity

CHUNK = 8192
"""Draws whose inputs fit into a core's own cache."""
WIDTH = 1e-3
"""Of a bin of the logarithm of a cost."""
DECADES = 18
"""From one dollar on: more than any horizon costs."""
BINS = int(DECADES * np.log(10) / WIDTH)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Of each plan, in the order asked: `means`, `best_probability` and `expected_regret` (plans,), USD over the
    horizon; `bins` (plans, bins) count its draws by cost. `perfect_information` is USD."""

    draws: int
    means: Array
    best_probability: Array
    expected_regret: Array
    perfect_information: float
    bins: Array

    def quantile(self, share: float) -> Array:
        """(plans,) USD that the cost stays below in this share of the draws, to half of a tenth of a per cent."""
        reached = np.cumsum(self.bins, axis=1)
        at = [np.searchsorted(r, share * self.draws) for r in reached]
        return np.exp((np.array(at) + 1 / 2) * WIDTH)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What every chunk needs: `quantities` and `shocks` are what is drawn, `loops` one for each leg of the plans."""

    study: Study
    plans: Sequence[Plan]
    quantities: Mapping[Key, Quantity]
    shocks: Sequence[Key]
    together: Sequence[copula.Block]
    loops: Sequence[Any] = ()


def tally(study: Study, plans: Sequence[Plan], draws: int, *, threads: int = 2) -> Tally:
    """Plans of a study over `draws` draws, made up to whole chunks: the number is told.

    The first time on a machine the loops are compiled, a second or so for each kind of offer.
    """
    legs = [leg for p in plans for leg in p.legs]
    quantities, shocks = uncertain(legs)
    asked = _Asked(study=study, plans=plans, quantities=quantities, shocks=shocks,
                   together=copula.blocks(legs, copula.ties(study.facts)))  # fmt: skip
    asked = replace(asked, loops=loop.totals([values for bound in _bound(asked, 0) for values in bound]))
    _chunk(asked, 0)  # compiles, in one thread
    chunks = -(-draws // CHUNK)
    with ThreadPoolExecutor(threads) as pool:
        parts = [*pool.map(lambda first: _reduced(asked, range(first, chunks, threads)), range(threads))]
    made, (sums, chances, least, bins) = chunks * CHUNK, map(sum, zip(*parts, strict=True))
    means, floor = np.asarray(sums) / made, float(least) / made
    return Tally(draws=made, means=means, best_probability=np.asarray(chances) / made, expected_regret=means - floor,
                 perfect_information=float(means.min() - floor), bins=np.asarray(bins))  # fmt: skip


def _reduced(asked: _Asked, chunks: Sequence[int]) -> tuple[Any, ...]:
    """Over some chunks: sums, counts of the cheapest, the sum of the least, and bins."""
    size = len(asked.plans)
    sums, chances, least, bins = np.zeros(size), np.zeros(size), 0.0, np.zeros((size, BINS), np.int64)
    for number in chunks:
        costs = _chunk(asked, number)
        floor = costs.min(axis=0)
        best = costs == floor
        sums += costs.sum(axis=1)
        chances += (best / best.sum(axis=0)).sum(axis=1)
        least += float(floor.sum())
        places = np.clip(np.log(np.maximum(costs, 1)) / WIDTH, 0, BINS - 1).astype(np.int64)
        for row, place in zip(bins, places, strict=True):
            np.add.at(row, place, 1)
    return sums, chances, least, bins


def _chunk(asked: _Asked, number: int) -> Array:
    """(plans, draws) total costs of one chunk."""
    costs, loops = np.zeros((len(asked.plans), CHUNK)), iter(asked.loops)
    for row, bound in zip(costs, _bound(asked, number), strict=True):
        for values in bound:
            next(loops)(values, row)
    return costs


def _bound(asked: _Asked, number: int) -> list[list[dict[str, Any]]]:
    """The inputs of each leg of each plan; what plans of one option share is computed once."""
    months, drawn = asked.study.scenario.months, _drawn(asked, number)
    alone = [p.head for p in asked.plans if len(p.legs) == 1]
    known = shared(alone, drawn, months) if alone else {}
    return [
        [inputs(leg, drawn, months, committed, known if len(p.legs) == 1 else None)
         for leg, committed in zip(p.legs, p.committed_gpus, strict=True)]
        for p in asked.plans
    ]  # fmt: skip


def _drawn(asked: _Asked, number: int) -> Draws:
    """A chunk of draws; those that move together by their correlated normals."""
    rng = np.random.default_rng([asked.study.scenario.seed, number])
    normal = {k: z for block in asked.together
              for k, z in zip(block.keys, block.components @ rng.standard_normal((len(block.keys), CHUNK)),
                              strict=True)}  # fmt: skip
    values = {k: quantile(below(normal[k]) if k in normal else rng.random(CHUNK), q)
              for k, q in asked.quantities.items()}  # fmt: skip
    values |= {k: normal[k] if k in normal else rng.standard_normal(CHUNK) for k in asked.shocks}
    return Draws({k: v[:, None] for k, v in values.items()}, asked.quantities)
