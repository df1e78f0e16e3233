#!/usr/bin/env python3
"""How list prices step and rents turn, estimated from real price histories, with the error on data held back.

List prices of hyperscalers stay for years and then move at once: a rate of steps (exponential waits) and the sizes that
were seen. Rents of neoclouds fell from 2024 to 2025 and rose in 2026: the slope of the last phase, the slope of the one
before, and months until the next turn. Whether they go on, follow their long-run drift or stay is not known; the models
are judged on quotes seen after the feed, and their weights are an estimate. Windows, cells and the feeds' repairs are
those of calibrate_prices.py. Spot prices were tried with swings that stop growing after six months: over 12 months the
80% range then held 55% of the moves instead of 64%, so they keep the swings of calibrate_prices.py.

calibrate_paths.py [SHARED] prints rows of assumptions.csv and then of parameters.csv, and the held-out table on stderr.
"""

import csv
import sys
from pathlib import Path
from typing import Any, NamedTuple

import calibrate_prices as prices
import numpy as np
import polars as pl

LEVELS, TOLD = np.array([0.1, 0.5, 0.9]), (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
PEAK, TROUGH, LAST = "2024-10", "2025-06", "2026-06"
CONTRACT_LOW, TURN = ("2025-10", 1.7), (12, 1, 36)
"""The low of one-year contracts; months of the last whole phase, with a range that is ours."""
COVERAGE = 0.8
PARAMETERS = ["model", "subject", "name", "value", "low", "high", "unit", "as_of", "recorded", "source", "evidence",
              "confidence", "supersedes", "withdrawn", "derived_from", "note"]  # fmt: skip


class Steps(NamedTuple):
    rate: float  # of steps a month
    sizes: np.ndarray  # log moves, with the weight of each
    weights: np.ndarray


def steps(data: prices.Panel) -> Steps:
    """From the share of windows in which a price moved; a cell weighs one in each window."""
    moves = np.diff(data.logs, axis=1)
    seen = ~np.isnan(moves)
    weight, move = prices.parts(data, seen)[1][seen], moves[seen]
    moved = np.abs(move) > prices.TOLERANCE
    share = (weight * moved).sum() / weight.sum()
    return Steps(float(-np.log1p(-share) / data.months), move[moved], weight[moved])


def rate_range(data: prices.Panel) -> tuple[float, float]:
    """P10 and P90 of the rate over a bootstrap of windows and cells."""
    rng, names = np.random.default_rng(0), sorted(set(data.cells))
    moves, found = np.diff(data.logs, axis=1), []
    of = {name: [k for k, cell in enumerate(data.cells) if cell == name] for name in names}
    seen = ~np.isnan(moves)
    part = prices.parts(data, seen)[1]
    moved = seen & (np.abs(np.nan_to_num(moves)) > prices.TOLERANCE)
    total, stepped = (np.array([(part * x)[of[n]].sum(axis=0) for n in names]) for x in (seen, moved))
    for _ in range(prices.DRAWS):
        cells, windows = (rng.integers(0, n, n) for n in total.shape)
        pick = np.ix_(cells, windows)
        if total[pick].any():
            found.append(-np.log1p(-min(stepped[pick].sum() / total[pick].sum(), 1 - prices.TOLERANCE)) / data.months)
    low, high = np.quantile(found, [0.1, 0.9])
    return float(low), float(high)


def weighted(values: np.ndarray, weights: np.ndarray, levels: np.ndarray) -> np.ndarray:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return np.asarray(values[order][np.minimum(np.searchsorted(reached, levels - 1e-12), len(values) - 1)])


def predicted(known: Steps, months: float) -> np.ndarray:
    """P10, P50, P90 of the log move after so many months: no step, or one of the sizes seen."""
    chance = 1 - np.exp(-known.rate * months)
    if not len(known.sizes):
        return np.zeros(len(LEVELS))
    sizes = np.append(known.sizes, 0.0)
    return weighted(sizes, np.append(known.weights / known.weights.sum() * chance, 1 - chance), LEVELS)


def judged(moves: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Columns: within P10 to P90 (to the tolerance that makes a step), |error| of P50, pinball loss."""
    gaps = moves - band
    pinball = np.maximum(LEVELS[:, None] * gaps, (LEVELS[:, None] - 1) * gaps).mean(axis=0)
    inside = (moves >= band[0] - prices.TOLERANCE) & (moves <= band[2] + prices.TOLERANCE)
    return np.array([inside, np.abs(gaps[1]), pinball]).T


def held_out(data: prices.Panel, ahead: int) -> dict[str, Any]:
    """Fit on the windows up to a boundary, predict `ahead` windows on: steps, and beside them the swings."""
    found: list[np.ndarray] = []
    for origin in range(data.logs.shape[1] - 1 - ahead, 1, -ahead):
        past, months = data._replace(logs=data.logs[:, : origin + 1]), ahead * data.months
        moves = data.logs[:, origin + ahead] - data.logs[:, origin]
        seen = ~np.isnan(moves)
        known = prices.fits(past)
        fit, doubt = known.value, (known.high.price_drift - known.low.price_drift) / (2 * prices.Z80)
        spread = np.sqrt(months * (fit.market_volatility**2 + fit.offer_volatility**2) + (months * doubt) ** 2)
        swings = fit.price_drift * months + np.array([-prices.Z80, 0, prices.Z80]) * spread
        weight = prices.parts(data, seen[:, None])[1][seen, 0]
        bands = [np.tile(b[:, None], seen.sum()) for b in (predicted(steps(past), months), swings)]
        found.append(np.hstack([weight[:, None], *(judged(moves[seen], b) for b in bands)]))
    rows = np.concatenate(found)
    means = np.average(rows[:, 1:], axis=0, weights=rows[:, 0]).round(4).tolist()
    names = [f"{model}_{what}" for model in ("steps", "swings") for what in ("covered", "error", "pinball")]
    return {"months": ahead * data.months, "n": len(rows)} | dict(zip(names, means, strict=True))


def index(root: Path) -> dict[str, float]:
    """Published rents of an H100 by month."""
    subjects = ["H100 USD/GPU-h", "SDH100RT neocloud H100"]
    supply = prices.read(root / "facts/supply.csv").filter(
        pl.col("as_of").is_in(prices.INDEX), pl.col("subject").is_in(subjects)
    )
    rent = pl.coalesce("value", (pl.col("low") + pl.col("high")) / 2)
    return dict(supply.select("as_of", rent.alias("rent")).iter_rows())


def slope(start: tuple[str, float], end: tuple[str, float]) -> float:
    """Of the log price, a month."""
    months = [12 * int(day[:4]) + int(day[5:]) for day, _ in (start, end)]
    return float(np.log(end[1] / start[1]) / (months[1] - months[0]))


def trends(root: Path) -> tuple[dict[str, tuple[float, float, float]], dict[str, Any]]:
    """Slopes of rents as (value, low, high), and how well each model predicts the quotes after the feed."""
    rents = index(root)
    at = {month: (month, rents[month]) for month in (*prices.INDEX[:1], PEAK, TROUGH, LAST)}
    later = prices.later_quotes(root)
    move, months = later["move"].to_numpy(), later["months"].to_numpy()
    rise = slope(at[TROUGH], at[LAST])
    fitted = {
        "rent_rise": (rise, min(slope(at[prices.INDEX[0]], at[PEAK]), rise), float(move.sum() / months.sum())),
        "rent_fall": (slope(at[PEAK], at[TROUGH]), slope(at[PEAK], CONTRACT_LOW),
                      slope(at[prices.INDEX[0]], at[TROUGH])),
    }  # fmt: skip
    before = prices.rent_index(root).value
    own = prices.fits(prices.panels(root)["neocloud list"]).value.offer_volatility
    half = prices.Z80 * np.sqrt(months) * np.hypot(before.market_volatility, own)
    table: dict[str, Any] = {"n": len(move), "months": float(months.mean())}
    for name, drift in (("no change", 0.0), ("drift", before.price_drift), ("rise", rise)):
        band = drift * months + np.array([-1, 0, 1])[:, None] * half
        table[name] = dict(zip(("covered", "error", "pinball"), judged(move, band).mean(axis=0).round(4), strict=True))
    return fitted, table


def assumption(name: str, numbers: tuple[float, ...], **cells: str) -> dict[str, str]:
    value, low, high = (f"{round(x, 6) + 0.0:g}" for x in numbers)
    fixed = {"recorded": prices.RECORDED, "source": "calibration-paths", "confidence": "low"}
    return dict.fromkeys(prices.COLUMNS, "") | {"name": name, "value": value, "low": low, "high": high} | fixed | cells


def step_rows(data: dict[str, prices.Panel], table: dict[str, Any]) -> list[dict[str, str]]:
    listed, signed = (data[f"hyperscaler {basis}"] for basis in ("on_demand", "committed"))
    known, told = steps(listed), table["hyperscaler on_demand"]
    low, high = rate_range(listed)
    held = (
        f"held out {told['months']:.0f} months: the 80% range held {told['steps_covered']:.0%} of {told['n']} moves, "
        f"mean |error| {told['steps_error']:.3f}, with swings {told['swings_covered']:.0%} and "
        f"{told['swings_error']:.3f}"
    )
    scope = {"provider_kind": "hyperscaler", "unit": "share/month", "as_of": listed.end.isoformat()}
    seen = f"AWS, Azure and Google lists, half-years since 2022; {held}"
    sizes = weighted(known.sizes, known.weights, np.array(TOLD))
    middle = sizes[TOLD.index(0.5)]
    google = steps(signed).rate
    return [
        assumption("step_rate", (known.rate, low, high), basis="on_demand", evidence="measured",
                   note=f"share of list prices that step each month; {seen}", **scope),
        assumption("step_rate", (known.rate, min(google, low), high), basis="committed", evidence="estimated",
                   derived_from="assumptions step_rate hyperscaler on_demand; Google 1-year commitments 2022-02 to "
                   f"2026-07: {google:.4f}", note="share of quotes that step each month: a quote moves with its list; "
                   "Google's alone are the steady end", **scope),
        assumption("step_size", (middle, sizes[0], sizes[-1]), evidence="measured",
                   note=f"of the log price, in one step; {seen}", **(scope | {"unit": "share"})),
    ]  # fmt: skip


NOTES = {
    "rent_rise": "of the log rent of an H100, a month, from 2025-06 to 2026-06; low: the rise of 2024, high: quotes "
    "after the feed",
    "rent_fall": "of the log rent of an H100, a month, from 2024-10 to 2025-06; low: to contracts of 2025-10, high: "
    "from 2024-01",
    "turn_month": "months for which rents go on rising before they turn: the fall lasted 12, the rise has lasted 13",
    "price_trend_model": "0: nothing changes, 1: the long-run drift, 2: rents go on rising and then turn",
}
WEIGHTS = {"low": (0.4, "nothing changes"), "value": (0.2, "the long-run drift"), "high": (0.4, "a rise that turns")}


def trend_rows(fitted: dict[str, tuple[float, ...]], table: dict[str, Any]) -> list[dict[str, str]]:
    scores = ", ".join(f"{name} {table[name]['pinball']:.4f}" for name in ("no change", "drift", "rise"))
    judged_by = f"pinball loss on {table['n']} quotes after the feed: {scores}"
    supply = "supply rental_price_history H100 2024-01 to 2025-10; supply rental_index H100 2026-06"
    same = {"as_of": "2026-11-24", "evidence": "estimated"}
    rents = same | {"unit": "share/month", "derived_from": supply}
    rows = [assumption(name, fitted[name], provider_kind=kind, note=NOTES[name], **rents)
            for kind in ("neocloud", "marketplace") for name in ("rent_rise", "rent_fall")]  # fmt: skip
    rows.append(assumption("turn_month", TURN, note=NOTES["turn_month"], **(rents | {"unit": "months"})))
    text = f"{NOTES['price_trend_model']}; {judged_by}"
    rows.append(assumption("price_trend_model", (1, 0, 2), note=text, **(rents | {"unit": "x"})))
    better = "calibration-prices: in no group did the drift predict better than no change"
    for end, (weight, what) in WEIGHTS.items():
        text = f"how likely it is that of rents this holds: {what}; {judged_by}"
        rows.append(assumption(f"price_trend_model_weight_of_{end}", (weight, 0, 1), unit="share", note=text,
                               derived_from=f"quotes of September to November 2026; {better}", **same))  # fmt: skip
    return rows


def law_rows(data: dict[str, prices.Panel]) -> list[dict[str, str]]:
    """Rows of parameters.csv: the shapes."""
    listed = data["hyperscaler on_demand"]
    known, fixed = steps(listed), {"model": "draws", "recorded": prices.RECORDED, "confidence": "low"}
    sizes = weighted(known.sizes, known.weights, np.array(TOLD))
    rows = [
        {"subject": "step_size", "name": f"quantile_{share:g}", "value": f"{round(size, 6):g}", "unit": "share",
         "as_of": listed.end.isoformat(), "source": "calibration-paths", "evidence": "measured",
         "note": f"of {len(known.sizes)} steps of hyperscalers' list prices since 2022"}
        for share, size in zip(TOLD, sizes, strict=True)
    ]  # fmt: skip
    rows.append({"subject": "turn_month", "name": "lognormal", "value": f"{COVERAGE:g}", "low": "0.5", "high": "0.95",
                 "unit": "share", "as_of": "2026-11-24", "source": "ours", "evidence": "estimated",
                 "derived_from": "assumption turn_month; two phases of rents since 2024",
                 "note": "of a lognormal around the value, the part between low and high"})  # fmt: skip
    return [dict.fromkeys(PARAMETERS, "") | fixed | row for row in rows]


def everything(root: Path) -> tuple[list[dict[str, str]], list[dict[str, str]], dict[str, Any]]:
    """Rows of assumptions.csv and of parameters.csv, and the held-out table."""
    data = prices.panels(root)
    table = {name: held_out(data[name], 2) for name in ("hyperscaler on_demand", "hyperscaler committed")}
    fitted, judged_by = trends(root)
    return step_rows(data, table) + trend_rows(fitted, judged_by), law_rows(data), table | {"rents": judged_by}


def main(arguments: list[str]) -> None:
    assumed, shapes, table = everything(prices.shared_folder(*arguments[:1]))
    for rows in (assumed, shapes):
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for name, told in table.items():
        print(name, told, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
