"""The option to leave: closed forms, the lattice between its bounds, and simulation where no closed form applies."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from workbench.decision import options
from workbench.decision.options import (
    Exchange,
    any_time,
    contract_ends,
    exchange_lattice,
    exchange_simulation,
    exercise_threshold,
    margrabe,
    perpetual_exchange,
)
from workbench.records import WorkbenchError

CASES = Path(__file__).parents[1] / "cases"
DECISION = json.loads((CASES / "decision.json").read_text(encoding="utf-8"))
LAW = settings(max_examples=300, deadline=None, derandomize=True)
SLOW = settings(LAW, max_examples=60)
NAN, INF = float("nan"), float("inf")
Z99 = stats.norm.ppf(0.995)
STEPS = 60

VOLS = {"vol_value": st.floats(0.0, 0.8), "vol_cost": st.floats(0.0, 0.8), "correlation": st.floats(-1.0, 1.0)}
YIELDS = {"yield_value": st.floats(0.0, 0.3), "yield_cost": st.floats(-0.2, 0.3)}
PRICES = {"value": st.floats(0.1, 5.0), "cost": st.floats(0.1, 5.0)}
SWAPS = st.fixed_dictionaries(PRICES | VOLS | YIELDS)
YEARS = st.floats(0.1, 8.0)


# --- worked cases


@pytest.mark.parametrize("case", DECISION["margrabe"])
def test_an_exchange_at_one_date_is_worth_what_the_case_says(case):
    terms = {k: v for k, v in case.items() if k != "option"}
    assert margrabe(**terms) == pytest.approx(case["option"], abs=1e-6)


@pytest.mark.parametrize("case", DECISION["perpetual_exchange"])
def test_an_exchange_without_end_is_worth_what_the_case_says(case):
    terms = {k: v for k, v in case.items() if k not in ("option", "beta", "threshold")}
    found = perpetual_exchange(**terms)
    assert found.value == pytest.approx(case["option"], abs=1e-6)
    assert found.threshold == pytest.approx(case["threshold"], abs=1e-6)
    assert found.threshold == pytest.approx(case["beta"] / (case["beta"] - 1), abs=1e-5)


def test_arguments_come_by_position_in_the_order_that_others_use():
    assert margrabe(100, 90, 0.3, 0.2, 0.5, 2, 0.04, 0.01) == margrabe(
        value=100, cost=90, vol_value=0.3, vol_cost=0.2, correlation=0.5, years=2, yield_value=0.04, yield_cost=0.01
    )
    assert perpetual_exchange(1, 0.9, 0.1, 0.08, 0.3, 0.2, 0.5) == perpetual_exchange(
        value=1, cost=0.9, yield_value=0.1, yield_cost=0.08, vol_value=0.3, vol_cost=0.2, correlation=0.5
    )


def test_arrays_give_what_each_of_their_numbers_gives():
    values = np.array([0.0, 0.5, 1.0, 4.0])
    terms = {"vol_value": 0.3, "vol_cost": 0.2, "correlation": 0.5}
    yields = {"yield_value": 0.05, "yield_cost": -0.02}
    assert margrabe(values, 1.0, **terms, years=2, **yields).tolist() == [
        margrabe(v, 1.0, **terms, years=2, **yields) for v in values
    ]
    perpetual = perpetual_exchange(values, 1.0, **yields, **terms)
    assert perpetual.value.tolist() == [perpetual_exchange(v, 1.0, **yields, **terms).value for v in values]
    lattice = exchange_lattice(Exchange(value=values, cost=1.0, **terms, **yields), any_time(2.0, STEPS), STEPS)
    for value, found in zip(values, lattice.value, strict=True):
        alone = exchange_lattice(Exchange(value=value, cost=1.0, **terms, **yields), any_time(2.0, STEPS), STEPS)
        assert found == pytest.approx(alone.value, rel=1e-12)
    assert isinstance(margrabe(1.0, 1.0, 0.3, 0.2, 0.5, 1.0), float)
    assert isinstance(alone.value, float)


@LAW
@given(x=st.floats(-40, 40))
def test_the_normal_distribution_is_right_in_its_tails(x):
    assert options.normal_cdf(x) == pytest.approx(stats.norm.cdf(x), rel=1e-11, abs=1e-300)


# --- Margrabe


@pytest.mark.parametrize("seed", range(6))
def test_simulated_exchanges_are_worth_what_margrabe_says(seed):
    """Within the simulation's own 99% interval."""
    rng = np.random.default_rng(seed)
    paths, years = 200_000, rng.uniform(0.5, 5)
    (value, cost), (a, b), (y, z) = rng.uniform(0.8, 1.2, 2), rng.uniform(0.1, 0.5, 2), rng.uniform(0, 0.1, 2)
    rho = rng.uniform(-0.9, 0.9)
    shocks = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], paths) * math.sqrt(years)
    ends = [p * np.exp((-q - v**2 / 2) * years + v * w)
            for p, q, v, w in zip((value, cost), (y, z), (a, b), shocks.T, strict=True)]  # fmt: skip
    gain = np.maximum(ends[0] - ends[1], 0)
    option = margrabe(value, cost, a, b, rho, years, y, z)
    assert abs(gain.mean() - option) <= Z99 * gain.std(ddof=1) / math.sqrt(paths)


@LAW
@given(swap=SWAPS, years=YEARS)
def test_margrabe_falls_to_the_certain_gain_as_nothing_moves(swap, years):
    paid, kept = (
        swap["cost"] * math.exp(-swap["yield_cost"] * years),
        swap["value"] * math.exp(-swap["yield_value"] * years),
    )
    for shrink in (1e-3, 1e-6, 0.0):
        quiet = {"vol_value": swap["vol_value"] * shrink, "vol_cost": swap["vol_cost"] * shrink}
        found = margrabe(**swap | quiet, years=years)
        gain, spread = max(kept - paid, 0.0), (swap["vol_value"] + swap["vol_cost"]) * shrink * math.sqrt(years)
        assert gain - 1e-12 <= found <= gain + min(kept, paid) * spread / 2 + 1e-12


@LAW
@given(price=st.floats(0.1, 5.0), vol=st.floats(0.0, 0.8), years=YEARS)
def test_two_prices_that_move_as_one_leave_no_option(price, vol, years):
    assert margrabe(price, price, vol, vol, 1.0, years) == 0


@LAW
@given(swap=SWAPS, years=YEARS, more=st.floats(0.0, 1.0))
def test_common_shocks_shrink_the_option(swap, years, more):
    """Prices of memory and power move both sides: a higher correlation."""
    closer = swap | {"correlation": swap["correlation"] + (1 - swap["correlation"]) * more}
    assert margrabe(**closer, years=years) <= margrabe(**swap, years=years) + 1e-12
    perpetual = [perpetual_exchange(**s).value for s in (closer, swap)]
    assert perpetual[0] <= perpetual[1] + 1e-9


@LAW
@given(swap=SWAPS, years=YEARS)
def test_margrabe_lies_between_the_certain_gain_and_the_value(swap, years):
    found = margrabe(**swap, years=years)
    paid, kept = (
        swap["cost"] * math.exp(-swap["yield_cost"] * years),
        swap["value"] * math.exp(-swap["yield_value"] * years),
    )
    assert max(kept - paid, 0.0) - 1e-12 <= found <= kept + 1e-12
    other = margrabe(**swap | {
        "value": swap["cost"], "cost": swap["value"], "vol_value": swap["vol_cost"], "vol_cost": swap["vol_value"],
        "yield_value": 0.0, "yield_cost": 0.0,
    }, years=years)  # fmt: skip
    level = margrabe(**swap | {"yield_value": 0.0, "yield_cost": 0.0}, years=years)
    assert level - other == pytest.approx(swap["value"] - swap["cost"], abs=1e-12)  # parity


# --- perpetual


@LAW
@given(swap=SWAPS)
def test_without_end_the_option_meets_the_gain_smoothly_at_its_threshold(swap):
    assume(swap["yield_value"] > 1e-3)
    volatility = float(Exchange(**swap).volatility)
    assume(volatility > 0.02)
    threshold = perpetual_exchange(**swap).threshold
    assume(threshold > 1 + 1e-6)

    def option(ratio: float) -> float:
        return perpetual_exchange(**swap | {"value": ratio * swap["cost"]}).value / swap["cost"]

    step = 1e-6 * threshold
    assert option(threshold) == pytest.approx(threshold - 1, rel=1e-9)
    assert (option(threshold) - option(threshold - step)) / step == pytest.approx(1, abs=1e-3)
    assert option(threshold * 1.5) == pytest.approx(threshold * 1.5 - 1, rel=1e-12)


@LAW
@given(swap=SWAPS)
def test_without_end_the_option_is_worth_more_than_going_at_once_and_less_than_the_value(swap):
    found = perpetual_exchange(**swap)
    assert max(swap["value"] - swap["cost"], 0.0) <= found.value <= swap["value"] * (1 + 1e-12)
    assert found.threshold >= 1


def test_who_forgoes_nothing_by_waiting_never_goes():
    found = perpetual_exchange(1.0, 1.0, 0.0, 0.1, 0.2, 0.2, 0.0)
    assert found == (1.0, INF)


@pytest.mark.parametrize(
    ("yield_value", "yield_cost", "threshold"), [(0.1, 0.2, 2.0), (0.1, 0.05, 1.0), (0.1, -0.1, 1.0)]
)
def test_in_a_certain_world_one_waits_only_for_the_cost_to_fall(yield_value, yield_cost, threshold):
    """One waits while the interest saved on the cost is more than the savings forgone: ratio yield_cost/yield_value."""
    found = perpetual_exchange(1.2, 1.0, yield_value, yield_cost, 0.0, 0.0, 0.0)
    t = np.linspace(0, 100, 200_001)
    best = (1.2 * np.exp(-yield_value * t) - np.exp(-yield_cost * t)).max()
    assert found.threshold == threshold
    assert found.value == pytest.approx(best, abs=1e-7)


# --- the lattice: windows


@SLOW
@given(swap=SWAPS, years=YEARS, steps=st.sampled_from([32, 64, 128]))
def test_the_lattice_with_one_date_is_margrabe_within_its_stated_error(swap, years, steps):
    error = 0.3 * float(Exchange(**swap).volatility) * math.sqrt(years) * swap["value"] / steps
    found = exchange_lattice(Exchange(**swap), [years], steps).value
    assert found == pytest.approx(margrabe(**swap, years=years), abs=error + 1e-12)


@SLOW
@given(swap=SWAPS, years=st.floats(1.0, 6.0), term=st.floats(0.2, 3.0))
def test_american_is_at_least_bermudan_is_at_least_european(swap, years, term):
    exchange = Exchange(**swap)
    at_the_end, at_ends, always = (
        exchange_lattice(exchange, dates, STEPS).value
        for dates in ([years], contract_ends(term, years), any_time(years, STEPS))
    )
    assert always >= at_ends >= at_the_end
    assert always >= swap["value"] - swap["cost"] - 1e-12
    error = 0.3 * float(exchange.volatility) * math.sqrt(years) * swap["value"] / STEPS
    assert always <= perpetual_exchange(**swap).value + error + 1e-9


def test_more_windows_are_worth_more_here():
    """So that the law above is not kept by three equal numbers."""
    exchange = Exchange(value=1.3, cost=1.0, vol_value=0.3, vol_cost=0.2, correlation=0.2, yield_value=0.15)
    found = [exchange_lattice(exchange, d, 240).value for d in ([4.0], contract_ends(1.0, 4.0), any_time(4.0, 240))]
    assert found[0] * 1.2 < found[1] < found[2] * 0.98


def test_a_long_option_is_worth_what_one_without_end_is():
    terms = {"vol_value": 0.3, "vol_cost": 0.2, "correlation": 0.5, "yield_value": 0.1, "yield_cost": 0.06}
    exchange = Exchange(value=1.0, cost=1.0, **terms)
    perpetual = perpetual_exchange(1.0, 1.0, **terms)
    dates = any_time(80.0, 4000)
    assert exchange_lattice(exchange, dates, 4000).value == pytest.approx(perpetual.value, rel=5e-3)
    threshold, step = exercise_threshold(exchange, any_time(80.0, 1000), 1000), 80.0 / 1000
    assert threshold < perpetual.threshold
    shift = math.exp(0.5826 * float(exchange.volatility) * math.sqrt(step))  # exercise at steps alone, as documented
    assert threshold * shift == pytest.approx(perpetual.threshold, rel=1e-2)


@SLOW
@given(swap=SWAPS, years=YEARS, growth=st.floats(0.0, 0.3))
def test_waiting_never_helps_where_the_surface_grows_as_fast_as_money_and_nothing_is_uncertain(swap, years, growth):
    """The saving is not negative, the cost grows at least at the discount rate: a yield on it of at most 0."""
    certain = swap | {"vol_value": 0.0, "vol_cost": 0.0, "yield_cost": -growth}
    found = exchange_lattice(Exchange(**certain), any_time(years, STEPS), STEPS)
    gain = max(swap["value"] - swap["cost"], 0.0)
    assert found.value == pytest.approx(gain, abs=1e-12)
    assert found.waiting <= gain + 1e-12
    assert perpetual_exchange(**certain).value == pytest.approx(gain, abs=1e-12)


def test_uncertainty_alone_makes_waiting_worth_something():
    """The same surface, prices that move: a saving just above the cost is not taken yet."""
    exchange = Exchange(value=1.05, cost=1.0, vol_value=0.4, vol_cost=0.1, correlation=0.0, yield_value=0.02)
    found = exchange_lattice(exchange, any_time(3.0))
    assert found.waiting > 1.05 - 1.0
    assert exercise_threshold(exchange, any_time(3.0)) > 1.05


def test_past_the_threshold_one_goes_and_before_it_one_waits():
    terms = {
        "cost": 1.0,
        "vol_value": 0.35,
        "vol_cost": 0.2,
        "correlation": 0.3,
        "yield_value": 0.12,
        "yield_cost": 0.04,
    }
    dates = contract_ends(1.0, 3.0)
    threshold = exercise_threshold(Exchange(value=1.0, **terms), dates)
    before, after = (exchange_lattice(Exchange(value=threshold + d, **terms), dates).waiting for d in (-1e-3, 1e-3))
    assert before > threshold - 1e-3 - 1
    assert after < threshold + 1e-3 - 1
    assert 1 < threshold < perpetual_exchange(1.0, **terms).threshold
    assert exercise_threshold(Exchange(value=1.0, **terms | {"yield_value": 0.0}), dates) == INF


def test_contract_ends_are_the_ends_of_terms_and_the_horizon():
    assert contract_ends(1.0, 3.0).tolist() == [1.0, 2.0, 3.0]
    assert contract_ends(2.0, 3.0).tolist() == [2.0, 3.0]
    assert contract_ends(5.0, 3.0).tolist() == [3.0]
    assert any_time(2.0, 4).tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]


# --- simulation by least squares

SWAP = {
    "value": 1.0,
    "cost": 0.9,
    "vol_value": 0.3,
    "vol_cost": 0.2,
    "correlation": 0.4,
    "yield_value": 0.1,
    "yield_cost": 0.03,
}
MISSED = 0.01
"""What the fitted rule may miss of the value, as the simulation states."""


@pytest.mark.parametrize(("dates", "steps"), [([2.0], 512), ([0.5, 1.0, 1.5, 2.0], 512), (any_time(2.0, 24), 528)],
                         ids=["European", "Bermudan", "monthly"])  # fmt: skip
@pytest.mark.parametrize("correlation", [-0.5, 0.4, 0.9])
def test_least_squares_finds_what_the_lattice_does(dates, steps, correlation):
    """At most its standard errors above the lattice, and those and what the fit misses below it."""
    exchange = Exchange(**SWAP | {"correlation": correlation})
    found, exact = exchange_simulation(exchange, dates, seed=3), exchange_lattice(exchange, dates, steps).value
    assert exact - Z99 * found.standard_error - MISSED * exact <= found.value <= exact + Z99 * found.standard_error
    assert found.standard_error < 0.01 * exchange.value


def spread_option(swap: dict[str, float], strike: float, rate: float, years: float) -> float:
    """European, by quadrature over the cost: given it, the value's option has a closed form."""
    rho, root = swap["correlation"], math.sqrt(years)
    drift = [(rate - swap[f"yield_{n}"] - swap[f"vol_{n}"] ** 2 / 2) * years for n in ("value", "cost")]
    spread = swap["vol_value"] * root * math.sqrt(1 - rho**2)

    def given_cost(z: float) -> float:
        bar = swap["cost"] * math.exp(drift[1] + swap["vol_cost"] * root * z) + strike
        centre = math.log(swap["value"]) + drift[0] + swap["vol_value"] * root * rho * z
        d = (centre - math.log(bar)) / spread
        paid = math.exp(centre + spread**2 / 2) * stats.norm.cdf(d + spread) - bar * stats.norm.cdf(d)
        return paid * stats.norm.pdf(z)

    return math.exp(-rate * years) * integrate.quad(given_cost, -9, 9)[0]


def two_price_lattice(swap: dict[str, float], strikes: dict[int, float], rate: float, step: float, steps: int) -> float:
    """A twin with both prices on a product lattice of two independent coins; `strikes` by step at which one may go."""
    rho, root = swap["correlation"], math.sqrt(step)
    moves = {"value": (swap["vol_value"] * root, 0.0),
             "cost": (swap["vol_cost"] * root * rho, swap["vol_cost"] * root * math.sqrt(1 - rho**2))}  # fmt: skip

    def price(name: str, at: int) -> np.ndarray:
        coins = 2 * np.arange(at + 1.0) - at
        first, second = moves[name]
        forward = ((rate - swap[f"yield_{name}"]) * step - math.log(math.cosh(first) * math.cosh(second))) * at
        return swap[name] * np.exp(forward + first * coins[:, None] + second * coins[None, :])

    option = np.zeros((steps + 1, steps + 1))
    for at in range(steps, -1, -1):
        if at < steps:
            option = (
                math.exp(-rate * step) * (option[1:, 1:] + option[1:, :-1] + option[:-1, 1:] + option[:-1, :-1]) / 4
            )
        if at in strikes:
            option = np.maximum(option, price("value", at) - price("cost", at) - strikes[at])
    return float(option[0, 0])


@pytest.mark.parametrize("strike", [0.05, 0.3])
@pytest.mark.parametrize("correlation", [-0.5, 0.7])
def test_with_a_switching_cost_and_one_date_least_squares_is_the_integral(strike, correlation):
    swap = SWAP | {"correlation": correlation}
    found = exchange_simulation(Exchange(**swap), [2.0], strike, rate=0.08, seed=5)
    assert abs(found.value - spread_option(swap, strike, 0.08, 2.0)) <= Z99 * found.standard_error


@pytest.mark.parametrize("strikes", [(0.1, 0.1, 0.1, 0.1), (0.3, 0.2, 0.1, 0.0), (0.05, 0.1, 0.2, 0.4)],
                         ids=["level", "falling", "growing"])  # fmt: skip
def test_with_a_switching_cost_and_several_dates_least_squares_is_the_twin(strikes):
    """Switching costs that stay, fall as a contract runs out, or grow with the surface."""
    dates, steps, rate = [0.5, 1.0, 1.5, 2.0], 160, 0.08
    found = exchange_simulation(Exchange(**SWAP), dates, strikes, rate, seed=7)
    by_step = {round(d * steps / 2.0): s for d, s in zip(dates, strikes, strict=True)}
    exact = two_price_lattice(SWAP, by_step, rate, 2.0 / steps, steps)
    assert (
        exact * (1 - MISSED) - Z99 * found.standard_error <= found.value <= exact * 1.003 + Z99 * found.standard_error
    )


def test_the_twin_is_margrabe_where_switching_is_free():
    found = two_price_lattice(SWAP, {160: 0.0}, 0.08, 2.0 / 160, 160)
    assert found == pytest.approx(margrabe(**SWAP, years=2.0), rel=3e-3)


def test_a_dearer_switch_is_an_option_worth_less():
    found = [
        exchange_simulation(Exchange(**SWAP), contract_ends(0.5, 2.0), s, 0.05).value for s in (0.0, 0.1, 0.3, 9.0)
    ]
    assert sorted(found, reverse=True) == found
    assert found[0] > found[1] > found[2] > found[3] == 0


def test_falling_breakage_rewards_waiting_for_the_contract_s_end():
    """Today's gain is 0.1 less a fee that would take it; at the end of the term the fee is gone."""
    certain = Exchange(**SWAP | {"vol_value": 0.0, "vol_cost": 0.0, "yield_value": 0.02, "yield_cost": 0.0})
    at_once = exchange_simulation(certain, [0.0, 1.0], [0.05, 0.05])
    for_the_end = exchange_simulation(certain, [0.0, 1.0], [0.05, 0.0])
    assert at_once.value == pytest.approx(1.0 - 0.9 - 0.05)
    assert for_the_end.value == pytest.approx(math.exp(-0.02) - 0.9)
    assert for_the_end.value > at_once.value


def test_the_same_seed_gives_the_same_estimate():
    dates = contract_ends(0.5, 2.0)
    assert exchange_simulation(Exchange(**SWAP), dates, 0.1) == exchange_simulation(Exchange(**SWAP), dates, 0.1)
    assert exchange_simulation(Exchange(**SWAP), dates, 0.1) != exchange_simulation(
        Exchange(**SWAP), dates, 0.1, seed=1
    )


# --- doors

BAD = {
    "a negative volatility": lambda: margrabe(1.0, 1.0, -0.1, 0.2, 0.5, 1.0),
    "a correlation above one": lambda: margrabe(1.0, 1.0, 0.1, 0.2, 1.5, 1.0),
    "a correlation below minus one": lambda: margrabe(1.0, 1.0, 0.1, 0.2, -1.5, 1.0),
    "a value that is no number": lambda: margrabe(NAN, 1.0, 0.1, 0.2, 0.5, 1.0),
    "a cost of nothing": lambda: margrabe(1.0, 0.0, 0.1, 0.2, 0.5, 1.0),
    "years that are past": lambda: margrabe(1.0, 1.0, 0.1, 0.2, 0.5, -1.0),
    "years without end": lambda: margrabe(1.0, 1.0, 0.1, 0.2, 0.5, INF),
    "a negative yield on the value": lambda: perpetual_exchange(1.0, 1.0, -0.1, 0.1, 0.2, 0.2, 0.0),
    "a volatility in text": lambda: perpetual_exchange(1.0, 1.0, 0.1, 0.1, "0.2", 0.2, 0.0),
    "arrays that do not fit": lambda: margrabe([1.0, 2.0], [1.0, 2.0, 3.0], 0.1, 0.2, 0.5, 1.0),
    "no date": lambda: exchange_lattice(Exchange(**SWAP), []),
    "a date that is past": lambda: exchange_lattice(Exchange(**SWAP), [-1.0, 2.0]),
    "dates in text": lambda: exchange_lattice(Exchange(**SWAP), ["soon"]),
    "a lattice of no steps": lambda: exchange_lattice(Exchange(**SWAP), [1.0], 0),
    "today alone": lambda: exchange_lattice(Exchange(**SWAP), [0.0]),
    "a term of nothing": lambda: contract_ends(0.0, 3.0),
    "costs that do not fit the dates": lambda: exchange_simulation(Exchange(**SWAP), [1.0, 2.0], [0.1, 0.2, 0.3]),
    "a switching cost below nothing": lambda: exchange_simulation(Exchange(**SWAP), [1.0, 2.0], -0.1),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_a_bad_argument_is_named_with_the_way_out(call):
    with pytest.raises(WorkbenchError) as found:
        call()
    assert found.value.where.startswith("decision.options")
    assert found.value.remedy.startswith("give ")
