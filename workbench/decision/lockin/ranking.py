"""Lock-in enters the decision: options ranked by what they cost, without and with the exit when the horizon ends."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.decision.desk import Desk
from workbench.decision.draws import draw
from workbench.decision.lockin.bill import bills
from workbench.decision.lockin.sides import signed
from workbench.decision.lockin.ties import Ties, ties
from workbench.decision.outcome import Outcome
from workbench.decision.study import Study


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """A plan's mean cost over the horizon, and with the bill for leaving at its end: USD, means over the draws."""

    outcome: Outcome
    exit_cost: float

    @property
    def with_exit(self) -> float:
        return self.outcome.mean + self.exit_cost


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """All options by rising cost with the exit, and the best of each order."""

    options: tuple[Ranked, ...]

    @property
    def without(self) -> Ranked:
        """The best where nobody asks what leaving costs."""
        return min(self.options, key=lambda r: (r.outcome.mean, r.outcome.plan.id))

    @property
    def best(self) -> Ranked:
        """The best with the exit counted."""
        return self.options[0]

    @property
    def flips(self) -> bool:
        return self.best is not self.without

    @property
    def flip(self) -> tuple[float, Ranked] | None:
        """The least chance of leaving at the end from which another option is the cheapest, and which; None where the
        same one is at any chance."""
        first = self.without
        # what another costs more until then, over what its exit costs less
        chances = [((r.outcome.mean - first.outcome.mean) / (first.exit_cost - r.exit_cost), r)
                   for r in self.options if r.exit_cost < first.exit_cost]  # fmt: skip
        found = min(chances, key=lambda c: (c[0], c[1].outcome.plan.id), default=None)
        return found if found and found[0] < 1 else None

    def leading(self, most: int) -> list[Ranked]:
        """The best of both orders, by rising cost without the exit."""
        plain = sorted(self.options, key=lambda r: (r.outcome.mean, r.outcome.plan.id))
        shown = {id(r) for r in (*plain[:most], *self.options[:most])}
        return [r for r in plain if id(r) in shown]

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it: ranks count from 1."""
        plain, flip = self.leading(len(self.options)), self.flip
        return {
            "flips_from_chance": flip and flip[0], "flips_to": flip and flip[1].outcome.plan.id,
            "without": self.without.outcome.plan.id, "with": self.best.outcome.plan.id, "flips": self.flips,
            "options": [{"id": r.outcome.plan.id, "mean": r.outcome.mean, "exit_cost": r.exit_cost,
                         "with_exit": r.with_exit, "rank": plain.index(r) + 1, "rank_with_exit": k}
                        for k, r in enumerate(self.options, start=1)],
        }  # fmt: skip


def ranking(study: Study) -> Ranking:
    """Every feasible option with the bill for leaving it when the horizon ends; a split leaves both of its sellers.

    Whoever stays with a seller for good pays none of it: the two orders are the ends, and `flip` is the chance between
    them from which they part.
    """
    desk, months = Desk(study.facts, study.scenario), study.scenario.months
    tied = [_ties(desk, o) for o in study.outcomes]
    draws, end = draw(tied, study.scenario.draws, study.scenario.seed), np.array([float(months)])
    made = [
        Ranked(outcome=o, exit_cost=float(np.mean(
            bills(t, draws, study.scenario.as_of, end, o.by_month[:, -1:].T)["exit_cost"])))
        for o, t in zip(study.outcomes, tied, strict=True)
    ]  # fmt: skip
    return Ranking(options=tuple(sorted(made, key=lambda r: (r.with_exit, r.outcome.plan.id))))


def _ties(desk: Desk, outcome: Outcome) -> Ties:
    """What the sellers of a plan bind with; its data leaves at the rates of the first."""
    found = [ties(desk, leg.price, _owed(outcome, desk.scenario.months)) for leg in outcome.plan.legs]
    return replace(found[0], services=tuple({tie.service.service: tie for t in found for tie in t.services}.values()))


def _owed(outcome: Outcome, months: int) -> tuple[float, float] | None:
    """What a commitment still owes after the horizon, as money a month and the month in which it ends."""
    monthly, term = signed(outcome, months)
    return (monthly, months + -months % term) if term else None
