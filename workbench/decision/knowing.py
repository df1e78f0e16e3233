"""What it is worth to know more before choosing: one input at a time, and a pilot of some weeks, each in money.

Options that are never the cheapest do not matter to this and are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.decision import value
from workbench.decision.binding import gpus_per_replica
from workbench.decision.desk import Desk
from workbench.decision.draws import MARKET, PRICES, Array, Key, key, shock_key
from workbench.decision.outcome import Outcome
from workbench.decision.study import Study
from workbench.records import Quantity

MEASURED = frozenset({
    "utilisation", "batch_fill", "idle_timeout_hours", "wakeups_per_month", "gpu_hours_per_request",
    "gpu_hours_per_run", "prefill_tokens_per_gpu_hour", "decode_tokens_per_gpu_hour", "prefill_throughput",
    "decode_throughput", "batch_throughput", "unavailable_share", "restart_h", "checkpoint_h",
    "gpu_hours_between_failures",
})  # fmt: skip
"""Inputs that running the workload for some weeks shows; nobody's future prices are among them."""
WEEKS = 2
MOST = 12
"""Options that compete for the best, by rising mean."""
LEAST = 0.005
"""Of draws in which an option must be the cheapest to matter."""


INPUTS = 16
"""Inputs whose worth is computed: those that go along most with the difference between the options."""
Named = tuple[str, Quantity | None, tuple[str, ...]]
"""What an input is called, its quantity (None for a movement of prices), and its rows."""


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """`weeks` of running one replica of the answer and one of its runner-up. `worth` is what choosing afterwards saves
    on average over the horizon, `cost` what the accelerators of the pilot cost, both USD."""

    weeks: int
    worth: float
    cost: float
    inputs: tuple[Quantity, ...]
    error: Quantity

    @property
    def pays(self) -> bool:
        return self.worth > self.cost

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {"weeks": self.weeks, "worth": self.worth, "cost": self.cost, "pays": self.pays}


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What knowing one input exactly before choosing would save on average, USD over the horizon."""

    input: str
    usd: float
    quantity: Quantity | None
    """None for a movement of prices."""
    rows: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Learning:
    """What it is worth to find out before one option is chosen, USD over the horizon: everything, by a pilot, and each
    input alone, the most valuable first."""

    perfect_information: float
    pilot: Pilot | None
    worths: tuple[Worth, ...]

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it."""
        inputs = [{"input": w.input, "usd": w.usd, "rows": list(w.rows)} for w in self.worths]
        pilot = None if self.pilot is None else self.pilot.as_dict()
        return {"perfect_information": self.perfect_information, "pilot": pilot, "inputs": inputs}


def learning(study: Study) -> Learning:
    """What it is worth to know more before choosing among the options of a study."""
    return Learning(perfect_information=study.perfect_information, pilot=pilot(study),
                    worths=tuple(worths(study)))  # fmt: skip


def worths(study: Study) -> list[Worth]:
    """Each input that the leading options rest on, the most valuable first; those worth nothing left out."""
    leading = _leading(study)
    if len(leading) < 2:
        return []
    costs = np.array([o.total for o in leading])
    known = _telling(study, _inputs(study, leading), costs)
    columns = np.hstack([study.draws.values[k] for k in known])
    usd = value.partial_information(costs, columns)
    found = [Worth(input=name, usd=float(worth), quantity=quantity, rows=rows)
             for (name, quantity, rows), worth in zip(known.values(), usd, strict=True)]  # fmt: skip
    return sorted((w for w in found if w.usd > 0), key=lambda w: (-w.usd, w.input))


def pilot(study: Study, weeks: int = WEEKS) -> Pilot | None:
    """What measuring for some weeks is worth; None where there is nothing to choose or to measure.

    Every measured input is seen with an error that shrinks with the root of the weeks; the worth is that of choosing by
    the expected costs given what was seen (Strong, Oakley and Brennan, 2014).
    """
    leading = _leading(study)
    desk = Desk(study.facts, study.scenario)
    error = desk.assumption("pilot_week_error")
    measured = {k: q for k, (_, q, _) in _inputs(study, leading).items() if q is not None and q.name in MEASURED}
    if len(leading) < 2 or not measured:
        return None
    rng = np.random.default_rng(study.scenario.seed)
    drawn = np.hstack([study.draws.values[k] for k in measured])
    seen = drawn * (1 + error.value / np.sqrt(weeks) * rng.standard_normal(drawn.shape))
    worth = value.partial_information(np.array([o.total for o in leading]), _condensed(study, seen), [[0, 1]])
    return Pilot(weeks=weeks, worth=float(worth[0]), cost=_cost(desk, leading[:2], weeks),
                 inputs=tuple(measured.values()), error=error)  # fmt: skip


def _leading(study: Study) -> list[Outcome]:
    return [o for o in study.outcomes if o.best_probability >= LEAST or o in study.outcomes[:2]][:MOST]


def _inputs(study: Study, leading: Sequence[Outcome]) -> dict[Key, Named]:
    """The uncertain inputs of the leading options by key, each with its name, and the movements of prices."""
    found: dict[Key, Named] = {}
    for leg in (leg for o in leading for leg in o.plan.legs):
        found |= {key(q): (q.text, q, q.rows) for q in leg.inputs.values() if q.uncertain}
        found |= {
            shock_key(q): ("movement of the " + q.text, None, q.rows) for n, q in leg.inputs.items() if n in PRICES
        }
        if "market_volatility" in leg.inputs:  # a list price moves in steps, not with a market
            found.setdefault(MARKET, ("market price", None, leg.inputs["market_volatility"].rows))
    return {k: found[k] for k in study.draws.values if k in found}


def _telling(study: Study, known: dict[Key, Named], costs: Array) -> dict[Key, Named]:
    """The inputs that go along most with what any leading option costs more than the answer."""
    columns = np.hstack([study.draws.values[k] for k in known])
    excess = (costs[1:] - costs[0]).T
    columns, excess = (a - a.mean(axis=0) for a in (columns, excess))
    norms = [np.maximum(np.linalg.norm(a, axis=0), np.finfo(float).tiny) for a in (columns, excess)]
    along = np.abs((columns / norms[0]).T @ (excess / norms[1])).max(axis=1)
    best = set(np.argsort(-along, kind="stable")[:INPUTS])
    return {k: name for i, (k, name) in enumerate(known.items()) if i in best}


def _condensed(study: Study, seen: Array) -> Array:
    """What was seen as two figures, (draws, 2): what it says of the answer's cost, and of its lead over the runner-up.

    A rule on all measured inputs with their products would be fitted to noise; what counts for the choice is these two.
    """
    answer, rival = (o.total for o in study.outcomes[:2])
    centred = (seen - seen.mean(axis=0)) / np.maximum(seen.std(axis=0), np.finfo(float).tiny)
    design = np.hstack([np.ones((len(seen), 1)), centred, centred**2])
    aims = np.column_stack([answer, answer - rival])
    gram = design.T @ design  # twenty times cheaper than a decomposition of the design, and these columns are sound
    ridge = np.finfo(float).eps * np.trace(gram) * np.eye(len(gram))
    return np.asarray(design @ np.linalg.solve(gram + ridge, design.T @ aims))


def _cost(desk: Desk, tried: Sequence[Outcome], weeks: int) -> float:
    """USD for a replica of each option, on from start to end, at today's price."""
    hours = desk.assumption("hours_per_month").value / desk.assumption("weeks_per_month").value * weeks
    legs: dict[str, Any] = {leg.id: leg for o in tried for leg in o.plan.legs}
    gpus = {i: max(gpus_per_replica(desk.scenario, leg.price), leg.price.gpu_count) for i, leg in legs.items()}
    return float(sum(gpus[i] * hours * leg.inputs["list_price"].value for i, leg in legs.items()))
