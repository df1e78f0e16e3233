#!/usr/bin/env python3
"""Tokens per GPU-hour of the reference (a dense 70B model on H100-SXM), and what other accelerators do against it.

The reference comes from the published step and prefill fits at a chat's operating point, checked against measured
silicon; its range runs over batches of 16 to 128, both precisions and the measured points. Where an accelerator was
measured at the same model, parallelism, lengths and concurrency, its ratio is the median; else it is that of its
nearest measured kin times the ratio of two hardware figures (bandwidth for decode, dense BF16 FLOP/s for prefill,
training and images), as wide as measured ratios stray from their hardware ratios, and no narrower than 0.6 to 1.25.

calibrate_throughput.py [SHARED] prints rows of assumptions.csv, and the measured ratios on stderr.
"""

import csv
import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from calibrate_prices import COLUMNS, RECORDED, read, shared_folder

PROMPT, ANSWER, BATCH, BATCHES = 1200, 211, 48, (16, 32, 64, 128)  # a chat's request; sequences that decode together
QUEUEING_MS, LONG_PROMPT, FEW = 1000, 8192, 8  # above: waiting, not prefill; prompts and loads where TTFT is prefill
AS_OF, MS_PER_HOUR, REFERENCE = "2026-04", 3.6e6, "H100-SXM"
FP8, BF16, SMALL = "nvidia/Llama-3.1-70B-Instruct-FP8", "meta-llama/Meta-Llama-3.1-70B", "meta-llama/Meta-Llama-3.1-8B"
SYSTEM = {
    "H100-SXM": "h100_sxm",
    "H200-SXM": "h200_sxm",
    "B200-SXM": "b200_sxm",
    "A100-SXM": "a100_sxm",
    "L40S": "l40s",
}
SAME_DIE = ("H200-SXM", "H200", "GH200")  # computes on the reference's own silicon
OTHER_DESIGN = ("MI300X", "TPU-v6e", "TPU-v7")  # no measured kin: as far below its hardware ratio as the measured are
SOFTWARE_GAP = (0.6, 1.25)
PAPER = {"A100-SXM": ("8B and 70B, low end BF16 against the reference's FP8", 1.0),
         "L40S": ("8B on one card, low end for models that span cards without NVLink", 0.6)}  # fmt: skip
TENSOR, HALF = "Tensor-FP16/BF16 performance (FLOP/s)", "FP16 (half precision) performance (FLOP/s)"
SINGLE, INT8 = "FP32 (single precision) performance (FLOP/s)", "INT8 performance (OP/s)"


class Kin(NamedTuple):
    """Where an accelerator's figures stand, and the measured one that is nearest to it in design."""

    figures: str  # a system description (yaml), or a name in Epoch's table
    nearest: str
    column: str = TENSOR  # of Epoch's dense FLOP/s
    factor: float = 1.0  # from that column to dense BF16
    least: float = 1.0  # more doubt at the low end
    why: str = ""


OTHERS = {
    "H100": Kin("h100_sxm", REFERENCE, why="form not stated, a PCIe card at the low end"),
    "H100-PCIe": Kin("h100_pcie", REFERENCE),
    "H100-NVLink": Kin("h100_pcie", REFERENCE, why="PCIe cards joined in pairs"),
    "H100-NVL": Kin("NVIDIA H100 NVL", REFERENCE, HALF),
    "H100-NVL-confidential": Kin(
        "NVIDIA H100 NVL", REFERENCE, HALF, why="as H100-NVL; the mode's overhead is a row of its own"
    ),
    "H200": Kin("h200_sxm", "H200-SXM", why="form not stated"),
    "GH200": Kin(
        "NVIDIA GH200", "H200-SXM", least=0.8, why="bandwidth of the 144 GB form; the 96 GB one has a fifth less"
    ),
    "GB200": Kin("gb200", "B200-SXM", why="measured only where no H100 ran the same"),
    "B300-SXM": Kin("b300_sxm", "B200-SXM"),
    "GB300": Kin("gb300", "B200-SXM"),
    "A100": Kin("a100_sxm", "A100-SXM", why="form not stated; 40 GB cards have a quarter less bandwidth"),
    "A100-PCIe": Kin("a100_pcie", "A100-SXM"),
    "A100-NVLink": Kin("a100_pcie", "A100-SXM", why="PCIe cards joined in pairs"),
    "A10": Kin("NVIDIA A10 PCIe", "A100-SXM", INT8, 0.5),
    "A10G": Kin("NVIDIA A10G", "A100-SXM", SINGLE, 20 / 9, 1.0, "70 TFLOP/s by its data sheet, half of its chip's"),
    "A40": Kin("NVIDIA A40 PCIe", "A100-SXM"),
    "A6000": Kin("NVIDIA RTX A6000", "A100-SXM", SINGLE, 4.0, 1.0, "tensor rate four times FP32, as on A40"),
    "A4000": Kin("NVIDIA RTX A4000", "A100-SXM", SINGLE, 4.0, 1.0, "tensor rate four times FP32, as on A40"),
    "A5000": Kin("NVIDIA RTX A5000", "A100-SXM", SINGLE, 4.0, 1.0, "tensor rate four times FP32, as on A40"),
    "RTX3090": Kin("NVIDIA GeForce RTX 3090", "A100-SXM", SINGLE, 2.0, 1.0, "half rate, sums kept in FP32"),
    "T4": Kin("NVIDIA Tesla T4", "A100-SXM", HALF, 1.0, 0.5, "FP16 only"),
    "L4": Kin("l4", "L40S"),
    "L40": Kin("NVIDIA L40", "L40S"),
    "RTX-6000-Ada": Kin("l40s", "L40S", why="as L40S, the same chip with a little more bandwidth"),
    "RTX4090": Kin("NVIDIA GeForce RTX 4090", "L40S", TENSOR, 0.5, 1.0, "half rate, sums kept in FP32"),
    "RTX-PRO-6000": Kin("rtx_pro_6000_server", "L40S"),
    "MI300X": Kin("AMD Instinct MI300X", REFERENCE),
    "Trainium": Kin("Amazon Trainium1", "A100-SXM", least=0.6, why="first generation (trn1), other software"),
    "TPU-v5e": Kin("Google TPU v5e", "A100-SXM", least=0.8, why="other software"),
    "TPU-v5p": Kin("Google TPU v5p", "A100-SXM", least=0.8, why="other software"),
    "TPU-v6e": Kin("Google TPU v6e Trillium", REFERENCE, least=0.6, why="other software, FP8 no faster than BF16"),
    "TPU-v7": Kin("Google TPU v7 Ironwood", REFERENCE, least=0.8, why="other software"),
}


class Step(NamedTuple):
    """A published fit: one decode step takes t0 + t_b b + t_bk b context / 1000 ms, a prefill p0 + p1 tokens / 1000."""

    gpus: int
    t0: float
    t_b: float
    t_bk: float
    p0: float
    p1: float

    def decode(self, batch: float, context: float) -> float:  # tokens per GPU-hour
        return batch * MS_PER_HOUR / (self.t0 + self.t_b * batch + self.t_bk * batch * context / 1000) / self.gpus

    def prefill(self, prompt: float) -> float:
        return prompt * MS_PER_HOUR / (self.p0 + self.p1 * prompt / 1000) / self.gpus


def steps(root: Path) -> dict[tuple[str, str], Step]:
    return {
        (system, model): Step(*figures[:6]) for system, model, *figures in read(root / "facts/serving_fits.csv").rows()
    }


def silicon(root: Path) -> pl.DataFrame:
    """Measured points of aggregated serving, one a configuration, without those that wait in a queue."""
    points = read(root / "data/performance/silicon_sample.csv").filter(pl.col("mode") == "agg", pl.col("pp_size") == 1)
    split = ["attention_dp_size", "moe_tp_size", "moe_ep_size"]
    same = ["system", "model_path", "backend", "precision", "isl", "osl", "tp_size", *split]
    points = points.with_columns(
        pl.col(split).fill_null(1), load=pl.col("silicon_concurrency").cast(pl.Float64, strict=False)
    )
    middle = (
        points.drop_nulls("load")
        .group_by(*same, "load")
        .agg(ttft=pl.median("silicon_ttft_ms"), tpot=pl.median("silicon_tpot_ms"))
    )
    return middle.filter(pl.col("ttft") < QUEUEING_MS).sort(*same, "load")


def throughput(load: pl.Expr, answer: pl.Expr, ttft: pl.Expr, tpot: pl.Expr, gpus: pl.Expr) -> pl.Expr:
    """Answer tokens per GPU-hour of a closed loop: the time to the first token counts, and so does every GPU."""
    return load * answer * MS_PER_HOUR / (ttft + (answer - 1) * tpot) / gpus


def hardware(root: Path, kin: Kin) -> tuple[float, float]:
    """Bandwidth in byte/s and dense BF16 FLOP/s."""
    system = root / "data/hardware/aiconfigurator-systems" / f"{kin.figures}.yaml"
    if system.exists():
        figures = dict(re.findall(r"^ *(mem_bw|bfloat16_tc_flops): (\d+)", system.read_text(), re.MULTILINE))
        return float(figures["mem_bw"]), float(figures["bfloat16_tc_flops"])
    table = read(root / "data/hardware/epoch_ml_hardware_2026-03.csv").filter(pl.col("Hardware name") == kin.figures)
    return table["Memory bandwidth (byte/s)"].item(), table[kin.column].item() * kin.factor


class Range(NamedTuple):
    value: float
    low: float
    high: float
    note: str


def reference(fit: dict[tuple[str, str], Step], points: pl.DataFrame) -> dict[str, Range]:
    """Prefill and decode of the 70B model on H100-SXM: the fit in FP8, less its median error on measured silicon."""
    fast, plain, context = fit["h100_sxm", FP8], fit["h100_sxm", BF16], PROMPT + ANSWER / 2
    h100 = (pl.col("system") == "h100_sxm") & pl.col("model_path").str.contains("70B")
    dense = points.filter(h100, pl.col("tp_size") <= plain.gpus)
    rate = throughput(*(pl.col(c) for c in ("load", "osl", "ttft", "tpot", "tp_size")))
    tested = dense.filter(pl.col("tp_size") == fast.gpus).select("isl", "osl", "load", rate=rate)
    errors = [
        osl / (isl / fast.prefill(isl) + osl / fast.decode(load, isl + osl / 2)) / rate - 1
        for isl, osl, load, rate in tested.rows()
    ]
    error, worst = float(np.median(errors)), max(errors, key=abs)
    note = (
        f"H100-SXM, 70B dense in FP8 on 2 GPUs, {PROMPT} tokens in, {ANSWER} out, {BATCH} at once; published fits, "
        f"less the {error:+.0%} (worst {worst:+.0%}) by which they pass {len(errors)} measured points; range: batches "
        f"of {BATCHES[0]} to {BATCHES[-1]}, FP8 and BF16, measured points"
    )
    chats = dense.filter(pl.col("isl") == pl.col("osl"), pl.col("load") >= BATCHES[0])
    decode = [step.decode(batch, context) for step in (fast, plain) for batch in BATCHES]
    decode += chats.select(pl.col("load") * MS_PER_HOUR / pl.col("tpot") / pl.col("tp_size")).to_series().to_list()
    few = dense.filter(pl.col("load") <= FEW)
    prefill = [step.prefill(prompt) for step in (fast, plain) for prompt in (PROMPT, LONG_PROMPT)]
    prefill += few.select(pl.col("isl") * MS_PER_HOUR / pl.col("ttft") / pl.col("tp_size")).to_series().to_list()
    return {
        "prefill": Range(fast.prefill(PROMPT) / (1 + error), min(prefill), max(prefill), note),
        "decode": Range(fast.decode(BATCH, context) / (1 + error), min(decode), max(decode), note),
    }


def fitted_ratios(fit: dict[tuple[str, str], Step], system: str) -> dict[str, list[float]]:
    """Of the same model on as many GPUs, and of BF16 against the reference's FP8 where there is no FP8."""
    context = PROMPT + ANSWER / 2
    pairs = [(fit[system, m], fit["h100_sxm", m]) for m in (BF16, SMALL) if (system, m) in fit]
    if system == SYSTEM["A100-SXM"]:
        pairs.append((fit[system, BF16], fit["h100_sxm", FP8]))
    return {
        "decode": [a.decode(b, context) / h.decode(b, context) for a, h in pairs for b in BATCHES],
        "prefill": [a.prefill(p) / h.prefill(p) for a, h in pairs for p in (PROMPT, LONG_PROMPT)],
    }


def silicon_ratios(points: pl.DataFrame, system: str) -> dict[str, pl.DataFrame]:
    """At the same model, parallelism, lengths and concurrency; `dense` marks the 70B model on up to four GPUs."""
    key = [c for c in points.columns if c not in ("system", "ttft", "tpot")]
    ours, theirs = (points.filter(pl.col("system") == s).drop("system") for s in (system, "h100_sxm"))
    dense = pl.col("model_path").str.contains("70B") & (pl.col("tp_size") < FEW)
    both = ours.join(theirs, on=key, suffix="_h100").with_columns(dense=dense)
    busy, alone = pl.col("load") >= BATCHES[0], (pl.col("load") <= FEW) & (pl.col("isl") >= LONG_PROMPT)
    return {
        "decode": both.filter(busy).with_columns(ratio=pl.col("tpot_h100") / pl.col("tpot")),
        "prefill": both.filter(alone).with_columns(ratio=pl.col("ttft_h100") / pl.col("ttft")),
    }


def measured(root: Path) -> dict[tuple[str, str], Range]:
    fit, points = steps(root), silicon(root)
    found = {(REFERENCE, phase): Range(1.0, 1.0, 1.0, "the reference itself") for phase in ("prefill", "decode")}
    for gpu, system in list(SYSTEM.items())[1:]:
        fitted = fitted_ratios(fit, system)
        for phase, ratios in silicon_ratios(points, system).items():
            every = fitted[phase] + ratios["ratio"].to_list()
            dense = ratios.filter("dense")["ratio"].to_list()
            if dense:
                low, high = np.quantile(every, [0.1, 0.9])
                note = (
                    f"median of {len(dense)} measured 70B points at like set-up and load; range: all {len(ratios)} "
                    "points and the fits"
                )
                found[gpu, phase] = Range(float(np.median(dense)), float(low), float(high), note)
            else:
                why, least = PAPER[gpu]
                middle = float(np.exp(np.mean(np.log(every))))
                found[gpu, phase] = Range(middle, least * min(every), max(every), f"ratio of published fits; {why}")
    return found


def written(value: float) -> str:
    return f"{float(f'{value:.4g}'):.10g}"


def row(name: str, gpu: str, workload: str, known: Range, **cells: str) -> dict[str, str]:
    numbers = {k: written(v) for k, v in zip(("value", "low", "high"), known[:3], strict=True)}
    fixed = {"name": name, "gpu": gpu, "workload": workload, "unit": "x", "as_of": AS_OF, "recorded": RECORDED}
    source = {"source": "calibration-throughput", "confidence": "medium", "note": known.note}
    return dict.fromkeys(COLUMNS, "") | fixed | source | numbers | cells


def strays(known: dict[tuple[str, str], Range], ratio: dict[str, tuple[float, float]]) -> dict[str, Range]:
    """By phase, where measured ratios lie as a share of their hardware ratios: geometric mean, least, most."""
    found = {}
    for phase, figure in (("decode", 0), ("prefill", 1)):
        off = [known[gpu, phase].value / ratio[gpu][figure] for gpu in SYSTEM if gpu != REFERENCE]
        found[phase] = Range(float(np.exp(np.mean(np.log(off)))), min(off), max(off), "")
    return found


def estimate(
    gpu: str, workload: str, known: dict[tuple[str, str], Range], ratio: dict[str, tuple[float, float]]
) -> Range:
    """From the nearest measured accelerator for serving, from the reference for training and images."""
    serving, kin = workload in ("decode", "prefill"), OTHERS.get(gpu, Kin("", REFERENCE))
    phase, figure, name = ("decode", 0, "bandwidth") if workload == "decode" else ("prefill", 1, "dense BF16 FLOP/s")
    near, off = kin.nearest if serving else REFERENCE, strays(known, ratio)[phase]
    scale, base = ratio[gpu][figure] / ratio[near][figure], known[near, phase]
    low, high = min(SOFTWARE_GAP[0], off.low), max(SOFTWARE_GAP[1], off.high)
    if gpu in SAME_DIE:
        low = known["H200-SXM", phase].low / known["H200-SXM", phase].value
    note = f"{name} {scale:.3g} times {near}'s" + (f" (measured {base.value:.3g})" if near != REFERENCE else "")
    if serving and gpu in OTHER_DESIGN:
        scale, note = scale * off.value, f"{note}, times {off.value:.2g} as measured to hardware ratios on average"
    note += f"; range at least {low * kin.least:.2g} to {high:.3g} of it"
    note += f"; measured ratios are {off.low:.2g} to {off.high:.2g} of hardware's"
    least, most = min(base.value * low, base.low), max(base.value * high, base.high)
    note += f"; {kin.why}" if kin.why else ""
    return Range(base.value * scale, least * scale * kin.least, most * scale, note)


def assumptions(root: Path, known: dict[tuple[str, str], Range]) -> list[dict[str, str]]:
    base = hardware(root, Kin("h100_sxm", ""))
    every = {gpu: Kin(system, "") for gpu, system in SYSTEM.items()} | OTHERS
    ratio = {g: (h[0] / base[0], h[1] / base[1]) for g, h in ((g, hardware(root, kin)) for g, kin in every.items())}
    rows = [
        row(f"{phase}_tokens_per_gpu_hour", "", phase, tokens, unit="token/GPU-hour", evidence="reported")
        for phase, tokens in reference(steps(root), silicon(root)).items()
    ]
    for gpu in every:
        for workload in ("prefill", "decode", "training", "image"):
            if gpu == REFERENCE or (gpu, workload) in known:
                ours = known[gpu, "prefill" if gpu == REFERENCE else workload]
                evidence = "reported" if gpu in PAPER else "measured"
                rows.append(row("relative_throughput", gpu, workload, ours, evidence=evidence))
                continue
            figure = "bandwidth" if workload == "decode" else "bf16"
            near = every[gpu].nearest if workload in ("decode", "prefill") else REFERENCE
            parents = f"hardware {gpu} {figure}; hardware {near or REFERENCE} {figure}"
            if near not in ("", REFERENCE):
                parents += f"; assumptions relative_throughput {near} {workload}"
            cells = {"evidence": "estimated", "confidence": "low", "derived_from": parents}
            rows.append(row("relative_throughput", gpu, workload, estimate(gpu, workload, known, ratio), **cells))
    return rows


def main(arguments: list[str]) -> None:
    root = shared_folder(*arguments[:1])
    known = measured(root)
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(assumptions(root, known))
    for (gpu, phase), ratio in known.items():
        print(gpu, phase, *(written(x) for x in ratio[:3]), ratio.note, sep=",", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
