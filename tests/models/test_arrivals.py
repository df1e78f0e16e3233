"""Traffic that is described: streams have the rate and the burstiness that is asked of them, in every stretch."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.models import arrivals
from workbench.records import WorkbenchError

LAW = settings(max_examples=60, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**32 - 1)
RATES, LENGTHS, CVS = st.floats(0.01, 100), st.floats(1, 500), st.floats(0.05, 5)
RENEWALS = (arrivals.gamma_renewal, arrivals.weibull_renewal)
NAN, INF = float("nan"), float("inf")


def in_order(times: np.ndarray, seconds: float) -> bool:
    return bool((np.diff(times) >= 0).all() and (times >= 0).all() and (times <= seconds).all())


def gaps_family(stream, cv):
    """The law of the gaps, of mean 1, from an independent source."""
    if stream is arrivals.gamma_renewal:
        return stats.gamma(cv**-2, scale=cv**2)
    shape = arrivals._weibull_shape(cv)
    return stats.weibull_min(shape, scale=1 / math.gamma(1 + 1 / shape))


# --- renewal streams


@LAW
@given(rate=RATES, seconds=LENGTHS, cv=CVS, seed=SEEDS, stream=st.sampled_from(RENEWALS))
def test_arrivals_rise_within_the_length_and_a_seed_repeats_them(rate, seconds, cv, seed, stream):
    times = stream(rate, seconds, cv, seed)
    assert in_order(times, seconds)
    assert np.array_equal(times, stream(rate, seconds, cv, np.random.default_rng(seed)))


@pytest.mark.parametrize("stream", RENEWALS)
@pytest.mark.parametrize("cv", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("expected", [0.5, 20.0])
def test_the_mean_count_is_rate_times_seconds_however_short_the_stream(stream, cv, expected):
    """Equilibrium: from the first moment on. Within 4 standard errors of the mean of 3,000 streams."""
    counts = [len(stream(2.0, expected / 2.0, cv, seed)) for seed in range(3000)]
    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.std(counts) / math.sqrt(len(counts)) + 1e-9)


@pytest.mark.parametrize("stream", RENEWALS)
@pytest.mark.parametrize("cv", [0.1, 0.7, 1.0, 1.5, 3.0])
def test_gaps_have_their_family_and_its_cv(stream, cv):
    """Kolmogorov's distance of 50,000 gaps at a level of 0.1%, above what a sum of them can hold; their CV exactly."""
    law = gaps_family(stream, cv)
    assert law.mean() == pytest.approx(1, rel=1e-9)
    assert law.std() == pytest.approx(cv, rel=1e-6)
    gaps = np.sort(np.diff(stream(4.0, 12_500.0, cv, 5)) * 4.0)
    rank = np.arange(len(gaps)) / len(gaps)
    seen = gaps > 1e-9
    assert np.abs(law.cdf(gaps) - rank)[seen].max() < 1.95 / math.sqrt(len(gaps))


@pytest.mark.parametrize("stream", RENEWALS)
def test_the_first_gap_is_what_is_left_of_one_met_at_random(stream):
    """Its law is the integral of the gaps' survival (Cox, 1962): its mean is (1 + CV^2) / 2 mean gaps."""
    cv = 1.6
    first = np.array([stream(1.0, 60.0, cv, seed)[0] for seed in range(8000)])
    law = gaps_family(stream, cv)
    grid = np.linspace(0, 60, 60_001)  # hardly any first gap in 1e6 is longer
    residual = np.concatenate([[0], np.cumsum((law.sf(grid)[1:] + law.sf(grid)[:-1]) / 2 * np.diff(grid))])
    assert stats.kstest(first, lambda x: np.interp(x, grid, residual)).pvalue > 0.001
    assert first.mean() == pytest.approx((1 + cv**2) / 2, abs=4 * first.std() / math.sqrt(len(first)))


def test_a_poisson_stream_has_counts_as_its_mean_says():
    """Mean and variance within 4 standard errors."""
    counts = [len(arrivals.poisson(3.0, 4.0, seed)) for seed in range(5000)]
    assert np.mean(counts) == pytest.approx(12, abs=4 * math.sqrt(12 / 5000))
    assert np.var(counts) == pytest.approx(12, rel=4 * math.sqrt(2 / 5000) + 0.01)


def test_where_hardly_any_is_expected_the_draw_may_be_empty():
    assert len(arrivals.poisson(1e-9, 1.0)) == 0
    assert len(arrivals.weibull_renewal(5e-324, 1.0, 2.0)) == 0


@pytest.mark.parametrize("stream", RENEWALS)
@pytest.mark.parametrize(
    "bad",
    [(0, 1, 1), (-1, 1, 1), (NAN, 1, 1), (INF, 1, 1), (1, 0, 1), (1, -1, 1), (1, 1, 0), (1, 1, 0.001), (1, 1, 1e6),
     ("1", 1, 1), ([1, 2], 1, 1), ([], 1, 1), (1, [1], 1), (1e9, 1e9, 1), (None, 1, 1), (True, 1, 1)],
)  # fmt: skip
def test_a_bad_argument_of_a_stream_is_refused(stream, bad):
    with pytest.raises(WorkbenchError, match="give"):
        stream(*bad)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", [1, -2], {}, None])
def test_a_seed_that_could_not_be_given_again_is_refused(seed):
    with pytest.raises(WorkbenchError, match=r"arrivals\.poisson.*seed"):
        arrivals.poisson(1, 1, seed)


# --- clients


@LAW
@given(rates=st.lists(st.floats(0.1, 5), min_size=1, max_size=6), cv=CVS, seed=SEEDS)
def test_the_mix_is_the_sum_of_its_clients_and_one_more_moves_no_other(rates, cv, seed):
    cvs = [cv] * len(rates)
    mix = arrivals.client_mix(rates, cvs, 50.0, seed)
    assert in_order(mix, 50.0)
    more = arrivals.client_mix([*rates, 1.0], [*cvs, 1.0], 50.0, seed)
    assert np.isin(mix, more).all()
    assert len(more) >= len(mix)


def test_the_mix_has_the_sum_of_the_rates():
    rates, cvs = [5.0, 1.0, 0.2], [2.0, 1.0, 4.0]
    counts = [len(arrivals.client_mix(rates, cvs, 20.0, seed)) for seed in range(2000)]
    assert np.mean(counts) == pytest.approx(124, abs=4 * np.std(counts) / math.sqrt(len(counts)))


def test_many_regular_clients_add_up_to_a_poisson_stream():
    """Palm and Khinchin; the gaps' CV within 4 standard errors of as many exponential ones."""
    gaps = np.diff(arrivals.client_mix(np.full(2000, 0.01), np.full(2000, 0.3), 500.0))
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=4 / math.sqrt(len(gaps)))


def test_clients_may_have_another_family():
    assert not np.array_equal(
        arrivals.client_mix([2.0], [2.0], 50.0, 3), arrivals.client_mix([2.0], [2.0], 50.0, 3, arrivals.weibull_renewal)
    )


@pytest.mark.parametrize("rates, cvs", [([], []), ([1, 2], [1]), ([1, 0], [1, 1]), ([1, NAN], [1, 1]), ([[1]], [1])])
def test_clients_without_a_rate_and_a_cv_each_are_refused(rates, cvs):
    with pytest.raises(WorkbenchError, match="client_mix"):
        arrivals.client_mix(rates, cvs, 10.0)


# --- rhythm

LEVELS = st.lists(st.floats(0.1, 5), min_size=1, max_size=24)


@LAW
@given(levels=LEVELS, step=st.floats(1, 200), rate=st.floats(0.2, 5), seed=SEEDS)
def test_a_rhythm_keeps_the_total_the_order_and_the_length(levels, step, rate, seed):
    times = arrivals.poisson(rate, 300.0, seed)
    if len(times):
        moved = arrivals.with_rhythm(times, 300.0, levels, step)
        assert len(moved) == len(times)
        assert in_order(moved, 300.0)


@LAW
@given(level=st.floats(0.01, 100), step=st.floats(1, 1000), seed=SEEDS)
def test_a_rhythm_without_variation_moves_nothing(level, step, seed):
    times = arrivals.gamma_renewal(5.0, 300.0, 2.0, seed)
    assert len(times) == 0 or arrivals.with_rhythm(times, 300.0, [level], step) == pytest.approx(times, abs=1e-9)


def test_each_stretch_has_its_share_of_the_requests_and_the_burstiness_of_the_stream():
    """Shares and CV within 4 standard errors of 50,000 gaps of CV 2: 3.6% and 4%."""
    levels, week = np.array([0.5, 2.0, 1.0, 0.5]), 4000.0
    times = arrivals.gamma_renewal(100.0, week, 2.0, 4)
    moved = arrivals.with_rhythm(times, week, levels, 1000.0)
    counts = np.histogram(moved, np.arange(0, week + 1, 1000))[0]
    assert counts / counts.sum() == pytest.approx(levels / levels.sum(), rel=0.036)
    for start in (0, 1000, 2000, 3000):
        gaps = np.diff(moved[(moved >= start) & (moved < start + 1000)])
        assert gaps.std() / gaps.mean() == pytest.approx(2, rel=0.04)


def test_nothing_comes_where_the_rhythm_is_silent_and_the_cycle_repeats():
    moved = arrivals.with_rhythm(arrivals.poisson(50.0, 100.0), 100.0, [0.0, 1.0], 10.0)
    assert ((moved // 10).astype(int) % 2 == 1).all()
    assert len(np.unique(moved // 10)) == 5


def test_a_week_of_hours_and_days_is_their_outer_product():
    hours, days = np.linspace(0.5, 1.5, 24), np.array([1.2, 1.2, 1.2, 1.2, 1.2, 0.5, 0.5])
    times = arrivals.poisson(0.5, 7 * 86400.0, 2)
    moved = arrivals.with_rhythm(times, 7 * 86400.0, np.outer(days, hours).ravel(), 3600.0)
    counts = np.histogram(moved, np.arange(8) * 86400.0)[0]
    assert counts / counts.sum() == pytest.approx(days / days.sum(), rel=0.03)


@pytest.mark.parametrize(
    "bad",
    [([], 10, [1], 1), ([11.0], 10, [1], 1), ([-1.0], 10, [1], 1), ([1.0], 10, [], 1), ([1.0], 10, [0, 0], 1),
     ([1.0], 10, [-1, 1], 1), ([1.0], 10, [NAN], 1), ([1.0], 10, [1], 0), ([1.0], 10, [1], 1e-12), ([1.0], 0, [1], 1)],
)  # fmt: skip
def test_a_rhythm_that_cannot_be_is_refused(bad):
    with pytest.raises(WorkbenchError, match=r"with_rhythm.*give"):
        arrivals.with_rhythm(*bad)


# --- a coarse clock


@LAW
@given(step=st.floats(0.01, 10), seed=SEEDS)
def test_spreading_undoes_a_clock_that_ticks_coarsely(step, seed):
    true = arrivals.poisson(4.0, 100.0, seed)
    if len(true):
        spread = arrivals.spread(np.floor(true / step) * step, step, seed)
        assert len(spread) == len(true)
        assert np.abs(spread - true).max() <= step * (1 + 1e-9)
        assert (np.diff(spread) >= 0).all()


def test_spread_arrivals_of_a_poisson_stream_are_poisson_again():
    gaps = np.diff(arrivals.spread(np.floor(arrivals.poisson(4.0, 10_000.0) / 3) * 3, 3.0))
    assert stats.kstest(gaps, stats.expon(scale=0.25).cdf).pvalue > 0.001


# --- sizes


@pytest.mark.parametrize("median, log_sd", [(1020, 0.985), (129, 0.859), (0.5, 2.0)])
def test_lognormal_sizes_have_their_median_and_spread(median, log_sd):
    draws = arrivals.lognormal(median, log_sd, 100_000, 3)
    assert stats.kstest(np.log(draws), stats.norm(math.log(median), log_sd).cdf).pvalue > 0.001
    assert np.array_equal(draws, arrivals.lognormal(median, log_sd, 100_000, 3))


@LAW
@given(values=st.lists(st.floats(0.01, 1e6), min_size=2, max_size=9), seed=SEEDS)
def test_sizes_from_quantiles_stay_within_the_table(values, seed):
    values, levels = sorted(values), np.linspace(0, 1, len(values))
    draws = arrivals.from_quantiles(levels, values, 50, seed)
    assert (draws >= values[0] * (1 - 1e-12)).all()
    assert (draws <= values[-1] * (1 + 1e-12)).all()
    assert np.array_equal(draws, arrivals.from_quantiles(levels, values, 50, seed))


def test_sizes_from_quantiles_have_those_quantiles():
    """The share of draws below each within 4 standard errors."""
    levels, values = np.array([0, 0.1, 0.5, 0.9, 0.99, 1]), [2, 207, 1020, 2734, 4142, 14050]
    draws = arrivals.from_quantiles(levels, values, 200_000)
    below = np.array([(draws <= value).mean() for value in values])
    assert (np.abs(below - levels) <= 4 * np.sqrt(levels * (1 - levels) / len(draws)) + 1e-5).all()


@pytest.mark.parametrize("bad", [(0, 1, 5), (1, 0, 5), (1, 1, 0), (1, 1, 2.5), (1, 1, 1e12), (NAN, 1, 5), (1, 1e6, 9)])
def test_a_bad_lognormal_is_refused(bad):
    with pytest.raises(WorkbenchError, match=r"lognormal.*give"):
        arrivals.lognormal(*bad)


@pytest.mark.parametrize(
    "levels, values",
    [([], []), ([0, 1], [1]), ([0, 0.5], [1, 2]), ([0.1, 1], [1, 2]), ([0, 0, 1], [1, 2, 3]), ([0, 1], [2, 1]),
     ([0, 1], [0, 1]), ([0, NAN], [1, 2]), ([0, 1], [1, INF])],
)  # fmt: skip
def test_a_table_that_holds_no_quantiles_is_refused(levels, values):
    with pytest.raises(WorkbenchError, match=r"from_quantiles.*give"):
        arrivals.from_quantiles(levels, values, 5)
