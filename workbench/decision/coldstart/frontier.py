"""The cheapest way to be fast enough: policies for reserved, autoscaled and serverless capacity, all simulated."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from itertools import product
from math import ceil, sqrt
from os import cpu_count
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from workbench import formula
from workbench.decision import offers
from workbench.decision.coldstart import wakeup
from workbench.decision.coldstart.waking import HOUR_S, WINDOWS_S, Load, Traffic, Waking, on_platform, waking
from workbench.decision.offers import Option
from workbench.models import cost
from workbench.models.policies import Fixed, Keda, Knative, Modal, Policy, RayServe
from workbench.models.simulation import Simulation, simulate
from workbench.records import Basis, Facts, Infeasible, Price, WorkbenchError

WARM_UP_SHARE = 0.05
WARM_UP_S = 3600.0
"""A run's beginning is not measured: so much of it, but no more than an hour."""
RESERVES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 3.0)
"""Reserved fleets to try, as multiples of what the peak keeps busy."""
TARGETS = (0.03, 0.06, 0.12, 0.25, 0.5)
"""Requests aimed at for each replica, as a share of what it holds."""
MOST_BUSY = 1000
"""Busy replicas beyond which fleets do not fit the memory, and a million requests are over in a moment."""
USUAL_MOST = 100
"""Replicas that KEDA and Ray Serve allow where nobody says more; a larger peak is given room."""
RETENTIONS_S = (0.0, 300.0, 900.0)
"""How long Knative keeps the last replica, where it may sleep and the load lets it."""
POINTS = 400
CONFIDENT = 0.95
"""A policy is chosen where it meets the objective with this confidence, if there is one."""
LEVEL = 0.99
MEDIAN, P95, TAIL = 0.5, 0.95, 0.99
Progress = Callable[[int, int], None]
KINDS = {
    "reserved": (Basis.COMMITTED, Basis.ON_DEMAND, Basis.CONTRACT), "autoscaled": (Basis.ON_DEMAND, Basis.CONTRACT),
    "serverless": (Basis.SERVERLESS,),
}  # fmt: skip
"""Ways to have capacity, and how each may be bought."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Capacity:
    """Where replicas run: what an hour of one accelerator costs, and how a replica wakes."""

    kind: str
    price: Price
    waking: Waking
    standing: int = 0
    """Replicas whose nodes are kept free for the next starts, and paid for."""

    @property
    def name(self) -> str:
        spare = ", a node kept free" if self.standing else ""
        return f"{self.price.provider} {self.price.offer}, {self.price.basis.replace('_', ' ')}{spare}"

    def usd_per_month(self, load: Load, replicas: float) -> float:
        """What so many replicas cost a month, with what is kept free."""
        hours = load.hours_per_month.value * (replicas + self.standing)
        return float(hours * load.replica.gpus * self.price.usd_per_gpu_hour.value)


BUFFER = "node_buffer"
Candidate = tuple[Policy, Capacity]


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """One policy on one capacity: what it costs a month, in USD, and how long users wait."""

    label: str
    policy: Policy
    capacity: Capacity
    run: Simulation
    replica_hours: float
    lost_share: float
    """Share of requests that wait beyond the users' patience (0 where it is not stated)."""
    cost_usd: float
    """Replicas, and lost requests where they have a price."""
    confidence: float
    """That the objective is met in the long run, by what batches of the run differ by."""
    met: bool

    @property
    def tail_s(self) -> float:
        """P99 of the latency."""
        return self.run.latency_quantile(TAIL)


@dataclass(frozen=True, kw_only=True, eq=False)
class Frontier:
    """What was simulated, cheapest first; what was chosen; and how many candidates there were."""

    load: Load
    points: tuple[Point, ...]
    chosen: Point
    tried: int
    stamp: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What the command line prints with --json; money in USD a month."""
        chosen, asked, traffic, best = self.chosen, self.load.asked, self.load.traffic, self.best
        return {
            "scenario": self.load.scenario.name, "as_of": self.load.scenario.as_of.isoformat(),
            **summary(chosen.run), "replica_hours": chosen.replica_hours, "cost_usd": chosen.cost_usd,
            "cost_per": "month", "lost_share": chosen.lost_share,
            "policy": chosen.label, "offer": chosen.capacity.name, "kind": chosen.capacity.kind,
            "objective": {"p": asked.p, "limit_s": asked.limit_s, "met": chosen.met, "confidence": chosen.confidence,
                          "attainment": chosen.run.attainment},
            "frontier": [_listed(p, p in best) for p in self.points],
            "stages": [{"stage": n, "seconds": s} for n, s in chosen.capacity.waking.stages],
            "cold_start_mean_s": chosen.capacity.waking.mean_s,
            "tiers": [{"tier": n, "share": share, "seconds": s} for n, share, s in chosen.capacity.waking.tiers],
            "traffic": {"says": traffic.says, "requests": int(traffic.arrivals_s.size), "span_s": traffic.span_s,
                        "warm_up_s": chosen.run.warm_up_s, "notes": list(traffic.notes)},
            "simulated": self.tried, "rows": list(self.rows), "stamp": dict(self.stamp),
        }  # fmt: skip

    @property
    def best(self) -> tuple[Point, ...]:
        """The points that no other beats in both cost and P99, by rising cost."""
        kept: list[Point] = []
        for point in self.points:
            if not kept or point.tail_s < kept[-1].tail_s:
                kept.append(point)
        return tuple(kept)

    @property
    def rival(self) -> Point | None:
        """The cheapest policy on another kind of capacity that meets the objective as surely as the chosen one must."""
        least = CONFIDENT if self.chosen.confidence >= CONFIDENT else 0.0
        kind = self.chosen.capacity.kind
        others = (p for p in self.points if p.met and p.confidence >= least and p.capacity.kind != kind)
        return next(others, None)

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows that the chosen policy's figures rest on: its price, how it wakes, its pace, and the traffic."""
        chosen = self.chosen.capacity
        found = (*chosen.price.usd_per_gpu_hour.rows, *chosen.waking.rows,
                 *(r for q in self.load.replica.inputs.values() for r in q.rows), *self.load.traffic.rows)  # fmt: skip
        return tuple(dict.fromkeys(found))


def summary(run: Simulation) -> dict[str, float]:
    """How long users wait, and what ran; seconds, shares, replicas."""
    return {
        "p50_s": run.latency_quantile(MEDIAN), "p95_s": run.latency_quantile(P95), "p99_s": run.latency_quantile(TAIL),
        "wait_p99_s": run.wait_quantile(TAIL), "first_token_p99_s": run.first_token_quantile(TAIL),
        "cold_share": run.cold_share, "mean_replicas": run.mean_replicas,
    }  # fmt: skip


def _listed(p: Point, best: Any) -> dict[str, Any]:
    return {
        "policy": p.label, "offer": p.capacity.name, "kind": p.capacity.kind, "p99_s": p.tail_s, "cost_usd": p.cost_usd,
        "attainment": p.run.attainment, "confidence": p.confidence, "met": p.met, "cold_share": p.run.cold_share,
        "on_frontier": bool(best),
    }  # fmt: skip


def frontier(
    facts: Facts, load: Load, *, stamp: Mapping[str, Any] | None = None,
    progress: Progress = lambda done, of: None, only: type[Policy] | None = None,
) -> Frontier:  # fmt: skip
    """Simulate every candidate and choose the cheapest that meets the objective; the fastest where none does.

    All run on the whole of the traffic: no part of it tells which is the cheapest, as some policies pay for the peak
    and others for the start. `only` leaves all but one kind of policy out. Raises Infeasible where nobody sells the
    accelerator within the constraints, or every fleet is saturated.
    """
    if load.busy > MOST_BUSY:
        raise WorkbenchError(f"scenario {load.scenario.name}", f"{load.busy:,.0f} replicas busy are not simulated",
                             "state a part of the load: it scales")  # fmt: skip
    warm_up_s(load.traffic)
    everything = list(candidates(facts, load))
    tried = [c for c in everything if only is None or isinstance(c[0], only)]
    if everything and not tried:
        kinds = ", ".join(dict.fromkeys(type(policy).__name__ for policy, _ in everything))
        raise WorkbenchError("coldstart", f"no candidate is a {getattr(only, '__name__', only)}", f"use one of {kinds}")
    if not tried:
        raise Infeasible(f"scenario {load.scenario.name}", f"nobody sells {load.asked.gpu} within the constraints",
                         "name another gpu in [serving], or relax a constraint")  # fmt: skip
    points = runs(load, tried, progress)
    if not points:
        raise Infeasible(f"scenario {load.scenario.name}", "every fleet that was tried is saturated",
                         "give the replica more gpus, or the load less work")  # fmt: skip
    points.sort(key=lambda p: (p.cost_usd, p.tail_s, p.label, p.capacity.name))
    sure = [p for p in points if p.met and p.confidence >= CONFIDENT]
    fast = sorted(points, key=lambda p: (-p.run.attainment, p.tail_s))
    chosen = [*sure, *(p for p in points if p.met), *fast][0]
    return Frontier(load=load, points=tuple(points), chosen=chosen, tried=len(tried), stamp=stamp or {})


def runs(load: Load, tried: Sequence[Candidate], progress: Progress = lambda done, of: None) -> list[Point]:
    """The candidates, on as many threads as there are processors; a fleet that is too small is none."""
    found: dict[int, Point] = {}
    with ThreadPoolExecutor(cpu_count()) as pool:
        places = {pool.submit(run, load, policy): place for place, (policy, _) in enumerate(tried)}
        for done, future in enumerate(as_completed(places), start=1):
            place = places[future]
            try:
                made = future.result()
                if made.replica_seconds > 0:  # else nobody was there by the last arrival, which costs nothing
                    found[place] = point(load, *tried[place], made)
            except WorkbenchError as error:
                if not error.what.startswith("saturated"):
                    where = f"scenario {load.scenario.name}: {label(tried[place][0])}"
                    raise WorkbenchError(where, error.what, "state a part of the load: it scales") from error
            progress(done, len(tried))
    return [found[place] for place in sorted(found)]  # in the order of the candidates, not in that of the threads


def warm_up_s(traffic: Traffic) -> float:
    """The beginning that is not measured. Raises WorkbenchError where what follows is over in a moment."""
    warm_up = min(WARM_UP_SHARE * traffic.span_s, WARM_UP_S)
    first = np.searchsorted(traffic.arrivals_s, traffic.arrivals_s[0] + warm_up)
    if traffic.arrivals_s[first] >= traffic.arrivals_s[-1]:
        what = f"after the first {warm_up:.3g} s, which are not measured, all requests come at one moment"
        raise WorkbenchError(traffic.says, what, "give a longer trace")
    return warm_up


def run(
    load: Load, policy: Policy, *, points: int = 0, during: tuple[float, float] | None = None,
    keep: Literal["summary", "requests"] = "summary",
) -> Simulation:  # fmt: skip
    """One policy on the load; the fleet is noted at so many `points` of time, from end to end of `during` (seconds)."""
    span, batching = load.traffic.span_s, load.replica.batching
    first, last = during or (0.0, span)
    return simulate(
        load.traffic.arrivals_s, load.traffic.tokens_out, policy, keep=keep, batching=batching,
        limit_s=load.asked.limit_s, warm_up_s=warm_up_s(load.traffic),
        sampled_s=np.linspace(first, last, points),
    )  # fmt: skip


def point(load: Load, policy: Policy, capacity: Capacity, done: Simulation) -> Point:
    """What a run costs a month, and how sure it is that the objective is met."""
    asked, hours = load.asked, load.hours_per_month.value
    replica_hours = done.mean_replicas * hours
    lost = done.wait_share_above(asked.patience_s) if asked.patience_s else 0.0
    requests = done.requests / done.span_s * HOUR_S * hours
    usd = capacity.usd_per_month(load, done.mean_replicas)
    low, high = done.interval("attainment", LEVEL)
    error = (high - low) / 2 / NormalDist().inv_cdf((1 + LEVEL) / 2)
    error = max(error, sqrt(asked.p * (1 - asked.p) / done.requests))  # few requests that all are quick prove little
    gap = done.attainment - asked.p
    return Point(
        label=label(policy), policy=policy, capacity=capacity, run=done, replica_hours=replica_hours, lost_share=lost,
        cost_usd=usd + lost * requests * (asked.usd_per_lost_request or 0.0), met=gap >= 0,
        confidence=NormalDist().cdf(gap / error),
    )  # fmt: skip


def label(policy: Policy) -> str:
    """A policy in a few words."""
    kept = ""
    match policy:
        case Fixed():
            return f"{policy.replicas} replica{'s' * (policy.replicas > 1)}, always on"
        case Knative():
            aim, name = policy.concurrency * policy.target_utilization, "Knative"
            kept = f", the last kept {policy.pod_retention_s:g} s" if policy.pod_retention_s else ""
        case Keda():
            aim, name = policy.target, "KEDA"
        case RayServe():
            aim, name = policy.target_ongoing, "Ray Serve"
        case Modal():
            spare = f", {policy.buffer_containers} spare" if policy.buffer_containers else ""
            return f"{policy.concurrency} inputs a container, kept {policy.scaledown_window_s:g} s{spare}"
        case _:
            return type(policy).__name__
    return f"{name}, {aim:.3g} requests a replica, at least {policy.min_replicas}{kept}"


# --- what is tried


def candidates(facts: Facts, load: Load) -> Iterator[Candidate]:
    """Policies, each with the capacity that it would run on."""
    slots, busy = load.replica.slots, load.busy
    peaks = [busy * times for times in load.peaks]
    most = max(USUAL_MOST, ceil(max(peaks) * RESERVES[-1]))
    aims = sorted({max(round(slots * t), 1) for t in TARGETS})
    for capacity in capacities(facts, load):
        cold = capacity.waking.seconds
        if capacity.kind == "reserved":
            for count in sorted({ceil(peak * r) for peak in peaks for r in RESERVES}):
                yield Fixed(count, cold_start_s=cold, concurrency=slots), capacity
        elif capacity.kind == "serverless":
            for aim, window, spare in product(aims, WINDOWS_S, (0, 1)):
                yield Modal(cold, concurrency=aim, scaledown_window_s=window, buffer_containers=spare), capacity
        else:
            for aim, least in product(aims, sorted({0, 1, int(busy)})):
                for kept in RETENTIONS_S if least == 0 and busy < 1 else (0.0,):
                    yield Knative(cold, concurrency=slots, target_utilization=aim / slots, min_replicas=least,
                                  pod_retention_s=kept), capacity  # fmt: skip
                sizes: Any = {"concurrency": slots, "min_replicas": least, "max_replicas": most}
                yield Keda(cold, target=aim, **sizes), capacity
                if least:
                    yield RayServe(cold, target_ongoing=aim, **sizes), capacity


def capacities(facts: Facts, load: Load) -> Iterator[Capacity]:
    """The cheapest seller of the accelerator in each way: reserved, on demand, serverless, within the constraints."""
    found = [o for o in offers.options(facts, load.scenario) if o.feasible and o.price.gpu == load.asked.gpu]
    for kind, bases in KINDS.items():
        prices = sorted((paid(o) for o in found if o.basis in bases), key=_usd)
        if prices:
            buffered = kind == "autoscaled" and BUFFER in load.asked.mitigation.split("+")
            for standing in (1, 0) if buffered else (0,):
                yield capacity_of(facts, load, kind, prices[0], standing)


def capacity_of(facts: Facts, load: Load, kind: str, price: Price, standing: int) -> Capacity:
    """How a replica wakes there: an autoscaled fleet that keeps no node free waits for a new one each time."""
    asked, tiers = on_platform(facts, load.asked, price), None
    if kind == "autoscaled" and not standing:
        bare = "+".join(m for m in asked.mitigation.split("+") if m != BUFFER) or wakeup.NONE
        asked, tiers = replace(asked, mitigation=bare), (wakeup.NEW_NODE,)
    return Capacity(kind=kind, price=price, standing=standing,
                    waking=waking(facts, asked, load.scenario.seed, tiers=tiers))  # fmt: skip


def paid(option: Option) -> Price:
    """The offer at what an hour costs today: with CPU and memory, a region's and a platform's premium, a discount."""
    values = {name: q.value for name, q in option.inputs.items()} | {"price_factor": 1.0, "committed_price_factor": 1.0}
    name = "committed_price" if option.basis is Basis.COMMITTED else "offer_price"
    usd = float(formula.evaluate(cost, values, (name,))[name])
    rests_on = formula.leaves(cost, (name,), frozenset(values))
    rows = (r for n in rests_on if n in option.inputs for r in option.inputs[n].rows)
    listed = option.price.usd_per_gpu_hour
    hour = replace(listed, value=usd, low=None, high=None, rows=tuple(dict.fromkeys((*listed.rows, *rows))))
    return replace(option.price, usd_per_gpu_hour=hour)


def _usd(price: Price) -> tuple[Any, ...]:
    return price.usd_per_gpu_hour.value, price.usd_per_gpu_hour.rows
