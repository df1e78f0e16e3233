"""What would have to change for the answer to flip."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from workbench.decision.draws import Draws, Key, key
from workbench.decision.outcome import Outcome, Plan, held, monthly, values_of
from workbench.decision.study import Study
from workbench.records import Quantity

STEPS = 40
FEW = 256
RIVALS = 8
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
    return [*_price_flip(study, study.answer, study.rival), *_input_flips(study)]


def _price_flip(study: Study, answer: Outcome, rival: Outcome) -> Iterator[Flip]:
    """Scales the answer's own quote, in its range and all, until its mean meets the runner-up's.

    Nothing where the workload buys no hour, so that no price could.
    """
    leg = max(range(len(answer.plan.legs)), key=lambda i: _spend(answer.plan, i, study))
    option = answer.plan.legs[leg]
    quote = option.inputs["committed_list_price" if option.term_months else "list_price"]
    k, months = key(quote), study.scenario.months
    drawn = study.draws.of(k, quote)
    ours, theirs = (values_of(o.plan, study.draws, months) for o in (answer, rival))

    def excess(scale: float) -> float:  # the runner-up may be a split that buys at the same quote
        return held(answer.plan, ours, k, drawn * scale) - held(rival.plan, theirs, k, drawn * scale)

    high = 2.0
    while excess(high) < 0 and high < 2.0**STEPS:
        high *= 2
    if excess(high) < 0:
        return
    to = quote.value * _root(excess, 1.0, high)
    yield Flip(input=f"list_price of {option.id}", quantity=quote, start=quote.value, to=to, new_best=rival.plan.id,
                outside_range=not quote.low <= to <= quote.high)  # fmt: skip


def _spend(plan: Plan, leg: int, study: Study) -> float:
    alone = Plan(legs=(plan.legs[leg],), committed_gpus=(plan.committed_gpus[leg],))
    return float(monthly(alone, _few(study.draws), study.scenario.months).sum())


def _few(draws: Draws) -> Draws:
    return replace(draws, values={k: v[:FEW] for k, v in draws.values.items()})


def _input_flips(study: Study) -> Iterator[Flip]:
    """One input at a time is held at an end of its range; where another option wins there, the crossing is found."""
    few, months, rivals = _few(study.draws), study.scenario.months, study.outcomes[: RIVALS + 1]
    base = {o.plan.id: values_of(o.plan, few, months) for o in rivals}
    uses = {o.plan.id: {key(q) for leg in o.plan.legs for q in leg.inputs.values()} for o in rivals}
    means = {o.plan.id: float(monthly(o.plan, few, months).sum(axis=1).mean()) for o in rivals}
    full = cache(lambda i: values_of(rivals[i].plan, study.draws, months))
    for k, quantity in sorted(study.draws.quantities.items()):
        if not any(k in used for used in uses.values()):
            continue
        for end in (quantity.low, quantity.high):
            at_end = {
                i: held(o.plan, base[o.plan.id], k, end) if k in uses[o.plan.id] else means[o.plan.id]
                for i, o in enumerate(rivals)
            }
            best = min(at_end, key=lambda i: at_end[i])
            if best:
                to = _crossing((rivals[0], rivals[best]), (full(0), full(best)), k, (quantity.value, end))
                if to is not None:
                    yield Flip(input=quantity.text, quantity=quantity, start=quantity.value, to=to,
                               new_best=rivals[best].plan.id, outside_range=False)  # fmt: skip
                break


def _crossing(pair: tuple[Outcome, Outcome], base: Any, k: Key, ends: tuple[float, float]) -> float | None:
    """Where the answer and a rival tie as one input goes from its value to an end; None where they do not cross."""

    def excess(at: float) -> float:
        ours, theirs = (held(o.plan, values, k, at) for o, values in zip(pair, base, strict=True))
        return ours - theirs

    if excess(ends[0]) >= 0 or excess(ends[1]) <= 0:
        return None
    return _root(excess, float(ends[0]), float(ends[1]))


def _root(excess: Callable[[float], float], below: float, above: float) -> float:
    """Where the excess changes sign between two ends, by the Illinois method: regula falsi that halves a stale end.

    Costs are nearly straight between the jumps at whole instances, where the bracket keeps it from leaving.
    """
    low, high, side = excess(below), excess(above), 0
    if low == high:
        return below
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
