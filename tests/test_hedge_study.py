"""The study of the hedge on real prices: it sees nothing ahead of its day, and its table comes out again."""

import importlib
import os
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("WORKBENCH_SHARED") or ROOT.parent / "shared")
real_histories = pytest.mark.skipif(
    not (SHARED / "data" / "prices").is_dir(),
    reason=f"the real histories are not at {SHARED}: set WORKBENCH_SHARED to hold the plan against them",
)


@pytest.fixture(scope="module")
def study() -> ModuleType:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("hedge_study")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def found(study: ModuleType) -> pl.DataFrame:
    """One start and two paths of demand."""
    return study.results(SHARED, 2, [date(2023, 5, 15)])


def mean(found: pl.DataFrame, rule: str) -> float:
    return found.filter(pl.col("rule") == rule)["share"].mean()


@real_histories
def test_on_prices_held_back_the_plan_is_cheaper_on_average_than_simpler_rules(study, found):
    rivals = [r for r in study.RULES if not r.startswith("plan")]
    assert all(mean(found, "plan") <= mean(found, rule) for rule in rivals)
    assert mean(found, "all on demand") == pytest.approx(1)


@real_histories
def test_there_are_windows_where_the_plan_is_not_the_best(study, found):
    worst = study.lost(found).row(0, named=True)
    assert worst["share"] > worst["share_rival"]


@real_histories
def test_where_demand_shrinks_unforeseen_terms_of_one_year_are_cheaper_than_the_plan(study):
    found = study.results(SHARED, 2, [date(2023, 5, 15)], growth=study.TRUTHS["shrinking, which no rule foresees"])
    assert mean(found, "all one year") < mean(found, "plan")


@real_histories
def test_no_rule_sees_prices_after_the_first_day_of_its_window_or_demand_after_the_month_of_its_order(study):
    window = next(study.windows(SHARED, [date(2023, 5, 15)]))
    demand = study.walk(np.random.default_rng(1), (1, study.MONTHS), study.UNITS)[0]
    later = window.rates.copy()
    later[1:] *= 3
    grown = demand.copy()
    grown[study.YEAR + 1 :] *= 2
    for rule in study.RULES.values():
        before = rule(window, demand)
        assert np.array_equal(before, rule(window._replace(rates=later), demand))
        after = rule(window, grown)
        for old, new in zip(before, after, strict=True):
            assert np.array_equal(old[: study.YEAR + 1], new[: study.YEAR + 1])


def test_a_whole_term_is_paid_at_the_price_of_its_first_month(study):
    held = study.nothing()
    held.one[2] = 5
    rates = np.where(np.arange(study.MONTHS) < 3, 2.0, 1.0)
    window = study.Window("an offer", date(2023, 1, 1), rates, (0.5, 0.3), None)
    demand = np.zeros(study.MONTHS)
    assert study.cost(window, demand, held) == pytest.approx(2.0 * 0.5 * 12 * 5)
    assert study.cost(window, demand + 5, held) == pytest.approx(2.0 * 0.5 * 12 * 5 + 5 * (2 * 2 + 22))
