"""What lies ahead of who waits: the ends of the contract and the days of the law, and what either is worth."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.decision.draws import Array
from workbench.decision.lockin.bill import day_of
from workbench.decision.lockin.timing import advised, windows
from workbench.decision.options import Windows
from workbench.models import exit_cost
from workbench.records import Rule

if TYPE_CHECKING:
    from workbench.decision.lockin.leaving import Leaving

CONTRACT, LAW = "contract", "law"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A day from which the law leaves less egress to pay: the first month on or after it, USD on average around it."""

    rule: Rule
    month: int
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What the option loses if a course stayed as it is today, in USD, and what one should do today then."""

    worth: float
    advice: str


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """Windows of the option. `ends` are the months in which a term ends and nothing is owed; `value_at_ends` is the
    option of who leaves in such months alone, USD."""

    ends: tuple[int, ...]
    value_at_ends: float | None
    changes: tuple[Change, ...]
    waiting: dict[str, Waiting]


def ahead(found: "Leaving") -> Ahead:
    """The contract's ends and the law's days within the horizon, with what waiting for either is worth."""
    course, owed, months = windows(found), found.mean("breakage"), np.arange(found.scenario.months)
    bound = np.broadcast_to(np.mean(found.values["months_bound"], axis=-1), months.shape)
    committed = bool(np.any(found.values["committed_usd_per_month"]) and bound.any())
    closed = course._replace(switching_cost=np.where(bound[:, None] > 0, course.value, course.switching_cost))
    law = found.by_month("egress") - _egress_of_today(found)
    kept = {CONTRACT: owed - owed[0], LAW: law.mean(axis=1)}
    return Ahead(
        ends=_ends(found, bound) if committed else (),
        value_at_ends=_value(found, closed) if committed else None,
        changes=tuple(_changes(found)),
        waiting={what: _waiting(found, course, saved) for what, saved in kept.items() if saved.any()},
    )


def _ends(found: "Leaving", bound: Array) -> tuple[int, ...]:
    """Months without a fee that follow one with a fee, today among them where a term ends on the scenario's day."""
    free = np.flatnonzero(bound == 0)
    return tuple(int(m) for m in free if m == 0 or bound[m - 1] > 0)


def _value(found: "Leaving", course: Windows) -> float:
    option, _ = advised(course, found.worth.volatility, found.middle("discount_rate"))
    return float(np.ravel(option.value)[0])


def _waiting(found: "Leaving", course: Windows, saved: Array) -> Waiting:
    """`saved` is what the course takes off the bill of today in each month: at most nothing."""
    still = course._replace(switching_cost=course.switching_cost - saved[:, None])
    option, advice = advised(still, found.worth.volatility, found.middle("discount_rate"))
    worth = float(found.worth.option.value) - float(np.ravel(option.value)[0])
    return Waiting(worth=worth, advice=str(np.ravel(advice)[0]))


def _egress_of_today(found: "Leaving") -> Any:
    """Egress in each month under the law of the first."""
    names = ("exit_gb", "waived_gb", "egress_months", "exit_edges", "exit_rates")
    inputs = {n: found.values[n] for n in names}
    return exit_cost.egress(**inputs, egress_chargeable=np.asarray(found.values["egress_chargeable"])[0])


def _changes(found: "Leaving") -> Any:
    days = [day_of(found.scenario.as_of, m) for m in range(found.scenario.months)]
    egress = found.mean("egress")
    for rule in found.ties.laws:
        first = next((m for m, day in enumerate(days) if day >= (rule.valid_from or date.min)), None)
        if first:
            yield Change(rule=rule, month=first, before=float(egress[first - 1]), after=float(egress[first]))


def as_dict(found: "Leaving") -> dict[str, Any]:
    """As the command line prints it; money in USD."""
    told, as_of = found.ahead, found.scenario.as_of
    bill, today = found.mean("exit_cost"), found.mean("npv_today")
    return {
        "contract_ends": [{"month": m, "day": day_of(as_of, m).isoformat(), "exit_cost": float(bill[m]),
                           "npv_today": float(today[m])} for m in told.ends],
        "option_value_at_contract_ends": told.value_at_ends,
        "law": [{"day": str(c.rule.valid_from), "month": c.month, "egress_before": c.before, "egress_after": c.after,
                 "row": c.rule.row} for c in told.changes],
        "waiting_for": {what: {"worth": w.worth, "advice_without": w.advice} for what, w in told.waiting.items()},
    }  # fmt: skip
