"""What would have to change for the answer to flip."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from workbench.decision.draws import Draws, Key, key
from workbench.decision.outcome import Outcome, Plan, monthly
from workbench.decision.study import Study
from workbench.records import Quantity

STEPS = 40
FEW = 256
RIVALS = 6
TOLERANCE = 1e-7
"""Relative: far below what any input is known to."""


@dataclass(frozen=True, kw_only=True)
class Flip:
    """At `to` the answer and `new_best` cost the same on average; beyond it `new_best` is cheaper."""

    input: str
    quantity: Quantity
    start: float
    to: float
    new_best: str
    outside_range: bool


def flips(study: Study) -> list[Flip]:
    """The answer's own unit price at which the runner-up ties, then each input that flips the answer in its range."""
    if study.rival is None:
        return []
    return [_price_flip(study, study.answer, study.rival), *_input_flips(study)]


def _price_flip(study: Study, answer: Outcome, rival: Outcome) -> Flip:
    """Scales the answer's own quote, in its range and all, until its mean meets the runner-up's."""
    leg = max(range(len(answer.plan.legs)), key=lambda i: _spend(answer.plan, i, study))
    option = answer.plan.legs[leg]
    name = "committed_list_price" if option.term_months else "list_price"
    quote = option.inputs[name]

    def excess(scale: float) -> float:
        scaled = replace(quote, value=quote.value * scale, low=quote.low * scale, high=quote.high * scale, label=quote.text + " *")
        drawn = {**study.draws.values, key(scaled): study.draws.values.get(key(quote), np.array([[quote.value]])) * scale}
        drawn |= {("movement of the " + scaled.text, *scaled.rows): study.draws.values[("movement of the " + quote.text, *quote.rows)]}
        legs = list(answer.plan.legs)
        legs[leg] = replace(option, inputs={**option.inputs, name: scaled})
        return _mean(replace(answer.plan, legs=tuple(legs)), replace(study.draws, values=drawn), study) - rival.mean

    high = 2.0
    while excess(high) < 0 and high < 2.0**STEPS:
        high *= 2
    to = quote.value * _root(excess, 1.0, high)
    return Flip(input=f"list_price of {option.id}", quantity=quote, start=quote.value, to=to, new_best=rival.plan.id,
                outside_range=not quote.low <= to <= quote.high)  # fmt: skip


def _spend(plan: Plan, leg: int, study: Study) -> float:
    alone = Plan(legs=(plan.legs[leg],), committed_gpus=(plan.committed_gpus[leg],))
    return _mean(alone, _few(study.draws), study)


def _mean(plan: Plan, draws: Draws, study: Study) -> float:
    return float(monthly(plan, draws, study.scenario.months).sum(axis=1).mean())


def _few(draws: Draws) -> Draws:
    return replace(draws, values={k: v[:FEW] for k, v in draws.values.items()})


def _input_flips(study: Study) -> Iterator[Flip]:
    """One input at a time is held at an end of its range; where another option wins there, the crossing is found."""
    few, rivals = _few(study.draws), study.outcomes[: RIVALS + 1]
    means = {o.plan.id: _mean(o.plan, few, study) for o in rivals}
    uses = {o.plan.id: {key(q) for leg in o.plan.legs for q in leg.inputs.values()} for o in rivals}
    touched = set().union(*uses.values())
    for k, quantity in sorted(study.draws.quantities.items()):
        if k not in touched:
            continue
        for end in (quantity.low, quantity.high):
            held = hold(few, k, end)
            at_end = {o.plan.id: _mean(o.plan, held, study) if k in uses[o.plan.id] else means[o.plan.id] for o in rivals}
            best = min(at_end, key=lambda i: at_end[i])
            if best != study.answer.plan.id:
                found = _crossing(study, next(o for o in rivals if o.plan.id == best), k, quantity, end)
                if found is not None:
                    yield Flip(input=quantity.text, quantity=quantity, start=quantity.value, to=found, new_best=best, outside_range=False)
                break


def hold(draws: Draws, k: Key, at: float) -> Draws:
    """The same draws with one input held at a value."""
    return replace(draws, values={**draws.values, k: np.array([[float(at)]])})


def _crossing(study: Study, rival: Outcome, k: Key, quantity: Quantity, end: float) -> float | None:
    def excess(at: float) -> float:
        held = hold(study.draws, k, at)
        return _mean(study.answer.plan, held, study) - _mean(rival.plan, held, study)

    if excess(quantity.value) >= 0 or excess(end) <= 0:
        return None
    return _root(excess, float(quantity.value), float(end))


def _root(excess: Callable[[float], float], below: float, above: float) -> float:
    """Where the excess changes sign between two ends, by the Illinois method: regula falsi that halves a stale end.

    Costs are nearly straight between the jumps at whole instances, where the bracket keeps it from leaving.
    """
    low, high, side = excess(below), excess(above), 0
    for _ in range(STEPS):
        at = (below * high - above * low) / (high - low)
        value = excess(at)
        if value == 0 or abs(above - below) <= TOLERANCE * abs(above):
            return at
        if (value < 0) == (low < 0):
            below, low, high, side = at, value, high / (2 if side < 0 else 1), -1
        else:
            above, high, low, side = at, value, low / (2 if side > 0 else 1), 1
        if abs(value) <= TOLERANCE * (abs(low) + abs(high)):
            return at
    return (below + above) / 2
