"""What a provider that may fail costs: the expected cost of a forced migration, on both sides of an exit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.decision.desk import Desk
from workbench.decision.draws import Array, Draws, draw, key
from workbench.decision.lockin.bill import bills
from workbench.decision.lockin.sides import YEAR_MONTHS, Side
from workbench.decision.lockin.ties import ties
from workbench.decision.outcome import axis
from workbench.decision.study import Study
from workbench.models import exit_cost
from workbench.records import Quantity

HAZARD = "failure_per_year"


@dataclass(frozen=True, kw_only=True)
class Peril:
    """One provider: its hazard with the rows on its solvency, and what its failure costs; USD on average.

    `chance` is that it fails within the horizon, `forced_move` the bill if it did today, `expected` the cost over the
    horizon in today's money; `by_month` is (month, draw), in each month's.
    """

    provider: str
    hazard: Quantity
    chance: float
    forced_move: float
    expected: float
    by_month: Array

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {"provider": self.provider, HAZARD: self.hazard.value, "range": [self.hazard.low, self.hazard.high],
                "fails_within_horizon": self.chance, "forced_move": self.forced_move, "expected_cost": self.expected,
                "why": self.hazard.note, "rows": list(self.hazard.rows)}  # fmt: skip


def peril(side: Side, hazard: Quantity, draws: Draws, values: Mapping[str, Any]) -> Peril:
    """What `values`, a bill for leaving that side, say of its failing."""
    months, rate = len(side.bill), exit_cost.rate_per_month(values["discount_rate"], values["months_per_year"])
    factor = exit_cost.discount(rate, axis(months)[:, None])
    forced = np.broadcast_to(values["forced_move"], (months, draws.size))
    survives = (1 - draws.of(key(hazard), hazard)) ** (months / YEAR_MONTHS)
    return Peril(
        provider=side.provider,
        hazard=hazard,
        chance=float(np.mean(1 - survives)),
        forced_move=float(forced[0].mean()),
        expected=float(np.mean(exit_cost.forced_migration(values["failure_chance"], forced, factor))),
        by_month=np.broadcast_to(values["failure_usd_per_month"], forced.shape),
    )


def rival_peril(study: Study, desk: Desk, rival: Side) -> Peril | None:
    """The rival's: its solvency is bought with its price. None where nobody can fail: hardware of one's own."""
    if rival.owned:
        return None
    there = ties(desk, rival.price, (0.0, 0.0))
    draws = draw([there], study.scenario.draws, study.scenario.seed)
    values = bills(there, draws, study.scenario.as_of, axis(study.scenario.months), rival.bill)
    return peril(rival, there.inputs[HAZARD], draws, values)
