"""A replica of the scenario's model, how it wakes, and the traffic that comes to it: rows and models put together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench import formula
from workbench.decision.coldstart import wakeup
from workbench.decision.desk import constant
from workbench.models import arrivals, coldstart, serving
from workbench.models.policies import Batching
from workbench.records import Basis, Demand, Facts, Price, Quantity, Scenario, Serving, WorkbenchError

Array = np.ndarray
DRAWS = 4096
"""Draws of a cold start, spread over the tiers by their shares."""
ORDER = ("detect", "provision", "image_pull", "container_start", "runtime_init", "weights", "host_to_gpu",
         "engine_init", "first_token")  # fmt: skip
"""The stages in the order of time."""
DAY_S = 86400.0
HOUR_S = 3600.0
DAY_HOURS = 24
MINUTE_S = 60.0
RHYTHM = "servegen_m-small"
"""The trace whose day is long enough to tell its hours."""
LEVELS = {"min": 0.0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99,
          "max": 1.0}  # fmt: skip
BISECTIONS = 60
ROUNDING = 1e-9
STEEPEST = 20.0
"""Power of the hours at which most of the day is silent: above it, what is simulated would be shorter than the day."""
WINDOWS_S = (60.0, 300.0, 900.0)
"""How long a serverless replica may be kept for the next request."""
MOST_REQUESTS = 1_000_000
"""Requests that are simulated at most: with more the hours of the day are shortened."""
FEW_REQUESTS = 20_000
"""Requests below which a quantile of 99% is a matter of luck: quieter traffic is simulated for more days."""
MOST_DAYS = 28
LONG_ENOUGH = 10
"""Times the objective's limit that a shortened hour has to last: in less, a fleet that is too small still is quick."""
FEWEST_REQUESTS = 20
"""With fewer there is no confidence in anything: a run is measured by twenty batches."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Replica:
    """One copy of the model on its accelerators. `inputs` are the rows that its pace follows from."""

    gpus: int
    slots: int
    """Requests that it holds at once."""
    batching: Batching
    inputs: Mapping[str, Quantity]


@dataclass(frozen=True, kw_only=True, eq=False)
class Waking:
    """A cold start: draws of its seconds, the tiers that it meets, and its mean course stage by stage.

    `tiers`: (name, share, seconds at the middle values); `stages`: (stage, seconds), which add up to the mean of the
    tiers at the middle values.
    """

    seconds: Array
    tiers: tuple[tuple[str, float, float], ...]
    stages: tuple[tuple[str, float], ...]
    rows: tuple[str, ...]

    @property
    def mean_s(self) -> float:
        """Mean of the draws, which are simulated: above the middle values, as ranges reach further up than down."""
        return float(self.seconds.mean())

    @property
    def middle_s(self) -> float:
        """Mean of the tiers at the middle values, to which the stages add up."""
        return sum(share * s for _, share, s in self.tiers)


@dataclass(frozen=True, kw_only=True, eq=False)
class Traffic:
    """Requests by arrival, seconds from the first; `says` is where they come from, in words."""

    arrivals_s: Array
    tokens_in: Array
    tokens_out: Array
    says: str
    rows: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What is odd about a recorded trace."""
    sized: bool = True
    """Whether the tokens are its own, not one for each."""
    peaks: tuple[float, ...] = ()
    """Busiest minute and hour of a recorded trace, as multiples of the mean; of a described one the scenario says."""

    @property
    def span_s(self) -> float:
        return float(self.arrivals_s[-1] - self.arrivals_s[0])

    @property
    def rate_per_s(self) -> float:
        return self.arrivals_s.size / self.span_s


@dataclass(frozen=True, kw_only=True, eq=False)
class Load:
    """What policies are tried on: the traffic, and the replica that serves it."""

    scenario: Scenario
    asked: Serving
    traffic: Traffic
    replica: Replica
    hours_per_month: Quantity

    @property
    def peaks(self) -> tuple[float, ...]:
        """Multiples of the mean for which a reserved fleet may be sized: of a recorded trace also the mean itself."""
        recorded = self.traffic.peaks
        return (1.0, *recorded) if recorded else (middle(self.scenario.demand.peak_to_mean),)

    @property
    def busy(self) -> float:
        """Replicas that the traffic keeps busy on average, each as full as it gets."""
        slots, batching = self.replica.slots, self.replica.batching
        work = self.traffic.tokens_out * (batching.step_s / slots + batching.step_per_request_s)
        return float((work + batching.prompt_s).sum() / self.traffic.span_s)


def load(facts: Facts, scenario: Scenario, traffic: Traffic | None = None) -> Load:
    """The scenario's load: as it describes its traffic, or a recorded one.

    Raises WorkbenchError where the scenario does not say how the model is served.
    """
    asked = scenario.serving
    if asked is None:
        raise WorkbenchError(f"scenario {scenario.name}", "it does not say how the model is served",
                             "add [serving] with model, gpu, gpus, platform, p and limit_s")  # fmt: skip
    hours = next(a.quantity for a in facts.assumptions if a.quantity.name == "hours_per_month")
    traffic = traffic or described(facts, scenario.demand, asked, hours, scenario.seed)
    if traffic.peaks and traffic.span_s < LONG_ENOUGH * asked.limit_s:
        over = f"{traffic.span_s:.3g} s are over before a queue is felt: give {LONG_ENOUGH * asked.limit_s:g} s or more"
        traffic = replace(traffic, notes=(*traffic.notes, over))
    return Load(scenario=scenario, asked=asked, traffic=traffic, replica=replica(facts, asked, traffic),
                hours_per_month=hours)  # fmt: skip


def parameter(facts: Facts, model: str, subject: str, name: str) -> Quantity:
    """A constant of a model. Raises WorkbenchError where no row has it."""
    found = facts.parameters.get((model, subject, name))
    if found is None:
        raise WorkbenchError("parameters.csv", f"no {name} of {subject} for {model}", "add the row")
    return found


# --- the replica


def replica(facts: Facts, asked: Serving, traffic: Traffic) -> Replica:
    """The pace of a replica on the traffic's mean request, and how many requests its memory holds.

    Raises WorkbenchError naming the replicas that are known where this one has no row.
    """
    subject = _measured(facts, asked)
    prompt, answer = float(traffic.tokens_in.mean()), float(traffic.tokens_out.mean())
    if prompt + answer == 0:
        raise WorkbenchError(traffic.says, "no request has a token", "check the columns of tokens_in and tokens_out")
    names = ("t0", "t_b", "t_bk", "prefill_fixed", "prefill_per_token")
    inputs = {name: parameter(facts, "serving", subject, name) for name in names}
    inputs |= {name: parameter(facts, "serving", asked.model, name) for name in ("weights_gb", "kv_gb_per_token")}
    inputs |= {name: parameter(facts, "serving", "vllm", name) for name in ("usable_memory_share", "max_num_seqs")}
    memory = facts.hardware.get((asked.gpu, "memory"))
    if memory is None:
        raise WorkbenchError("hardware.csv", f"no memory of {asked.gpu}", "add the row")
    values: dict[str, Any] = {name: q.value for name, q in inputs.items()}
    values |= {"gpu_memory_gb": memory.value, "gpus": asked.gpus, "prompt_tokens": prompt, "answer_tokens": answer}
    slots = int(formula.evaluate(serving, values, ("max_batch",))["max_batch"])
    if slots < 1:
        what = (
            f"{asked.model} with a request of {prompt + answer:,.0f} tokens does not fit on {asked.gpus} of {asked.gpu}"
        )
        raise WorkbenchError("serving", what, "give more gpus, or shorter requests")
    context = serving.context_tokens(prompt, answer)
    read = serving.prefill_s(values["prefill_fixed"], values["prefill_per_token"], traffic.tokens_in)
    slope = values["t_b"] + values["t_bk"] * context
    batching = Batching(step_s=values["t0"], step_per_request_s=slope, prompt_s=read)
    return Replica(gpus=asked.gpus, slots=slots, batching=batching, inputs={**inputs, "gpu_memory_gb": memory})


def _measured(facts: Facts, asked: Serving) -> str:
    """The subject whose rows say how fast the replica is."""
    subject = f"{asked.gpu}/{asked.model}/{asked.gpus}"
    known = {s for m, s, _ in facts.parameters if m == "serving" and "/" in s}
    if subject not in known:
        near = {s for s in known if s.split("/")[1] == asked.model} or {s.split("/")[1] for s in known}
        raise WorkbenchError("serving", f"no measured pace of {subject}", _way_out(facts, near))
    return subject


def _way_out(facts: Facts, known: Collection[str]) -> str:
    return f"use one of {', '.join(sorted(known))}" if known else f"ask on a day after {facts.as_of}: no row is older"


# --- the cold start


def waking(facts: Facts, asked: Serving, seed: int = 0, *, tiers: Sequence[wakeup.Tier] | None = None) -> Waking:
    """The mixture of tiers that a start meets, each stage within its row's range; detection is the policy's own.

    `tiers` are met in place of those that rows say of the platform.
    """
    models = sorted(s for m, s, name in facts.parameters if (m, name) == ("serving", "weights_gb"))
    if asked.model not in models:
        raise WorkbenchError("serving", f"no weights of {asked.model}", _way_out(facts, models))
    random = np.random.default_rng(seed)
    weights, draws, met, rows = parameter(facts, "serving", asked.model, "weights_gb"), [], [], []
    course: dict[str, float] = {}
    for tier in tiers or wakeup.tiers(facts, asked.platform):
        found = wakeup.stages(facts, asked.platform, wakeup.met(asked.mitigation, tier), storage=asked.storage)
        found |= {"weights_gb": weights, "gpus": constant("gpus", float(asked.gpus), "GPU"),
                  "detect_s": constant("detect_s", 0.0, "second")}  # fmt: skip
        values = formula.evaluate(coldstart, {n: q.value for n, q in found.items()}, ("cold_start_s", "load_s"))
        share = float(tier.share.value)
        met.append((tier.name, share, float(values["cold_start_s"])))
        for stage, seconds in coldstart.waterfall(values):
            course[stage] = course.get(stage, 0.0) + share * seconds
        count = max(round(share * DRAWS), 1)
        drawn = {n: _within(q, count, random) for n, q in found.items()}
        made = formula.evaluate(coldstart, drawn, ("cold_start_s",))["cold_start_s"]
        draws.append(np.broadcast_to(made, count))
        rows += [r for q in (*found.values(), tier.share) for r in q.rows]
    stages = sorted(course.items(), key=lambda s: ORDER.index(s[0]))
    return Waking(seconds=np.concatenate(draws), tiers=tuple(met), stages=tuple(stages),
                  rows=tuple(dict.fromkeys(rows)))  # fmt: skip


def _within(quantity: Quantity, count: int, random: np.random.Generator) -> Any:
    """Draws from the triangle of a row's range."""
    if not quantity.uncertain:
        return quantity.value
    return random.triangular(quantity.low, quantity.value, quantity.high, count)


def on_platform(facts: Facts, asked: Serving, price: Price) -> Serving:
    """A serverless seller wakes on its own platform where rows know it."""
    known = {s.partition("/")[0] for m, s, _ in facts.parameters if m == "coldstart"}
    own = price.provider.lower().replace(" ", "_")
    return replace(asked, platform=own) if price.basis is Basis.SERVERLESS and own in known else asked


# --- the traffic


def peaks(arrivals_s: Array, work: Array) -> tuple[float, ...]:
    """The work of the busiest minute and hour, as multiples of the mean; spans that are shorter have none."""
    span, total = float(arrivals_s[-1] - arrivals_s[0]), float(work.sum())
    found = []
    for width in (MINUTE_S, HOUR_S):
        if span >= width and total > 0:
            by_time = np.bincount(((arrivals_s - arrivals_s[0]) / width).astype(int), work)
            found.append(max(float(by_time.max()) / (total / span * width), 1.0))
    return tuple(found) or (1.0,)


def described(facts: Facts, demand: Demand, asked: Serving, hours: Quantity, seed: int) -> Traffic:
    """Requests as the scenario describes them: its rate, peak and mean sizes, with the shape of a recorded trace.

    Gaps are gamma, minutes and hours swing as they were recorded, the day's peak is stretched to the scenario's. Where
    a day has more requests than are simulated, its hours are shortened: mean, peak and jumps are the day's.
    """
    month, tokens_in, tokens_out = _monthly(demand)
    rate = month / (hours.value * HOUR_S)
    span = _span(rate)
    known = {s for m, s, name in facts.parameters if (m, name) == ("traffic", "rate_cv_60s")}
    if asked.traffic not in known:
        raise WorkbenchError("serving", f"no minutes of {asked.traffic} were recorded", _way_out(facts, known))
    cv, minutes = (parameter(facts, "traffic", asked.traffic, name) for name in ("gap_cv", "rate_cv_60s"))
    random = np.random.default_rng(seed)
    levels, step_s, hourly = _levels(facts, middle(demand.peak_to_mean), span, minutes.value, random)
    times = arrivals.gamma_renewal(rate, span, cv.value, random)
    if times.size < FEWEST_REQUESTS:
        what = f"{times.size} requests in {span / DAY_S:.0f} days show nothing"
        raise WorkbenchError("demand.requests_per_month", what, f"state more than {FEWEST_REQUESTS} a month")
    times = arrivals.with_rhythm(times, span, levels, step_s)
    sizes, used = {}, [hours, cv, minutes, *hourly]
    for side, mean in (("tokens_in", tokens_in / month), ("tokens_out", tokens_out / month)):
        levels_of = {level: parameter(facts, "traffic", asked.traffic, f"{side}_{level}") for level in LEVELS}
        values = [q.value for q in levels_of.values()]
        drawn = arrivals.from_quantiles(list(LEVELS.values()), values, times.size, random)
        sizes[side] = 1 + drawn * ((mean - 1) / drawn.mean())  # of mean tokens, and none without one
        used += levels_of.values()
    says = f"{rate:.3g} requests a second, bursty as {asked.traffic}, over {span / HOUR_S:.3g} hours"
    notes: tuple[str, ...] = ()
    growth = middle(demand.growth_per_month)
    if growth:
        notes += (f"the load of the first month: growth of {growth:.1%} a month is not in it",)
    hour_s = min(span, DAY_S) / DAY_HOURS
    if span < DAY_S:
        says += f" (each hour of a day for {hour_s / MINUTE_S:.3g} minutes)"
    if hour_s < LONG_ENOUGH * asked.limit_s:
        notes += (f"hours of {hour_s:.3g} s are over before a peak is felt: state a part of the load, it scales",)
    return Traffic(arrivals_s=times - times[0], **sizes, says=says, notes=notes,
                   rows=tuple(r for q in used for r in q.rows))  # fmt: skip


def _monthly(demand: Demand) -> tuple[float, float, float]:
    """Requests and their tokens, in and out, a month."""
    stated = [demand.requests_per_month, demand.tokens_in_per_month, demand.tokens_out_per_month]
    if any(not v for v in stated):
        raise WorkbenchError("demand", "a described load needs requests and tokens a month",
                             "state requests_per_month, tokens_in_per_month and tokens_out_per_month")  # fmt: skip
    month, tokens_in, tokens_out = (middle(v) for v in stated)
    if min(tokens_in, tokens_out) < month:
        raise WorkbenchError("demand", f"fewer tokens than the {month:,.0f} requests", "give a request one at least")
    return month, tokens_in, tokens_out


def middle(value: Any) -> float:
    """A number, or the middle of a range."""
    return float(getattr(value, "value", value))


def _span(rate: float) -> float:
    """How long to simulate, in seconds: a day with shorter hours, or whole days."""
    if rate * DAY_S > MOST_REQUESTS:
        return MOST_REQUESTS / rate
    return DAY_S * min(max(np.ceil(FEW_REQUESTS / (rate * DAY_S)), 1.0), float(MOST_DAYS))


def _levels(
    facts: Facts, peak: float, span: float, minute_cv: float, random: np.random.Generator
) -> tuple[Array, float, list[Quantity]]:
    """The rate as a multiple of the mean by minute, or as nearly as goes into an hour; the step in s; the hours' rows.

    A step that went over the end of a shortened hour would leave peaks out, or double them.
    """
    day, rows = hours_of_day(facts, peak)
    if peak > day.max() * (1 + ROUNDING):
        what = f"a peak of {peak:g} times the mean: the highest hour of a described day has {day.max():.3g}"
        raise WorkbenchError("demand.peak_to_mean", what, "replay a trace for a load with shorter peaks")
    hour_s = min(span, DAY_S) / DAY_HOURS
    steps = max(round(hour_s / MINUTE_S), 1)
    count = round(span / hour_s) * steps
    sd = np.sqrt(np.log1p(minute_cv**2))
    levels = day[np.arange(count) // steps % DAY_HOURS] * np.exp(sd * random.standard_normal(count) - sd**2 / 2)
    return levels, hour_s / steps, rows


def hours_of_day(facts: Facts, peak: float) -> tuple[Array, list[Quantity]]:
    """The rate by hour as a multiple of the mean, with the highest at `peak`, and the rows."""
    rows = [parameter(facts, "traffic", RHYTHM, f"rhythm_hour_{h:02d}") for h in range(DAY_HOURS)]
    return _stretched(np.array([q.value for q in rows]), peak), rows


def _stretched(day: Array, peak: float) -> Array:
    """The hours raised to the power at which the highest is `peak` times the mean, or as high as it gets."""
    low, high = 0.0, STEEPEST
    for _ in range(BISECTIONS):
        power = (low + high) / 2
        shaped = day**power / (day**power).mean()
        low, high = (power, high) if shaped.max() < peak else (low, power)
    return shaped
