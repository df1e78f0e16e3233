#!/usr/bin/env python3
"""What traffic is like: rate, burstiness, rhythm, sizes and clients of three public traces.

Each figure is taken of the whole trace and of its halves in time (of ServeGen's two weeks, the weeks). Low and high are
the least and the greatest of the three; the note says how far the first half misses the second, which it has not seen.
Azure has the moment of each request: gaps are fitted by likelihood. Mooncake's clock ticks each 3 s: burstiness is read
from counts. ServeGen has rate and CV of each client in ten minutes and no requests: those of all together are drawn.

calibrate_traffic.py [SHARED] prints rows of parameters.csv.
"""

import csv
import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from calibrate_prices import RECORDED, shared_folder

from workbench import traffic
from workbench.models import arrivals

COLUMNS = [*("model", "subject", "name", "value", "low", "high", "unit", "as_of", "recorded", "source", "evidence"),
           *("confidence", "supersedes", "withdrawn", "derived_from", "note")]  # fmt: skip
LEVELS = {"min": 0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1}
MINUTE, WINDOW, HOUR, DAY, WEEK = 60.0, 600.0, 6, 144, 7  # a window's seconds; windows in an hour, a day; days
OUTAGE, ALIKE = 0.05, 0.5  # of the median window: less is a hole; correlation of two weeks' hours: less is no rhythm
DRAWN, REQUESTS = 24, 40_000  # windows whose requests are drawn, and of each at most so many
SHUFFLES, SIGNIFICANT = 2000, 0.025  # 5% for two models together
SHAPES, CUTS, Z99 = (0.05, 20.0), 80, 2.3263478740408408  # where a shape is sought; the normal's 99th percentile
UNITS = {"rate_per_s": "1/second", "clients": "count"}
SAID = {
    "rate_cv_60s": "CV of the rate by minutes, beyond a Poisson stream's: a renewal stream does not have it",
    "rate_cv_600s": "CV of the rate by ten minutes, rhythm included",
    "tokens_correlation": "of the logarithms of tokens in and out",
    "client_gap_cv": "within ten minutes: each client's median, the median over clients",
    "client_gamma_share": "requests in windows for which the trace states Gamma gaps; the others are Weibull",
}
Figures = dict[str, Any]


class Subject(NamedTuple):
    name: str
    source: str
    as_of: str
    figures: Callable[[float, float], Figures]  # from one share of its time to another
    said: dict[str, str]
    derived: dict[str, str]  # of an estimate: the two things that it comes from


def cv(values: np.ndarray) -> float:
    return float(values.std() / values.mean())


def fits(gaps: np.ndarray) -> dict[str, tuple[float, float]]:
    """The likeliest shape of gaps in each family, and its log-likelihood above that of a Poisson stream."""
    x = gaps / gaps.mean()
    logs = np.log(x).mean()

    def peak(likelihood: Callable[[float], float]) -> tuple[float, float]:
        low, high = np.log(SHAPES)
        for _ in range(CUTS):
            a, b = (2 * low + high) / 3, (low + 2 * high) / 3
            low, high = (low, b) if likelihood(math.exp(a)) > likelihood(math.exp(b)) else (a, high)
        return math.exp(low), len(x) * (likelihood(math.exp(low)) + 1)

    return {
        "gamma": peak(lambda k: k * math.log(k) - math.lgamma(k) + (k - 1) * logs - k),
        "Weibull": peak(lambda k: math.log(k / np.mean(x**k)) + (k - 1) * logs - 1),
    }


def requests(trace: traffic.Trace, start: float, stop: float) -> Figures:
    share = trace.arrivals_s / trace.report.span_s
    chosen = (share >= start) & (share <= stop)
    times, sizes = trace.arrivals_s[chosen], {n: getattr(trace, n)[chosen] for n in ("tokens_in", "tokens_out")}
    gaps, step = np.diff(times), trace.report.step_s
    minutes = np.histogram(times, np.arange(times[0], times[-1], MINUTE))[0]
    beyond = max(minutes.var() - minutes.mean(), 0.0)
    found = {"rate_per_s": 1 / gaps.mean(), "rate_cv_60s": math.sqrt(beyond) / minutes.mean()}
    if step > gaps.mean():
        counts = np.unique(np.rint(times / step), return_counts=True)[1]  # no tick of Mooncake's is without a request
        found["gap_cv"] = np.sqrt(counts.var() / counts.mean())
    else:
        found |= {"gap_cv": cv(gaps), "gamma_shape": fits(gaps)["gamma"][0]}
    for name, tokens in sizes.items():
        found |= {f"{name}_{at}": np.quantile(tokens, level) for at, level in LEVELS.items()}
        found[f"{name}_log_sd"] = np.log(tokens).std()
    return found | {"tokens_correlation": np.corrcoef(*np.log(list(sizes.values())))[0, 1]}


def recorded(root: Path) -> Iterator[Subject]:
    azure = traffic.read(root / "data/traffic/AzureLLMInferenceTrace_conv.csv")
    likely = ", ".join(f"{n} {k:.3f} by {gain:.0f}" for n, (k, gain) in fits(np.diff(azure.arrivals_s)).items())
    said = {"gamma_shape": f"the likelier family; log-likelihood above a Poisson stream's: {likely}"}
    yield Subject("azure_conversation", "azure-llm-trace", "2023-11", partial(requests, azure), said, {})
    mooncake = traffic.read(root / "data/traffic/mooncake_conversation_trace.jsonl")
    said = {"gap_cv": f"from requests in a tick: the clock ticks each {mooncake.report.step_s:g} s, which hides gaps"}
    derived = {"gap_cv": "requests in each tick; the variance over mean of a renewal stream's counts tends to CV^2"}
    yield Subject("mooncake_conversation", "mooncake-traces", "2025-02", partial(requests, mooncake), said, derived)


def clients(root: Path, model: str) -> tuple[np.ndarray, np.ndarray]:
    """(rate, CV, is the family Gamma) x window x client, and the windows' numbers: holes are left out."""
    rows = pl.read_parquet(root / "data/traffic/servegen_client_rates.parquet").filter(pl.col("model") == model)
    rows = rows.with_columns(gamma=pl.col("interarrival_family").eq_missing("Gamma").cast(pl.Float64))
    tables = (rows.pivot("client", index="window_start_s", values=v) for v in ("rate_rps", "cv", "gamma"))
    table = np.array([t.sort("window_start_s").drop("window_start_s").to_numpy() for t in tables])
    window = np.flatnonzero(table[0].sum(axis=1) > OUTAGE * np.median(table[0].sum(axis=1)))
    return table[:, window], window


def drawn_cv(rates: np.ndarray, cvs: np.ndarray) -> float:
    """CV of the gaps of all clients together: the median over windows."""
    found, cvs = [], np.clip(cvs, *arrivals.CVS)
    for at in np.linspace(0, len(rates) - 1, DRAWN).astype(int):
        on, seconds = rates[at] > 0, min(WINDOW, REQUESTS / rates[at].sum())
        found.append(cv(np.diff(arrivals.client_mix(rates[at][on], cvs[at][on], seconds))))
    return float(np.median(found))


def lull(total: np.ndarray, window: np.ndarray) -> tuple[int, float]:
    """The first of two days that are low in both weeks, and how often shuffled days have a pair as low."""
    days = np.log(np.bincount(window // DAY, total) / np.bincount(window // DAY)).reshape(2, WEEK)
    days -= days.mean(axis=1, keepdims=True)

    def pairs(weeks: np.ndarray) -> np.ndarray:
        return (weeks + np.roll(weeks, -1, axis=1)).max(axis=0)

    rng, found = np.random.default_rng(0), pairs(days)
    chance = np.mean([pairs(rng.permuted(days, axis=1)).min() < found.min() + 1e-9 for _ in range(SHUFFLES)])
    return int(found.argmin()), float(chance)


def hours(total: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The rate in each of 24 hours, in multiples of its day's."""
    day, hour = window // DAY, window % DAY // HOUR
    level = total / (np.bincount(day, total) / np.maximum(np.bincount(day), 1))[day]
    return (found := np.bincount(hour, level) / np.bincount(hour)) / found.mean()


def habits(total: np.ndarray, window: np.ndarray) -> tuple[Callable[..., Figures], str]:
    """The rhythm of a stretch, where the second week bears out the first, and what the two say."""
    if window[-1] < DAY * WEEK:
        return lambda *_: {}, "one day tells no rhythm"
    early, (first, chance) = window < DAY * WEEK, lull(total, window)
    alike = np.corrcoef(*(hours(total[week], window[week]) for week in (early, ~early)))[0, 1]

    def rhythm(total: np.ndarray, window: np.ndarray) -> Figures:
        low = (window // DAY - first) % WEEK < 2
        lulled = {"rhythm_weekend": total[low].mean() / total[~low].mean()} if chance < SIGNIFICANT else {}
        return {f"rhythm_hour_{h:02d}": level for h, level in enumerate(hours(total, window))} | lulled

    said = f"hours of its two weeks correlate by {alike:.2f}; days {first} and {first + 1} of both are low,"
    return rhythm if alike > ALIKE else lambda *_: {}, f"{said} as chance has it in {chance:.1%}"


def mixed(table: np.ndarray, window: np.ndarray, rhythm: Any, start: float, stop: float) -> Figures:
    end = math.ceil(window[-1] / DAY) * DAY
    chosen = (window >= start * end) & (window < stop * end)
    rates, cvs, gamma = table[:, chosen]
    total, mean = rates.sum(axis=1), np.sort(rates.mean(axis=0))[::-1]
    own = [np.median(c[r > 0]) for r, c in zip(rates.T, cvs.T, strict=True) if r.any()]
    found = {"rate_per_s": total.mean(), "rate_cv_600s": cv(total), "gap_cv": drawn_cv(rates, cvs)}
    found |= {"clients": len(own), "client_rate_log_sd": np.log(mean[mean > 0]).std()}
    found |= {f"client_share_top_{p}pct": mean[: math.ceil(p * len(mean) / 100)].sum() / mean.sum() for p in (1, 10)}
    found |= {"client_gap_cv": np.median(own), "client_gap_cv_log_sd": np.log(own).std()}
    return found | {"client_gamma_share": (rates * gamma).sum() / rates.sum()} | rhythm(total, window[chosen])


def described(root: Path) -> Iterator[Subject]:
    derived = {"gap_cv": "rate and CV of each client in ten minutes; independent renewal streams with gamma gaps"}
    for model in ("m-small", "m-mid", "mm-image"):
        table, window = clients(root, model)
        rhythm, said = habits(table[0].sum(axis=1), window)
        holes = f"{window[-1] + 1 - len(window)} windows of ten minutes with under {OUTAGE:.0%} of the median are holes"
        notes = {"rate_per_s": f"{holes}; {said}", "rhythm_weekend": said, "gap_cv": "of all clients together, drawn"}
        yield Subject(f"servegen_{model}", "servegen", "2026-05", partial(mixed, table, window, rhythm), notes, derived)


def rows(subject: Subject) -> Iterator[dict[str, str]]:
    whole, *halves = (subject.figures(*part) for part in ((0, 1), (0, 0.5), (0.5, 1)))
    for name in whole:
        value, first, second = three = [round(float(figures[name]), 6) for figures in (whole, *halves)]
        notes = [subject.said.get(name) or SAID.get(name, "")]
        if (size := name.removesuffix("_log_sd")) in ("tokens_in", "tokens_out"):
            tail = whole[f"{size}_median"] * math.exp(Z99 * value) / whole[f"{size}_p99"]
            notes.append(f"a lognormal has its 99th percentile {tail:.2g} times as high as it is")
        notes.append(f"first half {first:.6g}, second {second:.6g}: off by {first / second - 1:+.1%}")
        unit = "token" if name.rpartition("_")[2] in LEVELS else "share" if "_share" in name else "x"
        derived, note = subject.derived.get(name, ""), "; ".join(filter(None, notes))
        yield dict.fromkeys(COLUMNS, "") | {
            "model": "traffic", "subject": subject.name, "name": name, "unit": UNITS.get(name, unit), "note": note,
            **{end: f"{x:.9g}" for end, x in (("value", value), ("low", min(three)), ("high", max(three)))},
            "as_of": subject.as_of, "recorded": RECORDED, "source": subject.source, "derived_from": derived,
            "evidence": "estimated" if derived else "measured",
            "confidence": "low" if derived or name == "rhythm_weekend" else "medium",
        }  # fmt: skip


def parameters(root: Path) -> list[dict[str, str]]:
    return [row for subjects in (recorded, described) for subject in subjects(root) for row in rows(subject)]


if __name__ == "__main__":
    found = parameters(shared_folder(*sys.argv[1:2]))
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
