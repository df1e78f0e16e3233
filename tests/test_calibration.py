"""The calibrated rows come out of their scripts again, and the estimators know what they are told."""

import csv
import importlib
import os
import sys
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("WORKBENCH_SHARED") or ROOT.parent / "shared")
KEY = ("name", "provider", "provider_kind", "product", "gpu", "basis", "workload", "as_of", "source")
real_histories = pytest.mark.skipif(
    not (SHARED / "data" / "prices").is_dir(),
    reason=f"the real histories are not at {SHARED}: set WORKBENCH_SHARED to check the calibrated rows against them",
)


@pytest.fixture(scope="module")
def prices() -> ModuleType:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("calibrate_prices")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def throughput(prices: ModuleType) -> ModuleType:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("calibrate_throughput")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def dataset() -> dict[tuple[str, ...], dict[str, str]]:
    with (ROOT / "datasets" / "assumptions.csv").open(newline="") as file:
        return {tuple(row[k] for k in KEY): row for row in csv.DictReader(file)}


def missing(rows: list[dict[str, str]]) -> list[str]:
    """What the script prints and the dataset does not hold."""
    held = dataset()

    def differs(row: dict[str, str], column: str) -> bool:
        found = held.get(tuple(row[k] for k in KEY), {}).get(column) or "nan"
        return float(found) != pytest.approx(float(row[column]), rel=1e-6, abs=1e-6)

    return [
        f"{' '.join(row[k] for k in KEY if row[k])}: {column} {row[column]}"
        for row in rows
        for column in ("value", "low", "high")
        if differs(row, column)
    ]


def history(prices: np.ndarray, days: int, cells: list[tuple[str, str]]) -> pl.DataFrame:
    """A price history from (offer, time) prices, one row each `days` days."""
    frames = [
        pl.DataFrame(
            {"day": [date(2022, 1, 1) + timedelta(days * k) for k in range(len(row))], "price": row},
            schema={"day": pl.Date, "price": pl.Float64},
        ).with_columns(provider=pl.lit(seller), gpu=pl.lit(gpu), sku=pl.lit("x"), region=pl.lit(str(n)))
        for n, (row, (seller, gpu)) in enumerate(zip(prices, cells, strict=True))
    ]
    return pl.concat(frames)


def random_walks(offers: int, months: int, truth: tuple[float, float, float], seed: int = 7) -> np.ndarray:
    """Prices that move each month by drift, market factor and a factor of their own."""
    rng, (drift, market, offer) = np.random.default_rng(seed), truth
    steps = drift + market * rng.standard_normal(months) + offer * rng.standard_normal((offers, months))
    return np.exp(np.hstack([np.zeros((offers, 1)), steps.cumsum(axis=1)]))


@real_histories
def test_every_price_row_that_the_script_prints_is_in_the_dataset(prices: ModuleType) -> None:
    rows, _ = prices.assumptions(SHARED)
    assert missing(rows) == []


@real_histories
def test_every_throughput_row_that_the_script_prints_is_in_the_dataset(throughput: ModuleType) -> None:
    assert missing(throughput.assumptions(SHARED, throughput.measured(SHARED))) == []


@real_histories
def test_the_range_of_list_prices_holds_most_moves_that_were_held_back(prices: ModuleType) -> None:
    _, table = prices.assumptions(SHARED)
    covered = {row["group"]: row["covered"] for row in table}
    assert covered["hyperscaler on_demand"] > 0.8
    assert covered["neocloud list, later quotes"] > 0.8


@real_histories
def test_no_row_of_yuan_stale_feed_or_phantom_region_enters(prices: ModuleType) -> None:
    aws = prices.hyperscaler(SHARED, "aws", "aws-list/aws_gpu_ondemand_history.csv", "instance_type")
    assert not aws["region"].str.starts_with("cn-").any()
    assert not prices.rental(SHARED)["provider"].is_in(["aws"]).any()
    h100 = prices.google(SHARED, "on_demand").filter(pl.col("gpu") == "H100")
    assert h100["region"].n_unique() <= 20  # printed for 40
    assert h100["day"].max() == date(2026, 7, 30)


def test_a_missing_folder_is_named_with_the_way_out(prices: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nowhere.*WORKBENCH_SHARED"):
        prices.shared_folder(str(tmp_path / "nowhere"))


def test_a_known_drift_and_volatility_are_found_within_the_stated_range(prices: ModuleType) -> None:
    cells, truth, days = [(f"seller {n % 6}", f"gpu {n}") for n in range(60)], (-0.01, 0.04, 0.08), 30
    within = []
    for seed in range(20):
        walks = history(random_walks(60, 240, truth, seed), days, cells)
        known = prices.fits(prices.panel(walks, days * 6), draws=100)
        month = prices.MONTH / days
        true = np.array([truth[0] * month, truth[1] * month**0.5, truth[2] * month**0.5])
        low, value, high = (np.array(fit) for fit in (known.low, known.value, known.high))
        within.append((low <= true) & (true <= high))
        assert value[1:] == pytest.approx(true[1:], rel=0.4)
    assert (np.mean(within, axis=0) >= 0.6).all()  # the range is meant to hold 80%


def test_without_a_common_factor_none_is_found(prices: ModuleType) -> None:
    cells = [(f"seller {n}", "gpu") for n in range(40)]
    known = prices.fits(prices.panel(history(random_walks(40, 120, (0.0, 0.0, 0.08)), 30, cells), 30 * 6))
    assert known.value.market_volatility < 0.02
    assert known.low.market_volatility == 0.0


def test_moves_of_one_seller_alone_are_no_market(prices: ModuleType) -> None:
    cut = np.ones((6, 13))
    cut[:3, 7:] = 0.5 * 1.1  # one seller cuts three prices on one day
    cells = [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x"), ("b", "y"), ("b", "z")]
    known = prices.fits(prices.panel(history(cut, 30, cells), 30 * 3)).value
    assert known.market_volatility == 0.0
    assert known.offer_volatility > 0.1


@pytest.mark.parametrize("gpus", [2, 4, 8, 16])
def test_a_feed_that_turns_from_whole_nodes_to_single_gpus_is_cut_there(prices: ModuleType, gpus: int) -> None:
    switch = np.array([[98.32] * 10 + [98.32 / gpus] * 10])
    data = prices.panel(history(switch, 30, [("seller", "gpu")]), 30)
    assert len(data.logs) == 2
    assert np.nansum(np.abs(np.diff(data.logs, axis=1))) == 0.0


def test_a_slip_of_the_feed_is_cut_and_a_real_price_cut_stays(prices: ModuleType) -> None:
    slip = np.array([[26.22] * 5 + [4.30] * 5 + [26.22] * 5])  # a factor of six, there and back
    real = np.array([[98.32] * 8 + [55.04] * 7])
    slipped, cut = (prices.panel(history(p, 30, [("seller", "gpu")]), 30).logs for p in (slip, real))
    assert np.nansum(np.abs(np.diff(slipped, axis=1))) == 0.0
    assert np.nansum(np.diff(cut, axis=1)) == pytest.approx(np.log(55.04 / 98.32))


def test_every_move_counts_once_however_the_windows_fall(prices: ModuleType) -> None:
    step = np.array([[1.0] * 19 + [0.8] * 30])
    for window in (30, 90, 180):
        known = prices.fits(prices.panel(history(step, 30, [("s", "g")]), window), draws=0)
        data = prices.panel(history(step, 30, [("s", "g")]), window)
        months = data.months * (data.logs.shape[1] - 1)
        assert known.value.price_drift * months == pytest.approx(np.log(0.8))


def test_the_held_out_check_never_sees_what_it_predicts(prices: ModuleType) -> None:
    walks = random_walks(10, 48, (0.0, 0.02, 0.05))
    cells = [(f"s{n}", "g") for n in range(10)]
    data = prices.panel(history(walks, 30, cells), 180)
    last = np.arange(data.logs.shape[1]) == data.logs.shape[1] - 1
    spoiled = data._replace(logs=np.where(last, 9.0, data.logs))
    origin = data.logs.shape[1] - 3
    early = [prices.fits(d._replace(logs=d.logs[:, : origin + 1])) for d in (data, spoiled)]
    assert early[0] == early[1]
    assert prices.held_out(spoiled, 2)[:10, 1].sum() == 0  # a jump out of all proportion is missed by all
    assert prices.held_out(data, 2)[:, 1].mean() > 0.6


def test_the_pinball_loss_of_no_change_is_half_the_move(prices: ModuleType) -> None:
    still = prices.Fit(0.0, 0.0, 0.0)
    rows = prices.losses(prices.Known(still, still, still), np.array([0.3, -0.2]), np.ones(2), np.ones(2))
    assert rows[:, 3] == pytest.approx([0.15, 0.1])
    assert rows[:, 5] == pytest.approx([0.15, 0.1])


def test_throughput_counts_the_wait_and_every_gpu(throughput: ModuleType) -> None:
    point = pl.DataFrame({"load": [64.0], "osl": [1024], "ttft": [415.13], "tpot": [28.7686], "gpus": [2]})
    rate = point.select(throughput.throughput(*(pl.col(c) for c in point.columns))).item() / 3600
    assert rate == pytest.approx(64 * 1024 / (0.41513 + 1023 * 0.0287686) / 2)
    assert rate < 64 / 0.0287686 / 2  # the naive form


@real_histories
def test_queueing_points_are_left_out(throughput: ModuleType) -> None:
    points = throughput.silicon(SHARED)
    assert points["ttft"].max() < 1000
    assert points["system"].n_unique() >= 3


@real_histories
def test_ranges_hold_their_value_and_kin_rank_as_their_hardware_does(throughput: ModuleType) -> None:
    rows = throughput.assumptions(SHARED, throughput.measured(SHARED))
    assert all(float(r["low"]) <= float(r["value"]) <= float(r["high"]) for r in rows)
    decode = {
        r["gpu"]: float(r["value"]) for r in rows if (r["name"], r["workload"]) == ("relative_throughput", "decode")
    }
    assert (
        decode["L4"]
        < decode["L40S"]
        < decode["A100-SXM"]
        < decode["H100-SXM"]
        < decode["H200-SXM"]
        < decode["B200-SXM"]
    )
    assert decode["H100-SXM"] == 1.0
    assert decode["B300-SXM"] >= decode["B200-SXM"]
