"""Steps of list prices and turns of rents come out of their script again, and predict what they say they do."""

import csv
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.test_calibration import missing, real_histories

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("WORKBENCH_SHARED") or ROOT.parent / "shared")


@pytest.fixture(scope="module")
def paths() -> ModuleType:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("calibrate_paths")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def made(paths):
    return paths.everything(SHARED)


@real_histories
def test_every_row_that_the_script_prints_is_in_the_datasets(made):
    assumed, shapes, _ = made
    assert missing(assumed) == []
    with (ROOT / "datasets" / "parameters.csv").open(newline="") as file:
        held = {(r["model"], r["subject"], r["name"]): r["value"] for r in csv.DictReader(file)}
    for row in shapes:
        assert float(held[row["model"], row["subject"], row["name"]]) == pytest.approx(float(row["value"]))


@real_histories
def test_steps_predict_list_prices_better_than_swings_on_data_held_back(made):
    table = made[2]
    for group in ("hyperscaler on_demand", "hyperscaler committed"):
        told = table[group]
        assert told["steps_covered"] > 0.8
        assert told["steps_error"] < told["swings_error"]
        assert told["steps_pinball"] < told["swings_pinball"]


@real_histories
def test_the_quotes_after_the_feed_do_not_tell_the_trends_apart(made):
    """Why which of them holds is a doubt with weights: their losses differ by less than a tenth."""
    losses = [made[2]["rents"][name]["pinball"] for name in ("no change", "drift", "rise")]
    assert max(losses) < 1.1 * min(losses)


def stepping(paths, rate: float, seed: int) -> object:
    """A panel of 60 offers over 80 windows of six months, that step at a known rate by -0.3 or -0.5."""
    rng, window = np.random.default_rng(seed), 6.0
    stepped = rng.random((60, 80)) < 1 - np.exp(-rate * window)
    moves = np.where(stepped, rng.choice([-0.3, -0.5], (60, 80)), 0.0)
    logs = np.hstack([np.zeros((60, 1)), moves.cumsum(axis=1)])
    day = paths.prices.date(2026, 1, 1)
    return paths.prices.Panel(logs, [(f"seller {n % 6}", f"gpu {n}") for n in range(60)], window, day)


def test_a_known_rate_of_steps_is_found_within_the_stated_range(paths):
    within, rates = [], []
    for seed in range(10):
        data = stepping(paths, 0.01, seed)
        low, high = paths.rate_range(data)
        within.append(low <= 0.01 <= high)
        rates.append(paths.steps(data).rate)
    assert np.mean(rates) == pytest.approx(0.01, rel=0.05)
    assert np.mean(within) >= 0.6  # a range from P10 to P90


def test_known_sizes_of_steps_are_found(paths):
    known = paths.steps(stepping(paths, 0.02, 1))
    assert set(known.sizes.round(6)) == {-0.3, -0.5}
    low, middle, high = paths.predicted(known, 24.0)  # one step or none, mostly
    assert low in (-0.5, -0.3)
    assert high == 0
    assert low <= middle <= high


def test_what_never_stepped_is_expected_to_stay(paths):
    still = stepping(paths, 0.0, 1)
    assert paths.steps(still).rate == 0
    assert paths.predicted(paths.steps(still), 36.0).tolist() == [0, 0, 0]


def test_a_slope_is_of_the_log_price_a_month(paths):
    assert paths.slope(("2025-06", 2.0), ("2026-06", 2.0 * np.exp(0.12))) == pytest.approx(0.01)
