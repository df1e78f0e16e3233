"""The rows of traffic come out of their script again, predict what they have not seen, and feed the generators."""

import csv
import importlib
import math
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from workbench import traffic
from workbench.models import arrivals

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("WORKBENCH_SHARED") or ROOT.parent / "shared")
KEY = ("subject", "name", "unit", "as_of", "source", "evidence", "derived_from")
real_traces = pytest.mark.skipif(
    not (SHARED / "data" / "traffic").is_dir(),
    reason=f"the real traces are not at {SHARED}: set WORKBENCH_SHARED to check the rows of traffic against them",
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("calibrate_traffic")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def held() -> dict[tuple[str, str], dict[str, str]]:
    with (ROOT / "datasets" / "parameters.csv").open(newline="", encoding="utf-8") as file:
        return {(r["subject"], r["name"]): r for r in csv.DictReader(file) if r["model"] == "traffic"}


@pytest.fixture(scope="module")
def trace() -> traffic.Trace:
    return traffic.read(SHARED / "data" / "traffic" / "AzureLLMInferenceTrace_conv.csv")


@real_traces
def test_the_rows_are_those_that_the_script_prints(script, held):
    printed = script.parameters(SHARED)
    assert {(r["subject"], r["name"]) for r in printed} == set(held)
    for row in printed:
        found = held[row["subject"], row["name"]]
        assert [found[k] for k in KEY] == [row[k] for k in KEY]
        for column in ("value", "low", "high"):
            assert float(found[column]) == pytest.approx(float(row[column]), rel=1e-6, abs=1e-6)


def test_azures_rows_say_its_published_figures(held):
    value = {name: float(row["value"]) for (subject, name), row in held.items() if subject == "azure_conversation"}
    assert value["rate_per_s"] == pytest.approx(5.53, abs=0.005)
    assert value["gap_cv"] == pytest.approx(1.09, abs=0.005)
    assert (value["tokens_in_median"], value["tokens_out_median"]) == (1020, 129)


def test_every_row_holds_its_value_and_says_how_it_predicts_what_was_held_back(held):
    for row in held.values():
        assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
        assert "first half" in row["note"]
        assert "off by" in row["note"]


@real_traces
def test_the_first_half_of_azures_hour_predicts_the_second(script, trace):
    """Stated: the rate within 2%, the CV within 5%, medians within 5% (in) and 15% (out)."""
    first, second = (script.requests(trace, *part) for part in ((0, 0.5), (0.5, 1)))
    off = {name: first[name] / second[name] - 1 for name in first}
    assert abs(off["rate_per_s"]) < 0.02
    assert abs(off["gap_cv"]) < 0.05
    assert abs(off["tokens_in_median"]) < 0.05
    assert 0.1 < abs(off["tokens_out_median"]) < 0.15


@real_traces
def test_the_half_that_is_held_back_is_not_seen(script, trace):
    spoiled = traffic.Trace(
        trace.arrivals_s, np.where(trace.arrivals_s > trace.report.span_s / 2, 1e6, trace.tokens_in), trace.tokens_out,
        None, trace.report,
    )  # fmt: skip
    assert script.requests(spoiled, 0, 0.5) == script.requests(trace, 0, 0.5)


@pytest.mark.parametrize("stream, name", [(arrivals.gamma_renewal, "gamma"), (arrivals.weibull_renewal, "Weibull")])
@pytest.mark.parametrize("cv", [0.6, 1.4])
def test_the_fit_finds_the_family_and_the_shape_that_made_the_gaps(script, stream, name, cv):
    fits = script.fits(np.diff(stream(10.0, 3000.0, cv, 1)))
    shape = cv**-2 if name == "gamma" else arrivals._weibull_shape(cv)
    assert fits[name][0] == pytest.approx(shape, rel=0.03)
    assert max(fits, key=lambda family: fits[family][1]) == name


def test_counts_in_ticks_tell_the_burstiness_of_a_poisson_stream(script):
    """Mooncake's way: within 5% of 1."""
    ticks = np.rint(arrivals.poisson(4.0, 3600.0) / 3) * 3
    report = traffic.Report(len(ticks), float(ticks[-1]), "ms", 3.0, 0, 0, "", 0, 0.0, 0.0)
    sizes = 5.0 + np.arange(len(ticks)) % 7
    found = script.requests(traffic.Trace(ticks, sizes, sizes, None, report), 0, 1)
    assert found["gap_cv"] == pytest.approx(1, abs=0.05)
    assert "gamma_shape" not in found


def test_two_low_days_in_both_weeks_are_told_from_chance(script):
    window, noise = np.arange(14 * script.DAY), np.random.default_rng(1).normal(1, 0.02, 14)
    day = window // script.DAY
    flat, low = noise[day], noise[day] * np.where((day - 5) % 7 < 2, 0.7, 1.0)
    assert script.lull(low, window) == (5, pytest.approx(0, abs=script.SIGNIFICANT))
    assert script.lull(flat, window)[1] > script.SIGNIFICANT


def test_a_rhythm_is_told_only_where_the_second_week_bears_out_the_first(script):
    window, rng = np.arange(14 * script.DAY), np.random.default_rng(2)
    daily = 1 + 0.5 * np.sin(window % script.DAY / script.DAY * 2 * np.pi)
    for total, told in ((daily * rng.normal(1, 0.1, len(window)), True), (rng.normal(1, 0.1, len(window)), False)):
        rhythm, _ = script.habits(total, window)
        assert ("rhythm_hour_05" in rhythm(total, window)) is told
    hours = [v for k, v in script.habits(daily, window)[0](daily, window).items() if "hour" in k]
    assert np.mean(hours) == pytest.approx(1)
    assert np.argmax(hours) in (5, 6)


# --- what the rows are for


@real_traces
@pytest.mark.parametrize("side", ["tokens_in", "tokens_out"])
def test_quantile_rows_give_back_the_mean_that_a_lognormal_misses(script, held, trace, side):
    """Within 4% of the trace's mean; the lognormal of the same rows is off by 43% (in) and 12% (out)."""
    value = {n: float(r["value"]) for (s, n), r in held.items() if s == "azure_conversation"}
    table = [value[f"{side}_{level}"] for level in script.LEVELS]
    true = getattr(trace, side).mean()
    draws = arrivals.from_quantiles(list(script.LEVELS.values()), table, 500_000)
    assert draws.mean() == pytest.approx(true, rel=0.04)
    lognormal = arrivals.lognormal(value[f"{side}_median"], value[f"{side}_log_sd"], 500_000)
    assert abs(lognormal.mean() / true - 1) > 0.1


@real_traces
def test_minutes_that_swing_make_the_counts_that_a_renewal_stream_lacks(script, held, trace):
    """Variance over mean of counts in 60 s: 16 in the trace, 1 in the renewal stream, 13 to 20 with rate_cv_60s."""
    value = {n: float(r["value"]) for (s, n), r in held.items() if s == "azure_conversation"}

    def dispersion(times: np.ndarray) -> float:
        counts = np.histogram(times, np.arange(0, times[-1], 60.0))[0]
        return float(counts.var() / counts.mean())

    span = 100 * 3600.0
    steady = arrivals.gamma_renewal(value["rate_per_s"], span, value["gap_cv"], 1)
    sd = math.sqrt(math.log1p(value["rate_cv_60s"] ** 2))
    swinging = arrivals.with_rhythm(steady, span, arrivals.lognormal(1.0, sd, 6000, 2), 60.0)
    assert dispersion(trace.arrivals_s) == pytest.approx(16.1, abs=0.1)
    assert dispersion(steady) == pytest.approx(value["gap_cv"] ** 2, rel=0.1)
    assert 13 < dispersion(swinging) < 20
