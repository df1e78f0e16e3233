#!/usr/bin/env python3
"""How prices drift and spread, estimated from real price histories, with the error on data held back.

    log price(age + month) = drift t + sqrt(t) (market_volatility z_market + offer_volatility z_offer),  t = age + month

Moments of the log moves in windows that do not overlap (six months of list and spot prices, twelve days of the daily
feed), so every move counts once; a cell (seller, GPU) weighs one, spread over its regions. The market factor is what
moves of different sellers share, the mean of e_i e_j; the rest of the mean square belongs to the offer. List prices
move in rare, large steps: the normal is an approximation, too wide on most days and too short on the day of a cut, so
the coverage on data held back is printed. Low and high are P10 and P90 over a bootstrap of windows and cells.

calibrate_prices.py [SHARED] prints rows of assumptions.csv, and the held-out table on stderr.
"""

import csv
import os
import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

COLUMNS = [
    *("name", "provider", "provider_kind", "product", "gpu", "basis", "workload", "value", "low", "high", "unit"),
    *("as_of", "recorded", "valid_from", "source", "evidence", "confidence", "supersedes", "withdrawn"),
    *("derived_from", "note"),
]
RECORDED, MONTH, HOURS, Z80, DRAWS = "2026-11-24", 365.25 / 12, 730, 1.2815515655, 400
WHOLE_NODE, TOLERANCE, LARGEST_STEP = (2.0, 4.0, 8.0, 16.0), 0.01, 3.0  # steps of a feed that are no price change
OFFER = ["provider", "gpu", "sku", "region"]
ACCELERATOR = {"H100": "nvidia-h100-80gb", "H100-MEGA": "nvidia-h100-mega-80gb", "L4": "nvidia-l4",
               "A100-40": "nvidia-tesla-a100", "A100-80": "nvidia-a100-80gb"}  # fmt: skip
GOOGLE = {"on_demand": "usd_hour_on_demand", "spot": "usd_hour_spot", "committed_1y": "usd_month_cud_1y"}
RESELLERS = ["spheron", "primeintellect", "tensordock", "salad"]  # they pass on other people's machines
INDEX = ["2024-01", "2024-10", "2025-06", "2026-06"]  # of the H100 rents in supply.csv, those that are no contract


class Fit(NamedTuple):
    price_drift: float  # of log price, a month
    market_volatility: float  # share per square root of a month
    offer_volatility: float


class Known(NamedTuple):
    value: Fit
    low: Fit
    high: Fit


class Panel(NamedTuple):
    logs: np.ndarray  # (offer, window boundary), NaN where the offer was not seen
    cells: list[tuple[str, str]]  # (seller, GPU) of each offer
    months: float  # between two boundaries
    end: date


def shared_folder(argument: str | None = None) -> Path:
    root = Path(argument or os.environ.get("WORKBENCH_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    if not (root / "data" / "prices").is_dir():
        raise SystemExit(f"{root}: no data/prices there; name the folder of real histories, or set WORKBENCH_SHARED")
    return root


def read(path: Path, **options: Any) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema_length=None, **options)


def hyperscaler(root: Path, cloud: str, file: str, sku: str) -> pl.DataFrame:
    chosen = read(root / "data/prices/instance_gpu_map.csv").filter(pl.col("cloud") == cloud)
    history = read(root / "data/prices" / file).join(chosen, left_on=sku, right_on="instance_pattern")
    if "partition" in history.columns:
        history = history.filter(pl.col("partition") != "aws-cn")  # printed in CNY
    day = pl.col("observed_at").str.head(10).str.to_date()
    return history.select("gpu", "region", provider="cloud", sku=sku, day=day, price="usd_per_hour")


def google(root: Path, basis: str) -> pl.DataFrame:
    """The weekly history and the later state of the same repository (facts/prices.csv); only where the accelerator
    exists (prices are printed for more regions), and no commitment that costs as much as none."""
    column, hours = GOOGLE[basis], HOURS if basis.startswith("committed") else 1
    weekly = pl.read_parquet(root / "data/prices/gcp-list/gcp_gpu_price_history_weekly.parquet")
    if hours > 1:
        weekly = weekly.filter(pl.col(column) < (1 - TOLERANCE) * hours * pl.col("usd_hour_on_demand"))
    weekly = weekly.select("region", sku="machine_type", day=pl.col("observed_at").str.head(10), price=column)
    same = pl.col("source").str.starts_with("Cyclenerd") & (pl.col("pricing_model") == basis)
    later = read(root / "facts/prices.csv").filter(same, pl.col("as_of") > "2026")
    later = later.select("region", "sku", day="as_of", price=pl.col("usd_per_instance_hour") * hours)
    chosen = read(root / "data/prices/instance_gpu_map.csv").filter(pl.col("cloud") == "gcp")
    chosen = chosen.with_columns(NAME=pl.col("gpu").replace_strict(ACCELERATOR, default=None))
    real = read(root / "data/prices/gcp-list/acceleratortype_region.csv", separator=";").rename({"ZONE": "region"})
    both = pl.concat([weekly, later]).drop_nulls().join(chosen, left_on="sku", right_on="instance_pattern")
    both = both.join(real, on=["NAME", "region"]).with_columns(pl.col("day").str.to_date())
    return both.select("gpu", "region", "sku", "day", "price", provider="cloud")


def rental(root: Path) -> pl.DataFrame:
    """The daily feed without the hyperscalers (its AWS rows are stale); of rows with one key the cheapest."""
    feed = pl.read_parquet(root / "data/prices/gpu-rental-daily/offers_2026-07-05_2026-08-22.parquet")
    feed = feed.filter(~pl.col("provider").is_in(["aws", "azure", "gcp"]))
    region, key = pl.col("vram_gb").cast(pl.String), [*OFFER, "day"]
    feed = feed.rename({"kind": "sku", "snapshot_date": "day"}).with_columns(region=region)
    return feed.group_by(key).agg(price=pl.col("usd_hr").min())


def without_unit_switches(history: pl.DataFrame, largest: float = LARGEST_STEP) -> pl.DataFrame:
    """Cut a series where a feed turned from whole nodes to single GPUs (a step of 2, 4, 8, 16) or slipped (a step over
    `largest`): the pieces count as offers of their own, so that no move spans the cut."""
    step = pl.col("price").log().diff().over(OFFER, order_by="day").fill_null(0.0).abs()
    whole = pl.any_horizontal((step.exp() / k - 1).abs() < TOLERANCE for k in WHOLE_NODE)
    cut = (whole | (step > np.log(largest))).cast(pl.Int32)
    return history.with_columns(piece=cut).with_columns(pl.col("piece").cum_sum().over(OFFER, order_by="day"))


def panel(history: pl.DataFrame, window: float, *, settle: int = 0, tail: int = 0, **cuts: float) -> Panel:
    """Log prices at window boundaries, counted back from the last day. An offer's first `settle` days are left out
    (feeds correct new SKUs in them); the last price seen holds for `tail` days more."""
    start, end = (date.fromisoformat(str(day)) for day in (history["day"].min(), history["day"].max()))
    at = ((end - start).days - window * np.arange(int((end - start).days / window) + 1))[::-1] + TOLERANCE
    logs, cells = [], []
    pieces = without_unit_switches(history, **cuts).sort("day").partition_by([*OFFER, "piece"], as_dict=True)
    for (seller, gpu, *_), rows in sorted(pieces.items()):
        days = (rows["day"] - start).dt.total_days().to_numpy()
        last = np.maximum(np.searchsorted(days, at, side="right") - 1, 0)
        known = (at >= days[0] + settle) & (at <= days[-1] + tail + 2 * TOLERANCE)
        logs.append(np.where(known, np.log(rows["price"].to_numpy())[last], np.nan))
        cells.append((str(seller), str(gpu)))
    return Panel(np.array(logs), cells, window / MONTH, end)


def parts(data: Panel, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[tuple[str, str]]]:
    """Cells as a (cell, offer) matrix of 0 and 1, and each seen offer's part of its cell."""
    names = sorted(set(data.cells))
    cell = np.array([[c == name for c in data.cells] for name in names], float)
    return cell, np.where(seen, cell.T @ (1 / np.maximum(cell @ seen, 1)), 0.0), names


def fits(data: Panel, draws: int = DRAWS, seed: int = 0) -> Known:
    """Method of moments on all windows and cells, with its spread over `draws` resamples of both."""
    moves = np.diff(data.logs, axis=1)
    cell, part, names = parts(data, ~np.isnan(moves))
    weight, total, square = (cell @ (part * np.nan_to_num(moves) ** power) for power in (0, 1, 2))
    sellers = sorted({seller for seller, _ in names})
    apart = np.array([[n[0] == s for n in names] for s in sellers], float) if len(sellers) > 1 else np.eye(len(names))

    def pairs(x: np.ndarray) -> np.ndarray:
        return (apart @ x).sum(axis=0) ** 2 - ((apart @ x) ** 2).sum(axis=0)

    def fit(cells: np.ndarray, windows: np.ndarray) -> Fit:
        times = np.outer(cells, windows)
        seen, together = (times * weight).sum(), pairs(cells[:, None] * weight) @ windows
        drift = (times * total).sum() / seen
        whole = max((times * (square - 2 * drift * total + drift**2 * weight)).sum() / seen, 0.0)
        shared = pairs(cells[:, None] * (total - drift * weight)) @ windows / together if together else 0.0
        market = min(max(shared, 0.0), whole)
        spread = np.sqrt(np.array([market, whole - market]) / data.months)
        return Fit(float(drift / data.months), float(spread[0]), float(spread[1]))

    rng = np.random.default_rng(seed)
    resamples = [[np.bincount(rng.integers(0, n, n), minlength=n) for n in weight.shape] for _ in range(draws)]
    best = fit(*(np.ones(n) for n in weight.shape))
    every = np.array([best, *(fit(c, w) for c, w in resamples if (np.outer(c, w) * weight).any())])
    low, high = np.quantile(every, [0.1, 0.9], axis=0)
    return Known(best, Fit(*np.minimum(low, best)), Fit(*np.maximum(high, best)))


def rent_index(root: Path, *legs: tuple[float, float]) -> Known:
    """Drift and market factor of rented GPUs. Seven weeks of a feed cannot tell the two apart; the published rents of
    an H100 since 2024 can, with `legs` (log move, months). They mix definitions: the factor is rather too wide."""
    subjects = ["H100 USD/GPU-h", "SDH100RT neocloud H100"]
    supply = read(root / "facts/supply.csv").filter(pl.col("as_of").is_in(INDEX), pl.col("subject").is_in(subjects))
    rent = pl.coalesce("value", (pl.col("low") + pl.col("high")) / 2).log().diff().drop_nulls()
    at = np.diff([12 * int(month[:4]) + int(month[5:]) for month in INDEX])
    move, months = np.array([*zip(supply.sort("as_of").select(rent).to_series(), at, strict=True), *legs]).T
    drift, market = move.sum() / months.sum(), np.sqrt(np.mean(move**2 / months))
    chances = np.quantile(np.random.default_rng(0).chisquare(len(move), 200_000), [0.9, 0.1])
    (low, high), off = market * np.sqrt(len(move) / chances), Z80 * market / np.sqrt(months.sum())
    return Known(Fit(drift, market, 0.0), Fit(drift - off, low, 0.0), Fit(drift + off, high, 0.0))


def joined(market: Known, offer: Known) -> Known:
    return Known(*(Fit(*m[:2], o.offer_volatility) for m, o in zip(market, offer, strict=True)))


def losses(known: Known, moves: np.ndarray, months: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """For moves that the fit has not seen, columns: weight, within the 80% interval, |error| and pinball loss (10, 50,
    90%) of the model, then of 'the price does not change'."""
    fit, doubt = known.value, (known.high.price_drift - known.low.price_drift) / (2 * Z80)
    error = moves - fit.price_drift * months
    variance = months * (fit.market_volatility**2 + fit.offer_volatility**2) + (months * doubt) ** 2
    levels, half = np.array([[0.1], [0.5], [0.9]]), Z80 * np.sqrt(variance)
    gaps = np.array([error + half, error, error - half])
    pinball = np.maximum(levels * gaps, (levels - 1) * gaps).mean(axis=0)
    return np.array([weight, np.abs(error) <= half + 1e-9, np.abs(error), pinball, np.abs(moves), np.abs(moves) / 2]).T


def held_out(data: Panel, ahead: int, market: Known | None = None) -> np.ndarray:
    """Fit on the windows up to a boundary, predict `ahead` windows on; at each boundary with two windows before it (one
    where the market factor is known from elsewhere)."""
    found = []
    for origin in range(data.logs.shape[1] - 1 - ahead, 0 if market else 1, -ahead):
        known = fits(data._replace(logs=data.logs[:, : origin + 1]))
        moves = data.logs[:, origin + ahead] - data.logs[:, origin]
        seen = ~np.isnan(moves)
        weight = parts(data, seen[:, None])[1][seen, 0]
        months = np.full(seen.sum(), ahead * data.months)
        found.append(losses(joined(market, known) if market else known, moves[seen], months, weight))
    return np.concatenate(found)


def later_quotes(root: Path) -> pl.DataFrame:
    """What neoclouds of the feed asked a week and more after its end (facts/prices.csv): log move, months."""
    form, feed = r"-(sxm|pcie|nvlink|nvl)\b", rental(root).filter(~pl.col("sku").is_in(["spot", "community"]))

    def named(frame: pl.DataFrame) -> pl.DataFrame:
        gpu = pl.col("gpu").str.to_lowercase().str.replace(r"(-server)?(-40|-80)?$", "")
        return frame.with_columns(base=gpu.str.replace(form, ""), form=gpu.str.extract(form).fill_null(""))

    now = named(feed.filter(pl.col("day") == pl.col("day").max()).rename({"day": "now"}))
    asked = read(root / "facts/prices.csv", schema_overrides={"gpu_mem_gb": pl.String}).filter(
        pl.col("provider_kind") == "neocloud", pl.col("pricing_model").is_in(["on_demand", "serverless"])
    )
    asked = asked.select("gpu", pl.col("provider").str.to_lowercase(), memory="gpu_mem_gb", later="usd_per_gpu_hour",
                         day=pl.col("as_of").str.to_date(strict=False)).drop_nulls("day")  # fmt: skip
    asked = named(asked.sort("day", -pl.col("later")).unique(["provider", "gpu", "memory"], keep="last")).drop("gpu")
    days, alike = (pl.col("day") - pl.col("now")).dt.total_days(), pl.col("form") == pl.col("form_right")
    pairs = now.join(asked, on=["provider", "base"]).filter(
        alike | (pl.col("form") == "") | (pl.col("form_right") == ""), days > 7,
        pl.col("memory").is_null() | (pl.col("memory") == pl.col("region")),
    )  # fmt: skip
    one = pairs.sort(~alike, "gpu").unique(["provider", "base", "form_right", "memory"], keep="first")
    return one.select("provider", "gpu", move=(pl.col("later") / pl.col("price")).log(), months=days / MONTH)


def panels(root: Path) -> dict[str, Panel]:
    half_year, days, feed = 6 * MONTH, 12, rental(root)
    aws = hyperscaler(root, "aws", "aws-list/aws_gpu_ondemand_history.csv", "instance_type")
    azure = hyperscaler(root, "azure", "azure-list/azure_gpu_ondemand_history.csv", "vm_size")
    listed = pl.concat([aws, azure, google(root, "on_demand")], how="diagonal")
    resold, kind = pl.col("provider").is_in(RESELLERS), pl.col("sku")
    return {
        "hyperscaler on_demand": panel(listed, half_year, settle=31, tail=120),
        "hyperscaler spot": panel(google(root, "spot"), half_year, settle=31, tail=60, largest=np.inf),
        "hyperscaler committed": panel(google(root, "committed_1y"), half_year, settle=31, tail=60),
        "neocloud list": panel(feed.filter(kind.is_in(["on-demand", "secure", "serverless"]), ~resold), days),
        "neocloud spot": panel(feed.filter(kind == "spot"), days),
        "marketplace": panel(feed.filter((kind == "community") | (resold & (kind == "on-demand"))), days),
    }


def calibrated(root: Path) -> tuple[dict[str, Known], dict[str, date], list[dict[str, Any]]]:
    """What is known of each group, the last day of its data, and the held-out table."""
    data = panels(root)
    known, before, feed = {name: fits(d) for name, d in data.items()}, rent_index(root), data["neocloud list"]
    months = feed.months * (feed.logs.shape[1] - 1)
    rent = rent_index(root, (known["neocloud list"].value.price_drift * months, months))
    tests = {}
    for name, d in data.items():
        ahead = 2 if d.logs.shape[1] > 2 * 2 else 1
        tests[name] = held_out(d, ahead, before if d.months < 1 else None), ahead * d.months
    later = later_quotes(root)
    move, gap = later["move"].to_numpy(), later["months"].to_numpy()
    quotes = losses(joined(before, known["neocloud list"]), move, gap, np.ones(len(later)))
    tests["neocloud list, later quotes"] = quotes, float(gap.mean())
    names = ["covered", "error", "pinball", "unchanged_error", "unchanged_pinball"]
    means = {n: np.average(r[:, 1:], axis=0, weights=r[:, 0]).round(4).tolist() for n, (r, _) in tests.items()}
    table = [
        {"group": n, "months": round(ahead, 1), "n": len(rows)} | dict(zip(names, means[n], strict=True))
        for n, (rows, ahead) in tests.items()
    ]
    whole = {n: joined(rent, k) if data[n].months < 1 else k for n, k in known.items()}
    return whole, {n: d.end for n, d in data.items()}, table


def span(value: Fit, *others: Known) -> Known:
    every = np.array([[value] * 3, *others])
    return Known(value, Fit(*every.min(axis=(0, 1))), Fit(*every.max(axis=(0, 1))))


def triple(known: Known, note: str, only: Iterable[str] = Fit._fields, **cells: str) -> list[dict[str, str]]:
    """Rows of assumptions.csv for the three figures, or the `only` ones."""
    fixed = {"recorded": RECORDED, "source": "calibration-prices", "confidence": "low", "evidence": "measured"} | cells
    rows = []
    for name in only:
        numbers = {k: f"{round(getattr(f, name), 6) + 0.0:g}" for k, f in zip(Known._fields, known, strict=True)}
        unit, per = (
            ("share/month", "of the log price") if name == "price_drift" else ("share", "per square root of a month")
        )
        text = {"note": f"{per}; {note}"} | {k: v.replace("NAME", name) for k, v in fixed.items()}
        rows.append(dict.fromkeys(COLUMNS, "") | {"name": name, "unit": unit} | numbers | text)
    return rows


Notes = dict[str, str]  # by group: the error on data held back, and `group day`: the last day of its data


def notes(end: dict[str, date], table: list[dict[str, Any]]) -> Notes:
    held = {
        t["group"]: f"held out {t['months']} months: the 80% range held {t['covered']:.0%} of {t['n']} moves, "
        f"mean |error| {t['error']:.3f} against {t['unchanged_error']:.3f} if nothing changed"
        for t in table
    }
    return held | {f"{n} day": d.isoformat() for n, d in end.items()}


def hyperscaler_rows(known: dict[str, Known], note: Notes) -> list[dict[str, str]]:
    rows = []
    for basis, who in (("on_demand", "AWS, Azure and Google lists"), ("spot", "Google's spot list alone")):
        group = f"hyperscaler {basis}"
        scope = {"provider_kind": "hyperscaler", "basis": basis, "as_of": note[f"{group} day"]}
        rows += triple(known[group], f"{who}, half-years since 2022; {note[group]}", **scope)
    listed, quotes = known["hyperscaler on_demand"], "hyperscaler committed"
    scope = {
        "provider_kind": "hyperscaler",
        "basis": "committed",
        "evidence": "estimated",
        "as_of": note[f"{quotes} day"],
    }
    scope |= {"derived_from": "assumptions NAME hyperscaler on_demand; Google 1-year commitments 2022-02 to 2026-07"}
    text = f"a quote moves with its list; Google's alone are the steady end; {note[quotes]}"
    return rows + triple(span(listed.value, listed, known[quotes]), text, **scope)


def rented_rows(known: dict[str, Known], note: Notes) -> list[dict[str, str]]:
    rows, day = [], note["neocloud list day"]
    index = "supply rental_price_history H100 2024-01 to 2025-06; supply rental_index H100 2026-06; daily rental feed"
    text = f"H100 rents since 2024 and seven weeks of a feed; {note['neocloud list, later quotes']}"
    for kind in ("neocloud", "marketplace"):
        scope = {"provider_kind": kind, "evidence": "estimated", "as_of": day, "derived_from": index}
        rows += triple(known["neocloud list"], text, ["price_drift", "market_volatility"], **scope)
    for kind, basis, group in (
        *(("neocloud", "", "neocloud list"), ("neocloud", "spot", "neocloud spot")),
        *(("neocloud", "marketplace", "marketplace"), ("marketplace", "", "marketplace")),
    ):
        scope = {"provider_kind": kind, "basis": basis, "as_of": note[f"{group} day"]}
        rows += triple(known[group], f"seven weeks of a feed; {note[group]}", ["offer_volatility"], **scope)
    return rows


def default_rows(known: dict[str, Known], note: Notes) -> list[dict[str, str]]:
    middle = Fit(*np.mean([known[n].value for n in ("hyperscaler on_demand", "neocloud list")], axis=0))
    text = "no history of this kind of seller or basis: the mean of the two lists, with a range over all groups"
    parents = "assumptions NAME hyperscaler on_demand; assumptions NAME neocloud"
    scope = {"evidence": "estimated", "as_of": note["neocloud list day"], "derived_from": parents}
    return triple(span(middle, *known.values()), text, **scope)


def assumptions(root: Path) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Rows of assumptions.csv, and the held-out table."""
    known, end, table = calibrated(root)
    note = notes(end, table)
    return [row for part in (hyperscaler_rows, rented_rows, default_rows) for row in part(known, note)], table


def main(arguments: list[str]) -> None:
    for rows, stream in zip(assumptions(shared_folder(*arguments[:1])), (sys.stdout, sys.stderr), strict=True):
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
