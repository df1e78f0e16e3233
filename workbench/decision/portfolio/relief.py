"""Why no plan is possible: which limit to relax, and by how much, one kind of limit at a time.

Each row of a kind gets a slack, and the least sum of slack that makes a plan possible is what must give (the elastic
form of a programme; Chinneck, 2008).
"""

import numpy as np

from workbench.decision.portfolio.capacity import Array, Index
from workbench.decision.portfolio.programme import Programme, held

SIGNS = {"demand": 1.0, "cap": -1.0, "size": -1.0, "budget": -1.0, "share": -1.0}
"""The kinds of limits, and how the slack of each enters its rows."""
LEAST = 1e-6
"""Slack below this is rounding."""


def told(programme: Programme, kind: str, amounts: Array) -> str:
    """The slack of a kind in words; `amounts` has one figure for each of its rows."""
    most = amounts.reshape(programme.rows[kind].shape).max(axis=0)  # over the scenarios
    market = programme.market
    if kind == "budget":
        return f"pay {_by(most)} USD more{_when(most)}"
    if kind == "share":
        limited = [p for p in market.max_share if p in market.provider_of]
        work = market.demand_sgm.sum(axis=(1, 2)).max()
        parts = [f"raise the share of {p} by {amount / work:.2%}"
                 for p, amount in zip(limited, most, strict=True) if amount > LEAST]  # fmt: skip
    elif kind == "size":
        parts = [f"have {_by(row)} more at {p}{_when(row)}"
                 for p, row in zip(held(market), most, strict=True) if row.max() > LEAST]  # fmt: skip
    elif kind == "cap":
        capped = [c for c in market.capacities if c.cap is not None]
        parts = [f"raise the cap of {c.name!r} by {_by(row)}{_when(row)}"
                 for c, row in zip(capped, most, strict=True) if row.max() > LEAST]  # fmt: skip
    else:
        parts = [f"serve {_by(row)} less of {_whom(programme, group)}{_when(row)}"
                 for group, row in enumerate(most) if row.max() > LEAST]  # fmt: skip
    return " and ".join(parts)


def _whom(programme: Programme, group: int) -> str:
    """The workloads of a group."""
    market = programme.market
    if len(market.serves_gp) == 1:
        return "the demand"
    numbers = np.flatnonzero(market.group_of == group)
    words = f"workload{'s' * (len(numbers) > 1)} {_listed(numbers)}"
    return words + (" (which no capacity may serve)" if not market.serves_gp[group].any() else "")


def _by(amounts: Array) -> str:
    """The amount, or the largest of several."""
    some = amounts[amounts > LEAST]
    same = np.allclose(some, some[0])
    return f"{'' if same else 'up to '}{float(f'{some.max():.6g}'):,.15g}"  # thousands, and no exponent


def _when(amounts: Array) -> str:
    months = np.flatnonzero(amounts > LEAST)
    return f" in month{'s' * (len(months) > 1)} {_listed(months)}"


def _listed(numbers: Index) -> str:
    """0, 2-4 and so on."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
