"""A million draws of twenty offers over 36 months: by compiled loops on two cores, and what that leaves in memory."""

import os
import resource
import sys
import time
from dataclasses import replace

import numpy as np
from timing import Row, show

from workbench.decision.study import study
from workbench.decision.tally import tally

DRAWS, HALF, MONTHS, LIMIT_S, LIMIT_MB = 1_000_000, 10, 36, 4.0, 200.0
KIB = 1024


def benchmark(facts, scenario, cores):
    """`cores` are those that the process may use: one is not enough for the limit."""
    asked = replace(scenario, months=MONTHS)
    made = study(facts, asked)
    alone = [o.plan for o in made.outcomes if len(o.plan.legs) == 1]
    plans = [p for p in alone if not p.head.term_months][:HALF] + [p for p in alone if p.head.term_months][:HALF]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    start = time.perf_counter()
    tally(made, plans, 1)
    first, most = time.perf_counter() - start, _peak()
    laps = [_lap(made, plans) for _ in range(3)]
    grown = _peak() - most
    os.sched_setaffinity(0, before)
    what = f"{DRAWS:,} draws x {len(plans)} offers x {MONTHS} months"
    cpu = min(c for _, c, _ in laps)
    note = f"{cpu:.2f} s of CPU on {len(cores)} cores; the first time {first:.1f} s more, to compile or to load"
    yield Row(what, [wall for wall, _, _ in laps], "s", LIMIT_S, note)
    yield Row("CPU for each core", [c / min(len(cores), 2) for _, c, _ in laps], "s", LIMIT_S, "on a machine at rest")
    yield Row("memory beyond that of one chunk", [grown], "MB", LIMIT_MB, "one array of all costs: 5,760 MB")
    found, known = laps[0][2], [next(o for o in made.outcomes if o.plan is p) for p in plans]
    off = np.abs(found.means / [o.mean for o in known] - 1).max()
    yield Row("farthest mean from that of 4,096 draws", [off * 100], "%", note="sampling error of the latter")


def _lap(made, plans):
    wall, cpu = time.perf_counter(), time.process_time()
    found = tally(made, plans, DRAWS)
    return time.perf_counter() - wall, time.process_time() - cpu, found


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (KIB if sys.platform != "darwin" else KIB**2)


if __name__ == "__main__":
    from workbench import face

    chat = face.load("chat")
    show("A million draws", list(benchmark(face.facts(chat.as_of), chat, os.sched_getaffinity(0))))
