"""Go, wait or stay: the option to leave on the mean bills, and from which saving on one should go."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.decision.desk import Desk
from workbench.decision.draws import Array
from workbench.decision.lockin.sides import YEAR_MONTHS
from workbench.decision.options import Exchange, Exit, Windows, exit_lattice
from workbench.decision.outcome import axis
from workbench.models import exit_cost

if TYPE_CHECKING:
    from workbench.decision.lockin.leaving import Leaving

NOW, WAIT, STAY = "leave now", "wait", "stay"
SIDES = (("incumbent_usd_per_month", "staying_re_engineering", "failure_usd_per_month"),
         ("rival_usd_per_month", "rival_re_engineering", "rival_failure_usd"))  # fmt: skip
"""What a month costs who stays, and who has gone."""
STEPS_A_MONTH = 8
ROUNDING = 1e-9
"""A gain below this share of what is paid is none: two equal bills differ by their last digits."""
MAP_STEPS = 96
"""Steps of the lattice over the whole horizon, where a map asks it for thousands of cases."""
SCALES = 201
"""Prices of the rival at which the rule when to go is tried."""


@dataclass(frozen=True, kw_only=True)
class Worth:
    """The option to leave on the mean bill: what it is worth, whether to go, wait or stay, and from which saving on.

    `threshold` is the ratio of what is saved to the bill from which on going today beats waiting; None where no saving
    is large enough.
    """

    option: Exit
    advice: str
    threshold: float | None
    volatility: float


def windows(found: "Leaving") -> Windows:
    """The mean bills as dates at which one may leave, (month, 1)."""
    factor, rate = found.mean("discount")[:, None], found.middle("rate_per_month")
    here, there = (np.sum([found.mean(n) for n in names], axis=0) for names in SIDES)
    value, cost = (exit_cost.saving_pv(b[:, None], factor, rate, 1.0) for b in (here, there))
    return Windows(axis(found.scenario.months) / YEAR_MONTHS, value, cost, found.mean("exit_cost")[:, None])


def worth(found: "Leaving") -> Worth:
    """The option on the mean bills, at the volatility of the two sides' prices against each other."""
    correlation = Desk(found.study.facts, found.scenario).assumption("price_correlation").value
    spread = Exchange(value=1.0, cost=1.0, vol_value=found.here.volatility, vol_cost=found.rival.volatility,
                      correlation=correlation).volatility  # fmt: skip
    return judged(windows(found), float(spread), found.middle("discount_rate"))


def judged(course: Windows, volatility: float, rate: float) -> Worth:
    """The option to leave by month: leave now, wait or stay, for one course of the bills, (month, 1)."""
    found, advice = advised(course, volatility, rate)
    option = Exit(*(float(np.ravel(x)[0]) for x in found))
    return Worth(option=option, advice=str(np.ravel(advice)[0]), threshold=_threshold(course, volatility, rate),
                 volatility=volatility)  # fmt: skip


def advised(course: Windows, volatility: Any, rate: float, a_month: int = STEPS_A_MONTH) -> tuple[Exit, Any]:
    """The option and what to do today, in the shape of the bills and volatilities; so many steps in a month."""
    option = exit_lattice(course, volatility, rate, max((len(course.years) - 1) * a_month, 1))
    at_once = course.value[0] - course.cost[0] - course.switching_cost[0]
    nothing = ROUNDING * np.abs(course.value[0])
    later = np.where((option.chance >= 1 / 2) & (option.value > nothing), WAIT, STAY)
    return option, np.where((at_once > nothing) & (at_once >= option.waiting), NOW, later)


def regions(found: "Leaving", ratios: Array, volatilities: Array) -> Any:
    """What to do today, (ratio, volatility), were the saving that many times the bill and prices that volatile.

    The rival's price is what is changed for it, in every month alike; the bills keep their course.
    """
    course = windows(found)
    saving = ratios * course.switching_cost[0]
    scale = np.maximum((course.value[0] - saving) / course.cost[0], 0)
    grid = Windows(course.years, course.value[:, :, None], (course.cost * scale)[:, :, None],
                   course.switching_cost[:, :, None])  # fmt: skip
    coarse = max(min(MAP_STEPS // len(course.years), STEPS_A_MONTH), 1)  # a slider draws the map again
    return advised(grid, volatilities, found.middle("discount_rate"), coarse)[1]


def _threshold(course: Windows, volatility: float, rate: float) -> float | None:
    """What is saved over what leaving costs, at the dearest rival for whom one would go today."""
    value, rival, switching = (float(np.ravel(x[0])[0]) for x in course[1:])
    if rival <= 0 or switching <= 0:
        return None
    scale = np.linspace(0, value / rival, SCALES)
    steps = max(len(course.years) - 1, 1)
    waiting = exit_lattice(course._replace(cost=course.cost * scale), volatility, rate, steps).waiting
    lead = value - switching - rival * scale - waiting
    good = np.flatnonzero(lead >= 0)
    if not good.size:
        return None
    last = int(good[-1])
    here = scale[last]
    if last + 1 < SCALES:
        here += (scale[last + 1] - here) * lead[last] / (lead[last] - lead[last + 1])
    return float((value - rival * here) / switching)
