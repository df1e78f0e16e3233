"""Arrivals x service x policy -> waits, latencies and replica-seconds, over the compiled kernels."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from workbench.checks import numbers
from workbench.models import control, kernel
from workbench.models.fleet import fleet
from workbench.models.replicas import made

from workbench.models.policies import (  # isort: skip
    BIND, CONCURRENCY, FIXED, IDLE, INITIAL, KIND, LEAST, MOST, ROUTING, ROUTINGS, Batching, Policy,
)  # fmt: skip
from workbench.records import WorkbenchError

Array = np.ndarray
Kept = tuple[Array, Array, Array]
"""The wait, the cold flag and the latency of each request, or nothing."""
Interval = tuple[float, float]
INF = float("inf")
BATCHES = 20
DRAWS = 1 << 12
"""Cold starts and lives that are drawn before a run; replicas take them in turn."""
A_SLOT = 4.0
"""Replicas that become free within one slot of the timing wheel, in the mean (tests/benchmarks/kernels.py)."""
FEW_BUSY = 12.0
"""Mean number of busy replicas up to which one sorted list is quicker than a timing wheel."""
ROOM = 1 << 10
GROWTH = 8
NOTED = 4
"""Columns of a timeline: time, requests in the system, ready and starting replicas."""
MOST_ROOM = 1 << 22
CORNISH = ((1 / 4, 0, 1 / 4, 0), (5 / 96, 0, 16 / 96, 0, 3 / 96, 0))
"""Coefficients of the expansion of Student's quantile in 1/freedom, by powers of the normal one, falling."""
LATEST_S = 2.0**33
"""Times up to here differ by a microsecond or less; nobody's clock counts further in seconds."""
LONG_RUN = 1000
"""Requests from which a run over its capacity is refused as saturated; a shorter one is served to its end."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulation:
    """What a run showed. Times in seconds; a wait runs from arrival to the start of service, a latency to its end."""

    requests: int
    """Requests that were measured: those after the warm-up."""
    replica_seconds: float
    span_s: float
    """From the first measured arrival to the last."""
    warm_up_s: float
    tally: Array
    """By batch of requests: how many, cold, within the limit, and the sum of their waits."""
    bins: Array
    timeline: Array | None = None
    """(time, requests in the system, ready replicas, starting replicas) at the times asked for."""
    waits_s: Array | None = None
    cold: Array | None = None
    latencies_s: Array | None = None

    def wait_quantile(self, p: float) -> float:
        """The wait that a share `p` of requests does not exceed: exact with keep="requests", else within 0.4%."""
        return self._quantile(p, self.waits_s, kernel.WAIT)

    def latency_quantile(self, p: float) -> float:
        """The latency that a share `p` of requests does not exceed."""
        return self._quantile(p, self.latencies_s, kernel.LATENCY)

    def first_token_quantile(self, p: float) -> float:
        """The time from arrival to the end of reading the prompt that a share `p` does not exceed, within 0.4%."""
        return self._quantile(p, None, kernel.FIRST)

    def wait_share_above(self, seconds: float) -> float:
        """Share of requests that wait longer, by the histogram's bins (0.8% wide)."""
        (seconds,) = numbers("Simulation", seconds=seconds)
        counts = self.bins[kernel.WAIT]
        return float(counts[kernel.bin_middles() > seconds].sum() / counts.sum())

    def _quantile(self, p: float, exact: Array | None, row: int) -> float:
        (p,) = numbers("Simulation", strict=True, p=p)
        if p >= 1:
            raise WorkbenchError("Simulation", f"p={p:g} is out of range", "give a share between 0 and 1")
        if exact is not None:
            return float(np.quantile(exact, p, method="inverted_cdf"))
        counts = self.bins[row]
        place = int(np.searchsorted(np.cumsum(counts), p * counts.sum()))
        return float(kernel.bin_middles()[place]) if place else 0.0

    def _share(self, column: int) -> float:
        return float(self.tally[:, column].sum() / self.requests)

    @property
    def cold_share(self) -> float:
        """Share of requests that were served by a replica which became ready after they came."""
        return self._share(kernel.COLD)

    @property
    def wait_mean(self) -> float:
        return self._share(kernel.WAITED)

    @property
    def attainment(self) -> float:
        """Share of requests whose latency is within the limit that was asked about."""
        return self._share(kernel.WITHIN)

    @property
    def mean_replicas(self) -> float:
        """Replica-seconds over the span. Raises WorkbenchError where all requests came at one moment."""
        if self.span_s <= 0:
            raise WorkbenchError("Simulation", "all requests came at one moment, so there is no mean over time",
                                 "give arrivals that are some time apart")  # fmt: skip
        return self.replica_seconds / self.span_s

    def interval(self, what: Literal["cold_share", "wait_mean", "attainment"], level: float = 0.99) -> Interval:
        """A confidence interval by batch means: consecutive requests are alike, batches of them hardly."""
        column = {"cold_share": kernel.COLD, "wait_mean": kernel.WAITED, "attainment": kernel.WITHIN}[what]
        used = self.tally[self.tally[:, kernel.REQUESTS] > 0]
        means, mean = used[:, column] / used[:, kernel.REQUESTS], self._share(column)
        if len(means) < 2:
            raise WorkbenchError("Simulation", "one batch of requests has no spread", "simulate more requests")
        half = _student(level, len(means) - 1) * float(means.std(ddof=1)) / sqrt(len(means))
        return mean - half, mean + half


def _student(level: float, freedom: int) -> float:
    """The two-sided quantile of Student's t (Abramowitz and Stegun 26.7.5): within 0.3% from 19 degrees of freedom."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    first = np.polyval(CORNISH[0], z)
    second = np.polyval(CORNISH[1], z)
    return float(z + first / freedom + second / freedom**2)


def simulate(
    arrivals_s: Any, service_s: Any, policy: Policy, seed: int = 0, keep: Literal["summary", "requests"] = "summary", *,
    batching: Batching | None = None, warm_up_s: float = 0.0, limit_s: float = INF, mean_life_s: float = INF,
    sampled_s: Any = (),
) -> Simulation:  # fmt: skip
    """Send requests through a fleet that the policy sizes.

    `arrivals_s` [request] sorted; `service_s` one number or [request]: seconds, or with `batching` steps of work. The
    first `warm_up_s` are simulated but not measured. `limit_s` is the latency that the attainment counts against;
    `mean_life_s` the mean time to a replica's failure or interruption; `sampled_s` times at which to note the fleet.
    `seed` draws cold starts and lives; with `keep="requests"` the result holds the wait, latency and cold flag of each
    request. Raises WorkbenchError for bad input, and where a long run is over the capacity of the most replicas.
    """
    _known("keep", keep, ("summary", "requests"))
    arrivals = _arrivals(arrivals_s)
    work = _by_request("service_s", service_s, arrivals)
    prompt = _by_request("prompt_s", batching.prompt_s, arrivals) if batching else np.zeros(1)
    step = np.array([batching.step_s, batching.step_per_request_s] if batching else [1.0, 0.0])
    numbers("simulate", warm_up_s=warm_up_s, step=step)
    for name, value in (("limit_s", limit_s), ("mean_life_s", mean_life_s)):
        if value != INF:
            numbers(f"simulate {name}", strict=True, value=value)
    rule = _rule(policy)
    busy = _busy(arrivals, work, prompt, rule, step)
    if keep == "summary" and arrivals.size >= LONG_RUN:
        _refuse_saturated(busy, rule)
    measured = int(np.searchsorted(arrivals, arrivals[0] + warm_up_s))
    if measured == arrivals.size:
        raise WorkbenchError("simulate", f"no request comes after the warm-up of {warm_up_s:g} s", "shorten it")
    random = np.random.default_rng(_seed(seed))
    setups = _setups(policy.cold_start_s, random)
    lives = np.full(1, INF) if mean_life_s == INF else random.exponential(mean_life_s, DRAWS)
    noted = np.zeros((np.size(sampled_s), NOTED))
    noted[:, 0] = _times("sampled_s", sampled_s) if noted.size else 0
    one_each = rule[KIND] == BIND and rule[CONCURRENCY] == 1 and rule[LEAST] == 0
    run = _Run(arrivals, work, prompt, setups, lives, rule, step, busy, measured, limit_s, keep == "requests", noted)
    quick = one_each and batching is None and mean_life_s == INF and not noted.size
    return _measured(run, _pool if quick else _fleet, warm_up_s)


@dataclass(frozen=True, slots=True)
class _Run:
    """What a kernel is given."""

    arrivals: Array
    work: Array
    prompt: Array
    setups: Array
    lives: Array
    rule: Array
    step: Array
    busy: float
    """Replicas, in the mean."""
    measured: int
    limit_s: float
    keep: bool
    noted: Array


def _measured(run: _Run, kernel_of: Callable[[_Run, int, Array, Array, Kept], float], warm_up_s: float) -> Simulation:
    """Run, in as much room as it takes."""
    room = _room(run)
    size = run.arrivals.size if run.keep else 0
    kept: Kept = (np.empty(size), np.empty(size, bool), np.empty(size))
    while True:
        if room * run.rule[CONCURRENCY] > MOST_ROOM:
            what = f"room for {room:,} replicas at once, of {run.rule[CONCURRENCY]:,.0f} requests each, is too much"
            raise WorkbenchError("simulate", what, "give fewer replicas at most, or a lower concurrency")
        tally, bins = np.zeros((BATCHES, kernel.COLUMNS)), np.zeros((kernel.FIRST + 1, kernel.BINS), np.int64)
        billed = kernel_of(run, room, tally, bins, kept)
        if not np.isnan(billed):
            break
        room *= GROWTH
    if billed < 0:
        raise WorkbenchError("simulate", "requests wait and no replica will ever serve them", "allow more replicas")
    if bins[:, -1].any():
        raise WorkbenchError("simulate", "a request takes over a century", "give service and cold starts in seconds")
    return Simulation(
        requests=run.arrivals.size - run.measured, replica_seconds=float(billed), tally=tally, bins=bins,
        span_s=float(run.arrivals[-1] - run.arrivals[run.measured]), warm_up_s=warm_up_s,
        timeline=run.noted if run.noted.size else None,
        **dict(zip(("waits_s", "cold", "latencies_s"), kept if run.keep else (None, None, None), strict=True)),
    )  # fmt: skip


def _wheel(run: _Run, room: int) -> tuple[int, float]:
    """Slots of a pool's timing wheel, and how many pass in a second; one that never passes where few are busy."""
    n, span, crowd = run.arrivals.size, float(run.arrivals[-1] - run.arrivals[0]), run.busy
    if room > _room(run):  # it had to grow: far more are busy at times, and slots suit neither them nor the rest
        crowd = sqrt(crowd * room)
    crowd = min(crowd, float(n))
    return (_power(crowd), crowd / run.busy * n / span / A_SLOT) if crowd > FEW_BUSY else (1, 0.0)


def _pool(run: _Run, room: int, tally: Array, bins: Array, kept: Kept) -> float:
    n = run.arrivals.size
    slots, per_second = _wheel(run, room)
    edges = np.append(np.arange(1, BATCHES) * n // BATCHES, n).astype(np.uintp)
    oldest = np.uintp(run.rule[ROUTING] == ROUTINGS["oldest"])
    most = np.uintp(min(run.rule[MOST], float(MOST_ROOM)))
    billed = kernel.pool(
        run.arrivals, run.work, run.setups, run.rule[IDLE], most, oldest, np.uintp(run.measured), edges, run.limit_s,
        per_second, *kernel.memory(room, slots), tally, bins, *kept,
    )  # fmt: skip
    bins[kernel.FIRST] = bins[kernel.WAIT]
    return float(billed)


def _fleet(run: _Run, room: int, tally: Array, bins: Array, kept: Kept) -> float:
    state, ring = np.zeros(control.STATE), np.zeros(control.ring_size(run.rule))
    prompt = np.ascontiguousarray(np.broadcast_to(run.prompt, run.arrivals.shape))
    return float(fleet(
        made(room, int(run.rule[CONCURRENCY])), run.arrivals, run.work, prompt, run.setups, run.lives, run.rule,
        state, ring, run.step, np.uintp(run.measured), run.limit_s, tally, bins, *kept, run.noted,
    ))  # fmt: skip


def _room(run: _Run) -> int:
    """Replicas to make room for at first."""
    return _power(min(run.rule[MOST] + 1, max(ROOM, min(2 * run.busy, run.arrivals.size))))


def _power(least: float) -> int:
    """The power of two from `least` on."""
    return 1 << int(np.ceil(np.log2(least)))


def _known(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise WorkbenchError("simulate", f"{name}={value!r} is not known", f"use one of {', '.join(allowed)}")


def _rule(policy: Policy) -> Array:
    """The policy as kernels read it."""
    if not hasattr(policy, "vector") or isinstance(policy, type):
        raise WorkbenchError("simulate", f"policy={policy!r} is no policy", "give one, such as KeepAlive(300, 5)")
    return policy.vector()


def _seed(seed: Any) -> int:
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise WorkbenchError("simulate", f"seed={seed!r} is out of range", "give a whole number of at least 0")
    return int(seed)


def _arrivals(arrivals_s: Any) -> Array:
    if np.size(arrivals_s) == 0:
        raise WorkbenchError("simulate", "the trace is empty", "give at least one arrival")
    return _times("arrivals_s", arrivals_s)


def _times(name: str, given: Any) -> Array:
    """An array, after a check that it holds times in order: if so, its ends tell of all."""
    given = np.atleast_1d(given)
    if given.ndim != 1:
        raise WorkbenchError("simulate", f"{name} has {given.ndim} axes", "give a list of times")
    numbers("simulate", low=-LATEST_S, **{name: given[[0, -1]]})
    rising = given[1:] >= given[:-1]
    if not rising.all():
        numbers("simulate", low=-LATEST_S, **{name: given})
        what = f"{name}[{int(rising.argmin()) + 1}] is before the one ahead of it"
        raise WorkbenchError("simulate", what, "sort them")
    if given[-1] > LATEST_S:
        raise WorkbenchError("simulate", f"{name} ends at {given[-1]:g}", f"give seconds, up to {LATEST_S:g}")
    return np.ascontiguousarray(given, dtype=float)


def _by_request(name: str, value: Any, arrivals: Array) -> Array:
    """One number for each request."""
    (value,) = numbers("simulate", **{name: value})
    if np.ndim(value) and np.shape(value) != arrivals.shape:
        what = f"{name} has the shape {np.shape(value)}, arrivals_s {arrivals.shape}"
        raise WorkbenchError("simulate", what, "give one number, or one for each request")
    return np.ascontiguousarray(np.broadcast_to(value, arrivals.shape))


def _setups(cold_start_s: Any, random: np.random.Generator) -> Array:
    """Set-up times for the replicas that start, one after the other: the one number, or draws from those given."""
    given = np.atleast_1d(np.asarray(cold_start_s, dtype=float))
    return given if given.size == 1 else random.choice(given, DRAWS)


def _busy(arrivals: Array, work: Array, prompt: Array, rule: Array, step: Array) -> float:
    """Mean number of replicas that work, each with as many requests as it takes."""
    span, slots = float(arrivals[-1] - arrivals[0]), rule[CONCURRENCY]
    each = float(work.mean() * (step[0] + step[1] * slots) / slots + prompt.mean())
    return each * arrivals.size / span if span > 0 else 0.0


def _refuse_saturated(busy: float, rule: Array) -> None:
    """A long run over the capacity of the most replicas has no steady state: its numbers would only tell its length."""
    most = rule[INITIAL] if rule[KIND] == FIXED else rule[MOST]
    if busy >= most:
        what = f"saturated: {busy:.3g} replicas are busy on average, and {most:g} are allowed"
        raise WorkbenchError("simulate", what, f"allow at least {int(busy) + 1}")
