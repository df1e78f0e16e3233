"""Draws: the right distribution, the same for the same seed, and one for all that rest on the same rows."""

from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests import tiny
from workbench import store
from workbench.decision.draws import MARKET, central, draw, key, shock_key
from workbench.decision.laws import triangular
from workbench.decision.offers import Option
from workbench.records import Price, Quantity

LAW = settings(max_examples=200, deadline=None, derandomize=True)
SIZE = 4096


def quantity(name: str, *, row: str, low: float = 1.0, value: float = 2.0, high: float = 4.0) -> Quantity:
    return Quantity(name=name, value=value, unit="x", low=low, high=high, rows=(row,))


@cache
def a_price() -> Price:
    with TemporaryDirectory() as folder:
        return store.load(date(2026, 9, 1), tiny.write(Path(folder) / "datasets")).prices[0]


def option(**inputs: Quantity) -> Option:
    price = a_price()
    return Option(
        provider=price.provider, product=price.product, offer=price.offer, basis=price.basis, price=price, inputs=inputs
    )


USE = quantity("utilisation", row="assumptions.csv:5")
TWO = (
    option(list_price=quantity("list_price", row="prices/a.csv:2"), utilisation=USE),
    option(list_price=quantity("list_price", row="prices/b.csv:2"), utilisation=USE),
)


# --- the distribution


@LAW
@given(
    share=st.floats(0, 1), ends=st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3, unique=True).map(sorted)
)  # fmt: skip
def test_the_quantile_is_that_of_the_triangular_distribution(share, ends):
    low, mode, high = ends
    width = high - low
    if width < 1e-6:
        return
    oracle = stats.triang(c=(mode - low) / width, loc=low, scale=width).ppf(share)
    got = triangular(np.array(share), quantity("x", row="r", low=low, value=mode, high=high))
    assert float(got) == pytest.approx(oracle, rel=1e-9, abs=1e-7 * width)


@pytest.mark.parametrize(("low", "mode", "high"), [(0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (2.0, 3.0, 7.0)])
def test_a_mode_at_an_end_is_a_slope(low, mode, high):
    got = triangular(np.linspace(0, 1, 101), quantity("x", row="r", low=low, value=mode, high=high))
    assert got == pytest.approx(
        stats.triang(c=(mode - low) / (high - low), loc=low, scale=high - low).ppf(np.linspace(0, 1, 101))
    )
    assert got[0] == low
    assert got[-1] == high


@settings(LAW, max_examples=20)
@given(size=st.sampled_from([2, 3, 64, 1000]), seed=st.integers(0, 2**32))
def test_every_draw_lies_within_its_range(size, seed):
    made = draw(TWO, size, seed)
    for k, values in made.values.items():
        assert values.shape == (size, 1)
        assert np.isfinite(values).all()
        assert k not in made.quantities or ((values >= 1) & (values <= 4)).all()


def test_draws_have_the_mean_and_spread_of_what_they_stand_for():
    made, want = draw(TWO, SIZE, 1), stats.triang(c=1 / 3, loc=1, scale=3)
    for k in made.quantities:
        assert made.values[k].mean() == pytest.approx(want.mean(), rel=1e-3)
        assert made.values[k].std() == pytest.approx(want.std(), rel=1e-2)
    assert made.values[MARKET].mean() == pytest.approx(0, abs=1e-3)
    assert made.values[MARKET].std() == pytest.approx(1, rel=1e-2)


def test_draws_are_spread_evenly_over_each_range():
    """One in each of as many strata of equal chance: that is what makes few draws enough."""
    values = draw(TWO, SIZE, 3).values[key(TWO[0].inputs["utilisation"])].ravel()
    strata = np.floor(stats.triang(c=1 / 3, loc=1, scale=3).cdf(values) * SIZE * (1 - 1e-12))
    assert len(np.unique(strata)) > 0.99 * SIZE


def test_columns_are_independent():
    made = draw(TWO, SIZE, 5).values
    columns = np.hstack(list(made.values()))
    off_diagonal = np.corrcoef(columns, rowvar=False) - np.eye(columns.shape[1])
    assert np.abs(off_diagonal).max() < 4 / np.sqrt(SIZE)


def test_the_middle_draw_is_the_median():
    middle = central(TWO)
    assert middle.size == 1
    assert middle.values[MARKET].item() == 0
    for k in middle.quantities:
        assert middle.values[k].item() == pytest.approx(stats.triang(c=1 / 3, loc=1, scale=3).median())


# --- the same for the same seed, one for the same rows


def same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def test_the_same_seed_gives_the_same_draws():
    assert same(draw(TWO, SIZE, 7).values, draw(TWO, SIZE, 7).values)


def test_another_seed_gives_other_draws():
    assert not same(draw(TWO, SIZE, 7).values, draw(TWO, SIZE, 8).values)


def test_the_order_of_the_options_changes_nothing():
    assert same(dict(draw(TWO, SIZE, 7).values), dict(draw(TWO[::-1], SIZE, 7).values))


def test_options_that_rest_on_one_row_move_together():
    made = draw(TWO, SIZE, 7)
    one, other = (key(o.inputs["utilisation"]) for o in TWO)
    assert one == other
    assert sum(k == one for k in made.values) == 1


def test_quotes_of_two_sellers_move_apart():
    made = draw(TWO, SIZE, 7).values
    one, other = (made[key(o.inputs["list_price"])].ravel() for o in TWO)
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(SIZE)


def test_the_market_moves_every_price_and_each_offer_has_its_own_movement():
    made = draw(TWO, SIZE, 7).values
    assert MARKET in made
    assert len({shock_key(o.inputs["list_price"]) for o in TWO} & set(made)) == 2


def test_another_offer_leaves_the_draws_of_the_first_as_they_were():
    alone, both = draw(TWO[:1], SIZE, 7).values, draw(TWO, SIZE, 7).values
    assert all(np.array_equal(alone[k], both[k]) for k in alone)


def test_what_is_certain_is_not_drawn():
    sure = option(list_price=quantity("list_price", row="prices/a.csv:2", low=2.0, high=2.0))
    assert not draw((sure,), 16, 0).quantities
