"""The inputs behind a study's answer: what each does alone between its ends, and its part in the variance with others.

Both look at the saving, the runner-up's total less the answer's, in USD over the horizon: at 0 the answer flips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.decision.copula import blocks, ties
from workbench.decision.draws import MARKET, PRICES, Array, Draws, Key, draw, key, shock_key
from workbench.decision.outcome import held, monthly, values_of
from workbench.decision.sensitivity import Indices, sobol_indices
from workbench.decision.study import Study
from workbench.records import Quantity


@dataclass(frozen=True, kw_only=True)
class Swing:
    """The mean saving with one input held at the low and at the high end of its range: one bar of a tornado."""

    input: str
    quantity: Quantity
    at_low: float
    at_high: float

    @property
    def width(self) -> float:
        return abs(self.at_high - self.at_low)

    @property
    def flips(self) -> bool:
        """Whether the runner-up is cheaper at one of the ends."""
        return min(self.at_low, self.at_high) < 0


def tornado(study: Study) -> list[Swing]:
    """A swing for each uncertain input of the answer or its runner-up, the widest first; none without a runner-up."""
    if study.rival is None:
        return []
    pair = (study.answer.plan, study.rival.plan)
    base = [values_of(p, study.draws, study.scenario.months) for p in pair]
    used = {key(q) for p in pair for leg in p.legs for q in leg.inputs.values()}

    def saving(k: Key, at: float) -> float:
        ours, theirs = (held(p, values, k, at) for p, values in zip(pair, base, strict=True))
        return theirs - ours

    swings = [
        Swing(input=q.text, quantity=q, at_low=saving(k, q.low), at_high=saving(k, q.high))
        for k, q in sorted(study.draws.quantities.items())
        if k in used
    ]
    return sorted(swings, key=lambda s: (-s.width, s.input))


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Names of inputs or groups, and the indices of the saving in the same order."""

    names: tuple[str, ...]
    indices: Indices


def importance(study: Study, *, groups: Mapping[str, Sequence[Key]] | None = None) -> Importance | None:
    """Sobol indices of the saving; `groups` are keys of the draws that count as one; None without a runner-up.

    Inputs that are correlated are one group in any case: the indices of one of them alone would mean nothing.
    Evaluates the answer and its runner-up once for each name, and twice more.
    """
    if study.rival is None:
        return None
    pair = (study.answer.plan, study.rival.plan)
    legs = [leg for p in pair for leg in p.legs]
    scenario = study.scenario
    together = blocks(legs, ties(study.facts))
    one, other = (draw(legs, scenario.draws, seed, together) for seed in (scenario.seed, scenario.seed + 1))
    keys = list(one.values)
    named = _named(study, keys, groups or {}, [block.keys for block in together])

    def saving(columns: Array) -> Array:
        values = {k: column[:, None] for k, column in zip(keys, columns.T, strict=True)}
        ours, theirs = (monthly(p, Draws(values, one.quantities), scenario.months).sum(axis=1) for p in pair)
        return np.asarray(theirs - ours)

    sets = [np.hstack([d.values[k] for k in keys]) for d in (one, other)]
    found = sobol_indices(saving, *sets, groups=[[keys.index(k) for k in ks] for ks in named.values()])
    return Importance(names=tuple(named), indices=found)


def _named(
    study: Study, keys: Sequence[Key], groups: Mapping[str, Sequence[Key]], together: Sequence[Sequence[Key]]
) -> dict[str, list[Key]]:
    """What is looked at: each group with all that moves together with it, and each key that is in none, under the name
    that people know it by."""
    words = _words(study)
    named: dict[str, list[Key]] = {}
    for name, asked in groups.items():
        known = [k for k in asked if k in keys]
        named[name] = list(dict.fromkeys([*known, *(k for b in together if set(b) & set(known) for k in b)]))
    taken = {k for ks in named.values() for k in ks}
    for block in together:
        if not taken.intersection(block):
            named[", ".join(words[k] for k in block) + " (together)"] = list(block)
            taken.update(block)
    for k in keys:
        if k not in taken:
            named.setdefault(words[k] if words[k] not in named else " ".join(k), []).append(k)
    return {name: ks for name, ks in named.items() if ks}


def _words(study: Study) -> dict[Key, str]:
    plans = [o.plan for o in (study.answer, study.rival) if o is not None]
    words: dict[Key, str] = {MARKET: "market price"}
    for name, quantity in (item for p in plans for leg in p.legs for item in leg.inputs.items()):
        words[key(quantity)] = quantity.text
        if name in PRICES:
            words[shock_key(quantity)] = "movement of the " + quantity.text
    return words
