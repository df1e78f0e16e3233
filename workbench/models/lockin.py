"""Lock-in: what being held costs, and what being able to leave is worth.

The bill for leaving stands in exit_cost.py; here is what an incumbent can make of it (Klemperer, 1995: bargains first,
then rip-offs), and what the freedom to go saves. Money in any currency; arrays of one shape.
"""

from typing import Any

import numpy as np

from workbench.checks import fitting, numbers, shares
from workbench.records import WorkbenchError


def portability(used: Any, build_days: Any, rewrite_share: Any) -> Any:
    """The share of the person-days built on the services in use that carries over: 1 is free to go.

    Axis 0 is the service. Raises WorkbenchError on a bad argument.
    """
    where = "models.lockin.portability"
    used, build_days = numbers(where, used=used, build_days=build_days)
    built, lost = fitting(where, used * build_days, *shares(where, rewrite_share=rewrite_share))
    built, lost = np.sum(built, axis=0), np.sum(built * lost, axis=0)
    return numbers(where, index=1 - np.divide(lost, built, out=np.zeros_like(built), where=built > 0))[0]


def premium_cap(switching_cost: Any, rate: Any, periods: Any) -> Any:
    """The largest premium a period that an incumbent can charge before a rational customer leaves: S r/(1 - (1+r)^-n).

    Money, a rate and a number of periods. Raises WorkbenchError on a bad argument.
    """
    where = "models.lockin.premium_cap"
    switching_cost, rate = numbers(where, switching_cost=switching_cost, rate=rate)
    (periods,) = numbers(where, strict=True, periods=periods)
    switching_cost, rate, periods = fitting(where, switching_cost, rate, periods)
    growth = np.log1p(rate)
    step = np.where(rate > 0, growth / np.where(rate > 0, rate, 1), 1)  # paid at the end of each period, not all along
    return numbers(where, cap=switching_cost / (periods * step * _mean_growth(-growth * periods)))[0]


def price_rise_cost(annual_cost: Any, rises_per_year: Any, mean_rise: Any, discount_rate: Any, years: Any) -> Any:
    """Present value of the price rises to be expected: a Poisson stream of rises, money paid and discounted all along.

    Rises a year, their mean as a share, a continuous rate, years. Raises WorkbenchError on a bad argument.
    """
    where = "models.lockin.price_rise_cost"
    arguments = numbers(where, annual_cost=annual_cost, rises_per_year=rises_per_year, mean_rise=mean_rise,
                        discount_rate=discount_rate, years=years)  # fmt: skip
    annual_cost, rises_per_year, mean_rise, discount_rate, years = fitting(where, *arguments)
    with np.errstate(over="ignore"):
        rising = _mean_growth((rises_per_year * mean_rise - discount_rate) * years)
    return numbers(where, cost=annual_cost * years * (rising - _mean_growth(-discount_rate * years)))[0]


def _mean_growth(x: Any) -> Any:
    """The mean of e^(x s) for s from 0 to 1: (e^x - 1)/x."""
    return np.where(x == 0, 1, np.expm1(x) / np.where(x == 0, 1, x))


def cost_with_exit(
    annual_cost: Any, rise: Any, rise_probability: Any, rival_cost: Any, switching_cost: Any, years: int,
    discount_factor: Any,
) -> Any:  # fmt: skip
    """Expected cost of `years` years, paid ahead, for who may leave for good at the start of any of them.

    Each year after the first the price rises by `rise` with `rise_probability`, and is seen before one decides; the
    rival's stays. An infinite switching cost means to stay. Money; arrays in one shape. Raises WorkbenchError on a bad
    argument.
    """
    where = "models.lockin.cost_with_exit"
    money = numbers(where, annual_cost=annual_cost, rise=rise, rival_cost=rival_cost)
    money += numbers(where, endless=True, switching_cost=switching_cost)
    odds = shares(where, rise_probability=rise_probability, discount_factor=discount_factor)
    numbers(where, strict=True, years=years)
    if np.ndim(years) or years != int(years):
        raise WorkbenchError(where, f"years={years!r} is not a whole number", "give whole years")
    annual_cost, rise, rival_cost, switching_cost, chance, factor = fitting(where, *money, *odds)
    rises = np.arange(years).reshape(-1, *[1] * annual_cost.ndim)
    with np.errstate(over="ignore", invalid="ignore"):
        price = annual_cost * (1 + rise) ** rises
        cost, rival = np.zeros((int(years) + 1, *annual_cost.shape)), np.zeros(annual_cost.shape)
        for year in range(int(years), 0, -1):  # from the last: cost[k] is what is still to pay after k rises
            rival = rival_cost + factor * rival
            later = (1 - chance) * cost[:year] + chance * cost[1 : year + 1]
            cost = np.minimum(price[:year] + factor * later, switching_cost + rival)
    return numbers(where, cost=cost[0])[0]


def portability_value(
    annual_cost: Any, rise: Any, rise_probability: Any, rival_cost: Any, switching_costs: tuple[Any, Any], years: int,
    discount_factor: Any,
) -> Any:  # fmt: skip
    """What being able to leave is worth: the cost at the high switching cost less that at the low.

    `switching_costs` are (low, high); the rest as in `cost_with_exit`. Never negative. Raises WorkbenchError on a bad
    argument.
    """
    where = "models.lockin.portability_value"
    low, high = fitting(where, *(numbers(where, endless=True, switching_costs=s)[0] for s in switching_costs))
    if (low > high).any():
        raise WorkbenchError(where, f"switching_costs={switching_costs!r} fall", "give (low, high)")
    easy, hard = (
        cost_with_exit(annual_cost, rise, rise_probability, rival_cost, switching, years, discount_factor)
        for switching in (low, high)
    )
    return hard - easy
