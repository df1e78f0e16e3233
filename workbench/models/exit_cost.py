"""The bill for leaving by month, against what staying costs, and the months in which leaving pays.

Formulas as in cost.py: arrays have the axes (month, draw), the inventory of services (service, draw). `month` is the
month at whose start one leaves, counted from the scenario's day: the bill is in that month's money and due at once, the
savings come at the ends of the months that follow.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from workbench.checks import numbers, shares
from workbench.records import WorkbenchError

from workbench.units import (  # isort: skip
    Count, Days, DaysPerMonth, EngineerDays, Engineers, EngineersPerProvider, Gb, GbPerDay, GbPerMonth, Gpus,
    HoursPerMonth, KwPerGpu, MonthCount, Months, PerMonth, Providers, Ratio, Share, Usd, UsdPerEngineerDay,
    UsdPerEngineerMonth, UsdPerGb, UsdPerGpu, UsdPerKwh, UsdPerKwMonth, UsdPerMonth,
)  # fmt: skip

# --- the surface: what is written for one vendor


def surface_now(used: Count, build_days: EngineerDays, rewrite_share: Share) -> EngineerDays:
    """Person-days to rewrite today: over the services in use, workloads x days to build one x share not portable."""
    return np.sum(used * build_days * rewrite_share, axis=0)


def surface(surface_now: EngineerDays, surface_growth_per_month: Share, month: MonthCount) -> EngineerDays:
    """The same in that month: who stays keeps building on it."""
    return surface_now * (1 + surface_growth_per_month) ** month


def day_rate(engineer_usd_per_month: UsdPerEngineerMonth, working_days_per_month: DaysPerMonth) -> UsdPerEngineerDay:
    """A person-day at an engineer's loaded cost."""
    return engineer_usd_per_month / working_days_per_month


def re_engineering(surface: EngineerDays, day_rate: UsdPerEngineerDay) -> Usd:
    """Rewriting what is written for one vendor."""
    return surface * day_rate


def retraining(team_engineers: Engineers, retraining_days: Days, day_rate: UsdPerEngineerDay) -> Usd:
    """Days in which the team learns the new platform."""
    return team_engineers * retraining_days * day_rate


# --- the data: what moving it costs, and whether it is out before the waiver ends


def exit_gb(stored_gb: Gb, data_growth_per_month: Share, month: MonthCount) -> Gb:
    """Data to take along in that month."""
    return stored_gb * (1 + data_growth_per_month) ** month


def move_days(exit_gb: Gb, link_gb_per_day: GbPerDay) -> Days:
    """Days that the data takes through the link, at the rate that it sustains."""
    return exit_gb / link_gb_per_day


def waived_gb(exit_gb: Gb, link_gb_per_day: GbPerDay, waiver_days: Days, waiver_share: Share) -> Gb:
    """Data that gets out free: what the link moves within the window, if a waiver is granted and its terms are met."""
    return np.minimum(exit_gb, link_gb_per_day * waiver_days) * waiver_share


def egress_months(move_days: Days, days_per_month: DaysPerMonth, month_length: Months) -> Months:
    """Months over which the move is billed: tiers start anew each month, and a short move is in one."""
    return np.maximum(move_days / days_per_month, month_length)


def egress(
    exit_gb: Gb, waived_gb: Gb, egress_months: Months, exit_edges: GbPerMonth, exit_rates: UsdPerGb,
    egress_chargeable: Share,
) -> Usd:  # fmt: skip
    """Egress for the move by graduated tiers; `egress_chargeable` is the share that the law of that day allows."""
    monthly = (exit_gb - waived_gb) / egress_months
    tiers = zip(exit_edges, exit_rates[:-1], exit_rates[1:], strict=True)
    beyond = sum(np.maximum(monthly - edge, 0) * (above - below) for edge, below, above in tiers)
    return (monthly * exit_rates[0] + beyond) * egress_months * egress_chargeable


class EgressLaw(NamedTuple):
    """The days from which a jurisdiction holds charges for switching to their cost, and bans them."""

    at_cost_from: Any
    banned_from: Any


Purpose = Literal["switching", "parallel"]


def switching_egress_share(
    day: Any, jurisdiction: str, purpose: Purpose, laws: Mapping[str, EgressLaw], at_cost_share: float
) -> float:
    """The share of list egress that a customer under `jurisdiction` pays on `day`: 1 where no law says otherwise.

    Leaving costs nothing from the ban on; parallel use (several clouds at once) may be charged at cost after it too:
    `at_cost_share` of the list. Days are of any one kind that compares. Raises WorkbenchError on another purpose.
    """
    where = "models.exit_cost.switching_egress_share"
    (at_cost_share,) = shares(where, at_cost_share=at_cost_share)
    if purpose not in get_args(Purpose):
        raise WorkbenchError(where, f"purpose {purpose!r} is not known", f"use one of {', '.join(get_args(Purpose))}")
    law = laws.get(jurisdiction)
    if law is None or day < law.at_cost_from:
        return 1.0
    return 0.0 if purpose == "switching" and day >= law.banned_from else float(at_cost_share)


# --- the rest of the bill


def overlap_days(parallel_days: Days, move_days: Days) -> Days:
    """Days on which both platforms run: as planned, and for as long as the data is under way."""
    return np.maximum(parallel_days, move_days)


def dual_running(
    overlap_days: Days, days_per_month: DaysPerMonth, dual_share: Share, incumbent_usd_per_month: UsdPerMonth
) -> Usd:
    """The share of the old bill that runs on beside the new one."""
    return overlap_days / days_per_month * dual_share * incumbent_usd_per_month


def months_bound(term_months: MonthCount, renewal_months: MonthCount, month: MonthCount) -> MonthCount:
    """Months that the contract still runs: to the end of its term, then of each by which it renews (0: it ends)."""
    renewed = np.mod(term_months - month, np.where(renewal_months > 0, renewal_months, 1)) * (renewal_months > 0)
    return np.where(month < term_months, term_months - month, renewed)


def commitment_left(committed_usd_per_month: UsdPerMonth, months_bound: MonthCount, month_length: Months) -> Usd:
    """What the contract still owes to the end of its term: take-or-pay."""
    return committed_usd_per_month * months_bound * month_length


def breakage(commitment_left: Usd, breakage_share: Share) -> Usd:
    """What leaving early owes of it: all, or where the law lets customers go, the fee that stays lawful."""
    return commitment_left * breakage_share


def lost_discount(
    other_spend: UsdPerMonth, lost_discount_share: Share, discount_months: MonthCount, month: MonthCount,
    month_length: Months,
) -> Usd:  # fmt: skip
    """The discount tier that the spend which stays loses, until it would have ended anyway."""
    return other_spend * lost_discount_share * np.maximum(discount_months - month, 0) * month_length


def risk(
    re_engineering: Usd, dual_running: Usd, overrun_share: Share, incident_chance: Share, incident_usd: Usd
) -> Usd:
    """What goes wrong, on average: the effort overruns and both bills run on, and service may fail at the cut-over."""
    return (re_engineering + dual_running) * overrun_share + incident_chance * incident_usd


def exit_cost(
    egress: Usd, re_engineering: Usd, retraining: Usd, dual_running: Usd, breakage: Usd, lost_discount: Usd, risk: Usd
) -> Usd:
    """The bill for leaving in that month: the sum of its parts."""
    return egress + re_engineering + retraining + dual_running + breakage + lost_discount + risk


# --- a second platform kept warm: several clouds at once as a hedge


def standing_usd_per_month(
    engineers_per_extra_provider: EngineersPerProvider, extra_providers: Providers,
    engineer_usd_per_month: UsdPerEngineerMonth,
) -> UsdPerMonth:  # fmt: skip
    """People who keep another provider's platform ready."""
    return engineers_per_extra_provider * extra_providers * engineer_usd_per_month


def prepared(re_engineering: Usd, retraining: Usd, overrun_share: Share) -> Usd:
    """What is done ahead for it: the rewriting, with the overrun that it has on average, and the training."""
    return re_engineering * (1 + overrun_share) + retraining


def hedged_exit_cost(
    egress: Usd, dual_running: Usd, breakage: Usd, lost_discount: Usd, overrun_share: Share, incident_chance: Share,
    incident_usd: Usd,
) -> Usd:  # fmt: skip
    """The bill for leaving that is left then: the work itself still moves over, with an overlap that may overrun."""
    return egress + dual_running * (1 + overrun_share) + breakage + lost_discount + incident_chance * incident_usd


def standing_cost(
    standing_usd_per_month: UsdPerMonth, discount: Ratio, rate_per_month: Share, month_length: Months
) -> Usd:
    """The people over the horizon, paid at the ends of its months, in today's money. Axis 0 is the month."""
    return standing_usd_per_month * month_length * np.sum(discount / (1 + rate_per_month), axis=0)


# --- owned hardware as the target of an exit


def hardware_usd(owned_gpus: Gpus, server_usd_per_gpu: UsdPerGpu) -> Usd:
    """Servers to buy, the network among them included."""
    return owned_gpus * server_usd_per_gpu


def site_usd_per_month(
    owned_gpus: Gpus, server_kw_per_gpu: KwPerGpu, colocation_usd_per_kw_month: UsdPerKwMonth, pue: Ratio,
    power_usd_per_kwh: UsdPerKwh, hours_per_month: HoursPerMonth,
) -> UsdPerMonth:  # fmt: skip
    """Room and cooling by the kW reserved, and electricity by the kWh with what the site takes for itself."""
    per_kw = colocation_usd_per_kw_month + hours_per_month * pue * power_usd_per_kwh
    return owned_gpus * server_kw_per_gpu * per_kw


def owned_usd_per_month(
    hardware_usd: Usd, hardware_life: Months, site_usd_per_month: UsdPerMonth, operators: Engineers,
    engineer_usd_per_month: UsdPerEngineerMonth,
) -> UsdPerMonth:  # fmt: skip
    """Owned hardware: written off over its life, with its site and its people."""
    return hardware_usd / hardware_life + site_usd_per_month + operators * engineer_usd_per_month


def hardware_left(hardware_usd: Usd, hardware_life: Months, owned_months: Months) -> Usd:
    """What is not written off after so many months: who stops then must sell it for that, or loses the rest."""
    return hardware_usd * np.maximum(1 - owned_months / hardware_life, 0)


# --- leaving against staying


def staying_re_engineering(
    surface: EngineerDays, breaking_releases_per_month: PerMonth, broken_share: Share, day_rate: UsdPerEngineerDay
) -> UsdPerMonth:
    """Staying is not free of rewriting: each breaking release of the vendor's makes a share of the surface anew."""
    return surface * breaking_releases_per_month * broken_share * day_rate


def failure_usd_per_month(failure_chance: Share, forced_move: Usd, month_length: Months) -> UsdPerMonth:
    """What a provider that may fail costs in that month, on average."""
    return failure_chance * forced_move / month_length


def saving_per_month(
    incumbent_usd_per_month: UsdPerMonth, staying_re_engineering: UsdPerMonth, failure_usd_per_month: UsdPerMonth,
    rival_usd_per_month: UsdPerMonth, rival_re_engineering: UsdPerMonth, rival_failure_usd: UsdPerMonth,
) -> UsdPerMonth:  # fmt: skip
    """What a month elsewhere saves: rewriting and the chance that the provider fails are counted on both sides."""
    staying = incumbent_usd_per_month + staying_re_engineering + failure_usd_per_month
    return staying - rival_usd_per_month - rival_re_engineering - rival_failure_usd


def rate_per_month(discount_rate: Share, months_per_year: MonthCount) -> Share:
    """The yearly rate by the month, compounding to the same."""
    return (1 + discount_rate) ** (1 / months_per_year) - 1


def discount(rate_per_month: Share, month: MonthCount) -> Ratio:
    """Today's value of a dollar at the start of that month."""
    return 1 / (1 + rate_per_month) ** month


def saving_pv(saving_per_month: UsdPerMonth, discount: Ratio, rate_per_month: Share, month_length: Months) -> Usd:
    """The savings to the end of the horizon if one leaves in that month, in that month's money. Axis 0 is the month."""
    due = saving_per_month * discount / (1 + rate_per_month)
    return np.flip(np.cumsum(np.flip(due, axis=0), axis=0), axis=0) / discount * month_length


def npv(saving_pv: Usd, exit_cost: Usd) -> Usd:
    """What leaving in that month brings over staying, in that month's money: above 0 it pays."""
    return saving_pv - exit_cost


def npv_today(npv: Usd, discount: Ratio) -> Usd:
    """The same in today's money, in which months compare: where it is highest one should leave."""
    return npv * discount


def best_month(npv_today: Any) -> int | None:
    """The month in which leaving brings the most, the first of equals; None where it never pays. Shape (month,)."""
    npv = _by_month("models.exit_cost.best_month", npv_today)
    return int(np.argmax(npv)) if npv.max() > 0 else None


def last_month_that_pays(npv: Any) -> int | None:
    """The last month in which leaving still pays; None where it never does. Shape (month,)."""
    npv = _by_month("models.exit_cost.last_month_that_pays", npv)
    return int(np.flatnonzero(npv > 0)[-1]) if npv.max() > 0 else None


def _by_month(where: str, npv: Any) -> Any:
    (npv,) = numbers(where, low=-np.inf, npv=np.atleast_1d(npv))
    if npv.ndim > 1:
        raise WorkbenchError(where, f"npv has {npv.ndim} axes", "give one figure a month: a mean over the draws")
    return npv


# --- a provider that fails


def failure_chance(failure_per_year: Share, months_per_year: MonthCount, month: MonthCount) -> Share:
    """The chance that the provider, at a constant hazard, fails in just that month."""
    return (1 - failure_per_year) ** (month / months_per_year) * (1 - (1 - failure_per_year) ** (1 / months_per_year))


def forced_move(
    re_engineering: Usd, retraining: Usd, rush_share: Share, outage_days: Days, days_per_month: DaysPerMonth,
    waiting_usd_per_month: UsdPerMonth, prepaid_usd: Usd,
) -> Usd:  # fmt: skip
    """Leaving because one must: in a rush, after an outage, and what was paid ahead is lost; no fee, no term."""
    outage = outage_days / days_per_month * waiting_usd_per_month
    return (re_engineering + retraining) * (1 + rush_share) + outage + prepaid_usd


def forced_migration(failure_chance: Share, forced_move: Usd, discount: Ratio) -> Usd:
    """The expected cost of it over the horizon, in today's money. Axis 0 is the month."""
    return np.sum(failure_chance * forced_move * discount, axis=0)
