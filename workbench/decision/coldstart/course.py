"""A day of a fleet: how many replicas are ready and starting while requests come and go."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.decision.coldstart.frontier import run
from workbench.decision.coldstart.waking import DAY_S, HOUR_S, MINUTE_S, Load

if TYPE_CHECKING:
    from workbench.models.policies import Policy

Array = np.ndarray
PARTS, LOOKS = 96, 15
"""Parts of a day (quarters of an hour), and looks at the fleet in each of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """By part of a day: its first hour, requests a minute, and the mean numbers of ready and of starting replicas."""

    hours: Array
    requests_per_minute: Array
    ready: Array
    starting: Array
    asleep_share: float
    """Share of the time in which there is no replica."""
    most: int
    """Replicas at the highest."""


def day(load: Load, policy: "Policy") -> Course:
    """The day in the middle of the load, or all of a shorter one."""
    span = load.traffic.span_s
    length = min(span, DAY_S)
    first = (span / 2) // length * length if span > length else 0.0
    done = run(load, policy, points=PARTS * LOOKS, during=(first, first + length))
    assert done.timeline is not None
    ready, starting = done.timeline[:, 2], done.timeline[:, -1]
    counts, edges = np.histogram(load.traffic.arrivals_s, bins=PARTS, range=(first, first + length))
    return Course(
        hours=(edges[:-1] - first) / HOUR_S, requests_per_minute=counts * (MINUTE_S * PARTS / length),
        ready=ready.reshape(PARTS, LOOKS).mean(axis=1), starting=starting.reshape(PARTS, LOOKS).mean(axis=1),
        asleep_share=float(np.mean(ready + starting == 0)), most=int((ready + starting).max()),
    )  # fmt: skip
