"""How far the price of an hour moves after it was seen, month by month.

Formulas only, as in `cost`: arrays have the axes (month, draw). Three ways are told apart, since histories show them:
rents follow a trend, or go on as they went last and then turn (a V); spot prices and single sellers swing by chance;
list prices of hyperscalers stay for years and then move at once. An option binds what does not apply to 0.
"""

import numpy as np

from workbench.units import MonthCount, Ratio, Share, SharePerMonth


def price_months(month: MonthCount, age_months: MonthCount) -> MonthCount:
    """Months since the price was seen."""
    return age_months + month


def committed_months(term_start: MonthCount, committed_age_months: MonthCount) -> MonthCount:
    """The same up to `term_start`, the month in which the running term began: a signed price stays."""
    return committed_age_months + term_start


def drifting(price_trend_model: Ratio) -> Share:
    """How far prices follow their long-run drift: wholly by model 1, not by 0 (nothing changes) and 2 (a turn)."""
    return 1 - np.abs(price_trend_model - 1)


def turning(price_trend_model: Ratio) -> Share:
    """How far prices go on as they went last, and then turn: wholly by model 2."""
    return np.maximum(price_trend_model - 1, 0)


def price_slope(drifting: Share, turning: Share, price_drift: SharePerMonth, rent_fall: SharePerMonth) -> SharePerMonth:
    """Of the log price, a month, where no turn lies ahead."""
    return drifting * price_drift + turning * rent_fall


def committed_slope(
    drifting: Share, turning: Share, committed_drift: SharePerMonth, rent_fall: SharePerMonth
) -> SharePerMonth:
    """The same of the price of a commitment."""
    return drifting * committed_drift + turning * rent_fall


def before_turn(
    turning: Share, rent_rise: SharePerMonth, rent_fall: SharePerMonth, month: MonthCount, age_months: MonthCount,
    turn_month: MonthCount,
) -> Share:  # fmt: skip
    """What a rise up to the turn adds to the log price; until today it has lasted."""
    return turning * (rent_rise - rent_fall) * (age_months + np.minimum(month, turn_month))


def committed_before_turn(
    turning: Share, rent_rise: SharePerMonth, rent_fall: SharePerMonth, term_start: MonthCount,
    committed_age_months: MonthCount, turn_month: MonthCount,
) -> Share:  # fmt: skip
    """The same of the price of a commitment."""
    return turning * (rent_rise - rent_fall) * (committed_age_months + np.minimum(term_start, turn_month))


def price_swing(
    price_months: MonthCount, market_volatility: Share, offer_volatility: Share, market_shock: Ratio,
    offer_shock: Ratio,
) -> Share:  # fmt: skip
    """By chance, of the log price: shocks are standard normals, volatilities for a root of a month."""
    return (market_volatility * market_shock + offer_volatility * offer_shock) * np.sqrt(price_months)


def committed_swing(
    committed_months: MonthCount, market_volatility: Share, committed_volatility: Share, market_shock: Ratio,
    committed_shock: Ratio,
) -> Share:  # fmt: skip
    """The same of the price of a commitment."""
    return (market_volatility * market_shock + committed_volatility * committed_shock) * np.sqrt(committed_months)


def price_step(price_months: MonthCount, step_wait: MonthCount, step_rate: SharePerMonth, step_size: Share) -> Share:
    """Of the log of a list price, which stays for years and then moves at once: the wait is counted in mean waits."""
    return np.where(price_months * step_rate >= step_wait, step_size, 0)


def committed_step(
    committed_months: MonthCount, committed_wait: MonthCount, committed_step_rate: SharePerMonth, step_size: Share
) -> Share:
    """The same of the price of a commitment."""
    return np.where(committed_months * committed_step_rate >= committed_wait, step_size, 0)


def price_factor(
    price_months: MonthCount, price_slope: SharePerMonth, before_turn: Share, price_swing: Share, price_step: Share
) -> Ratio:
    """How far a price has moved since it was seen: by trend, by chance, by a step."""
    return np.exp(price_slope * price_months + price_swing + before_turn + price_step)


def committed_price_factor(
    committed_months: MonthCount, committed_slope: SharePerMonth, committed_before_turn: Share, committed_swing: Share,
    committed_step: Share,
) -> Ratio:  # fmt: skip
    """The same of the price of a commitment, up to its signature."""
    return np.exp(committed_slope * committed_months + committed_swing + committed_before_turn + committed_step)
