"""The option to leave as a real option: a risky cost is given up for a risky value, now or later.

The underlying is the value of being elsewhere, the strike the cost of going there; both are geometric Brownian motions
in discounted money. A yield is what waiting forgoes by the year: on the value the savings of the time that passes, on
the cost the discount rate less the growth of the surface, so below 0 where the surface grows faster than money. Common
shocks raise the correlation, and so shrink the option.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.checks import fitting, numbers, shares
from workbench.records import WorkbenchError

Array = NDArray[np.float64]
WHERE = "decision.options"
STEPS = 512
BISECTIONS = 40
PATHS = 40_000
DEGREE = 3  # of the polynomials by which the value of waiting is fitted

_erfc = np.vectorize(math.erfc, otypes=[float])


def normal_cdf(x: Any) -> Any:
    """The standard normal distribution function, to the last digits in both tails."""
    return _erfc(-np.asarray(x) / math.sqrt(2)) / 2


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What is swapped for what: floats or arrays of one shape, volatilities and yields by the year.

    Raises WorkbenchError on a bad number.
    """

    value: Any
    cost: Any
    vol_value: Any
    vol_cost: Any
    correlation: Any
    yield_value: Any = 0.0
    yield_cost: Any = 0.0

    def __post_init__(self) -> None:
        numbers(WHERE, value=self.value, vol_value=self.vol_value, vol_cost=self.vol_cost, yield_value=self.yield_value)
        numbers(WHERE, strict=True, cost=self.cost)
        numbers(WHERE, low=-np.inf, yield_cost=self.yield_cost)
        shares(WHERE, low=-1.0, correlation=self.correlation)
        names = self.__dataclass_fields__
        for name, array in zip(names, fitting(WHERE, *(getattr(self, n) for n in names)), strict=True):
            object.__setattr__(self, name, array.astype(float))

    @property
    def volatility(self) -> Array:
        """Of the ratio of value to cost: what the two do not share."""
        spread, joint = self.vol_value - self.vol_cost, self.vol_value * self.vol_cost
        return np.sqrt(spread**2 + 2 * (1 - self.correlation) * joint)


def margrabe(  # noqa: PLR0913, PLR0917 as others call it
    value: Any, cost: Any, vol_value: Any, vol_cost: Any, correlation: Any, years: Any, yield_value: Any = 0.0,
    yield_cost: Any = 0.0,
) -> Any:  # fmt: skip
    """The option to give up `cost` for `value` after `years`, no earlier (Margrabe, 1978).

    Money; floats or arrays of one shape. Raises WorkbenchError on a bad argument.
    """
    swap = Exchange(value=value, cost=cost, vol_value=vol_value, vol_cost=vol_cost, correlation=correlation,
                    yield_value=yield_value, yield_cost=yield_cost)  # fmt: skip
    (years,) = numbers(WHERE, years=years)
    spread, value, cost, years = fitting(WHERE, swap.volatility * np.sqrt(years), swap.value, swap.cost, years)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value, cost = value * np.exp(-swap.yield_value * years), cost * np.exp(-swap.yield_cost * years)
        at_once = np.maximum(value - cost, 0)
        live = (spread > 0) & (value > 0) & (cost < np.inf)
        d = (np.log(value) - np.log(cost)) / spread + spread / 2
        option = np.clip(value * normal_cdf(d) - cost * normal_cdf(d - spread), at_once, value)
    return numbers(WHERE, option=np.where(live, option, at_once))[0]


class Perpetual(NamedTuple):
    """The value of an option without end, and the ratio of value to cost from which on it is exercised."""

    value: Any
    threshold: Any


def perpetual_exchange(  # noqa: PLR0913, PLR0917 as others call it
    value: Any, cost: Any, yield_value: Any, yield_cost: Any, vol_value: Any, vol_cost: Any, correlation: Any
) -> Perpetual:
    """The option to give up `cost` for `value` at any time (McDonald and Siegel, 1986): its value, and when to go.

    Where waiting forgoes nothing (a yield of 0 on the value) one may never go: the threshold is infinite. Floats or
    arrays of one shape. Raises WorkbenchError on a bad argument.
    """
    swap = Exchange(value=value, cost=cost, vol_value=vol_value, vol_cost=vol_cost, correlation=correlation,
                    yield_value=yield_value, yield_cost=yield_cost)  # fmt: skip
    variance = swap.volatility**2
    slope = swap.yield_cost - swap.yield_value - variance / 2
    root = np.sqrt(np.maximum(slope**2 + 2 * variance * swap.yield_cost, 0))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # beta > 1 solves variance/2 b^2 + slope b - yield_cost = 0, in the form that loses no digits
        beta = np.where(slope > 0, 2 * swap.yield_cost / (slope + root), (root - slope) / variance)
        beta = np.where(variance + np.abs(slope) > 0, np.maximum(beta, 1), np.inf)
        threshold = 1 / (1 - 1 / beta)
        ratio = swap.value / swap.cost
        waiting = swap.value / beta * (ratio / threshold) ** (beta - 1)
        option = np.where(ratio >= threshold, swap.value - swap.cost, waiting)
    (option,) = numbers(WHERE, option=option)
    return Perpetual(option, numbers(WHERE, endless=True, threshold=threshold)[0])


# --- windows: exercise at given dates


def any_time(years: float, steps: int = STEPS) -> Array:
    """Dates of an American option: each step of the lattice, the end included."""
    return np.linspace(0, years, steps + 1)


def contract_ends(term_years: float, years: float) -> Array:
    """Dates of a Bermudan option: the ends of the contract's terms within `years`, and the horizon itself."""
    numbers(WHERE, strict=True, term_years=term_years, years=years)
    return np.unique(np.append(np.arange(term_years, years, term_years), years))


class Exercise(NamedTuple):
    """What the option is worth, and what it is worth to those who do not exercise it today."""

    value: Any
    waiting: Any


def exchange_lattice(exchange: Exchange, exercise_at: Sequence[float] | Array, steps: int = STEPS) -> Exercise:
    """The option with exercise at given dates, in years, on a binomial lattice of the ratio of value to cost.

    One date is a European option, contract ends a Bermudan, `any_time` an American one. A date is taken at its nearest
    step. Against Margrabe the error is below 0.3 volatility sqrt(years) value/steps. Money, in the shape of the
    exchange. Raises WorkbenchError on bad dates.
    """
    dates = _dates(exercise_at)
    numbers(WHERE, low=1, steps=steps)
    step, open_ = dates[-1] / steps, np.zeros(steps + 1, dtype=bool)
    open_[np.rint(dates / step).astype(int)] = True
    jump, drift = exchange.volatility * math.sqrt(step), (exchange.yield_cost - exchange.yield_value) * step
    up, factor = 1 / (1 + np.exp(jump)), np.exp(-exchange.yield_cost * step)  # the ratio's forward is met at each step
    ratio = exchange.value / exchange.cost
    ups = np.arange(steps + 1.0).reshape(-1, *[1] * ratio.ndim)

    def gain(at: int) -> Array:
        return ratio * np.exp(drift * at + jump * (2 * ups[: at + 1] - at)) - 1

    option = waiting = np.maximum(gain(steps), 0)
    for at in reversed(range(steps)):
        waiting = factor * (up * option[1:] + (1 - up) * option[:-1])
        option = np.maximum(waiting, gain(at)) if open_[at] else waiting
    return Exercise(*numbers(WHERE, option=option[0] * exchange.cost, waiting=waiting[0] * exchange.cost))


def exercise_threshold(exchange: Exchange, exercise_at: Sequence[float] | Array, steps: int = STEPS) -> float:
    """The ratio of value to cost from which on going today beats waiting for the dates to come; for floats.

    Infinite where waiting forgoes nothing. With exercise at any time it is low by about 0.58 volatility sqrt(step), as
    one may go at the steps alone (Broadie, Glasserman and Kou, 1997). Raises WorkbenchError on bad dates.
    """
    x = exchange
    terms = (x.yield_value, x.yield_cost, x.vol_value, x.vol_cost, x.correlation)
    low, high = 1.0, perpetual_exchange(x.value, x.cost, *terms).threshold
    if math.isinf(high):
        return high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        waiting = exchange_lattice(replace(x, value=middle, cost=1.0), exercise_at, steps).waiting
        low, high = (low, middle) if middle - 1 >= waiting else (middle, high)
    return high


def _dates(exercise_at: Sequence[float] | Array) -> Array:
    dates = np.unique(numbers(WHERE, exercise_at=np.atleast_1d(exercise_at))[0])
    if dates[-1] <= 0:
        raise WorkbenchError(WHERE, f"exercise_at={exercise_at!r} ends today", "give dates in years, the last above 0")
    return dates


# --- windows on a horizon that ends: what is still to be saved shrinks, the bill for leaving has a course of its own


class Windows(NamedTuple):
    """Dates at which one may leave, in years from today, and what that means, each in its date's money.

    `value` is what one stops paying from then to the horizon, `cost` what one pays elsewhere instead, `switching_cost`
    the bill for the move: (date, ...), as expected today.
    """

    years: Array
    value: Array
    cost: Array
    switching_cost: Array


class Exit(NamedTuple):
    """What being able to leave is worth, to who does not leave today too, and the chance of ever leaving."""

    value: Any
    waiting: Any
    chance: Any


def exit_lattice(windows: Windows, volatility: Any, rate: float, steps: int = STEPS) -> Exit:
    """The option to leave for good at any of the dates, on a binomial lattice of the rival's price against today's.

    That ratio has the `volatility` (by the year) of an exchange and no drift but what `cost` and `value` expect; `rate`
    is the yearly discount rate, compounded by the year. A date is taken at its nearest step. Raises WorkbenchError on
    bad dates or numbers.
    """
    dates = numbers(WHERE, years=np.atleast_1d(windows.years))[0]
    money = numbers(WHERE, low=-np.inf, value=windows.value, cost=windows.cost, switching_cost=windows.switching_cost)
    spread, rate = numbers(WHERE, volatility=volatility, rate=rate)
    numbers(WHERE, low=1, steps=steps)
    step = dates[-1] / steps
    at_step = {int(k): j for j, k in enumerate(np.rint(dates / step))} if step > 0 else {steps: len(dates) - 1}
    jump = spread * math.sqrt(step)
    up, factor = 1 / (1 + np.exp(jump)), (1 + rate) ** -step
    value, cost, switching = fitting(WHERE, *money)
    ups = np.arange(steps + 1.0).reshape(-1, *[1] * np.broadcast(value[0], jump).ndim)

    def gain(at: int) -> Array:
        j = at_step[at]
        return value[j] - switching[j] - cost[j] * np.exp(jump * (2 * ups[: at + 1] - at))

    waiting = np.zeros_like(gain(steps))
    option, chance = np.maximum(gain(steps), 0), np.where(gain(steps) > 0, 1.0, 0.0)
    for at in reversed(range(steps)):
        waiting = factor * (up * option[1:] + (1 - up) * option[:-1])
        chance = up * chance[1:] + (1 - up) * chance[:-1]
        option = waiting
        if at in at_step:
            go = gain(at)
            option, chance = np.maximum(waiting, go), np.where(go >= np.maximum(waiting, 0), 1.0, chance)
    return Exit(*numbers(WHERE, option=option[0], waiting=waiting[0], chance=chance[0]))


# --- no closed form: two prices and a switching cost


class Estimate(NamedTuple):
    """A mean over simulated paths with its standard error."""

    value: float
    standard_error: float


def exchange_simulation(
    exchange: Exchange,
    exercise_at: Sequence[float] | Array,
    switching_cost: Any = 0.0,
    rate: float = 0.0,
    seed: int = 0,
) -> Estimate:
    """The option to give up `cost` and a fixed switching cost for `value`, by least squares; for floats.

    `switching_cost` is money, one figure or one for each date in rising order; `rate` is the yearly discount rate. The
    rule when to go is fitted on half of the paths and priced on the others (Longstaff and Schwartz, 2001), so but for
    its standard error the estimate is not above the truth, and below it by what the fit misses: under 1% in the tested
    cases. Raises WorkbenchError on bad dates, or costs that do not fit them.
    """
    dates = _dates(exercise_at)
    strikes, _ = fitting(WHERE, *numbers(WHERE, switching_cost=switching_cost), dates)
    value, cost = _paths(exchange, dates, rate, seed)
    gain = (value - cost - strikes[:, None]) * np.exp(-rate * dates)[:, None]
    fit = np.arange(2 * PATHS) < PATHS
    cash = np.maximum(gain[-1], 0)
    for at in reversed(range(len(dates) - 1)):
        v, c = value[at] / exchange.value, cost[at] / exchange.cost
        basis = np.stack([v**i * c**j for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)], axis=1)
        live = gain[at] > 0
        if (live & fit).sum() > basis.shape[1]:  # too few to learn from: wait
            weights = np.linalg.lstsq(basis[live & fit], cash[live & fit], rcond=None)[0]
            cash = np.where(live & (gain[at] >= basis @ weights), gain[at], cash)
    priced = cash[~fit]
    return Estimate(float(priced.mean()), float(priced.std(ddof=1) / math.sqrt(PATHS)))


def _paths(exchange: Exchange, dates: Array, rate: float, seed: int) -> tuple[Array, Array]:
    """Both prices at each date, (date, path): exact steps of correlated motions."""
    x, steps = exchange, np.diff(dates, prepend=0)[:, None]
    shocks = np.random.default_rng(seed).standard_normal((2, len(dates), 2 * PATHS)) * np.sqrt(steps)
    shocks[1] = x.correlation * shocks[0] + np.sqrt(1 - x.correlation**2) * shocks[1]

    def path(start: Array, vol: Array, yield_: Array, shock: Array) -> Array:
        return start * np.exp(np.cumsum((rate - yield_ - vol**2 / 2) * steps + vol * shock, axis=0))

    return path(x.value, x.vol_value, x.yield_value, shocks[0]), path(x.cost, x.vol_cost, x.yield_cost, shocks[1])
