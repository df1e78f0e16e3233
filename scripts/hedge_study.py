#!/usr/bin/env python3
"""What the plan would have cost on real prices that it had not seen, against simpler ways to commit.

At a day in 2023 the price process is fitted on list prices up to that day, and the plan is made for the three years
that follow: commit to one or three years, buy the rest on demand, think again each year. Then the real list prices of
those three years are paid. Demand is drawn, for no public record of one buyer's demand exists: a random walk of its
logarithm that the plan knows and whose path it does not. Google prints what a commitment costs, as a share of the list
price that has not moved; of AWS and of Google's A100-80 there is no such history, so the shares of Google's L4 stand
in. Whole terms are paid, and no rule orders a term that outlives the window.

hedge_study.py [SHARED] [PATHS] prints the table as Markdown, and the windows where the plan is not the best.
"""

import sys
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
import calibrate_prices as prices

from workbench.decision.portfolio.capacity import Capacity, Risk
from workbench.decision.portfolio.hedge import hedge
from workbench.decision.portfolio.procurement import commit_online, newsvendor

MONTHS, YEAR, SETTLE, TAIL = 36, 12, 31, 120  # of a window; days a new SKU may be corrected in, and a last price holds
STARTS = [date(2023, month, 15) for month in range(2, 8)]  # half a year and more of history before, three years after
REGIONS = 2  # of each seller and accelerator: those seen most often
UNITS, GROWTH, SPREAD = 64, 0.01, 0.08  # demand at the start, its drift and spread a month
FUTURES, LEVEL, WEIGHT = 16, 0.9, 1.0
SHARES = {"gcp A100-40": (0.63, 0.35), "L4": (0.63, 0.45)}  # of the list price, for one and three years: Google's own
QUARTER = 3 * prices.MONTH  # half-years, as in the calibration, would leave one move before the earliest start
TRUTHS = {"as the plan believes": GROWTH, "shrinking, which no rule foresees": -0.03}  # growth of demand a month
QUANTILES = (0.1, 0.5, 0.9)


class Window(NamedTuple):
    offer: str
    start: date
    rates: np.ndarray  # USD an hour on demand by month
    shares: tuple[float, float]
    fit: prices.Fit


class Held(NamedTuple):
    """Orders by the month in which they start: (months,) of one and of three years."""

    one: np.ndarray
    three: np.ndarray

    def running(self) -> np.ndarray:
        return sum(np.convolve(o, np.ones(n))[:MONTHS] for o, n in ((self.one, YEAR), (self.three, 3 * YEAR)))


def nothing() -> Held:
    return Held(np.zeros(MONTHS), np.zeros(MONTHS))


def cost(window: Window, demand: np.ndarray, held: Held) -> float:
    """USD for one unit-hour a month, as if in all hours: whole terms at the price of their first month, the rest on
    demand."""
    terms = YEAR * window.shares[0] * held.one + 3 * YEAR * window.shares[1] * held.three
    return float(window.rates @ (terms + np.maximum(demand - held.running(), 0)))


# --- real prices


@cache
def listed(root: Path) -> pl.DataFrame:
    aws = prices.hyperscaler(root, "aws", "aws-list/aws_gpu_ondemand_history.csv", "instance_type")
    return pl.concat([aws, prices.google(root, "on_demand")], how="diagonal")


def windows(root: Path, starts: list[date] = STARTS) -> Iterator[Window]:
    """Offers that were there at the start and to the end, with what was known at the start."""
    history = listed(root)
    for start in starts:
        before = prices.panel(history.filter(pl.col("day") <= start), QUARTER, settle=SETTLE, tail=TAIL)
        known = prices.fits(before, draws=0)
        days = [start + timedelta(days=round(m * prices.MONTH)) for m in range(MONTHS)]
        series = history.sort("day").partition_by(prices.OFFER, as_dict=True)
        seen: dict[tuple[str, str], int] = {}
        for (seller, gpu, sku, region), rows in sorted(series.items(), key=lambda s: (-len(s[1]), s[0])):
            first, last = rows["day"].min(), rows["day"].max()
            if first > start - timedelta(days=SETTLE) or last < days[-1] - timedelta(days=TAIL):
                continue
            if seen.setdefault((seller, gpu), 0) >= REGIONS:
                continue
            seen[seller, gpu] += 1
            at = np.searchsorted(rows["day"].to_numpy(), np.array(days, "datetime64[D]"), side="right") - 1
            share = SHARES.get(f"{seller} {gpu}", SHARES["L4"])
            yield Window(f"{seller} {sku} {region}", start, rows["price"].to_numpy()[at], share, known.value)


def walk(rng: np.random.Generator, shape: tuple[int, int], start: float, growth: float = GROWTH) -> np.ndarray:
    """(paths, months) of demand in whole units, the first month known."""
    steps = growth - SPREAD**2 / 2 + SPREAD * rng.standard_normal(shape)
    steps[:, 0] = 0
    return np.rint(start * np.exp(steps.cumsum(axis=1)))


# --- ways to commit; each sees the demand up to the month in which it orders


def plan(window: Window, demand: np.ndarray, weight: float) -> Held:
    """The two-stage plan, made anew each year for what is left of the window."""
    held = nothing()
    for now in range(0, MONTHS, YEAR):
        left = MONTHS - now
        rng = np.random.default_rng([now, int(demand[now])])
        futures = np.maximum(walk(rng, (FUTURES, left), demand[now]) - held.running()[now:], 0)
        t, fit = np.arange(left), window.fit
        shock = np.hypot(fit.market_volatility, fit.offer_volatility) * rng.standard_normal((FUTURES, 1))
        paths = np.exp(fit.price_drift * t + shock * np.sqrt(t))
        market = [Capacity("on demand", "seller", 1.0)]
        for years, share in zip((1, 3), window.shares, strict=True):
            if YEAR * years <= left:
                market.append(Capacity(f"{years}", "seller", share, "reserved", term_months=YEAR * years))
        found = hedge(futures, market, risk=Risk(rates={"on demand": paths}, weight=weight, level=LEVEL))
        for order in found.schedule:
            if order["month"] < YEAR and now + order["month"] + order["term_months"] <= MONTHS:
                (held.one if order["offer"] == "1" else held.three)[now + order["month"]] += order["amount"]
    return held


def one_year(window: Window, demand: np.ndarray) -> Held:
    """Each year to the demand of its first month, grown to the middle of the year."""
    held = nothing()
    for now in range(0, MONTHS, YEAR):
        held.one[now] = np.rint(demand[now] * np.exp(GROWTH * YEAR / 2))
    return held


def three_years(window: Window, demand: np.ndarray) -> Held:
    held = nothing()
    held.three[0] = np.rint(demand[0] * np.exp(GROWTH * MONTHS / 2))
    return held


def by_month(window: Window, demand: np.ndarray) -> Held:
    """The newsvendor's amount for each month as it is seen from the start, topped up by terms of a year."""
    drawn = walk(np.random.default_rng(0), (1 << 10, MONTHS), demand[0])
    wanted, held = newsvendor(drawn, window.shares[0], 1.0), nothing()
    for now in range(MONTHS - YEAR + 1):
        held.one[now] = max(wanted[now] - held.running()[now], 0)
    return held


def online(window: Window, demand: np.ndarray) -> Held:
    held = nothing()
    held.one[:] = commit_online(demand.astype(int), 1.0, window.shares[0] * YEAR, YEAR).orders
    held.one[MONTHS - YEAR + 1 :] = 0
    return held


RULES: Mapping[str, Any] = {
    "plan": lambda w, d: plan(w, d, 0.0), "plan, wary of the worst tenth": lambda w, d: plan(w, d, WEIGHT),
    "all on demand": lambda w, d: nothing(), "all one year": one_year, "all three years": three_years,
    "newsvendor by month": by_month, "online rule": online,
}  # fmt: skip


def results(root: Path, paths: int, starts: list[date] = STARTS, growth: float = GROWTH) -> pl.DataFrame:
    """A row for each window, path of demand and rule: the cost as a share of all on demand."""
    rows = []
    for number, window in enumerate(windows(root, starts)):
        for path, demand in enumerate(walk(np.random.default_rng(number), (paths, MONTHS), UNITS, growth)):
            base = cost(window, demand, nothing())
            told = {name: cost(window, demand, rule(window, demand)) / base for name, rule in RULES.items()}
            rows += [{"offer": window.offer, "start": window.start, "path": path, "rule": name,
                      "moved": window.rates[-1] / window.rates[0] - 1, "ended": demand[-1] / UNITS,
                      "share": share} for name, share in told.items()]  # fmt: skip
    return pl.DataFrame(rows)


def table(found: pl.DataFrame) -> pl.DataFrame:
    """By rule: mean and quantiles of the share, the worst, and how often it is the cheapest."""
    best = pl.col("share") <= pl.col("share").min().over("offer", "start", "path")
    told = found.with_columns(best=best).group_by("rule", maintain_order=True)
    quantiles = [pl.col("share").quantile(q).alias(f"P{q:.0%}".rstrip("%")) for q in QUANTILES]
    return told.agg(pl.col("share").mean().alias("mean"), *quantiles, pl.col("share").max().alias("worst"),
                    pl.col("best").mean().alias("cheapest in")).sort("mean")  # fmt: skip


def main() -> None:
    root = prices.shared_folder(sys.argv[1] if len(sys.argv) > 1 else None)
    paths = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    for truth, growth in TRUTHS.items():
        found = results(root, paths, growth=growth)
        names = ("mean", "P10", "P50", "P90", "worst", "cheapest in")
        many = found.select("offer", "start").n_unique()
        print(f"Demand {truth}: {many} windows, {paths} paths of demand each; cost as a share of all on demand\n")
        print("| way to commit |", " | ".join(names), "|\n|---|" + "---|" * len(names))
        for row in table(found).iter_rows(named=True):
            print(f"| {row['rule']} |", " | ".join(f"{row[name]:.0%}" for name in names), "|")
        print("\nwhere the plan was furthest from the best:")
        for row in lost(found).head(3).iter_rows(named=True):
            print(f"- {row['offer']} from {row['start']}: plan {row['share']:.0%}, {row['rule_rival']} "
                  f"{row['share_rival']:.0%} (price {row['moved']:+.0%}, demand x {row['ended']:.2f})")  # fmt: skip
        print()


def lost(found: pl.DataFrame) -> pl.DataFrame:
    """The plan beside the cheapest of the simpler rules, the widest loss first."""
    own, rest = found.filter(pl.col("rule") == "plan"), found.filter(~pl.col("rule").str.starts_with("plan"))
    best = rest.sort("share", "rule").unique(["offer", "start", "path"], keep="first", maintain_order=True)
    both = own.join(best, on=["offer", "start", "path"], suffix="_rival", maintain_order="left")
    return both.sort(pl.col("share_rival") - pl.col("share"))


if __name__ == "__main__":
    main()
