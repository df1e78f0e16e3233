"""The step rules of real autoscalers, as plain scalar functions: the kernel compiles the same text that people read.

Semantics and constants are the source code's own (rows of model `autoscaler` in parameters.csv); a test holds every
default here against its row. Replicas are counted in whole numbers, times in seconds, concurrency in requests.
"""

from dataclasses import dataclass, field
from math import ceil, floor
from typing import Any

from workbench.checks import numbers
from workbench.records import WorkbenchError

LEAST_TARGET = 0.01
DEFAULT_SHARE = 0.7
SIX_DECIMALS = 1e6
NEVER = -1.0
"""A time that has not come: `panic_since_s` outside panic, inside the kernel."""


# --- Knative's pod autoscaler


def kpa_want(observed: Any, target: Any, ready: Any, up_rate: Any, down_rate: Any, activation: Any) -> Any:
    """Pods for an observed concurrency, within what one step may change; `down_rate` 0 stands for unreachable."""
    r = max(1.0, ready)
    raw = ceil(observed / target)
    lowest = floor(r / down_rate) if down_rate > 0 else 0.0
    want = min(max(raw, lowest), ceil(up_rate * r))
    if activation > 1 and raw > 0:
        want = max(want, activation)
    return want


def kpa_panics(panic: Any, target: Any, ready: Any, threshold: Any) -> Any:
    """Whether the short window asks for so many pods that the panic starts or goes on."""
    return ceil(panic / target) / max(1.0, ready) >= threshold


def kpa_burst(ready: Any, total: Any, target_burst_capacity: Any, panic: Any) -> Any:
    """What capacity is left for a burst; the activator is in the path while it is below zero."""
    if target_burst_capacity < 0:
        return -1.0
    if target_burst_capacity == 0:
        return 0.0
    return floor(ready * total - target_burst_capacity - panic)


def kpa_average(area: Any, seconds: Any) -> Any:
    """Mean concurrency over a window from its integral, to six decimals as the source rounds it."""
    return floor(area / seconds * SIX_DECIMALS + 1 / 2) / SIX_DECIMALS


@dataclass(frozen=True, slots=True)
class KpaState:
    """What one step hands to the next. `panic_since_s` is None outside panic."""

    panic_since_s: float | None = None
    max_panic_pods: int = 0
    recent: tuple[tuple[float, int], ...] = ()
    """(time, desired) within the scale-down delay."""


@dataclass(frozen=True, slots=True)
class Kpa:
    """Knative's autoscaler of one revision: `start` a state, then `step` it.

    `target` is the concurrency aimed at per pod, `total` the capacity of one pod (None: target over the default share
    of use). Source: knative/serving pkg/autoscaler/scaling/autoscaler.go.
    """

    target: float
    total: float | None = None
    target_burst_capacity: float = 211
    panic_threshold: float = 2.0
    max_scale_up_rate: float = 1000
    max_scale_down_rate: float = 2
    stable_window_s: float = 60
    scale_down_delay_s: float = 0
    activation_scale: int = 1
    reachable: bool = True
    _total: float = field(init=False, repr=False, default=0.0)

    def __post_init__(self) -> None:
        numbers("Kpa", strict=True, target=self.target, max_scale_up_rate=self.max_scale_up_rate,
                max_scale_down_rate=self.max_scale_down_rate, stable_window_s=self.stable_window_s,
                panic_threshold=self.panic_threshold)  # fmt: skip
        numbers("Kpa", scale_down_delay_s=self.scale_down_delay_s, activation_scale=self.activation_scale)
        numbers("Kpa", low=-1.0, target_burst_capacity=self.target_burst_capacity)
        total = self.target / DEFAULT_SHARE if self.total is None else self.total
        numbers("Kpa", strict=True, total=total)
        object.__setattr__(self, "_total", total)

    def start(self, ready: int, now_s: float) -> KpaState:
        """The first state: in panic if more than one pod is ready, so that a restart does not scale down."""
        numbers("Kpa.start", ready=ready, now_s=now_s)
        return KpaState(now_s, int(ready)) if ready > 1 else KpaState()

    def step(self, state: KpaState, now_s: float, ready: int, stable: float, panic: float) -> tuple[int, int, KpaState]:
        """(desired pods, excess burst capacity, next state) from the averages over both windows."""
        numbers("Kpa.step", now_s=now_s, ready=ready, stable=stable, panic=panic)
        rates = (self.max_scale_up_rate, self.max_scale_down_rate if self.reachable else 0, self.activation_scale)
        target = max(LEAST_TARGET, self.target)
        wants = [int(kpa_want(seen, target, ready, *rates)) for seen in (stable, panic)]
        since, most = state.panic_since_s, state.max_panic_pods
        if kpa_panics(panic, target, ready, self.panic_threshold):
            since = now_s
        elif since is not None and since + self.stable_window_s < now_s:
            since, most = None, 0
        desired = wants[0]
        if since is not None:
            desired = most = max(*wants, most)
        recent: tuple[tuple[float, int], ...] = ()
        if self.reachable and self.scale_down_delay_s > 0:
            kept = (e for e in state.recent if e[0] > now_s - self.scale_down_delay_s)
            recent = (*kept, (now_s, desired))
            desired = max(d for _, d in recent)
        burst = int(kpa_burst(ready, self._total, self.target_burst_capacity, panic))
        return desired, burst, KpaState(since, most, recent)


# --- the Kubernetes horizontal autoscaler, and KEDA above it


def hpa_rule(ready: Any, metric_total: Any, target_average: Any, tolerance: Any) -> Any:
    """Replicas for an external metric with an average value: keep within the tolerance, else share it out."""
    if ready > 0 and abs(metric_total / (target_average * ready) - 1) <= tolerance:
        return ready
    return ceil(metric_total / target_average)


def hpa_limited(desired: Any, replicas: Any, up_pods: Any, up_share: Any) -> Any:
    """What one period may add: the larger of some pods and a share of those that are there."""
    return min(desired, replicas + max(up_pods, ceil(replicas * up_share)))


def hpa_desired(ready: int, metric_total: float, target_average: float, tolerance: float = 0.1) -> int:
    """Replicas that the Kubernetes autoscaler asks for, before its windows and limits.

    Source: kubernetes pkg/controller/podautoscaler/replica_calculator.go, external metric with AverageValue.
    """
    numbers("hpa_desired", ready=ready, metric_total=metric_total, tolerance=tolerance)
    numbers("hpa_desired", strict=True, target_average=target_average)
    numbers("hpa_desired", replicas_for_the_total=metric_total / target_average)
    return int(hpa_rule(ready, metric_total, target_average, tolerance))


# --- Ray Serve


def ray_rule(
    replicas: Any, ongoing_total: Any, target_ongoing: Any, up: Any, down: Any, least: Any, most: Any
) -> Any:  # fmt: skip
    """Replicas of one decision, before the delays: smoothed towards the load, to zero only from exactly one."""
    if replicas == 0:
        return min(max(ceil(up), least, 1.0), most) if ongoing_total > 0 else least
    desired = ongoing_total / target_ongoing
    factor = up if desired > replicas else down
    want = ceil(replicas + factor * (desired - replicas))
    if ceil(desired) < replicas and want == replicas:
        want -= 1
    if want < 1 and replicas > 1:
        want = 1
    return min(max(want, least), most)


def ray_desired(
    replicas: int, ongoing_total: float, target_ongoing: float, up: float = 1.0, down: float = 1.0,
    min_replicas: int = 1, max_replicas: int = 100,
) -> int:  # fmt: skip
    """Replicas that Ray Serve decides on, before its delays; the default maximum is that of `num_replicas="auto"`.

    Source: ray-project/ray serve autoscaling_policy.py.
    """
    numbers("ray_desired", replicas=replicas, ongoing_total=ongoing_total, min_replicas=min_replicas)
    numbers("ray_desired", strict=True, target_ongoing=target_ongoing, up=up, down=down, max_replicas=max_replicas)
    if min_replicas > max_replicas:
        raise WorkbenchError("ray_desired", f"min_replicas={min_replicas} is above max_replicas={max_replicas}",
                             "give a minimum of at most the maximum")  # fmt: skip
    numbers("ray_desired", replicas_asked_for=max(up, down) * (replicas + ongoing_total / target_ongoing))
    return int(ray_rule(replicas, ongoing_total, target_ongoing, up, down, min_replicas, max_replicas))


# --- SageMaker's target tracking


def tracking_rule(replicas: Any, concurrency: Any, target: Any, step: Any) -> Any:
    """Instances of a target-tracking policy; from zero only a step policy on a capacity failure leads away."""
    if replicas == 0:
        return step if concurrency > 0 else 0.0
    return ceil(concurrency / target)


# --- the hybrid histogram of Serverless in the Wild


def hybrid_window(counts: Any, outside: Any, mean_outside: Any, width: Any, rule: Any, window: Any) -> None:
    """When to load again after the last request, and for how long from then: written to `window` (two durations, s).

    `counts` are idle times by bin of `width` seconds, `outside` those beyond the range, with their mean. `rule`: head
    and tail shares, margin, least spread of the counts, share outside from which the histogram is given up, and then
    the shares of the mean at which to load and for which to keep. Source: Shahrad et al., Serverless
    in the Wild, USENIX ATC 2020, section 4; the forecast of times outside the range is their mean, not ARIMA.
    """
    head, tail, margin, spread, beyond, early, kept = rule
    bins = len(counts)
    total, squares = 0.0, 0.0
    for count in counts:
        total += count
        squares += count * count
    if outside > 0 and outside >= beyond * (total + outside):
        window[0], window[1] = early * mean_outside, kept * mean_outside
        return
    mean = total / bins
    if total == 0 or squares / bins - mean * mean < (spread * mean) ** 2:
        window[0], window[1] = 0.0, bins * width
        return
    seen, first, last = 0.0, -1, bins
    for k in range(bins):
        seen += counts[k]
        if first < 0 and seen >= head * total:
            first = k
        if seen >= tail * total:
            last = k + 1
            break
    window[0] = first * width * (1 - margin)
    window[1] = last * width * (1 + margin) - window[0]
