#!/usr/bin/env python3
"""The constants of models/serving.py by GPU, model and tensor parallel, from measured points and from published fits.

Points are measured in a closed loop, so a token waits for the step of the batch and for the prompts of the others:

    TTFT = P (1 + q (c - 1)),  P = prefill_fixed + prefill_per_token isl
    TPOT = t0 + c (t_b + t_bk (isl + osl/2)) + s P (c - 1)/osl

P and q (queue share) are fitted on the times to first token, then t0, t_b, t_bk and s (stall share) on those between
tokens; least squares of relative errors, nothing below 0. Points with a second or more to the first token are queueing
and left out. Held-out error: each load is left out in turn and predicted by the rest. A fit enters only with enough
points, with loads low enough to see a prefill, and with a held-out error below the limits; the others are listed on
stderr with the reason, and so is how far the published fits are from the points that they should meet.

calibrate_serving.py [SHARED] prints rows of parameters.csv.
"""

import csv
import itertools
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from calibrate_prices import RECORDED, read, shared_folder

COLUMNS = [
    *("model", "subject", "name", "value", "low", "high", "unit", "as_of", "recorded", "source", "evidence"),
    *("confidence", "supersedes", "withdrawn", "derived_from", "note"),
]
AS_OF, QUEUEING_MS, FEWEST, LOW_LOAD = "2026-04", 1000, 10, 4
STEP_LIMIT, PREFILL_LIMIT = 0.08, 0.20
GPU = {"h100_sxm": "H100-SXM", "h200_sxm": "H200-SXM", "b200_sxm": "B200-SXM", "gb200": "GB200",
       "a100_sxm": "A100-SXM", "l40s": "L40S"}  # fmt: skip
BACKENDS = ("vllm", "sglang", "trtllm")  # the first that passes speaks for the combination
NATIVE = {"gpt-oss-120b": "fp4", "DeepSeek-R1": "fp8", "DeepSeek-V3": "fp8", "MiniMax-M2.5": "fp8"}
SAME_RUNS = ("DeepSeek-V3",)  # its points are DeepSeek-R1's under another name
QUEUE = np.linspace(0, 0.2, 41)
UNITS = {
    "t0": "millisecond/token", "t_b": "millisecond/token", "t_bk": "millisecond/token-kilotoken",
    "prefill_fixed": "millisecond", "prefill_per_token": "millisecond/kilotoken", "prefill_queue_share": "share",
    "prefill_stall_share": "share", "step_mape": "share", "prefill_mape": "share",
}  # fmt: skip


class Points(NamedTuple):
    """Measured points of one configuration; tokens, milliseconds."""

    load: np.ndarray
    isl: np.ndarray
    osl: np.ndarray
    ttft: np.ndarray
    tpot: np.ndarray

    def where(self, chosen: np.ndarray) -> "Points":
        return Points(*(column[chosen] for column in self))


class Fit(NamedTuple):
    """Milliseconds; `p1` and `t_bk` for 1000 tokens."""

    t0: float
    t_b: float
    t_bk: float
    p0: float
    p1: float
    queue: float
    stall: float

    def prefill(self, at: Points) -> np.ndarray:
        return self.p0 + self.p1 * at.isl / 1000

    def ttft(self, at: Points) -> np.ndarray:
        return self.prefill(at) * (1 + self.queue * (at.load - 1))

    def tpot(self, at: Points) -> np.ndarray:
        step = self.t0 + at.load * (self.t_b + self.t_bk * (at.isl + at.osl / 2) / 1000)
        return step + self.stall * self.prefill(at) * (at.load - 1) / at.osl


class Result(NamedTuple):
    fit: Fit
    points: int
    step: float  # mean absolute relative errors, on the points fitted and on those held out
    step_held_out: float
    prefill: float
    prefill_held_out: float


def label(model: str, precision: str | None) -> str:
    """`Llama-3.1-70B-FP8`: the precision is part of the name where it is not the model's own."""
    name = model.split("/")[1].removeprefix("Meta-").replace("-Instruct", "")
    suffix = f"-{(precision or 'bf16').upper()}"
    own = precision is None or NATIVE.get(name) == precision or name.endswith(suffix)
    return name if own else name + suffix


def silicon(root: Path) -> Iterator[tuple[str, str, Points]]:
    """(subject, backend, points) of aggregated serving without data or expert parallelism."""
    table = read(root / "data/performance/silicon_sample.csv").filter(pl.col("mode") == "agg", pl.col("pp_size") == 1)
    split = ["attention_dp_size", "moe_ep_size"]
    table = table.with_columns(
        pl.col(split).fill_null(1), load=pl.col("silicon_concurrency").cast(pl.Float64, strict=False)
    ).filter(pl.col("attention_dp_size") <= 1, pl.col("moe_ep_size") <= 1)
    same = ["system", "model_path", "precision", "tp_size", "backend"]
    middle = (
        table.drop_nulls("load")
        .group_by(*same, "isl", "osl", "load")
        .agg(ttft=pl.median("silicon_ttft_ms"), tpot=pl.median("silicon_tpot_ms"))
        .sort("load", "isl", "osl")
    )
    for (system, model, precision, parallel, backend), part in sorted(
        middle.group_by(same), key=lambda found: tuple(map(str, found[0]))
    ):
        if str(model).split("/")[1] not in SAME_RUNS:
            columns = (part[c].cast(pl.Float64).to_numpy() for c in Points._fields)
            yield f"{GPU[str(system)]}/{label(str(model), precision)}/{parallel}", str(backend), Points(*columns)


def not_below_zero(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares without negative coefficients: the best over all sets of coefficients that stay positive."""
    best, least = np.zeros(matrix.shape[1]), np.inf
    for size in range(1, matrix.shape[1] + 1):
        for chosen in map(list, itertools.combinations(range(matrix.shape[1]), size)):
            found = np.linalg.lstsq(matrix[:, chosen], target, rcond=None)[0]
            error = float(((matrix[:, chosen] @ found - target) ** 2).sum())
            if (found >= 0).all() and error < least:
                best, least = np.zeros(matrix.shape[1]), error
                best[chosen] = found
    return best


def fitted(at: Points) -> Fit:
    one = np.ones(len(at.load))
    trials = []
    for queue in QUEUE:
        wait = (1 + queue * (at.load - 1)) / at.ttft
        matrix = np.stack([wait, wait * at.isl / 1000], axis=1)
        found = not_below_zero(matrix, one)
        trials.append((float(((matrix @ found - 1) ** 2).sum()), float(queue), *map(float, found)))
    _, queue, p0, p1 = min(trials)
    stalled = (p0 + p1 * at.isl / 1000) * (at.load - 1) / at.osl
    matrix = np.stack([one, at.load, at.load * (at.isl + at.osl / 2) / 1000, stalled], axis=1) / at.tpot[:, None]
    t0, t_b, t_bk, stall = map(float, not_below_zero(matrix, one))
    return Fit(t0, t_b, t_bk, p0, p1, queue, stall)


def errors(fit: Fit, at: Points) -> tuple[np.ndarray, np.ndarray]:
    return np.abs(fit.tpot(at) / at.tpot - 1), np.abs(fit.ttft(at) / at.ttft - 1)


def judged(at: Points) -> Result | str:
    """The fit with its errors, or why there is none."""
    at = at.where(at.ttft < QUEUEING_MS)
    if len(at.load) < FEWEST or len(np.unique(at.isl)) < 2:
        return f"{len(at.load)} points without queueing, of {len(np.unique(at.isl))} prompt lengths"
    if at.load.min() > LOW_LOAD:
        return f"no load below {at.load.min():g}: the time to the first token is waiting"
    fit = fitted(at)
    step, prefill = (float(e.mean()) for e in errors(fit, at))
    folds = [errors(fitted(at.where(at.load != load)), at.where(at.load == load)) for load in np.unique(at.load)]
    held_step, held_prefill = (float(np.concatenate(part).mean()) for part in zip(*folds, strict=True))
    if held_step > STEP_LIMIT or held_prefill > PREFILL_LIMIT:
        return f"held-out error {held_step:.0%} between tokens, {held_prefill:.0%} to the first"
    return Result(fit, len(at.load), step, held_step, prefill, held_prefill)


@cache
def measured(root: Path) -> tuple[dict[str, tuple[str, Result]], list[str]]:
    """subject -> (backend, result) of the fits that hold, and what is said of the others."""
    held: dict[str, tuple[str, Result]] = {}
    refused = []
    for subject, backend, points in sorted(silicon(root), key=lambda found: (found[0], BACKENDS.index(found[1]))):
        result = judged(points)
        if isinstance(result, str):
            refused.append(f"{subject} {backend}: {result}")
        else:
            held.setdefault(subject, (backend, result))
    return held, refused


def published(root: Path, stall: float = 1.0) -> dict[str, tuple[Fit, float, float]]:
    """subject -> (fit, error between tokens, error of the prefill) as its author states them."""
    return {
        f"{GPU[system]}/{label(model, None)}/{parallel}": (Fit(t0, t_b, t_bk, p0, p1, 0.0, stall), step, prefill)
        for system, model, parallel, t0, t_b, t_bk, p0, p1, step, prefill, _ in read(
            root / "facts/serving_fits.csv"
        ).rows()
    }


class Check(NamedTuple):
    """A published fit against measured points: mean relative error, signed and absolute."""

    subject: str
    backend: str
    points: int
    bare: float  # between tokens by the step alone
    step: float  # with the prompts of the others
    step_off: float
    prefill: float  # to the first token at low load


def overlap(root: Path, stall: float) -> list[Check]:
    """Where a published fit and measured points are of the same accelerator, model, precision and parallelism."""
    fits, found = published(root, stall), []
    for subject, backend, points in silicon(root):
        if subject in fits:
            at = points.where(points.ttft < QUEUEING_MS)
            fit, few = fits[subject][0], at.where(at.load <= 2 * LOW_LOAD)
            off = fit.tpot(at) / at.tpot - 1
            bare = fit._replace(stall=0.0).tpot(at) / at.tpot - 1
            first = np.abs(fit.ttft(few) / few.ttft - 1)
            found.append(
                Check(subject, backend, len(at.load), np.abs(bare).mean(), np.abs(off).mean(), off.mean(), first.mean())
            )
    return found


def written(value: float) -> str:
    return f"{float(f'{value:.4g}'):.10g}"


def rows_of(subject: str, figures: dict[str, float], **cells: str) -> list[dict[str, str]]:
    return [
        dict.fromkeys(COLUMNS, "")
        | {"model": "serving", "subject": subject, "name": name, "value": written(value), "unit": UNITS[name]}
        | {"recorded": RECORDED}
        | cells
        for name, value in figures.items()
    ]


def figures_of(fit: Fit) -> dict[str, float]:
    return dict(zip(UNITS, (fit.t0, fit.t_b, fit.t_bk, fit.p0, fit.p1, fit.queue, fit.stall), strict=False))


def measured_rows(held: dict[str, tuple[str, Result]]) -> Iterator[dict[str, str]]:
    cells = {"as_of": AS_OF, "source": "calibration-serving", "evidence": "measured", "confidence": "high"}
    for subject, (backend, result) in held.items():
        note = f"{backend}, fitted on {result.points} measured points without queueing"
        yield from rows_of(subject, figures_of(result.fit), **cells, note=note)
        note = f"mean error at loads held out; {result.step:.1%} on the {result.points} points of {backend} in the fit"
        yield from rows_of(subject, {"step_mape": result.step_held_out}, **cells, note=note)
        note = note.replace(f"{result.step:.1%}", f"{result.prefill:.1%}")
        yield from rows_of(subject, {"prefill_mape": result.prefill_held_out}, **cells, note=note)


def published_rows(root: Path) -> Iterator[dict[str, str]]:
    cells = {"as_of": RECORDED, "source": "aiconfigurator-fits", "evidence": "reported", "confidence": "medium"}
    for subject, (fit, step, prefill) in published(root).items():
        figures = figures_of(fit)
        del figures["prefill_queue_share"], figures["prefill_stall_share"]
        note = "fitted on a model of measured kernels, vLLM, prompts of 1024 and 4096 tokens"
        yield from rows_of(subject, figures, **cells, note=note)
        note = "error against that model, not against silicon"
        yield from rows_of(subject, {"step_mape": step, "prefill_mape": prefill}, **cells, note=note)


def shares(held: dict[str, tuple[str, Result]]) -> dict[str, np.ndarray]:
    return {
        "prefill_queue_share": np.array([r.fit.queue for _, r in held.values()]),
        "prefill_stall_share": np.array([r.fit.stall for _, r in held.values()]),
    }


def common_rows(held: dict[str, tuple[str, Result]]) -> Iterator[dict[str, str]]:
    """For a replica whose own shares are not known."""
    for name, values in shares(held).items():
        low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
        note = f"median of {len(values)} measured fits, P10 to P90: for a replica whose own is not known"
        cells = {"low": written(low), "high": written(high), "as_of": AS_OF, "source": "calibration-serving"}
        cells |= {"evidence": "estimated", "confidence": "medium", "note": note}
        parents = f"measured rows of {name}; scripts/calibrate_serving.py"
        yield from rows_of("vllm", {name: float(middle)}, **cells, derived_from=parents)


def parameters(root: Path) -> list[dict[str, str]]:
    held, _ = measured(root)
    return [*measured_rows(held), *published_rows(root), *common_rows(held)]


def main(arguments: list[str]) -> None:
    root = shared_folder(*arguments[:1])
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(parameters(root))
    held, refused = measured(root)
    for line in refused:
        print("refused:", line, file=sys.stderr)
    for check in overlap(root, float(np.median(shares(held)["prefill_stall_share"]))):
        print(
            f"published fit {check.subject} on {check.points} {check.backend} points: error between tokens "
            f"{check.step:.1%} (mean {check.step_off:+.1%}; {check.bare:.1%} without the prompts of others), "
            f"to the first token {check.prefill:.0%}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
