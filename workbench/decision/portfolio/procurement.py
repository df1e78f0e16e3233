"""Rules of thumb for buying capacity that are right under their own assumptions: what a plan must beat.

How much to commit for a month whose demand has a known spread (newsvendor), when to commit where nobody can forecast
(online rule), what two committed prices say about the years between, how much to order ahead of a lead time.
"""

from dataclasses import dataclass
from math import e
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.checks import numbers
from workbench.records import WorkbenchError

WEEKS_PER_YEAR = 52
TERM_YEARS = 3
"""Of the longer of the two committed prices that sellers publish."""

Array = NDArray[np.float64]


# --- a month's demand with a known spread


def newsvendor(demand: Any, committed: float, on_demand: float) -> Any:
    """Units to commit for each month: an array of (months,). `demand` is (draws, months), rates USD per unit and month.

    A committed unit is paid whether it is needed or not, and what is short is bought on demand: so commit up to the
    share 1 - committed/on_demand of what demand may be (Arrow, Harris and Marschak, 1951). Months are taken one by one,
    as if each had a commitment of its own. Raises WorkbenchError on a bad argument.
    """
    where = "decision.portfolio.procurement.newsvendor"
    (drawn,), share = numbers(where, demand=demand), _critical(where, committed, on_demand)
    if np.ndim(drawn) != 2:
        raise WorkbenchError(where, f"demand has {np.ndim(drawn)} axes", "give (draws, months)")
    if share == 0:
        return np.zeros(drawn.shape[1])
    return np.quantile(drawn, share, axis=0, method="inverted_cdf")


@dataclass(frozen=True, kw_only=True)
class Order:
    """Units to commit for a month, and the expected USD of the month, committed and on demand together."""

    quantity: float
    cost: float


def newsvendor_normal(committed: float, on_demand: float, mean: float, sd: float) -> Order:
    """The same for a month whose demand is normal, in closed form. Raises WorkbenchError on a bad argument."""
    where = "decision.portfolio.procurement.newsvendor_normal"
    share = _critical(where, committed, on_demand)
    mean, sd = numbers(where, mean=mean, sd=sd)
    if sd == 0:
        return Order(quantity=mean if share else 0.0, cost=min(committed, on_demand) * mean)
    normal, none = NormalDist(), -mean / sd  # nobody commits to less than nothing
    at = max(normal.inv_cdf(share), none) if share else none
    short = sd * (normal.pdf(at) - at * (1 - normal.cdf(at)))
    quantity = max(mean + at * sd, 0.0)
    return Order(quantity=quantity, cost=committed * quantity + on_demand * short)


def _critical(where: str, committed: Any, on_demand: Any) -> float:
    """The chance that a committed unit is needed, from which on it is worth its price."""
    committed, on_demand = numbers(where, strict=True, committed=committed, on_demand=on_demand)
    if np.ndim(committed) or np.ndim(on_demand):
        raise WorkbenchError(where, "rates that are not one number each", "give USD per unit and month")
    return float(max(1 - committed / on_demand, 0))


# --- a demand that nobody can forecast


@dataclass(frozen=True, kw_only=True)
class Online:
    """What the rule orders in each month, how many units run on demand, and what all of it costs in USD."""

    orders: NDArray[np.int64]
    on_demand: Array
    cost: float


def commit_online(demand: Any, on_demand: float, fee: float, term_months: int, usage: float = 0.0) -> Online:
    """Commits without a forecast: a unit when its on-demand spend within the last term passes the break-even.

    `demand` is whole units by month, seen as it comes; `on_demand` USD per unit and month, `fee` USD for a unit's whole
    term, `usage` USD per month that a committed unit is used. Break-even is the spend at which the fee would have paid:
    fee / (1 - usage/on_demand). An order also counts as if it had been there for the term before, so no spend is
    counted twice. Never dearer than `online_ratio(usage/on_demand)` times the best plan of one who knew the future, and
    no rule without luck or foresight does better (Wang, Li and Liang, arXiv 1305.5608; for one unit Fleischer's
    Bahncard problem, 2001; at usage 0 ski rental). Raises WorkbenchError on a bad argument.
    """
    where = "decision.portfolio.procurement.commit_online"
    (wanted,) = numbers(where, demand=demand)
    on_demand, fee = numbers(where, strict=True, on_demand=on_demand, fee=fee)
    (usage,), (term,) = numbers(where, usage=usage), numbers(where, low=1, term_months=term_months)
    if np.ndim(wanted) != 1 or (wanted % 1).any() or term % 1:
        raise WorkbenchError(where, "a demand or term that is not counted", "give whole units by month, whole months")
    if usage >= on_demand:
        raise WorkbenchError(where, f"usage={usage:g} is no less than on_demand={on_demand:g}", "then never commit")
    return _as_it_comes(wanted, (on_demand, fee, usage), int(term))


def _as_it_comes(demand: Array, rates: tuple[float, float, float], term: int) -> Online:
    on_demand, fee, usage = rates
    most = fee / (1 - usage / on_demand)
    orders, held = np.zeros(len(demand), np.int64), np.zeros(len(demand))
    for month in range(len(demand)):
        window = slice(max(month - term + 1, 0), month + 1)
        while on_demand * (demand[window] > held[window]).sum() > most:
            orders[month] += 1
            held[window.start : month + term] += 1
    running = np.array([orders[max(m - term + 1, 0) : m + 1].sum() for m in range(len(demand))])
    short, used = np.maximum(demand - running, 0), np.minimum(demand, running)
    cost = fee * orders.sum() + on_demand * short.sum() + usage * used.sum()
    return Online(orders=orders, on_demand=short, cost=float(cost))


def online_ratio(usage_share: Any) -> Any:
    """The most that the rule can cost, in terms of the best plan in hindsight: 2 - usage/on_demand.

    Raises WorkbenchError outside 0 to 1.
    """
    return 2 - _share("decision.portfolio.procurement.online_ratio", usage_share)


def randomised_ratio(usage_share: Any) -> Any:
    """The same on average for the best rule that draws its threshold by lot: e / (e - 1 + usage/on_demand).

    Raises WorkbenchError outside 0 to 1.
    """
    return e / (e - 1 + _share("decision.portfolio.procurement.randomised_ratio", usage_share))


def _share(where: str, usage_share: Any) -> Any:
    (share,) = numbers(where, usage_share=usage_share)
    if np.any(share > 1):
        raise WorkbenchError(where, f"usage_share={usage_share!r} is out of range", "give usage/on_demand, 0 to 1")
    return share


# --- what is between the prices, and before the delivery


def forward_rates(one_year: float, three_year: float) -> tuple[float, float, float]:
    """What the second and third year cost by the sellers' own prices: (yearly ratio, rate of year 2, rate of year 3).

    A commitment of three years is taken as three of one year, each cheaper than the last by one ratio:
    one_year (1 + r + r^2) = 3 three_year. Raises WorkbenchError where no ratio does it.
    """
    where = "decision.portfolio.procurement.forward_rates"
    one_year, three_year = numbers(where, strict=True, one_year=one_year, three_year=three_year)
    years = TERM_YEARS * three_year / one_year
    if years < 1:
        raise WorkbenchError(where, f"three_year={three_year:g} costs less than one year at one_year={one_year:g}",
                             "give both as rates of the same unit of time")  # fmt: skip
    ratio = float(np.sqrt(years - 1 + 1 / 2 / 2) - 1 / 2)
    return ratio, one_year * ratio, one_year * ratio**2


def lead_time_order(demand: float, growth: float, volatility: float, critical_ratio: float, weeks: float) -> float:
    """Units to order now for the day on which they arrive, `weeks` away: the critical quantile of a lognormal demand.

    demand exp((growth - volatility^2/2) t + volatility sqrt(t) z(critical_ratio)), t in years; growth and volatility
    are yearly. Lead times of 36 to 52 weeks are a reseller's figures for buying hardware, not for renting it.
    Raises WorkbenchError on a bad argument.
    """
    where = "decision.portfolio.procurement.lead_time_order"
    (growth,) = numbers(where, low=-np.inf, growth=growth)
    demand, volatility, weeks = numbers(where, demand=demand, volatility=volatility, weeks=weeks)
    (ratio,) = numbers(where, strict=True, critical_ratio=critical_ratio)
    if ratio >= 1:
        raise WorkbenchError(where, f"critical_ratio={ratio:g} is out of range", "give a share between 0 and 1")
    years = weeks / WEEKS_PER_YEAR
    spread = volatility * np.sqrt(years) * NormalDist().inv_cdf(ratio)
    return float(demand * np.exp((growth - volatility**2 / 2) * years + spread))
