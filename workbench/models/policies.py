"""How a fleet is sized: the policies that users name, and the vector of constants that the kernel reads.

Every default is a real system's own, with a row of model `autoscaler` in parameters.csv; a test holds the two together.
Times in seconds; `cold_start_s` is one number or draws of it, of which replicas that start take one each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from workbench.checks import numbers, shares
from workbench.models.autoscalers import DEFAULT_SHARE, LEAST_TARGET
from workbench.records import WorkbenchError

FIXED, BIND, DEMAND, HYBRID, KPA, HPA, RAY, TRACKING = range(8)
"""Kinds: as many as at first; one for each request that finds no room; by requests in the system; the same with idle
times learnt; Knative; KEDA with the Kubernetes autoscaler; Ray Serve; target tracking."""

(KIND, CONCURRENCY, MOST, LEAST, INITIAL, ROUTING, IDLE, TARGET, BUFFER, SURPLUS, PERIOD, UP, DOWN, UP_DELAY,
 DOWN_DELAY, WINDOW, SHORT, TOTAL, BURST, THRESHOLD, ACTIVATION, GRACE, RETENTION, STEP, TOLERANCE, COOLDOWN, EVERY,
 HEAD, TAIL, MARGIN, SPREAD, OUTSIDE, EARLY, KEPT) = range(34)  # fmt: skip
"""Where the constants of a policy stand in its vector; a kind reads those that it needs."""
SIZE = 34

ROUTINGS = {"newest": 0.0, "oldest": 1.0, "least_loaded": 2.0}
"""Which replica with room takes a request: the fullest (of equals the newest or oldest), or the emptiest."""
Routing = Literal["newest", "oldest", "least_loaded"]
ColdStart = float | Sequence[float] | np.ndarray
WHOLE = ("concurrency", "max_replicas", "min_replicas", "initial_replicas", "buffer_containers", "activation_scale",
         "step")  # fmt: skip
LEAST_PERIOD_S = 1e-3
"""With a shorter clock a run would be nothing but ticks."""
MOST_TICKS = 1 << 20
"""Ticks that a policy may look back on: it remembers each."""


def _ticks(where: str, seconds: float, each_s: float) -> float:
    """How often a clock ticks in so long a time."""
    ticks = seconds / each_s
    if ticks > MOST_TICKS:
        what = f"{seconds:g} s are {ticks:.3g} ticks of {each_s:g} s, each of which is remembered"
        raise WorkbenchError(where, what, "give a shorter time, or longer ticks")
    return ticks


def _sized(policy: Any) -> tuple[float, float]:
    """The most and the least replicas, after a check of what all policies have."""
    where = type(policy).__name__
    most = np.inf if policy.max_replicas is None else policy.max_replicas
    least = getattr(policy, "min_replicas", 0)
    numbers(where, strict=True, concurrency=policy.concurrency)
    if policy.max_replicas is not None:
        numbers(where, strict=True, max_replicas=most)
    numbers(where, min_replicas=least, cold_start_s=policy.cold_start_s)
    if np.ndim(policy.cold_start_s) > 1:
        what = f"cold_start_s has {np.ndim(policy.cold_start_s)} axes"
        raise WorkbenchError(where, what, "give one number of seconds, or a list of those that are drawn from")
    if least > most:
        raise WorkbenchError(where, f"min_replicas={least} is above max_replicas={most}", "give at most the maximum")
    if policy.routing not in ROUTINGS:
        raise WorkbenchError(where, f"routing={policy.routing!r} is not known", f"use one of {', '.join(ROUTINGS)}")
    for name in WHOLE:
        value = getattr(policy, name, None)
        if value is not None and value != int(value):
            raise WorkbenchError(where, f"{name}={value!r} is not a whole number", "give a whole number")
    return most, least


def _vector(policy: Any, kind: int, constants: dict[int, float]) -> np.ndarray:
    """The policy as the kernel reads it."""
    most, least = _sized(policy)
    rule = np.zeros(SIZE)
    rule[[KIND, CONCURRENCY, MOST, LEAST, ROUTING]] = kind, policy.concurrency, most, least, ROUTINGS[policy.routing]
    rule[INITIAL] = least
    rule[list(constants)] = list(constants.values())
    return rule


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """A pool as of AWS Lambda: a request that finds no room starts a replica and is bound to it; idle ones are kept.

    `idle_s` is counted from the last end of service; `min_replicas` are warm at the first arrival and never expire.
    """

    idle_s: float
    cold_start_s: ColdStart
    max_replicas: int | None = None
    min_replicas: int = 0
    concurrency: int = 1
    routing: Routing = "newest"

    def vector(self) -> np.ndarray:
        """The constants as the kernel reads them. Raises WorkbenchError naming the one that is wrong."""
        numbers("KeepAlive", idle_s=self.idle_s)
        return _vector(self, BIND, {IDLE: self.idle_s})


@dataclass(frozen=True, slots=True)
class Fixed:
    """A fleet that never changes. A replica that fails is started again."""

    replicas: int
    cold_start_s: ColdStart = 0.0
    concurrency: int = 1
    routing: Routing = "least_loaded"

    @property
    def max_replicas(self) -> int:
        return self.replicas

    def vector(self) -> np.ndarray:
        """The constants as the kernel reads them. Raises WorkbenchError naming the one that is wrong."""
        numbers("Fixed", strict=True, replicas=self.replicas)
        return _vector(self, FIXED, {INITIAL: self.replicas})


@dataclass(frozen=True, slots=True)
class Knative:
    """Knative's autoscaler: averages over a stable and a panic window, an activator in front of nothing."""

    cold_start_s: ColdStart
    max_replicas: int | None = None
    min_replicas: int = 0
    initial_replicas: int = 1
    concurrency: int = 100
    routing: Routing = "least_loaded"
    target_utilization: float = DEFAULT_SHARE
    target_burst_capacity: float = 211
    panic_threshold: float = 2.0
    panic_window_share: float = 0.1
    max_scale_up_rate: float = 1000
    max_scale_down_rate: float = 2
    stable_window_s: float = 60
    scale_down_delay_s: float = 0
    activation_scale: int = 1
    scale_to_zero_grace_s: float = 30
    pod_retention_s: float = 0
    tick_s: float = 2

    @property
    def first_replicas(self) -> float:
        """Replicas at the first arrival."""
        return min(max(self.initial_replicas, self.min_replicas), self.max_replicas or np.inf)

    def vector(self) -> np.ndarray:
        """The constants as the kernel reads them. Raises WorkbenchError naming the one that is wrong."""
        where = "Knative"
        numbers(where, initial_replicas=self.initial_replicas, scale_down_delay_s=self.scale_down_delay_s,
                scale_to_zero_grace_s=self.scale_to_zero_grace_s, pod_retention_s=self.pod_retention_s)  # fmt: skip
        numbers(where, low=1.0, tick_s=self.tick_s, stable_window_s=self.stable_window_s,
                max_scale_down_rate=self.max_scale_down_rate, activation_scale=self.activation_scale)  # fmt: skip
        numbers(where, strict=True, target_utilization=self.target_utilization, panic_threshold=self.panic_threshold,
                panic_window_share=self.panic_window_share, max_scale_up_rate=self.max_scale_up_rate)  # fmt: skip
        numbers(where, low=-1.0, target_burst_capacity=self.target_burst_capacity)
        _sized(self)
        _ticks(where, self.scale_down_delay_s, self.tick_s)
        return _vector(
            self,
            KPA,
            {
                INITIAL: self.first_replicas,
                PERIOD: 1.0,
                EVERY: round(_ticks(where, self.tick_s, 1.0)),
                TARGET: max(LEAST_TARGET, self.concurrency * self.target_utilization),
                TOTAL: self.concurrency,
                BURST: self.target_burst_capacity,
                THRESHOLD: self.panic_threshold,
                UP: self.max_scale_up_rate,
                DOWN: self.max_scale_down_rate,
                WINDOW: round(_ticks(where, self.stable_window_s, 1.0)),
                DOWN_DELAY: self.scale_down_delay_s,
                SHORT: max(1, round(self.stable_window_s * self.panic_window_share)),
                ACTIVATION: self.activation_scale,
                GRACE: self.scale_to_zero_grace_s,
                RETENTION: self.pod_retention_s,
            },
        )


@dataclass(frozen=True, slots=True)
class Keda:
    """KEDA between nothing and one, the Kubernetes horizontal autoscaler from one up.

    The metric is the number of requests in the system at each sync, `target` of them a replica.
    """

    cold_start_s: ColdStart
    target: float
    max_replicas: int | None = 100
    min_replicas: int = 0
    concurrency: int = 100
    routing: Routing = "least_loaded"
    polling_interval_s: float = 30
    cooldown_s: float = 300
    sync_s: float = 15
    tolerance: float = 0.1
    scale_down_window_s: float = 300
    scale_up_pods: float = 4
    scale_up_share: float = 1.0

    def vector(self) -> np.ndarray:
        """The constants as the kernel reads them. Raises WorkbenchError naming the one that is wrong."""
        numbers("Keda", cooldown_s=self.cooldown_s, tolerance=self.tolerance, scale_up_pods=self.scale_up_pods,
                scale_down_window_s=self.scale_down_window_s, scale_up_share=self.scale_up_share)  # fmt: skip
        numbers("Keda", strict=True, target=self.target, polling_interval_s=self.polling_interval_s)
        numbers("Keda", low=LEAST_PERIOD_S, sync_s=self.sync_s)
        _ticks("Keda", self.scale_down_window_s, self.sync_s)
        return _vector(
            self,
            HPA,
            {
                PERIOD: self.sync_s,
                EVERY: max(1, round(_ticks("Keda", self.polling_interval_s, self.sync_s))),
                TARGET: self.target,
                COOLDOWN: self.cooldown_s,
                TOLERANCE: self.tolerance,
                STEP: self.scale_up_pods,
                DOWN_DELAY: self.scale_down_window_s,
                UP: self.scale_up_share,
            },
        )


@dataclass(frozen=True, slots=True)
class RayServe:
    """Ray Serve: ongoing requests a replica over a look-back, acted on after a delay each way."""

    cold_start_s: ColdStart
    target_ongoing: float = 2
    max_replicas: int | None = 100
    min_replicas: int = 1
    concurrency: int = 5
    routing: Routing = "least_loaded"
    loop_s: float = 0.1
    look_back_s: float = 30
    upscale_delay_s: float = 30
    downscale_delay_s: float = 600
    upscaling_factor: float = 1.0
    downscaling_factor: float = 1.0

    def vector(self) -> np.ndarray:
        """The constants as the kernel reads them. Raises WorkbenchError naming the one that is wrong."""
        numbers("RayServe", upscale_delay_s=self.upscale_delay_s, downscale_delay_s=self.downscale_delay_s)
        numbers("RayServe", strict=True, target_ongoing=self.target_ongoing, look_back_s=self.look_back_s,
                upscaling_factor=self.upscaling_factor, downscaling_factor=self.downscaling_factor)  # fmt: skip
        numbers("RayServe", low=LEAST_PERIOD_S, loop_s=self.loop_s)
        return _vector(
            self,
            RAY,
            {
                PERIOD: self.loop_s,
                WINDOW: max(1, round(_ticks("RayServe", self.look_back_s, self.loop_s))),
                TARGET: self.target_ongoing,
                UP: self.upscaling_factor,
                DOWN: self.downscaling_factor,
                UP_DELAY: int(_ticks("RayServe", self.upscale_delay_s, self.loop_s)),
                DOWN_DELAY: int(_ticks("RayServe", self.downscale_delay_s, self.loop_s)),
            },
        )


@dataclass(frozen=True, slots=True)
class Modal:
    """Containers by the number of inputs, asked at every event; an idle one is kept for the scale-down window.

    `surplus` says what becomes of a container that starts and is no longer needed: kept as a rule, or cancelled, the
    newest first. With no window, cancelled surplus and one input a container this is the M/M/k queue with set-up.
    Semantics as documented; the seller's internals are not public.
    """

    cold_start_s: ColdStart
    max_replicas: int | None = None
    min_replicas: int = 0
    buffer_containers: int = 0
    concurrency: int = 1
    target_inputs: float | None = None
    routing: Routing = "newest"
    scaledown_window_s: float = 60
    surplus: Literal["keep", "cancel"] = "keep"

    def vector(self) -> np.ndarray:
        """The constants as the kernel reads them. Raises WorkbenchError naming the one that is wrong."""
        target = self.concurrency if self.target_inputs is None else self.target_inputs
        numbers("Modal", buffer_containers=self.buffer_containers, scaledown_window_s=self.scaledown_window_s)
        numbers("Modal", strict=True, target_inputs=target)
        if self.surplus not in ("keep", "cancel"):
            raise WorkbenchError("Modal", f"surplus={self.surplus!r} is not known", "use keep or cancel")
        cancel = float(self.surplus == "cancel")
        return _vector(
            self,
            DEMAND,
            {IDLE: self.scaledown_window_s, TARGET: target, BUFFER: self.buffer_containers, SURPLUS: cancel},
        )


@dataclass(frozen=True, slots=True)
class SageMaker:
    """Target tracking on concurrency, with cooldowns; away from zero by a step policy on a capacity failure."""

    cold_start_s: ColdStart
    target: float
    max_replicas: int | None = None
    min_replicas: int = 1
    concurrency: int = 100
    routing: Routing = "least_loaded"
    period_s: float = 10
    scale_out_cooldown_s: float = 300
    scale_in_cooldown_s: float = 300
    step: int = 1

    def vector(self) -> np.ndarray:
        """The constants as the kernel reads them. Raises WorkbenchError naming the one that is wrong."""
        numbers("SageMaker", scale_out_cooldown_s=self.scale_out_cooldown_s,
                scale_in_cooldown_s=self.scale_in_cooldown_s)  # fmt: skip
        numbers("SageMaker", strict=True, target=self.target, step=self.step)
        numbers("SageMaker", low=LEAST_PERIOD_S, period_s=self.period_s)
        return _vector(
            self,
            TRACKING,
            {
                PERIOD: self.period_s,
                TARGET: self.target,
                UP_DELAY: self.scale_out_cooldown_s,
                DOWN_DELAY: self.scale_in_cooldown_s,
                STEP: self.step,
            },
        )


@dataclass(frozen=True, slots=True)
class HybridHistogram:
    """Idle times are learnt: a replica is unloaded after the last request and loaded again before the next is likely.

    While there are requests, replicas go by their number. Source: Serverless in the Wild, USENIX ATC 2020.
    """

    cold_start_s: ColdStart
    max_replicas: int | None = None
    concurrency: int = 1
    routing: Routing = "newest"
    bin_s: float = 60
    range_s: float = 14400
    head_share: float = 0.05
    tail_share: float = 0.99
    margin: float = 0.1
    least_spread: float = 2.0
    outside_share: float = 0.5
    early_share: float = 0.85
    kept_share: float = 0.3

    def vector(self) -> np.ndarray:
        """The constants as the kernel reads them. Raises WorkbenchError naming the one that is wrong."""
        numbers("HybridHistogram", strict=True, bin_s=self.bin_s, range_s=self.range_s)
        numbers("HybridHistogram", least_spread=self.least_spread)
        shares("HybridHistogram", head_share=self.head_share, tail_share=self.tail_share, margin=self.margin,
               outside_share=self.outside_share, early_share=self.early_share, kept_share=self.kept_share)  # fmt: skip
        return _vector(
            self,
            HYBRID,
            {
                PERIOD: self.bin_s,
                WINDOW: max(1, round(_ticks("HybridHistogram", self.range_s, self.bin_s))),
                TARGET: self.concurrency,
                HEAD: self.head_share,
                TAIL: self.tail_share,
                MARGIN: self.margin,
                SPREAD: self.least_spread,
                OUTSIDE: self.outside_share,
                EARLY: self.early_share,
                KEPT: self.kept_share,
            },
        )


@dataclass(frozen=True, kw_only=True)
class Batching:
    """A replica whose requests share its pace: seconds a step with b requests are `step_s` + `step_per_request_s` x b.

    Work is counted in steps (tokens to write). `prompt_s` [request] is how long the others stand still for a prompt.
    """

    step_s: float
    step_per_request_s: float = 0.0
    prompt_s: Any = 0.0


Policy = KeepAlive | Fixed | Knative | Keda | RayServe | Modal | SageMaker | HybridHistogram
