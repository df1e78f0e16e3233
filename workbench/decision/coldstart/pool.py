"""A pool of replicas that are kept for a while: by theory while somebody turns it, by simulation when it rests.

Theory takes the rate of each hour of the day as steady: arrivals are Poisson, requests share as few replicas as hold
them, and those that come while the first replica starts wait for it too. A request that finds all replicas full waits
for a start, though it may get the place of one that ends: for a busy pool the cold share is an upper bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.decision.coldstart import wakeup
from workbench.decision.coldstart.frontier import CONFIDENT, Capacity, Frontier, capacity_of, point, run, runs
from workbench.decision.coldstart.waking import DAY_HOURS, DAY_S, HOUR_S, Load, Traffic, on_platform, replica
from workbench.models import queueing
from workbench.models.policies import Fixed, Keda, Knative, Modal, Policy, RayServe
from workbench.records import Evidence, Facts, Infeasible, Quantity

Array = np.ndarray
ROUNDS = 30
"""Until the pace of a replica and the number of requests in it agree."""
SAMPLE = 20_000
"""Requests whose latencies theory puts together."""
FEW = 256
"""Requests whose wait in a fleet that is always on is looked at."""
RATES = ("stream_gb_per_s", "link_gb_per_s")
PACE = ("t0", "prefill_per_token")
"""What grows with the weights: each step reads them all, each token of a prompt is multiplied with them all."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What may be turned: the size of the weights, where they are kept, how long a replica waits for the next request,
    how many stay, and within how many seconds the objective's share of requests is to be answered."""

    weights_gb: float
    storage: str
    """Empty where the platform's own is used."""
    keep_alive_s: float
    min_replicas: int
    limit_s: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Replicas of a load on a capacity, each of `concurrency` requests, kept for a while after the last of them."""

    load: Load
    capacity: Capacity
    concurrency: int
    keep_alive_s: float
    min_replicas: int

    @property
    def policy(self) -> Modal:
        """The pool as a simulation runs it."""
        return Modal(self.capacity.waking.seconds, concurrency=self.concurrency,
                     scaledown_window_s=self.keep_alive_s, min_replicas=self.min_replicas)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """How a pool does: its requests' latencies, which of them met a cold start, and what it costs, in USD a month."""

    how: str
    latencies_s: Array
    cold: Array
    limit_s: float
    mean_replicas: float
    cost_usd: float

    @property
    def attainment(self) -> float:
        """Share of requests within the limit."""
        return float(np.mean(self.latencies_s <= self.limit_s))

    @property
    def cold_share(self) -> float:
        """Share of requests that waited for a replica to start."""
        return float(np.mean(self.cold))

    def latency_quantile(self, p: float) -> float:
        """The latency that a share `p` of requests does not exceed."""
        return float(np.quantile(self.latencies_s, p, method="inverted_cdf"))


# --- from the frontier to a pool, and from what sliders say to another


def start(found: Frontier) -> Pool:
    """The pool that is most like the frontier's cheapest policy that sleeps and surely is fast enough.

    Raises Infeasible where nobody sells the accelerator by use.
    """
    by_use = [p for p in found.points if p.capacity.kind != "reserved"]
    if not by_use:
        raise Infeasible(f"scenario {found.load.scenario.name}", "nobody sells the accelerator by use",
                         "name another gpu in [serving], or relax a constraint")  # fmt: skip
    best = next((p for p in by_use if p.met and p.confidence >= CONFIDENT), by_use[0])
    concurrency, kept_s = _like(best.policy)
    return Pool(load=found.load, capacity=best.capacity, keep_alive_s=kept_s,
                concurrency=max(min(round(concurrency), found.load.replica.slots), 1),
                min_replicas=getattr(best.policy, "min_replicas", 0))  # fmt: skip


def _like(policy: Policy) -> tuple[float, float]:
    """Requests a replica, and seconds for which an idle one is kept."""
    match policy:
        case Modal():
            return policy.concurrency, policy.scaledown_window_s
        case Knative():
            return policy.concurrency * policy.target_utilization, max(policy.stable_window_s, policy.pod_retention_s)
        case Keda():
            return policy.target, policy.cooldown_s
        case RayServe():
            return policy.target_ongoing, policy.downscale_delay_s
        case _:
            return policy.concurrency, 0.0


def setting(pool: Pool) -> Setting:
    """What the sliders say at first."""
    asked = pool.load.asked
    return Setting(weights_gb=pool.load.replica.inputs["weights_gb"].value, storage=asked.storage or "",
                   keep_alive_s=pool.keep_alive_s, min_replicas=pool.min_replicas, limit_s=asked.limit_s)  # fmt: skip


def turned(facts: Facts, pool: Pool, to: Setting) -> Pool:
    """The pool with another setting; a replica of other weights is paced as a model of that size in the same bits.

    Raises WorkbenchError where the weights do not fit the replica's accelerators.
    """
    load = pool.load
    facts = _with_weights(facts, pool, to.weights_gb)
    asked = replace(load.asked, storage=to.storage or None, limit_s=to.limit_s)
    made = replica(facts, asked, load.traffic)
    load, at = replace(load, asked=asked, replica=made), pool.capacity
    return replace(pool, load=load, keep_alive_s=to.keep_alive_s, min_replicas=to.min_replicas,
                   capacity=capacity_of(facts, load, at.kind, at.price, at.standing),
                   concurrency=min(pool.concurrency, made.slots))  # fmt: skip


def _with_weights(facts: Facts, pool: Pool, weights_gb: float) -> Facts:
    """The facts as if the model's weights were of another size."""
    asked = pool.load.asked
    ratio = weights_gb / facts.parameters["serving", asked.model, "weights_gb"].value
    keys = [("serving", asked.model, "weights_gb"),
            *(("serving", f"{asked.gpu}/{asked.model}/{asked.gpus}", name) for name in PACE)]  # fmt: skip
    changed = {key: _times(facts.parameters[key], ratio) for key in keys} if ratio != 1 else {}
    return replace(facts, parameters={**facts.parameters, **changed})


def _times(quantity: Quantity, ratio: float) -> Quantity:
    return replace(quantity, value=quantity.value * ratio, low=quantity.low * ratio, high=quantity.high * ratio,
                   evidence=Evidence.ESTIMATED)  # fmt: skip


def sizes(facts: Facts, pool: Pool) -> list[tuple[float, tuple[str, ...]]]:
    """Sizes of weights, in GB, of the models that rows know and the replica's memory holds; each with its row."""
    inputs = pool.load.replica.inputs
    most = inputs["gpu_memory_gb"].value * pool.load.replica.gpus * inputs["usable_memory_share"].value
    known = (q for (model, _, name), q in facts.parameters.items() if (model, name) == ("serving", "weights_gb"))
    return sorted({q.value: (q.value, q.rows) for q in known if q.value < most}.values())


def storages(facts: Facts, pool: Pool) -> list[tuple[str, float, tuple[str, ...]]]:
    """Where weights may be kept, how many GB a second come from there to a start that finds nothing on its host, and
    the rows of that; the scenario's own storage before others that are as fast."""
    asked = on_platform(facts, pool.load.asked, pool.capacity.price)
    remote = next(t for t in wakeup.tiers(facts, asked.platform) if t.name == "remote")
    means = wakeup.met(asked.mitigation, remote)
    rates = {s for model, s, name in facts.parameters if model == "coldstart" and name in RATES and "/" not in s}
    names = sorted(rates - {wakeup.STORED["tiered_memory"]})  # a host's memory is not where an empty host loads from
    found: dict[float, tuple[str, float, tuple[str, ...]]] = {}
    for storage in (asked.storage or "", *names):
        stages = wakeup.stages(facts, asked.platform, means, storage=storage or None)
        if not set(RATES) <= stages.keys():
            return []
        stream, link = (stages[name] for name in RATES)
        rate = float(min(stream.value * stages["streams"].value, link.value))
        found.setdefault(rate, (storage, rate, (*stream.rows, *link.rows)))
    return [found[rate] for rate in sorted(found)]


# --- simulation


def simulated(pool: Pool) -> Seen:
    """The pool as its simulation shows it. Raises WorkbenchError where it is saturated."""
    return watched(pool.load, pool.policy, pool.capacity)


def watched(load: Load, policy: Policy, capacity: Capacity) -> Seen:
    """Any policy, request by request. Raises WorkbenchError where it is saturated."""
    done = run(load, policy, keep="requests")
    assert done.latencies_s is not None
    assert done.cold is not None
    return Seen(how="simulation", latencies_s=done.latencies_s[-done.requests :], cold=done.cold[-done.requests :],
                limit_s=load.asked.limit_s, mean_replicas=done.mean_replicas,
                cost_usd=point(load, policy, capacity, done).cost_usd)  # fmt: skip


# --- theory


def by_theory(pool: Pool) -> Seen:
    """The pool as theory sees it."""
    return keep_alives(pool, [pool.keep_alive_s])[0]


def keep_alives(pool: Pool, kept_s: Sequence[float]) -> list[Seen]:
    """The pool as theory sees it with each of the keep-alives."""
    rates = _rates(pool.load.traffic)[:, np.newaxis]
    service, batch = _pace(pool.load, rates, pool.concurrency)
    requests = _sample(pool.load, float(np.average(batch, weights=rates)), SAMPLE)
    random = np.random.default_rng(pool.load.scenario.seed)
    seconds = pool.capacity.waking.seconds
    whole = random.choice(seconds, requests.size)
    rest = random.choice(seconds, requests.size, p=seconds / seconds.sum()) * random.random(requests.size)
    who = random.random(requests.size)  # more requests come in the course of a long start than of a short one
    seen = []
    for cold, joined, replicas in zip(*_held(pool, rates, service, np.asarray(kept_s, dtype=float)), strict=True):
        met = np.arange(requests.size) < round(cold * requests.size)
        wait = met * np.where(who < joined, rest, whole)
        seen.append(Seen(how="theory", latencies_s=requests + wait, cold=met, limit_s=pool.load.asked.limit_s,
                         mean_replicas=replicas, cost_usd=pool.capacity.usd_per_month(pool.load, replicas)
                         + _lost_usd(pool.load, wait)))  # fmt: skip
    return seen


def _lost_usd(load: Load, wait: Array) -> float:
    """What users who do not wait so long cost a month, where the scenario says so."""
    asked, month = load.asked, load.hours_per_month.value * HOUR_S
    if not asked.patience_s or not asked.usd_per_lost_request:
        return 0.0
    return float(np.mean(wait > asked.patience_s)) * load.traffic.rate_per_s * month * asked.usd_per_lost_request


def _held(pool: Pool, rates: Array, service: Array, kept_s: Array) -> tuple[Array, Array, Array]:
    """By keep-alive: the share of requests that wait for a start, the share of those that wait for one that is under
    way, and the mean number of replicas."""
    warm = queueing.keep_alive(rates, service, kept_s, concurrency=pool.concurrency, min_replicas=pool.min_replicas)
    empty = np.exp(-rates * (service + kept_s)) * (pool.min_replicas == 0)
    meanwhile = empty * rates * pool.capacity.waking.mean_s
    weights = rates / rates.sum()
    cold = (weights * (warm.cold_share + meanwhile) / (1 + meanwhile)).sum(axis=0)
    joined = (weights * meanwhile / (1 + meanwhile)).sum(axis=0) / np.maximum(cold, np.finfo(float).tiny)
    return cold, joined, ((warm.mean_replicas + meanwhile) / (1 + meanwhile)).mean(axis=0)


def _rates(traffic: Traffic) -> Array:
    """Requests a second in each hour of the day, all of which a shorter run has; no hour is without any."""
    day = min(traffic.span_s, DAY_S)
    counts, _ = np.histogram(traffic.arrivals_s % day, bins=DAY_HOURS, range=(0, day))
    return np.maximum(counts, 1) / (traffic.span_s / DAY_HOURS)


def _pace(load: Load, rates: Array, most: int) -> tuple[Array, Array]:
    """Mean seconds of a request, and how many share its replica, of at most so many."""
    batching, work = load.replica.batching, load.traffic.tokens_out.mean()
    batch, prompt = np.ones_like(rates), np.mean(batching.prompt_s)
    for _ in range(ROUNDS):
        service = batch * prompt + work * (batching.step_s + batching.step_per_request_s * batch)
        batch = np.minimum(1 + rates * service, most)
    return service, batch


def _sample(load: Load, batch: float, count: int) -> Array:
    """Latencies of requests of the load, in no order, that share a replica with others."""
    batching, traffic = load.replica.batching, load.traffic
    step = batching.step_s + batching.step_per_request_s * batch
    latencies = batching.prompt_s + (batch - 1) * batching.prompt_s.mean() + traffic.tokens_out * step
    random = np.random.default_rng(load.scenario.seed)
    return random.permutation(latencies)[:count]


def always_on(load: Load, counts: Sequence[int]) -> list[float]:
    """Share of requests within the limit in fleets of so many replicas that never sleep: M/M/c in each hour.

    A replica is as many servers as it holds requests; where an hour has too many, nobody is answered in time.
    """
    rates = _rates(load.traffic)
    shares = []
    for count in counts:
        service, batch = _pace(load, rates / count, load.replica.slots)
        servers, offered = count * load.replica.slots, rates * service
        stable = offered < servers
        latencies = _sample(load, float(np.average(batch, weights=rates)), FEW)
        spare = np.maximum(load.asked.limit_s - latencies[:, np.newaxis], 0)
        if not stable.any():
            shares.append(0.0)
            continue
        late = queueing.mmc(rates[stable], 1 / service[stable], np.full(stable.sum(), servers)).wait_exceeds(spare)
        within = np.where(latencies[:, np.newaxis] <= load.asked.limit_s, 1 - late, 0).mean(axis=0)
        shares.append(float((rates[stable] * within).sum() / rates.sum()))
    return shares


# --- what else there is


@dataclass(frozen=True, kw_only=True)
class Options:
    """(USD a month, share in time) of the pool with other keep-alives, and of fleets that never sleep."""

    kept: tuple[tuple[float, float], ...]
    always_on: tuple[tuple[float, float], ...]


def options(pool: Pool, kept_s: Sequence[float], reserved: Capacity | None, counts: Sequence[int]) -> Options:
    """By theory: the pool with each of the keep-alives, and reserved fleets of so many replicas where they are sold."""
    kept = tuple((s.cost_usd, s.attainment) for s in keep_alives(pool, kept_s))
    if reserved is None:
        return Options(kept=kept, always_on=())
    costs = (reserved.usd_per_month(pool.load, count) for count in counts)
    return Options(kept=kept, always_on=tuple(zip(costs, always_on(pool.load, counts), strict=True)))


def options_simulated(
    pool: Pool, kept_s: Sequence[float], reserved: Capacity | None, counts: Sequence[int]
) -> Options:  # fmt: skip
    """The same by simulation; a fleet that is too small is left out."""
    tried: list[tuple[Policy, Capacity]] = [(replace(pool, keep_alive_s=kept).policy, pool.capacity) for kept in kept_s]
    if reserved is not None:
        slots = pool.load.replica.slots
        tried += [(Fixed(n, cold_start_s=reserved.waking.seconds, concurrency=slots), reserved) for n in counts]
    found = sorted(runs(pool.load, tried), key=lambda p: p.cost_usd)
    kept, on = (
        [(p.cost_usd, p.run.attainment) for p in found if isinstance(p.policy, kind)] for kind in (Modal, Fixed)
    )
    return Options(kept=tuple(kept), always_on=tuple(on))
