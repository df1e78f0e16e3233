"""Serving: the pace of a batch, what a replica delivers and what memory holds; held against measured points."""

import csv
import importlib
import json
import os
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import formula, store
from workbench.models import serving
from workbench.records import Facts, Quantity

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("WORKBENCH_SHARED") or ROOT.parent / "shared")
FITS = json.loads((ROOT / "tests" / "cases" / "queueing_and_autoscaling.json").read_text(encoding="utf-8"))
LAW = settings(max_examples=200, deadline=None, derandomize=True)
H100_70B = "H100-SXM/Llama-3.1-70B-FP8/2"
CONSTANTS = ("t0", "t_b", "t_bk", "prefill_fixed", "prefill_per_token", "prefill_queue_share", "prefill_stall_share")
measured_points = pytest.mark.skipif(
    not (SHARED / "data" / "performance").is_dir(),
    reason=f"the measured points are not at {SHARED}: set WORKBENCH_SHARED to check the fits against them",
)


@pytest.fixture(scope="module")
def facts() -> Facts:
    return store.load(date(2026, 11, 24), ROOT / "datasets")


@pytest.fixture(scope="module")
def calibrate() -> ModuleType:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("calibrate_serving")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def rows(facts: Facts, subject: str) -> dict[str, Quantity]:
    return {n: row for (m, s, n), row in facts.parameters.items() if (m, s) == ("serving", subject)}


def evaluate(inputs: dict[str, float], *targets: str) -> dict[str, float]:
    return formula.evaluate(serving, {"first_tokens": 1.0, **inputs}, targets)


positive = st.floats(1e-6, 1e-1)
replicas = st.fixed_dictionaries(
    {
        "t0": st.floats(1e-3, 0.1), "t_b": st.floats(0, 1e-3), "t_bk": st.floats(0, 1e-6),
        "prefill_fixed": st.floats(0, 0.2), "prefill_per_token": st.floats(1e-6, 1e-3),
        "prefill_queue_share": st.floats(0, 0.2), "prefill_stall_share": st.floats(0, 1),
        "prompt_tokens": st.floats(1, 1e4), "answer_tokens": st.floats(1, 1e4), "batch": st.floats(1, 512),
        "gpus": st.floats(1, 8),
    }
)  # fmt: skip
memories = st.fixed_dictionaries(
    {
        "gpu_memory_gb": st.floats(16, 288), "gpus": st.floats(1, 8), "usable_memory_share": st.floats(0.5, 0.95),
        "weights_gb": st.floats(1, 700), "kv_gb_per_token": st.floats(1e-5, 1e-3), "max_num_seqs": st.floats(1, 1024),
        "prompt_tokens": st.floats(1, 1e5), "answer_tokens": st.floats(1, 1e4),
    }
)  # fmt: skip
PACE = ("request_s", "token_s", "ttft_s", "replica_tokens_per_s", "gpu_tokens_per_s", "step_s", "prefill_s")


# --- laws


@LAW
@given(replica=replicas, more=st.floats(1, 4))
def test_a_fuller_batch_is_never_faster_for_anyone_in_it(replica, more):
    fuller = {**replica, "batch": replica["batch"] * more}
    base, after = (evaluate(r, *PACE) for r in (replica, fuller))
    for name in ("request_s", "token_s", "ttft_s"):
        assert after[name] >= base[name] * (1 - 1e-12)


@LAW
@given(replica=replicas, more=st.floats(1, 4), name=st.sampled_from(CONSTANTS))
def test_no_constant_that_grows_makes_a_request_faster(replica, more, name):
    base, after = (evaluate(r, "request_s")["request_s"] for r in (replica, {**replica, name: replica[name] * more}))
    assert after >= base * (1 - 1e-12)


@LAW
@given(replica=replicas)
def test_a_request_takes_its_prefill_and_a_step_for_each_further_token_at_least(replica):
    got = evaluate(replica, *PACE)
    floor = got["prefill_s"] + (replica["answer_tokens"] - 1) * got["step_s"]
    assert got["request_s"] >= floor * (1 - 1e-12)


@LAW
@given(replica=replicas)
def test_the_naive_throughput_is_never_below_the_true_one(replica):
    """Batch over the time between tokens forgets the first token: it is what a stream would deliver, not a replica."""
    got = evaluate(replica, *PACE)
    prefill_at_least_a_step = got["ttft_s"] >= got["token_s"]
    naive = replica["batch"] / got["token_s"]
    assert got["replica_tokens_per_s"] <= naive * (1 + 1e-9) or not prefill_at_least_a_step


@LAW
@given(replica=replicas)
def test_alone_nothing_waits_for_others(replica):
    got = evaluate({**replica, "batch": 1.0}, *PACE)
    assert got["ttft_s"] == got["prefill_s"]
    assert got["token_s"] == got["step_s"]


@LAW
@given(memory=memories)
def test_what_is_admitted_fits_into_memory_and_one_more_would_not(memory):
    got = evaluate(memory, "max_batch")
    batch, each = got["max_batch"], memory["kv_gb_per_token"] * got["longest_tokens"]
    assert batch == int(batch)
    assert batch * each <= got["kv_memory_gb"] * (1 + 1e-9)
    assert batch <= memory["max_num_seqs"]
    assert (batch + 1) * each > got["kv_memory_gb"] or batch + 1 > memory["max_num_seqs"]


@LAW
@given(memory=memories, name=st.sampled_from(["weights_gb", "kv_gb_per_token", "prompt_tokens", "answer_tokens"]))
def test_a_larger_model_or_context_never_admits_more(memory, name):
    base, after = (evaluate(m, "max_batch")["max_batch"] for m in (memory, {**memory, name: memory[name] * 1.5}))
    assert after <= base


# --- against what is known


def test_throughput_counts_the_first_token():
    """gpt-oss-120b on two H100 at 512 at once, 1024 tokens in and out: 23.8 s to the first token are queueing."""
    point = {"batch": 512.0, "answer_tokens": 1024.0, "ttft_s": 23.793331, "token_s": 0.005609278, "gpus": 2.0}
    assert evaluate(point, "gpu_tokens_per_s")["gpu_tokens_per_s"] == pytest.approx(8877, rel=1e-4)
    naive = point["batch"] / point["token_s"] / point["gpus"]
    assert naive == pytest.approx(45_639, rel=1e-4)


@pytest.mark.parametrize("case", FITS["llm_step_fit"], ids=lambda c: f"{c['system']} {c['model']} {c['tp']}")
def test_the_step_gives_the_tables_that_it_was_fitted_on_within_the_stated_worst_error(case):
    """Prompts of 1024 tokens, half of an answer of 256 behind them; milliseconds."""
    for batch in (1, 16, 64, 128):
        at = {"t0": case["t0"], "t_b": case["t_b"], "t_bk": case["t_bk"] / 1000, "batch": batch}
        got = evaluate({**at, "prompt_tokens": 1024.0, "answer_tokens": 256.0}, "step_s")["step_s"]
        assert got == pytest.approx(case[f"tpot{batch}"][0], rel=case["maxe"] + 1e-9)


@pytest.mark.parametrize("case", FITS["llm_step_fit"], ids=lambda c: f"{c['system']} {c['model']} {c['tp']}")
def test_published_fits_are_rows_in_the_units_of_the_formulas(case, facts, calibrate):
    subject = f"{calibrate.GPU[case['system']]}/{calibrate.label(case['model'], None)}/{case['tp']}"
    found = rows(facts, subject)
    for name, value in (("t0", case["t0"] / 1e3), ("t_b", case["t_b"] / 1e3), ("t_bk", case["t_bk"] / 1e6)):
        ends = found[name].low, found[name].value, found[name].high  # a measured fit stands first where there is one
        assert any(value == pytest.approx(end, rel=1e-3) for end in ends)


def test_memory_is_what_the_server_says_less_its_work_space(facts):
    """A log of vLLM on H100 (79.19 GiB, 0.9 of it, weights of 12.55 GiB): 56.18 GiB for the cache after 2.5 of work
    (kubernetes-sigs/gateway-api-inference-extension, pull request 550)."""
    log = {"gpu_memory_gb": 79.19, "gpus": 1.0, "usable_memory_share": 0.9, "weights_gb": 12.55}
    got = evaluate(log, "kv_memory_gb")["kv_memory_gb"]
    assert 1 < got / 56.18 < 1.05
    share = facts.parameters["serving", "vllm", "usable_memory_share"]
    assert share.low == 0.9
    assert share.value == 0.92


def test_a_model_of_seventy_billion_parameters_needs_two_cards_of_eighty(facts):
    held = {n: row.value for n, row in rows(facts, "Llama-3.1-70B").items()} | {"usable_memory_share": 0.9}
    request = {"gpu_memory_gb": 80.0, "prompt_tokens": 1024.0, "answer_tokens": 1024.0, "max_num_seqs": 1024.0}
    batch = {g: evaluate({**held, **request, "gpus": g}, "max_batch")["max_batch"] for g in (1.0, 2.0, 4.0)}
    assert batch[1.0] == 0
    assert 0 < batch[2.0] < 32 < batch[4.0]


def test_key_value_bytes_follow_from_layers_heads_and_head_size(facts):
    gib = 2**30
    for model, layers, heads, size in (("Llama-3.1-8B", 32, 8, 128), ("Llama-3.1-70B", 80, 8, 128)):
        row = rows(facts, model)["kv_gb_per_token"]
        assert row.unit == "GB/token"
        assert row.value * gib == pytest.approx(2 * layers * heads * size * 2, rel=1e-3)


def test_every_measured_replica_has_all_constants_and_its_errors(facts):
    subjects = {s for m, s, _ in facts.parameters if m == "serving" and s.count("/") == 2}
    assert {"H100-SXM", "H200-SXM", "B200-SXM"} <= {s.split("/")[0] for s in subjects}
    for subject in subjects:
        found = rows(facts, subject)
        assert set(found) >= {"t0", "t_b", "t_bk", "prefill_fixed", "prefill_per_token", "step_mape", "prefill_mape"}
        assert found["t0"].value > 0
        assert ("prefill_stall_share" in found) == (found["step_mape"].evidence == "measured")


# --- the fits, against the measured points


def missing(printed: list[dict[str, str]]) -> list[str]:
    """What the script prints and the dataset does not hold."""
    key = ("model", "subject", "name", "as_of", "source")
    with (ROOT / "datasets" / "parameters.csv").open(encoding="utf-8", newline="") as file:
        held = {tuple(r[k] for k in key): r for r in csv.DictReader(file)}
    return [
        f"{row['subject']} {row['name']}: {column} {row[column]}"
        for row in printed
        for column in ("value", "low", "high")
        if row[column]
        and float(held.get(tuple(row[k] for k in key), {}).get(column) or "nan")
        != pytest.approx(float(row[column]), rel=1e-3, abs=1e-9)
    ]


@measured_points
def test_every_serving_row_that_the_script_prints_is_in_the_dataset(calibrate):
    assert missing(calibrate.parameters(SHARED)) == []


@measured_points
def test_loads_held_out_are_predicted_within_eight_percent_between_tokens(calibrate):
    held, _ = calibrate.measured(SHARED)
    assert len(held) >= 20
    assert max(result.step_held_out for _, result in held.values()) <= 0.08
    assert np.median([result.step_held_out for _, result in held.values()]) < 0.05
    assert max(result.prefill_held_out for _, result in held.values()) <= 0.20


@measured_points
def test_points_that_queue_are_not_fitted_and_their_tokens_still_are_predicted(calibrate):
    """70B in FP8 on two H100: 1.3 s to the first token at 16 at once is out of the fit, 34.6 ms a token within 5%."""
    points = {(s, b): p for s, b, p in calibrate.silicon(SHARED)}[H100_70B, "vllm"]
    fit = calibrate.judged(points).fit
    slow = points.where((points.ttft > 1000) & (points.ttft < 2000))
    assert len(slow.load) == 1
    assert fit.tpot(slow) == pytest.approx(slow.tpot, rel=0.05)


@measured_points
def test_what_cannot_be_fitted_honestly_is_refused_with_its_reason(calibrate):
    """GB200's points go up and down with the load; MI300X is not in the sample."""
    held, refused = calibrate.measured(SHARED)
    gb200 = next(line for line in refused if line.startswith("GB200/Qwen3-32B/2"))
    assert "held-out error" in gb200
    assert not [s for s in held if s.startswith(("GB200", "MI300X"))]
    assert any("time to the first token is waiting" in line for line in refused)


@measured_points
def test_published_fits_are_a_tenth_too_fast_between_tokens_and_say_little_of_the_first(calibrate):
    """Where a fit meets measured points of the same model, precision and parallelism: H100 only."""
    held, _ = calibrate.measured(SHARED)
    stall = float(np.median(calibrate.shares(held)["prefill_stall_share"]))
    checks = {c.subject: c for c in calibrate.overlap(SHARED, stall)}
    assert set(checks) == {H100_70B, "H100-SXM/Llama-3.1-8B/1"}
    large, small = checks[H100_70B], checks["H100-SXM/Llama-3.1-8B/1"]
    assert large.step == pytest.approx(0.093, abs=0.005)
    assert small.step == pytest.approx(0.108, abs=0.005)
    assert large.step_off == pytest.approx(-large.step, abs=0.002)  # too fast, at every point
    assert large.prefill == pytest.approx(0.35, abs=0.02)
    assert small.bare > 3 * small.step  # without the prompts of others the step alone is no answer


@measured_points
def test_the_rows_reproduce_measured_points_through_the_formulas(calibrate, facts):
    """From the dataset, by formula.evaluate: what a user gets, not what the script fits."""
    points = {(s, b): p for s, b, p in calibrate.silicon(SHARED)}[H100_70B, "vllm"]
    points = points.where(points.ttft < 1000)
    constants = {name: rows(facts, H100_70B)[name].value for name in CONSTANTS}
    for load, isl, osl, ttft, tpot in zip(*points, strict=True):
        got = evaluate({**constants, "batch": load, "prompt_tokens": isl, "answer_tokens": osl}, "token_s", "ttft_s")
        assert got["token_s"] * 1e3 == pytest.approx(tpot, rel=0.03)
        assert got["ttft_s"] * 1e3 == pytest.approx(ttft, rel=0.25)


def test_least_squares_without_negatives_finds_known_constants(calibrate):
    rng = np.random.default_rng(3)
    load, isl, osl = (rng.choice(v, 40).astype(float) for v in ((1, 2, 4, 8, 16), (512, 4096), (128, 1024)))
    true = calibrate.Fit(12.0, 0.02, 0.03, 20.0, 60.0, 0.05, 0.7)
    blank = calibrate.Points(load, isl, osl, np.ones(40), np.ones(40))
    found = calibrate.fitted(blank._replace(ttft=true.ttft(blank), tpot=true.tpot(blank)))
    assert list(found) == pytest.approx(list(true), rel=1e-6)


def test_a_column_that_would_turn_negative_is_left_out(calibrate):
    matrix = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    assert calibrate.not_below_zero(matrix, np.array([3.0, 2.0, 1.0])).tolist() == pytest.approx([2.0, 0.0])
