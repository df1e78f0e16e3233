"""What one option costs, month by month.

Formulas only: their arguments are the names of dataset rows or of other formulas. Arrays have the axes (month, draw);
an input keeps its natural shape: (), (draw,) or (month, 1). What an option does not have (a commitment, a bridge) it
binds to 0, so one set of formulas serves every basis.
"""

from typing import Any

import numpy as np

from workbench.checks import numbers
from workbench.records import WorkbenchError

from workbench.units import (  # isort: skip
    Engineers, EngineersPerProvider, Gb, GbPerGpu, GbPerMonth, GpuHoursPerMonth, GpuHoursPerRequest, GpuHoursPerRun,
    Gpus, GpusPerInstance, Hours, HoursPerMonth, Instances, MonthCount, Months, PerMonth, Providers, Ratio,
    RequestsPerMonth, RunsPerMonth, Share, TokensPerGpuHour, TokensPerMonth, Usd, UsdPerEngineerMonth,
    UsdPerGb, UsdPerGbHour, UsdPerGbMonth, UsdPerGpu, UsdPerGpuHour, UsdPerGpuMonth, UsdPerHour, UsdPerMonth,
    UsdPerVcpuHour, VcpusPerGpu,
)  # fmt: skip


def _total(*parts: Any) -> Any:
    """The sum, small shapes first, then in place: a new array costs as much as the arithmetic."""
    whole = np.broadcast_shapes(*map(np.shape, parts))
    total: Any = 0
    for part in sorted(parts, key=np.size):
        total = total.__iadd__(part) if np.shape(total) == whole != () else total + part
    return total


# --- useful work


def work_share(taken_share: Share) -> Share:
    """The share of the work that is done here, where another provider takes the rest."""
    return 1 - taken_share


def demand_level(growth_per_month: Share, month: MonthCount, ramp_months: MonthCount, work_share: Share) -> Ratio:
    """The month's work as a multiple of the first full month's: growth compounds, the ramp rises in equal steps."""
    return (1 + growth_per_month) ** month * np.minimum((month + 1) / np.maximum(ramp_months, 1), 1) * work_share


def model_scale(model_billion_parameters: Ratio, reference_billion_parameters: Ratio) -> Ratio:
    """How much more work a token is than in the model of the throughput rows: dense models go by their parameters."""
    return model_billion_parameters / reference_billion_parameters


def prefill_gpu_hours(
    tokens_in_per_month: TokensPerMonth, prefill_tokens_per_gpu_hour: TokensPerGpuHour, prefill_throughput: Ratio,
    model_scale: Ratio, demand_level: Ratio,
) -> GpuHoursPerMonth:  # fmt: skip
    """Hours of this accelerator that reading the prompts takes at full rate."""
    return tokens_in_per_month / (prefill_tokens_per_gpu_hour * prefill_throughput / model_scale) * demand_level


def decode_gpu_hours(
    tokens_out_per_month: TokensPerMonth, decode_tokens_per_gpu_hour: TokensPerGpuHour, decode_throughput: Ratio,
    model_scale: Ratio, demand_level: Ratio,
) -> GpuHoursPerMonth:  # fmt: skip
    """Hours of this accelerator that writing the answers takes at full rate."""
    return tokens_out_per_month / (decode_tokens_per_gpu_hour * decode_throughput / model_scale) * demand_level


def batch_gpu_hours(
    gpu_hours_per_month: GpuHoursPerMonth, runs_per_month: RunsPerMonth, gpu_hours_per_run: GpuHoursPerRun,
    requests_per_month: RequestsPerMonth, gpu_hours_per_request: GpuHoursPerRequest, batch_throughput: Ratio,
    demand_level: Ratio,
) -> GpuHoursPerMonth:  # fmt: skip
    """Hours of this accelerator for work that is stated in hours of the reference accelerator, runs or requests."""
    counted = runs_per_month * gpu_hours_per_run + requests_per_month * gpu_hours_per_request
    return (gpu_hours_per_month + counted) / batch_throughput * demand_level


def useful_gpu_hours(
    prefill_gpu_hours: GpuHoursPerMonth, decode_gpu_hours: GpuHoursPerMonth, batch_gpu_hours: GpuHoursPerMonth,
    confidential_overhead: Share,
) -> GpuHoursPerMonth:  # fmt: skip
    """Hours of this accelerator with work; confidential computing slows all of them."""
    return (prefill_gpu_hours + decode_gpu_hours + batch_gpu_hours) * (1 + confidential_overhead)


# --- the hours that are billed for it


def rented_gpu_hours(useful_gpu_hours: GpuHoursPerMonth, utilisation: Share, peak_floor: Ratio) -> GpuHoursPerMonth:
    """Hours rented so that a share `utilisation` of them has work; a fixed fleet must hold the peak as well."""
    return useful_gpu_hours * np.maximum(1 / utilisation, peak_floor)


def gpus_at_once(rented_gpu_hours: GpuHoursPerMonth, hours_per_month: HoursPerMonth, active_share: Share) -> Gpus:
    """Accelerators that run at the same time while the workload is on."""
    return rented_gpu_hours / (hours_per_month * active_share)


def instances(gpus_at_once: Gpus, spare_share: Share, gpus_per_instance: GpusPerInstance) -> Instances:
    """Whole instances: a seller does not rent a part of one."""
    return np.ceil(gpus_at_once * ((1 + spare_share) / gpus_per_instance))


def session_hours(hours_per_month: HoursPerMonth, active_share: Share, sessions_per_month: PerMonth) -> Hours:
    """Length of one stretch in which the workload is on."""
    return hours_per_month * active_share / sessions_per_month


def billed_session_hours(session_hours: Hours, quantum_hours: Hours, minimum_hours: Hours) -> Hours:
    """A stretch as it is billed: rounded up to the billing quantum, and never below the minimum."""
    return np.maximum(np.ceil(session_hours / quantum_hours) * quantum_hours, minimum_hours)


def dedicated_gpu_hours(
    instances: Instances, gpus_per_instance: GpusPerInstance, sessions_per_month: PerMonth, billed_session_hours: Hours
) -> GpuHoursPerMonth:
    """Hours billed for whole instances, idle or not."""
    return instances * (gpus_per_instance * sessions_per_month * billed_session_hours)


def serverless_gpu_hours(
    useful_gpu_hours: GpuHoursPerMonth, batch_fill: Share, wakeups_per_month: PerMonth, idle_timeout_hours: Hours,
    gpus_per_replica: Gpus,
) -> GpuHoursPerMonth:  # fmt: skip
    """Hours billed by the second: busy time, whose batches are filled in part, and each wake-up's idle time-out."""
    return useful_gpu_hours / batch_fill + wakeups_per_month * idle_timeout_hours * gpus_per_replica


def billed_gpu_hours(dedicated_gpu_hours: GpuHoursPerMonth, serverless_gpu_hours: GpuHoursPerMonth) -> GpuHoursPerMonth:
    """Hours billed before any are lost to failures; an option is the one or the other."""
    return dedicated_gpu_hours + serverless_gpu_hours


def lost_gpu_hours(billed_gpu_hours: GpuHoursPerMonth, goodput_loss: Share) -> GpuHoursPerMonth:
    """Extra hours for work lost to failures and interruptions: billed = useful / (utilisation x goodput)."""
    return billed_gpu_hours * goodput_loss


def fleet_gpus(billed_gpu_hours: GpuHoursPerMonth, hours_per_month: HoursPerMonth) -> Gpus:
    """Mean number of accelerators on the bill."""
    return billed_gpu_hours / hours_per_month


# --- the price of an hour


def extra_price(
    vcpus_per_gpu: VcpusPerGpu, vcpu_price: UsdPerVcpuHour, memory_per_gpu: GbPerGpu, memory_price: UsdPerGbHour
) -> UsdPerGpuHour:
    """CPU and memory where the seller charges them apart from the accelerator."""
    return vcpus_per_gpu * vcpu_price + memory_per_gpu * memory_price


def offer_price(
    list_price: UsdPerGpuHour, extra_price: UsdPerGpuHour, region_multiplier: Ratio, negotiated_discount: Share,
    platform_premium: Share, price_factor: Ratio,
) -> UsdPerGpuHour:  # fmt: skip
    """What an hour costs in that month. The managed platform's premium is on the list price and is not discounted."""
    own = (list_price + extra_price) * region_multiplier
    return (own * (1 - negotiated_discount) + own * platform_premium) * price_factor


def committed_price(
    committed_list_price: UsdPerGpuHour, negotiated_discount: Share, committed_price_factor: Ratio
) -> UsdPerGpuHour:
    """What a committed hour costs: it moves until the signature and at a renewal, not in between."""
    return committed_list_price * (1 - negotiated_discount) * committed_price_factor


# --- capacity: committed, on demand, bridged, waited for


def committed_gpu_hours(committed_gpus: Gpus, hours_per_month: HoursPerMonth) -> GpuHoursPerMonth:
    """Hours that are paid whether used or not."""
    return committed_gpus * hours_per_month


def usable_gpu_hours(committed_gpu_hours: GpuHoursPerMonth, active_share: Share) -> GpuHoursPerMonth:
    """Committed hours while the workload is on: those of its idle days cannot serve a burst."""
    return committed_gpu_hours * active_share


def overflow_gpu_hours(billed_gpu_hours: GpuHoursPerMonth, usable_gpu_hours: GpuHoursPerMonth) -> GpuHoursPerMonth:
    """Hours beyond the commitment, bought as they come."""
    return np.maximum(billed_gpu_hours - usable_gpu_hours, 0)


def failed_gpu_hours(
    billed_gpu_hours: GpuHoursPerMonth, lost_gpu_hours: GpuHoursPerMonth, usable_gpu_hours: GpuHoursPerMonth,
    overflow_gpu_hours: GpuHoursPerMonth,
) -> GpuHoursPerMonth:  # fmt: skip
    """Lost hours that idle committed capacity cannot absorb."""
    return np.maximum(billed_gpu_hours + lost_gpu_hours - usable_gpu_hours, 0) - overflow_gpu_hours


def unused_gpu_hours(
    billed_gpu_hours: GpuHoursPerMonth, lost_gpu_hours: GpuHoursPerMonth, committed_gpu_hours: GpuHoursPerMonth,
    usable_gpu_hours: GpuHoursPerMonth,
) -> GpuHoursPerMonth:  # fmt: skip
    """Committed hours that nothing runs on."""
    return committed_gpu_hours - np.minimum(billed_gpu_hours + lost_gpu_hours, usable_gpu_hours)


def waiting_share(month: MonthCount, lead_time_months: MonthCount) -> Share:
    """Share of the month that passes before capacity ordered today arrives."""
    return np.minimum(np.maximum(lead_time_months - month, 0), 1)


def commitment_cost(committed_gpu_hours: GpuHoursPerMonth, committed_price: UsdPerGpuHour) -> UsdPerMonth:
    """The committed hours, used or not; the term runs from its signature."""
    return committed_gpu_hours * committed_price


def bridge_price(market_price: UsdPerGpuHour, list_price: UsdPerGpuHour, bridge_premium: Share) -> UsdPerGpuHour:
    """An hour that is wanted at once: at other sellers' price, but never for less than here, with its premium."""
    return np.maximum(market_price, list_price) * (1 + bridge_premium)


def usage_cost(
    overflow_gpu_hours: GpuHoursPerMonth, offer_price: UsdPerGpuHour, waiting_share: Share, bridged: Share,
    unavailable_share: Share,
) -> UsdPerMonth:  # fmt: skip
    """Hours bought as they come, less those that are bridged elsewhere."""
    return overflow_gpu_hours * ((1 - waiting_share * bridged) * (1 - unavailable_share * bridged)) * offer_price


def bridge_cost(
    billed_gpu_hours: GpuHoursPerMonth, overflow_gpu_hours: GpuHoursPerMonth, bridge_price: UsdPerGpuHour,
    waiting_share: Share, bridged: Share, unavailable_share: Share,
) -> UsdPerMonth:  # fmt: skip
    """The same work elsewhere, while ordered capacity has not arrived and when what is asked for is not there."""
    waited, refused = waiting_share * bridged, unavailable_share * bridged
    return billed_gpu_hours * (waited * bridge_price) + overflow_gpu_hours * ((1 - waited) * refused * bridge_price)


def failure_cost(failed_gpu_hours: GpuHoursPerMonth, offer_price: UsdPerGpuHour) -> UsdPerMonth:
    """Hours paid again for work that failures and interruptions lost."""
    return failed_gpu_hours * offer_price


def waiting_cost(
    waiting_share: Share, bridged: Share, unavailable_share: Share, waiting_usd_per_month: UsdPerMonth
) -> UsdPerMonth:
    """What the user says that waiting costs, where the workload waits instead of bridging; its work is done later."""
    return (waiting_share + (1 - waiting_share) * unavailable_share) * (1 - bridged) * waiting_usd_per_month


# --- the rest that bills have


def graduated(quantity: Any, edges: Any, rates: Any) -> Any:
    """Cost of a quantity under graduated tiers, each rate for what falls within its tier.

    `edges` are the upper ends of all tiers but the last, rising; `rates` one for each tier; a free allowance is a tier
    of rate 0. The result has the quantity's shape. Raises WorkbenchError on a negative or non-finite argument.
    """
    where = "models.cost.graduated"
    quantity, rates = numbers(where, quantity=quantity, rates=np.atleast_1d(rates))
    edges = numbers(where, strict=True, edges=np.atleast_1d(edges))[0] if np.size(edges) else np.empty(0)
    if len(rates) != len(edges) + 1:
        raise WorkbenchError(where, f"{len(edges)} edges with {len(rates)} rates", "give one rate more than edges")
    if (np.diff(edges) <= 0).any():
        raise WorkbenchError(where, f"edges={edges.tolist()} do not rise", "give the upper ends in rising order")
    return _graduated(quantity, edges, rates)


def _graduated(quantity: Any, edges: Any, rates: Any) -> Any:
    # Each tier adds the change of the marginal rate from its lower edge on: continuous at every edge by construction.
    cost = quantity * rates[0]
    for edge, below, above in zip(edges, rates[:-1], rates[1:], strict=True):
        step = np.maximum(quantity - edge, 0)
        step *= above - below  # in place: a new array of (month, draw) costs as much as the arithmetic
        cost += step
    return cost


def egress_cost(
    egress_gb_per_month: GbPerMonth, demand_level: Ratio, egress_edges: GbPerMonth, egress_rates: UsdPerGb
) -> UsdPerMonth:
    """Data out to the internet, which grows with the work, by graduated tiers with their free allowance."""
    return _graduated(egress_gb_per_month * demand_level, egress_edges, egress_rates)


def storage_cost(stored_gb: Gb, storage_edges: Gb, storage_rates: UsdPerGbMonth) -> UsdPerMonth:
    """Data at rest, in the class that the scenario states, by graduated tiers."""
    return _graduated(stored_gb, storage_edges, storage_rates)


def transfer_cost(transfer_gb_per_month: GbPerMonth, transfer_price: UsdPerGb, demand_level: Ratio) -> UsdPerMonth:
    """Traffic between regions."""
    return transfer_gb_per_month * transfer_price * demand_level


def control_plane_cost(control_plane_price: UsdPerHour, hours_per_month: HoursPerMonth) -> UsdPerMonth:
    """The managed Kubernetes control plane of one cluster."""
    return control_plane_price * hours_per_month


def observability_cost(fleet_gpus: Gpus, observability_usd_per_gpu_month: UsdPerGpuMonth) -> UsdPerMonth:
    """Metrics, logs and traces, which sellers of monitoring charge by host."""
    return fleet_gpus * observability_usd_per_gpu_month


def platform_spend(
    commitment_cost: UsdPerMonth, usage_cost: UsdPerMonth, egress_cost: UsdPerMonth, storage_cost: UsdPerMonth,
    transfer_cost: UsdPerMonth, control_plane_cost: UsdPerMonth,
) -> UsdPerMonth:  # fmt: skip
    """What the seller bills, which support is a share of; without repeated hours, as in clustermax.ai's calculator."""
    return _total(commitment_cost, usage_cost, egress_cost, storage_cost, transfer_cost, control_plane_cost)


def support_cost(
    platform_spend: UsdPerMonth, other_spend: UsdPerMonth, support_edges: UsdPerMonth, support_rates: Share,
    support_minimum: UsdPerMonth,
) -> UsdPerMonth:  # fmt: skip
    """The support plan's graduated share of spend, at least its minimum, beyond what other spend there pays already."""
    with_workload = np.maximum(_graduated(platform_spend + other_spend, support_edges, support_rates), support_minimum)
    without = np.maximum(_graduated(other_spend, support_edges, support_rates), support_minimum)
    return with_workload - without * (other_spend > 0)


def people_cost(
    engineers_per_extra_provider: EngineersPerProvider, extra_providers: Providers, platform_engineers: Engineers,
    engineer_usd_per_month: UsdPerEngineerMonth,
) -> UsdPerMonth:  # fmt: skip
    """Engineers: a share for each provider beyond today's, and those who run the platform."""
    return (engineers_per_extra_provider * extra_providers + platform_engineers) * engineer_usd_per_month


def setup_cost(fleet_gpus: Gpus, setup_usd_per_gpu: UsdPerGpu, setup_usd: Usd, horizon_months: Months) -> UsdPerMonth:
    """Joining the provider, once, spread over the horizon."""
    return fleet_gpus * (setup_usd_per_gpu / horizon_months) + setup_usd / horizon_months


def debugging_cost(fleet_gpus: Gpus, debugging_usd_per_gpu_month: UsdPerGpuMonth) -> UsdPerMonth:
    """Engineering time lost to a less mature platform's faults."""
    return fleet_gpus * debugging_usd_per_gpu_month


def disruption_cost(bridge_cost: UsdPerMonth, waiting_cost: UsdPerMonth, failure_cost: UsdPerMonth) -> UsdPerMonth:
    """What it costs that capacity is late, not there, or fails."""
    return _total(bridge_cost, waiting_cost, failure_cost)


def operations_cost(
    people_cost: UsdPerMonth, setup_cost: UsdPerMonth, observability_cost: UsdPerMonth, debugging_cost: UsdPerMonth
) -> UsdPerMonth:
    """What it costs to run the workload there, beside what the seller bills."""
    return _total(people_cost, setup_cost, observability_cost, debugging_cost)


def monthly_cost(
    platform_spend: UsdPerMonth, support_cost: UsdPerMonth, disruption_cost: UsdPerMonth, operations_cost: UsdPerMonth
) -> UsdPerMonth:
    """The month's accrual: the sum of its parts."""
    return _total(platform_spend, support_cost, disruption_cost, operations_cost)


def cash_commitment(commitment_cost: UsdPerMonth, upfront_share: Share, term_starts: Ratio) -> UsdPerMonth:
    """The commitment as paid, (draw, month): `term_starts` is 1 where the column's month starts the row's term."""
    return commitment_cost * (1 - upfront_share) + (commitment_cost @ term_starts) * upfront_share


def cash_setup(setup_cost: UsdPerMonth, setup_months: Ratio) -> UsdPerMonth:
    """Set-up as it is paid: all of it in the first month. `setup_months` is (month, month), 1 in the first column."""
    return setup_cost @ setup_months


def cash_cost(
    monthly_cost: UsdPerMonth, commitment_cost: UsdPerMonth, setup_cost: UsdPerMonth, cash_setup: UsdPerMonth,
    cash_commitment: UsdPerMonth,
) -> UsdPerMonth:  # fmt: skip
    """The month's payments."""
    return monthly_cost + (cash_commitment - commitment_cost) + (cash_setup - setup_cost)


def discounted_cost(
    cash_cost: UsdPerMonth, discount_rate: Share, month: MonthCount, months_per_year: MonthCount
) -> UsdPerMonth:
    """The month's payments in today's money, at the user's yearly rate; its sum is the net present value."""
    return cash_cost / (1 + discount_rate) ** (month / months_per_year)
