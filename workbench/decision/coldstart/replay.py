"""One policy on a recorded trace: how long users would have waited, and what the replicas would have cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from workbench.decision.coldstart.frontier import LEVEL, POINTS, summary, warm_up_s
from workbench.decision.coldstart.waking import FEWEST_REQUESTS, HOUR_S, Traffic, replica, waking
from workbench.models.policies import Policy
from workbench.models.simulation import LONG_RUN, Simulation, simulate
from workbench.records import Facts, WorkbenchError

MANY = 0.05
"""Share of the requests that may be left at the last arrival without a word."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """What a policy would have done with a trace; money in USD for the part of it that was measured."""

    name: str
    policy: Policy
    traffic: Traffic
    run: Simulation
    p: float
    limit_s: float
    cost_usd: float
    stages: tuple[tuple[str, float], ...]
    cold_start_mean_s: float
    rows: tuple[str, ...]
    stamp: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What the command line prints with --json."""
        run, asked = self.run, {"p": self.p, "limit_s": self.limit_s}
        told = summary(run)
        low, high = run.interval("attainment", LEVEL)
        few = NormalDist().inv_cdf((1 + LEVEL) / 2) * sqrt(self.p * (1 - self.p) / run.requests)  # that prove little
        half = max((high - low) / 2, few)
        span = [max(run.attainment - half, 0.0), min(run.attainment + half, 1.0)]
        attained = {"met": run.attainment >= self.p, "attainment": run.attainment, "attainment_99_percent": span}
        return {
            **told, "replica_hours": run.replica_seconds / HOUR_S, "cost_usd": self.cost_usd, "cost_per": "trace",
            "policy": self.name, "objective": {**asked, **attained},
            "frontier": [{"policy": self.name, "p99_s": told["p99_s"], "cost_usd": self.cost_usd}],
            "stages": [{"stage": n, "seconds": s} for n, s in self.stages],
            "cold_start_mean_s": self.cold_start_mean_s,
            "traffic": {"says": self.traffic.says, "requests": int(self.traffic.arrivals_s.size),
                        "span_s": self.traffic.span_s, "warm_up_s": run.warm_up_s, "notes": list(self.traffic.notes)},
            "rows": list(self.rows), "stamp": dict(self.stamp),
        }  # fmt: skip


def replay(asked: Any, traffic: Traffic, service_s: Any, facts: Facts | None, seed: int) -> Replay:
    """Run the policy that a file asks for; `service_s` where the trace has service times, `facts` for [serving]."""
    few = traffic.arrivals_s.size < FEWEST_REQUESTS  # a handful is told whole
    common = {"limit_s": asked.limit_s, "warm_up_s": 0.0 if few else warm_up_s(traffic), "seed": seed,
              "sampled_s": np.linspace(0, traffic.span_s, POINTS)}  # fmt: skip
    stages: tuple[tuple[str, float], ...] = ()
    rows: tuple[str, ...] = ()
    cold: Any = asked.cold_start_s
    slots, batching, work = None, None, service_s if service_s is not None else asked.service_s
    if asked.serving is not None and facts is not None:
        woken = waking(facts, asked.serving, seed)
        stages, rows = woken.stages, woken.rows
        cold = woken.seconds if cold is None else cold
        if work is None:
            made = replica(facts, asked.serving, traffic)
            slots, batching, work = made.slots, made.batching, traffic.tokens_out
            rows = (*rows, *(r for q in made.inputs.values() for r in q.rows))
    if work is None:
        raise WorkbenchError("policy", "how long does a request take? The trace has no service times",
                             "add service_s, or [serving] for a trace with tokens")  # fmt: skip
    policy = asked.policy(cold, slots)
    run = simulate(traffic.arrivals_s, work, policy, batching=batching, **common)
    traffic = replace(traffic, notes=(*traffic.notes, *_left(asked.kind, run, traffic.arrivals_s.size)))
    cost = run.replica_seconds / HOUR_S * asked.usd_per_replica_hour
    mean = float(np.mean(cold))
    stages = stages or (("cold_start", mean),)
    return Replay(name=asked.kind, policy=policy, traffic=traffic, run=run, p=asked.p, limit_s=asked.limit_s,
                  cost_usd=cost, stages=stages, cold_start_mean_s=mean, rows=tuple(dict.fromkeys(rows)))  # fmt: skip


def _left(kind: str, run: Simulation, requests: int) -> Iterator[str]:
    """What is told where many requests are left at the last arrival, at which the bill ends.

    Raises WorkbenchError where most of a long trace is: the fleet falls behind, so that figures tell only its length.
    """
    if run.timeline is None:
        return
    _, left, ready, _ = run.timeline[-1]
    share, told = left / requests, f"{left:,.0f} of {requests:,} requests"
    if share > 1 / 2 and requests >= LONG_RUN:
        what = f"saturated: {told} still wait at the last arrival, with {ready:,.0f} replicas ready"
        raise WorkbenchError(f"policy {kind}", what, "let it have more replicas, or ask for fewer requests of each")
    if share > MANY:
        yield f"{told} are still there at the last arrival, where the bill ends: give a longer trace, or more replicas"
