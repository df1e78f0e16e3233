"""Why the answer is what it is: each input between its ends, its part in the doubt, where the answer loses, what it is
worth to know, and how bad it may get. All in money where it is money.

Seconds of work that `decide` does not do unasked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.cite import Name, Prose, of, say, words
from workbench.decision import drivers, knowing, value
from workbench.decision.discovery import Box, discover
from workbench.decision.draws import Array, key
from workbench.decision.outcome import P90, Outcome
from workbench.decision.study import Study
from workbench.records import Quantity

SHOWN = 10
"""Options whose risks are told, by rising mean."""
LEADING = 3
"""Inputs in which the region is looked for, those that move the saving furthest: among all of them the region has ten
sides that hold a tenth of what is lost, and nobody can say it."""
LIFT = 1.5
"""A box in which "the answer loses" is to be said is so many times as dense in lost draws as all draws are."""
COVERED = 1 / 2
"""Share of the lost draws in a box that tells where they are: most of them."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where the answer costs more than its runner-up: `inputs` is (draws, quantities), `loses` (draws,), `share` of all
    draws. The quantities are those that move the saving furthest, the first the most."""

    box: Box
    quantities: tuple[Quantity, ...]
    inputs: Array
    loses: Any
    rival: str

    @property
    def share(self) -> float:
        return float(self.loses.mean())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(q.text for q in self.quantities)

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(r for q in self.quantities for r in q.rows))

    @property
    def tells(self) -> bool:
        """Whether the box holds enough of the draws in which the answer loses to say where it does."""
        return bool(self.box.limits) and self.box.coverage >= COVERED

    @property
    def where(self) -> Prose:
        """The sides of the box: "where utilisation is over 55% and batch fill is under 48%"."""
        known = dict(zip(self.names, self.quantities, strict=True))
        said = [
            say("{name} is {side} {end}", name=Name(words(limit.input)), side=side, end=of(known[limit.input], end))
            for limit in self.box.limits
            for side, end in (("over", limit.low), ("under", limit.high))
            if end is not None
        ]
        parts = [part for text in said for part in (" and ", text)][1:]
        return Prose(("where ", *parts)) if said else Prose(("wherever its inputs lie",))

    @property
    def sentence(self) -> str:
        """The box in words: "the answer loses to X where utilisation is over 55% and batch fill is under 48%"."""
        if not self.tells:
            return (f"The answer loses to {self.rival} in {self.share:.0%} of the draws; no range of an input tells in "
                    "which.")  # fmt: skip
        return (f"The answer loses to {self.rival} {self.where}: in {self.box.density:.0%} of the draws there, which "
                f"hold {self.box.coverage:.0%} of all the draws in which it loses.")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """`tornado` by falling width, `importance` None without a runner-up, `region` None where the answer never loses,
    `worths` by falling money; `risks` of the leading options, USD over the horizon."""

    tornado: list[drivers.Swing]
    importance: drivers.Importance | None
    region: Region | None
    worths: list[knowing.Worth]
    pilots: list[knowing.Pilot]
    risks: list[Mapping[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it."""
        found = self.importance
        shares = [] if found is None else [
            {"input": n, "first": float(f), "total": float(t), "first_error": float(e), "total_error": float(d)}
            for n, f, t, e, d in zip(found.names, found.indices.first, found.indices.total, found.indices.first_error,
                                     found.indices.total_error, strict=True)
        ]  # fmt: skip
        return {
            "tornado": [{"input": s.input, "unit": s.quantity.unit, "low": s.quantity.low, "high": s.quantity.high,
                         "saving_at_low": s.at_low, "saving_at_high": s.at_high, "flips": s.flips,
                         "rows": list(s.quantity.rows)} for s in self.tornado],
            "indices": sorted(shares, key=lambda s: (-s["total"], s["input"])),
            "indices_hold_for": "independent inputs; what rows say is correlated counts as one input",
            "loses": None if self.region is None else _region(self.region),
            "worth_knowing": [{"input": w.input, "usd": w.usd} for w in self.worths],
            "pilots": [{"weeks": p.weeks, "worth": p.worth, "cost": p.cost, "pays": p.pays} for p in self.pilots],
            "risks": [dict(r) for r in self.risks],
        }  # fmt: skip


def _region(found: Region) -> dict[str, Any]:
    return {"sentence": found.sentence, "share": found.share, "coverage": found.box.coverage,
            "density": found.box.density, "mass": found.box.mass,
            "limits": [{"input": x.input, "low": x.low, "high": x.high} for x in found.box.limits]}  # fmt: skip


WEEKS = (1, 2, 4)


def reasons(study: Study, budget: float | None = None) -> Reasons:
    """All reasons of a study; with a budget, USD over the horizon, also how likely it is exceeded.

    Raises WorkbenchError on a budget that is no number.
    """
    pilots = [p for weeks in WEEKS if (p := knowing.pilot(study, weeks)) is not None]
    return Reasons(tornado=drivers.tornado(study), importance=drivers.importance(study), region=region(study),
                   worths=knowing.worths(study), pilots=pilots, risks=risks(study, budget))  # fmt: skip


def risks(study: Study, budget: float | None = None) -> list[Mapping[str, Any]]:
    """Of the leading options: expected and maximum regret against every option, the mean of the worst tenth, and with a
    budget the probability that it is exceeded."""
    costs = np.array([o.total for o in study.outcomes])
    most = value.maximum_regret(costs)
    told = [
        {"id": o.plan.id, "expected_regret": o.expected_regret, "maximum_regret": float(worst),
         "worst_tenth": value.cvar(o.total, P90)}
        for o, worst in zip(study.outcomes[:SHOWN], most, strict=False)
    ]  # fmt: skip
    if budget is None:
        return list(told)
    over = value.exceeding_probability(costs[: len(told)], budget)
    return [row | {"exceeds_budget": float(p)} for row, p in zip(told, over, strict=True)]


def region(study: Study) -> Region | None:
    """Where the answer loses to its runner-up, as a box of the inputs that move the saving furthest; None where it
    never does, or fewer than two inputs have a range."""
    if study.rival is None or not (loses := study.answer.total > study.rival.total).any():
        return None
    quantities = tuple(s.quantity for s in drivers.tornado(study)[:LEADING])
    if len(quantities) < 2:
        return None
    inputs = np.hstack([study.draws.values[key(q)] for q in quantities])
    box = discover(inputs, loses, [q.text for q in quantities], least_density=min(LIFT * float(loses.mean()), 1.0))
    return Region(box=box, quantities=quantities, inputs=inputs, loses=loses, rival=_label(study.rival))


def _label(outcome: Outcome) -> str:
    from workbench.decision import contrast

    return contrast.label(outcome.plan)
