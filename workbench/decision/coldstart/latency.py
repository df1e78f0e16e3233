"""How fast an offer can answer at best, by theory: what keeps an option out of the decision, and how often it wakes.

No simulation: a request alone on its replica, and where the seller bills by use the renewal theory of a replica that is
kept for a while. An option that misses the objective here misses it under any policy.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workbench.cite import plain
from workbench.decision.coldstart.waking import (
    HOUR_S,
    LEVELS,
    WINDOWS_S,
    Replica,
    Traffic,
    Waking,
    hours_of_day,
    middle,
    on_platform,
    parameter,
    replica,
    waking,
)
from workbench.decision.desk import Desk
from workbench.decision.offers import Option, Reason
from workbench.models import queueing
from workbench.records import Basis, Evidence, Quantity, Serving

POINTS = 1 << 10
"""Sizes of a request that are looked at."""


def judged(desk: Desk, options: list[Option]) -> list[Option]:
    """The options with the objective of [serving] as one more constraint, and with the wake-ups of serverless ones.

    Without [serving], or requests of a known size, they come back as they are.
    """
    asked, demand = desk.scenario.serving, desk.scenario.demand
    sizes = (demand.requests_per_month, demand.tokens_in_per_month, demand.tokens_out_per_month)
    if asked is None or demand.work != "serving" or not all(middle(size or 0.0) for size in sizes):
        return options
    floor = Floor(desk, asked)
    return [_judged(floor, o) if o.feasible else o for o in options]


def _judged(floor: "Floor", option: Option) -> Option:
    row, why = option.price.usd_per_gpu_hour.rows[0], ""
    asked, latency = floor.asked, floor.alone_s(option.price.gpu)
    if option.basis is Basis.SERVERLESS:
        alone, woken = latency, floor.waking(option)
        for idle in _kept(option.inputs["idle_timeout_hours"]):
            cold = floor.cold_share(idle.value)
            missing, latency = 1 - asked.p, alone
            if cold > missing:
                latency += float(np.quantile(woken.seconds, 1 - missing / cold))
            if latency <= asked.limit_s:
                break
        if cold > missing:
            why, row = f": {cold:.1%} of requests meet a cold start, of {woken.mean_s:.0f} s on average", woken.rows[0]
        kept = {"idle_timeout_hours": idle, "wakeups_per_month": floor.wakeups(idle)}
        option = replace(option, inputs={**option.inputs, **kept})
    if latency <= asked.limit_s:
        return option
    reason: Reason = (
        f"by theory {plain(asked.p, 'share')} are answered within {latency:.3g} s, not {asked.limit_s:g} s{why}", row
    )  # fmt: skip
    return replace(option, reasons=(reason,), inputs={})


def _kept(idle: Quantity) -> Iterator[Quantity]:
    """The seller's own idle time-out, and longer ones that its row says may be set: a policy may keep a replica."""
    yield idle
    for window_s in WINDOWS_S:
        if idle.value < window_s / HOUR_S <= (idle.high or idle.value):
            yield replace(idle, value=window_s / HOUR_S, low=None, high=None, label=f"idle time-out of {window_s:g} s")


@dataclass(frozen=True)
class Floor:
    """The least latency that the scenario's requests can have, in seconds, and how often a kept replica is cold."""

    desk: Desk
    asked: Serving

    @cached_property
    def rate_per_s(self) -> float:
        """Requests a second, on the mean of the month."""
        month = self.desk.scenario.demand.requests_per_month
        return middle(month or 0.0) / (self.desk.assumption("hours_per_month").value * HOUR_S)

    @cached_property
    def sizes(self) -> Traffic:
        """Requests of the described sizes, by their quantiles."""
        demand, levels, sizes = self.desk.scenario.demand, (np.arange(POINTS) + 1 / 2) / POINTS, []
        for side in ("tokens_in", "tokens_out"):
            rows = [parameter(self.desk.facts, "traffic", self.asked.traffic, f"{side}_{level}") for level in LEVELS]
            table = np.exp(np.interp(levels, list(LEVELS.values()), np.log([q.value for q in rows])))
            mean = middle(getattr(demand, f"{side}_per_month") or 0.0) / middle(demand.requests_per_month or 1.0)
            sizes.append(table * (mean / table.mean()))
        return Traffic(arrivals_s=levels, tokens_in=sizes[0], tokens_out=sizes[1], says="")

    @cached_property
    def replica(self) -> Replica:
        """The stated replica."""
        return replica(self.desk.facts, self.asked, self.sizes)

    def alone_s(self, gpu: str) -> float:
        """The objective's quantile for requests that have a replica of this accelerator to themselves.

        Its pace is the stated one's, by the ratio of their throughputs; the prompt is the mean one.
        """
        batching = self.replica.batching
        fast = {
            phase: self.desk.assumption("relative_throughput", gpu=gpu, workload=phase).value
            / self.desk.assumption("relative_throughput", gpu=self.asked.gpu, workload=phase).value
            for phase in ("prefill", "decode")
        }
        step = (batching.step_s + batching.step_per_request_s) / fast["decode"]
        answer = np.quantile(self.sizes.tokens_out, self.asked.p)
        return float(np.mean(batching.prompt_s) / fast["prefill"] + answer * step)

    def cold_share(self, idle_hours: float) -> float:
        """Share of requests that find nobody awake: one replica, kept so long, over the hours of the day."""
        rates = self.rates_per_s
        return float((rates * self._kept(idle_hours).cold_share).sum() / rates.sum())

    @cached_property
    def rates_per_s(self) -> np.ndarray:
        """Requests a second in each hour of the day."""
        day, _ = hours_of_day(self.desk.facts, middle(self.desk.scenario.demand.peak_to_mean))
        return self.rate_per_s * day

    def _kept(self, idle_hours: float) -> queueing.WarmPool:
        cv = parameter(self.desk.facts, "traffic", self.asked.traffic, "gap_cv").value
        gaps = 1 / self.rates_per_s
        return queueing.keep_alive_renewal(gaps, np.full(gaps.shape, cv**2), idle_hours * HOUR_S)

    def idle_replicas(self, idle_hours: float) -> float:
        """Replicas that are kept though nobody asks, on the mean of the day: between requests, and after the last."""
        batching = self.replica.batching
        service_s = np.mean(batching.prompt_s) + self.sizes.tokens_out.mean() * (
            batching.step_s + batching.step_per_request_s
        )
        nobody = np.exp(-self.rates_per_s * service_s)
        return float(np.mean(self._kept(idle_hours).mean_replicas * nobody))

    def wakeups(self, idle: Quantity) -> Quantity:
        """Idle time-outs that are paid in a month, counted whole: most end early, as the next request comes."""
        whole = self.idle_replicas(idle.value) * self.desk.assumption("hours_per_month").value / idle.value
        return Quantity(name="wakeups_per_month", value=whole, unit="1/month", rows=idle.rows,
                        evidence=Evidence.ESTIMATED, label="idle time by renewal theory")  # fmt: skip

    def waking(self, option: Option) -> Waking:
        """A cold start on the seller's own platform."""
        return waking(self.desk.facts, on_platform(self.desk.facts, self.asked, option.price), self.desk.scenario.seed)
