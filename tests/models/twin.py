"""The readable twin of the compiled kernels: the same fleet in plain Python, with lists where they have heaps.

It keeps every replica as an object, looks through all of them at each event, asks the public rules of the autoscalers,
and lets every tick happen. The arithmetic is in the same order, so the results must be equal to the last bit.
"""

from dataclasses import dataclass, field
from math import ceil, floor, inf

import numpy as np

from workbench.models.autoscalers import Kpa, hpa_desired, hybrid_window, ray_desired
from workbench.models.policies import Fixed, HybridHistogram, Keda, KeepAlive, Knative, Modal, RayServe, SageMaker


@dataclass
class Replica:
    number: int
    phase: str
    ready_at: float
    dies: float
    listed: int = 0
    since: float = 0.0
    virtual: float = 0.0
    idle_until: float = inf
    held: list = field(default_factory=list)  # (goal in virtual time, request, start, met a cold start)

    def due(self, pace: float, slope: float) -> float:
        if self.phase == "starting":
            return self.ready_at
        if self.held:
            goal = min(h[0] for h in self.held)
            return min(self.since + (goal - self.virtual) * (pace + slope * len(self.held)), self.dies)
        return min(self.idle_until, self.dies)


class Twin:
    """One run; `waits`, `cold`, `latencies` by request and `replica_seconds` are its results."""

    def __init__(self, arrivals, work, prompt, policy, setups, lives, pace=1.0, slope=0.0):
        self.arrivals, self.work, self.prompt, self.policy = arrivals, work, prompt, policy
        self.setups, self.lives, self.pace, self.slope = setups, lives, pace, slope
        self.n, self.now, self.end = len(arrivals), arrivals[0], arrivals[-1]
        self.origin = self.now
        self.most = inf if policy.max_replicas is None else policy.max_replicas
        self.least = getattr(policy, "min_replicas", 0)
        self.replicas, self.free, self.queue, self.returned = [], list(range(9999, -1, -1)), [], []
        self.stamp = self.begun = 0
        self.area = self.replica_seconds = 0.0
        self.present = 0
        self.waits, self.cold, self.latencies = np.empty(self.n), np.empty(self.n, bool), np.empty(self.n)
        self.clock = clock_of(self)
        self.desired = float(self.initial())

    def initial(self):
        if isinstance(self.policy, Fixed):
            return self.policy.replicas
        return min(max(self.least, getattr(self.policy, "initial_replicas", 0)), self.most)

    # --- replicas

    def open(self, phase, setup):
        ready_at = self.now + setup
        made = Replica(self.free.pop(), phase, ready_at, ready_at + self.lives[self.begun % len(self.lives)])
        made.since = ready_at
        self.begun += 1
        self.replicas.append(made)
        self.list(made)
        self.replica_seconds += max(self.end - self.now, 0.0)
        return made

    def start(self, phase):
        return self.open(phase, self.setups[self.begun % len(self.setups)])

    def close(self, replica):
        self.replicas.remove(replica)
        self.free.append(replica.number)
        self.replica_seconds -= max(self.end - self.now, 0.0)

    def list(self, replica):
        self.stamp += 1
        replica.listed = self.stamp

    def of(self, *phases):
        return [r for r in self.replicas if r.phase in phases]

    @property
    def size(self):
        return len(self.of("starting", "ready"))

    # --- requests

    def with_room(self):
        able = [r for r in self.of("ready") if len(r.held) < self.policy.concurrency]
        routing = self.policy.routing
        if routing == "least_loaded":
            return min(able, key=lambda r: (len(r.held), -r.listed), default=None)
        order = 1 if routing == "newest" else -1
        return max(able, key=lambda r: (len(r.held), order * r.listed), default=None)

    def admit(self, replica, q, fresh):
        bound = isinstance(self.policy, KeepAlive)
        cold = fresh or replica.ready_at > self.now if bound else replica.ready_at >= self.arrivals[q]
        if self.now > replica.since:
            if replica.held:
                replica.virtual += (self.now - replica.since) / (self.pace + self.slope * len(replica.held))
            replica.since = self.now
        start = replica.since
        replica.since += self.prompt[q]
        replica.held.append((replica.virtual + self.work[q], q, start, cold))
        self.list(replica)

    def finish(self, replica):
        goal, q, start, cold = done = min(replica.held)
        replica.held.remove(done)
        self.waits[q], self.latencies[q] = start - self.arrivals[q], self.now - self.arrivals[q]
        self.cold[q] = cold
        replica.virtual = goal if replica.held else 0.0
        replica.since = self.now
        self.present -= 1
        self.served += 1

    # --- the policy

    def wanted(self):
        policy = self.policy
        target = getattr(policy, "target_inputs", None) or policy.concurrency
        buffer = getattr(policy, "buffer_containers", 0) if self.present else 0
        return min(max(ceil(self.present / target) + buffer, self.least), self.most)

    @property
    def by_demand(self):
        return isinstance(self.policy, Modal | HybridHistogram)

    def may_expire(self):
        return not isinstance(self.policy, Modal) or self.size > self.wanted()

    def until(self, replica):
        policy = self.policy
        if isinstance(policy, KeepAlive):
            return inf if replica.number < self.least else self.now + policy.idle_s
        if not self.by_demand:
            return inf
        window = getattr(policy, "scaledown_window_s", 0)
        if window > 0:
            return self.now + window
        return self.now if self.size > self.wanted() else inf

    def dispatch(self):
        while self.queue or self.returned:
            found = self.with_room()
            if found is None and (not isinstance(self.policy, KeepAlive) or len(self.replicas) >= self.most):
                return
            taker = found or self.start("ready")
            self.admit(taker, self.returned.pop() if self.returned else self.queue.pop(0), found is None)

    def resize(self):
        if isinstance(self.policy, KeepAlive):
            return
        if self.by_demand:
            ahead = self.desired if isinstance(self.policy, HybridHistogram) and self.present == 0 else 0.0
            self.desired = max(self.wanted(), ahead)
        while self.size < self.desired:
            self.start("starting")
        while self.size > self.desired:
            waking = self.of("starting")
            if self.by_demand and not (waking and getattr(self.policy, "surplus", "keep") == "cancel"):
                return
            gone = max(waking, key=lambda r: r.listed, default=None)
            gone = gone or min(self.of("ready"), key=lambda r: (len(r.held), -r.listed))
            if gone.held:
                gone.phase = "draining"
            else:
                self.close(gone)

    def rest(self, touched):
        """What becomes of replicas that have just become idle."""
        if isinstance(self.policy, HybridHistogram) and self.present == 0:
            self.desired = 0.0
            self.clock.leave()
            idle = sorted((r for r in self.of("ready") if not r.held), key=lambda r: -r.listed)
            for place, r in enumerate(idle):
                stays = place == 0 and self.clock.next == inf
                r.idle_until = max(self.clock.kept_until, self.now) if stays else self.now
        elif touched in self.replicas and touched.phase == "ready" and not touched.held:
            touched.idle_until = self.until(touched)

    # --- the loop

    def run(self):
        self.served, i = 0, 0
        for _ in range(int(self.desired)):
            made = self.open("ready", 0.0)
            made.ready_at = -inf
            free = isinstance(self.policy, KeepAlive) and made.number >= self.least
            made.idle_until = self.now + self.policy.idle_s if free else inf
        while self.served < self.n:
            arrival = self.arrivals[i] if i < self.n else inf
            timed = [(r.due(self.pace, self.slope), r.number, r) for r in self.replicas]
            due, _, r = min(timed, key=lambda e: e[:2], default=(inf, 0, None))
            expires = r is not None and r.phase == "ready" and not r.held and r.dies > due
            others = min(self.clock.next, arrival)
            by_replica = due < others or (due == others and not expires)
            then = due if by_replica else others
            if then == inf:
                raise RuntimeError("stuck")
            self.area += self.present * (then - self.now)
            self.now = then
            if by_replica:
                self.happen(r)
            elif self.clock.next <= arrival:
                self.desired = self.clock.tick()
            else:
                self.queue.append(i)
                i += 1
                self.present += 1
                self.clock.request()
            self.dispatch()
            self.resize()
            if by_replica:
                self.rest(r)
        return self

    def happen(self, r):
        if r.dies <= self.now:
            self.returned = sorted([*self.returned, *(h[1] for h in r.held)], reverse=True)
            self.close(r)
        elif r.phase == "starting":
            r.phase = "ready"
            self.list(r)
        elif r.held:
            self.finish(r)
            if r.phase == "ready":
                self.list(r)
            elif not r.held:
                self.close(r)
        elif self.may_expire():
            self.close(r)


class Clock:
    """No ticks: the policy is asked at every event."""

    def __init__(self, twin):
        self.twin, self.next = twin, inf

    def request(self):
        pass


class Ticking(Clock):
    period: float

    def __init__(self, twin):
        super().__init__(twin)
        self.ticks, self.areas = 0, [0.0]
        self.next = twin.origin + self.period_s()

    def tick(self):
        self.ticks += 1
        self.next = self.twin.origin + (self.ticks + 1) * self.period_s()
        self.areas.append(self.twin.area)
        return float(min(max(self.decide(), self.twin.least), self.twin.most))

    def mean(self, ticks):
        ticks = min(self.ticks, ticks)
        return (self.areas[self.ticks] - self.areas[self.ticks - ticks]) / (ticks * self.period_s())


class KnativeClock(Ticking):
    def __init__(self, twin):
        super().__init__(twin)
        p = twin.policy
        self.kpa = Kpa(
            p.concurrency * p.target_utilization, p.concurrency, p.target_burst_capacity, p.panic_threshold,
            p.max_scale_up_rate, p.max_scale_down_rate, p.stable_window_s, p.scale_down_delay_s, p.activation_scale,
        )  # fmt: skip
        self.state = self.kpa.start(int(twin.initial()), twin.now)
        self.active, self.active_since, self.proxied_since = twin.initial() > 0, twin.now, twin.now
        self.inactive_since = 0.0

    def period_s(self):
        return 1.0

    def request(self):
        if self.twin.size == 0:
            self.active, self.active_since = True, self.twin.now
            self.twin.desired = float(min(max(1, self.twin.policy.activation_scale, self.twin.least), self.twin.most))

    def decide(self):
        twin, p = self.twin, self.twin.policy
        if self.ticks % round(p.tick_s):
            return twin.size
        stable, panic = (floor(self.mean(w) * 1e6 + 0.5) / 1e6 for w in self.windows())
        ready = len(twin.of("ready"))
        desired, burst, self.state = self.kpa.step(self.state, twin.now, ready, stable, panic)
        if burst >= 0 and self.active:
            self.proxied_since = None
        elif self.proxied_since is None:
            self.proxied_since = twin.now
        return self.to_zero(desired)

    def windows(self):
        window = round(self.twin.policy.stable_window_s)
        return window, max(1, round(window * self.twin.policy.panic_window_share))

    def to_zero(self, desired):
        twin, p, now = self.twin, self.twin.policy, self.twin.now
        if desired > 0 or twin.least > 0:
            if desired > 0 and not self.active:
                self.active, self.active_since = True, now
            return desired
        if twin.size == 0:
            return 0
        if self.active:
            if now - self.active_since < round(p.stable_window_s):
                return 1
            self.active, self.inactive_since = False, now
            self.proxied_since = now if self.proxied_since is None else self.proxied_since
        waited = now - self.proxied_since >= p.scale_to_zero_grace_s
        return 0 if waited and now - self.inactive_since >= p.pod_retention_s else twin.size


class KedaClock(Ticking):
    def __init__(self, twin):
        super().__init__(twin)
        self.active_at, self.wants = twin.now if twin.initial() > 1 else -1.0, {}

    def period_s(self):
        return self.twin.policy.sync_s

    def decide(self):
        twin, p = self.twin, self.twin.policy
        if self.ticks % max(1, round(p.polling_interval_s / p.sync_s)) == 0:
            if twin.present:
                self.active_at = twin.now
                if twin.size == 0:
                    return max(1, twin.least)
            elif twin.least == 0 and twin.size > 0 and twin.now - self.active_at > p.cooldown_s:
                return 0
        if twin.size == 0:
            return 0
        want = self.wants[self.ticks] = hpa_desired(twin.size, twin.present, p.target, p.tolerance)
        if want > twin.size:
            return min(want, twin.size + max(p.scale_up_pods, ceil(twin.size * p.scale_up_share)))
        length = max(ceil(p.scale_down_window_s / p.sync_s), 1)
        lasting = max(w for tick, w in self.wants.items() if tick > self.ticks - length)
        return max(min(twin.size, lasting), 1)


class RayClock(Ticking):
    def __init__(self, twin):
        super().__init__(twin)
        self.count = 0

    def period_s(self):
        return self.twin.policy.loop_s

    def decide(self):
        twin, p = self.twin, self.twin.policy
        ready, size = len(twin.of("ready")), twin.size
        if ready == 0:
            self.count = 0
            return max(size, ceil(p.upscaling_factor)) if twin.present else size
        load = self.mean(max(1, round(p.look_back_s / p.loop_s)))
        want = ray_desired(
            ready, load, p.target_ongoing, p.upscaling_factor, p.downscaling_factor, twin.least, twin.most
        )
        if want > size:
            self.count = max(self.count, 0) + 1
            if self.count <= int(p.upscale_delay_s / p.loop_s):
                return size
        elif want < size:
            self.count = min(self.count, 0) - 1
            if -self.count <= int(p.downscale_delay_s / p.loop_s):
                return size
        self.count = 0
        return want


class TrackingClock(Ticking):
    def __init__(self, twin):
        super().__init__(twin)
        self.changed_at = None

    def period_s(self):
        return self.twin.policy.period_s

    def decide(self):
        twin, p = self.twin, self.twin.policy
        if twin.size == 0:
            want = p.step if twin.present else 0
        else:
            want = ceil((self.areas[-1] - self.areas[-2]) / p.period_s / p.target)
        cooldown = p.scale_out_cooldown_s if want > twin.size else p.scale_in_cooldown_s
        if want == twin.size or (self.changed_at is not None and twin.now - self.changed_at < cooldown):
            return twin.size
        self.changed_at = twin.now
        return want


class HybridClock(Clock):
    """Idle times by bin, and when to load again after the last request."""

    def __init__(self, twin):
        super().__init__(twin)
        p = twin.policy
        self.counts, self.outside = [0.0] * max(1, round(p.range_s / p.bin_s)), []
        self.left, self.kept_until = None, inf

    def leave(self):
        if self.left is not None:
            return
        p, now, window = self.twin.policy, self.twin.now, [0.0, 0.0]
        rule = (p.head_share, p.tail_share, p.margin, p.least_spread, p.outside_share, p.early_share, p.kept_share)
        total = 0.0
        for idle in self.outside:
            total += idle
        hybrid_window(self.counts, len(self.outside), total / max(len(self.outside), 1.0), p.bin_s, rule, window)
        self.left = now
        self.next = now + window[0] if window[0] > 0 else inf
        self.kept_until = now + window[0] + window[1]

    def request(self):
        if self.left is not None:
            idle = self.twin.now - self.left
            k = int(idle / self.twin.policy.bin_s)
            if k < len(self.counts):
                self.counts[k] += 1
            else:
                self.outside.append(idle)
        self.left, self.next = None, inf

    def tick(self):
        self.next = inf
        return 1.0


CLOCKS = {Knative: KnativeClock, Keda: KedaClock, RayServe: RayClock, SageMaker: TrackingClock,
          HybridHistogram: HybridClock}  # fmt: skip


def clock_of(twin: Twin) -> Clock:
    return CLOCKS.get(type(twin.policy), Clock)(twin)
