"""Several clouds at once as a hedge: a second platform kept warm costs people, and buys an option to leave at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench import formula
from workbench.decision.desk import Desk
from workbench.decision.draws import Inputs, draw, key
from workbench.decision.lockin.timing import advised, windows
from workbench.models import exit_cost

if TYPE_CHECKING:
    from workbench.decision.lockin.leaving import Leaving

SECOND = 1.0
"""Providers that are kept warm beside the incumbent."""


@dataclass(frozen=True, kw_only=True)
class Standby:
    """The hedge, in USD of today and on average: `prepared` is done at once, `people` are paid over the horizon.

    `gained` is what the option to leave is worth more than without it, `forced_saved` what a provider that fails costs
    less. Trading work between the two sellers month by month is worth something too, and is not in here.
    """

    prepared: float
    people: float
    people_per_month: float
    exit_cost: float
    option_value: float
    gained: float
    forced_saved: float
    rows: tuple[str, ...]

    @property
    def standing(self) -> float:
        """What it costs."""
        return self.prepared + self.people

    @property
    def net(self) -> float:
        """What it brings beyond its cost: below 0 it does not pay."""
        return self.gained + self.forced_saved - self.standing

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "standing_cost": self.standing, "prepared": self.prepared, "people": self.people,
            "people_per_month": self.people_per_month, "exit_cost": self.exit_cost, "option_value": self.option_value,
            "option_value_gained": self.gained, "forced_migration_saved": self.forced_saved, "net": self.net,
            "pays": self.net > 0, "rows": list(self.rows),
        }  # fmt: skip


def standby(found: "Leaving") -> Standby:
    """A second platform, the rival's, kept warm from today on: what is to be rewritten is, and the team knows it."""
    desk = Desk(found.study.facts, found.scenario)
    engineers = desk.assumption("engineers_per_extra_provider")
    bound = Inputs({engineers.name: engineers})
    drawn = draw([bound], found.scenario.draws, found.scenario.seed).of(key(engineers), engineers)
    inputs = {**found.values, engineers.name: drawn, "extra_providers": SECOND}
    values = formula.evaluate(exit_cost, inputs, ("standing_cost", "hedged_exit_cost", "prepared"))
    shape = (found.scenario.months, found.draws.size)
    bill = np.broadcast_to(values["hedged_exit_cost"], shape).mean(axis=1)
    course = windows(found)._replace(switching_cost=bill[:, None])
    option, _ = advised(course, found.worth.volatility, found.middle("discount_rate"))
    value = float(np.ravel(option.value)[0])
    avoided = inputs["forced_move"] - inputs["prepaid_usd"]
    saved = exit_cost.forced_migration(inputs["failure_chance"], avoided, inputs["discount"])
    return Standby(
        prepared=float(np.broadcast_to(values["prepared"], shape)[0].mean()),
        people=float(np.mean(values["standing_cost"])),
        people_per_month=float(np.mean(values["standing_usd_per_month"])),
        exit_cost=float(bill[0]),
        option_value=value,
        gained=value - float(found.worth.option.value),
        forced_saved=float(np.mean(saved)),
        rows=engineers.rows,
    )
