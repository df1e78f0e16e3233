"""What sizes a fleet, compiled: when each autoscaler is asked, and what it remembers between two answers.

The answers themselves are the scalar rules of autoscalers.py. A policy is a vector `rule` (its kind and constants by
name below), its memory a vector `state` and a `ring`: integrals of concurrency, recommendations, or idle times.
"""

from types import FunctionType
from typing import Any

import numpy as np

from workbench.models import autoscalers
from workbench.models.kernel import INF, ONE, part

from workbench.models.policies import (  # isort: skip
    ACTIVATION, BIND, BUFFER, BURST, COOLDOWN, DEMAND, DOWN, DOWN_DELAY, EARLY, EVERY, GRACE, HEAD, HPA, HYBRID,
    IDLE, INITIAL, KEPT, KIND, KPA, LEAST, MARGIN, MOST, OUTSIDE, PERIOD, RAY, RETENTION, SHORT, SPREAD, STEP, TAIL,
    TARGET, THRESHOLD, TOLERANCE, TOTAL, UP, UP_DELAY, WINDOW,
)  # fmt: skip

(ORIGIN, TICK, NEXT, MARK, SINCE, PEAK, ACTIVE, ACTIVE_SINCE, INACTIVE_SINCE, PROXY_SINCE, COUNT, SUM,
 LEAVES, LAP) = range(14)  # fmt: skip
STATE = 14
"""What a policy remembers: when its clock began, ticks so far, the next tick, and what its kind needs."""

NEVER = autoscalers.NEVER


def _rule(function: Any) -> Any:
    """A rule, compiled with a ceiling and a floor that stay floats: whole numbers of 64 bits could overflow."""
    known = {**function.__globals__, "ceil": np.ceil, "floor": np.floor}
    return part(FunctionType(function.__code__, known, function.__name__))


_want, _panics = _rule(autoscalers.kpa_want), _rule(autoscalers.kpa_panics)
_burst, _average = _rule(autoscalers.kpa_burst), _rule(autoscalers.kpa_average)
_hpa, _limited = _rule(autoscalers.hpa_rule), _rule(autoscalers.hpa_limited)
_ray, _tracking = _rule(autoscalers.ray_rule), _rule(autoscalers.tracking_rule)
_idle_window = part(autoscalers.hybrid_window)


@part
def lap(rule: Any) -> Any:
    """A power of two above the window: so long a ring holds the integrals of concurrency."""
    size = 1
    while size <= rule[WINDOW]:
        size *= 2
    return size


@part
def begin(rule: Any, state: Any, origin: Any) -> None:
    """A policy's memory at the first arrival."""
    state[:] = 0.0
    state[ORIGIN] = origin
    state[NEXT] = origin + rule[PERIOD] if rule[KIND] >= KPA else INF
    state[SINCE] = origin if rule[INITIAL] > 1 else NEVER
    state[PEAK] = rule[INITIAL] if rule[INITIAL] > 1 else 0.0
    state[ACTIVE] = rule[INITIAL] > 0
    state[ACTIVE_SINCE] = origin
    state[PROXY_SINCE] = origin
    state[LEAVES] = NEVER
    state[LAP] = lap(rule)


@part
def skip(rule: Any, state: Any, ring: Any, until: Any, area: Any) -> None:
    """Pass over the ticks up to a moment in which nothing is there and nothing comes: they would change nothing."""
    ticks = np.floor((until - state[ORIGIN]) / rule[PERIOD])
    while state[ORIGIN] + ticks * rule[PERIOD] > until:
        ticks -= 1
    while state[ORIGIN] + (ticks + 1) * rule[PERIOD] <= until:
        ticks += 1
    if rule[KIND] == KPA or rule[KIND] == RAY:
        k, last, turn = np.uintp(max(state[TICK] + 1, ticks - state[LAP])), np.uintp(ticks), np.uintp(state[LAP]) - ONE
        while k <= last:
            ring[k & turn] = area
            k += ONE
    if rule[KIND] == RAY:
        state[COUNT] = 0.0
    state[MARK] = area
    state[TICK] = max(state[TICK], ticks)
    state[NEXT] = state[ORIGIN] + (state[TICK] + 1) * rule[PERIOD]


@part
def recent_most(ring: Any, start: Any, length: Any, number: Any, value: Any) -> Any:
    """The highest of the values handed in under the last `length` numbers, this one included."""
    ring[start + number % length] = value
    ring[start + length + number % length] = number
    most = value
    for k in range(length):
        if ring[start + length + k] > number - length:
            most = max(most, ring[start + k])
    return most


@part
def to_zero(rule: Any, state: Any, now: Any, desired: Any, replicas: Any) -> Any:
    """Knative's way to nothing: active for a stable window, then inactive, the activator in the path for a grace."""
    if desired > 0 or rule[LEAST] > 0:
        if desired > 0 and state[ACTIVE] == 0:
            state[ACTIVE], state[ACTIVE_SINCE] = 1.0, now
        return desired
    if replicas == 0:
        return 0.0
    if state[ACTIVE] > 0:
        if now - state[ACTIVE_SINCE] < rule[WINDOW]:
            return 1.0
        state[ACTIVE], state[INACTIVE_SINCE] = 0.0, now
        if state[PROXY_SINCE] == NEVER:
            state[PROXY_SINCE] = now
    if now - state[PROXY_SINCE] >= rule[GRACE] and now - state[INACTIVE_SINCE] >= rule[RETENTION]:
        return 0.0
    return replicas


@part
def kpa(rule: Any, state: Any, ring: Any, now: Any, area: Any, ready: Any, replicas: Any) -> Any:
    """Knative: averages of concurrency over two windows of seconds, a decision each `EVERY` of them."""
    second, every, turn = np.uintp(state[TICK]), np.uintp(rule[EVERY]), np.uintp(state[LAP]) - ONE
    ring[second & turn] = area
    if second % every != 0:
        return replicas
    stable_s, panic_s = min(state[TICK], rule[WINDOW]), min(state[TICK], rule[SHORT])
    stable = _average(area - ring[(second - np.uintp(stable_s)) & turn], stable_s)
    panic = _average(area - ring[(second - np.uintp(panic_s)) & turn], panic_s)
    wants = _want(stable, rule[TARGET], ready, rule[UP], rule[DOWN], rule[ACTIVATION])
    if _panics(panic, rule[TARGET], ready, rule[THRESHOLD]):
        state[SINCE] = now
    elif state[SINCE] != NEVER and state[SINCE] + rule[WINDOW] < now:
        state[SINCE], state[PEAK] = NEVER, 0.0
    desired = wants
    if state[SINCE] != NEVER:
        wanted_now = _want(panic, rule[TARGET], ready, rule[UP], rule[DOWN], rule[ACTIVATION])
        desired = max(desired, wanted_now, state[PEAK])
        state[PEAK] = desired
    delay = int(np.ceil(rule[DOWN_DELAY] / rule[EVERY]))
    if delay > 0:
        desired = recent_most(ring, int(state[LAP]), delay, int(second // every), desired)
    if _burst(ready, rule[TOTAL], rule[BURST], panic) >= 0 and state[ACTIVE] > 0:
        state[PROXY_SINCE] = NEVER
    elif state[PROXY_SINCE] == NEVER:
        state[PROXY_SINCE] = now
    return to_zero(rule, state, now, desired, replicas)


@part
def keda(rule: Any, state: Any, ring: Any, now: Any, present: Any, replicas: Any) -> Any:
    """KEDA polls between nothing and one; from one up the Kubernetes autoscaler decides each sync period."""
    tick = int(state[TICK])
    desired = replicas
    if tick % int(rule[EVERY]) == 0:
        if present > 0:
            state[SINCE] = now
            if replicas == 0:
                return max(1.0, rule[LEAST])
        elif rule[LEAST] == 0 and replicas > 0 and now - state[SINCE] > rule[COOLDOWN]:
            return 0.0
    if replicas > 0:
        length = max(int(np.ceil(rule[DOWN_DELAY] / rule[PERIOD])), 1)
        want = _hpa(replicas, present, rule[TARGET], rule[TOLERANCE])
        lasting = recent_most(ring, np.int64(0), length, tick, want)
        if want > replicas:
            desired = _limited(want, replicas, rule[STEP], rule[UP])
        else:
            desired = min(replicas, lasting)
        desired = max(desired, 1.0)
    return desired


@part
def ray(rule: Any, state: Any, ring: Any, present: Any, area: Any, ready: Any, replicas: Any) -> Any:
    """Ray Serve: the mean over the look-back decides, after enough decisions in one direction."""
    tick, turn = np.uintp(state[TICK]), np.uintp(state[LAP]) - ONE
    ring[tick & turn] = area
    ticks = min(state[TICK], rule[WINDOW])
    load = (area - ring[(tick - np.uintp(ticks)) & turn]) / (ticks * rule[PERIOD])
    if ready == 0:
        state[COUNT] = 0.0
        return max(replicas, np.ceil(rule[UP])) if present > 0 else replicas
    want = _ray(ready, load, rule[TARGET], rule[UP], rule[DOWN], rule[LEAST], rule[MOST])
    if want > replicas:
        state[COUNT] = max(state[COUNT], 0.0) + 1
        if state[COUNT] <= rule[UP_DELAY]:
            return replicas
    elif want < replicas:
        state[COUNT] = min(state[COUNT], 0.0) - 1
        if -state[COUNT] <= rule[DOWN_DELAY]:
            return replicas
    state[COUNT] = 0.0
    return want


@part
def tracking(rule: Any, state: Any, now: Any, present: Any, area: Any, replicas: Any) -> Any:
    """Target tracking on the mean concurrency of a period, with a cooldown each way."""
    load = (area - state[MARK]) / rule[PERIOD]
    state[MARK] = area
    want = _tracking(replicas, max(load, 0.0) if replicas > 0 else present, rule[TARGET], rule[STEP])
    if want == replicas:
        return replicas
    if state[COUNT] > 0 and now - state[SINCE] < (rule[UP_DELAY] if want > replicas else rule[DOWN_DELAY]):
        return replicas
    state[SINCE], state[COUNT] = now, 1.0
    return want


@part
def decide(
    kind: Any, rule: Any, state: Any, ring: Any, now: Any, present: Any, area: Any, ready: Any, replicas: Any
) -> Any:
    """The number of replicas that a tick asks for, within the policy's least and most.

    `present` requests are in the system, `area` is the integral of their number, `ready` of `replicas` can serve.
    """
    state[TICK] += 1
    state[NEXT] = state[ORIGIN] + (state[TICK] + 1) * rule[PERIOD]
    if kind == KPA:
        desired = kpa(rule, state, ring, now, area, ready, replicas)
    elif kind == HPA:
        desired = keda(rule, state, ring, now, present, replicas)
    elif kind == RAY:
        desired = ray(rule, state, ring, present, area, ready, replicas)
    else:
        desired = tracking(rule, state, now, present, area, replicas)
    return min(max(desired, rule[LEAST]), rule[MOST])


# --- policies without a clock: asked at every event


@part
def wanted(rule: Any, present: Any) -> Any:
    """Replicas for the requests in the system, with a buffer while there are some."""
    want = np.ceil(present / rule[TARGET]) + (rule[BUFFER] if present > 0 else 0.0)
    return min(max(want, rule[LEAST]), rule[MOST])


@part
def idle_until(rule: Any, now: Any, replica: Any, replicas: Any, present: Any) -> Any:
    """Until when a replica that has become idle is kept."""
    if rule[KIND] == BIND:
        return INF if replica < rule[LEAST] else now + rule[IDLE]
    if rule[KIND] != DEMAND and rule[KIND] != HYBRID:
        return INF
    if rule[IDLE] > 0:
        return now + rule[IDLE]
    return now if replicas > wanted(rule, present) else INF


@part
def woken(rule: Any, state: Any, now: Any) -> Any:
    """Knative's activator at a request to a fleet of none: it asks at once."""
    state[ACTIVE], state[ACTIVE_SINCE] = 1.0, now
    return min(max(1.0, rule[ACTIVATION], rule[LEAST]), rule[MOST])


@part
def rest(rule: Any, state: Any, ring: Any, now: Any) -> Any:
    """The last request has left: until when a replica is kept. Where it goes at once, `NEXT` is when to load again."""
    bins = int(rule[WINDOW])
    _idle_window(
        ring[:bins], state[COUNT], state[SUM] / max(state[COUNT], 1.0), rule[PERIOD],
        (rule[HEAD], rule[TAIL], rule[MARGIN], rule[SPREAD], rule[OUTSIDE], rule[EARLY], rule[KEPT]), ring[bins:],
    )  # fmt: skip
    early, kept = ring[bins], ring[bins + 1]
    state[LEAVES] = now
    state[NEXT] = now + early if early > 0 else INF
    return now + early + kept


@part
def learn(rule: Any, state: Any, ring: Any, now: Any) -> None:
    """A request has come: how long nobody was there is counted."""
    if state[LEAVES] >= 0:
        idle = now - state[LEAVES]
        k = int(idle / rule[PERIOD])
        if k < int(rule[WINDOW]):
            ring[k] += 1
        else:
            state[COUNT] += 1
            state[SUM] += idle
    state[LEAVES], state[NEXT] = NEVER, INF


def ring_size(rule: Any) -> int:
    """How long a ring the policy needs."""
    kind, window = rule[KIND], int(rule[WINDOW])
    if kind == KPA:
        return lap.py_func(rule) + 2 * int(np.ceil(rule[DOWN_DELAY] / rule[EVERY]))
    if kind == HPA:
        return 2 * max(int(np.ceil(rule[DOWN_DELAY] / rule[PERIOD])), 1)
    return max(lap.py_func(rule), window + 2)
