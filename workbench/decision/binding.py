"""Rows are bound to the names of the formulas, for one offer.

Only what applies is bound to a row: a name that does not apply is a constant with no row, and a whole branch is
switched off by binding the formula's own name.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

import numpy as np

from workbench.decision.desk import Desk, age_days, constant, rate, tiers
from workbench.decision.movement import moves, signed_moves
from workbench.records import Basis, Evidence, Price, Quantity, Scenario, WorkbenchError
from workbench.units import CONVERTED, HOUR_SECONDS

DAYS_A_MONTH = 365.25 / 12
TB = CONVERTED["TB"][1]

COUNTED = {
    "tokens_in_per_month": "token/month", "tokens_out_per_month": "token/month", "requests_per_month": "request/month",
    "gpu_hours_per_request": "GPU-hour/request", "runs_per_month": "run/month", "gpu_hours_per_run": "GPU-hour/run",
    "gpu_hours_per_month": "GPU-hour/month",
}  # fmt: skip
"""What a workload counts in, with its unit."""

COURSE = {
    "growth_per_month": "share", "ramp_months": "months", "active_share": "share", "sessions_per_month": "1/month",
}  # fmt: skip
"""How the work runs over time."""

STANDING = (
    "observability_usd_per_gpu_month", "engineers_per_extra_provider", "platform_engineers", "engineer_usd_per_month",
    "debugging_usd_per_gpu_month", "discount_rate", "months_per_year",
)  # fmt: skip
"""What running a platform costs beside the platform, and how money is discounted."""

CLASS = {"serving": "decode", "training": "training", "image": "image"}
"""The workload class whose rows say how a fleet is used."""


def bind(desk: Desk, price: Price) -> dict[str, Quantity]:
    """All inputs of the cost and goodput formulas for one offer; what is decided later (committed_gpus) is left out.

    Raises WorkbenchError naming the row that lacks.
    """
    parts = (_work, _fleet, _billing, _price, _commitment, _bridge, _data, _support, _people, _failures)
    return {quantity.name: quantity for part in parts for quantity in part(desk, price)}


def gpus_per_replica(scenario: Scenario, price: Price) -> int:
    """Accelerators that hold one copy of the model."""
    memory = scenario.constraints.model_memory_gb
    return max(ceil(memory / price.gpu_memory_gb), 1) if memory and price.gpu_memory_gb else 1


def job_gpus(desk: Desk, price: Price) -> int:
    """Accelerators of this kind that one failure stops: a training job as fast as the stated one, or a replica."""
    demand = desk.scenario.demand
    if demand.work == "training" and demand.gpus:
        return ceil(demand.gpus / desk.assumption("relative_throughput", gpu=price.gpu, workload="training").value)
    return gpus_per_replica(desk.scenario, price)


def _scope(desk: Desk, price: Price, basis: Basis | None = None) -> dict[str, str | None]:
    return {
        "provider": price.provider, "provider_kind": desk.kind(price.provider), "product": price.product,
        "gpu": price.gpu, "basis": str(basis or price.basis), "workload": CLASS[desk.scenario.demand.work],
    }  # fmt: skip


def _work(desk: Desk, price: Price) -> Iterator[Quantity]:
    """The useful work, and how fast this accelerator does it."""
    demand = desk.scenario.demand
    for name, unit in COUNTED.items():
        stated = getattr(demand, name)
        yield constant(name, 0.0, unit) if stated is None else desk.yours(name, stated, unit, f"demand.{name}")
    for name, unit in COURSE.items():
        yield desk.yours(name, getattr(demand, name), unit, f"demand.{name}")
    if demand.gpus and demand.gpu_hours_per_month is None and demand.runs_per_month is None:
        hours = desk.assumption("hours_per_month").value * demand.active_share
        yield desk.yours("gpu_hours_per_month", demand.gpus, "GPU-hour/month", "demand.gpus", hours)
    yield constant("taken_share", 0.0, "share")
    yield from (_serving if demand.work == "serving" else _batch)(desk, price)
    secret = desk.scenario.constraints.confidential_computing
    yield desk.assumption("confidential_overhead") if secret else constant("confidential_overhead", 0.0, "share")


def _serving(desk: Desk, price: Price) -> Iterator[Quantity]:
    yield constant("batch_gpu_hours", 0.0, "GPU-hour/month")
    stated = desk.scenario.demand.model_billion_parameters
    reference = desk.assumption("reference_billion_parameters")
    yield reference
    if stated is None:
        yield replace(reference, name="model_billion_parameters")
    else:
        yield desk.yours("model_billion_parameters", stated, "x", "demand.model_billion_parameters")
    for phase in ("prefill", "decode"):
        yield desk.assumption(f"{phase}_tokens_per_gpu_hour", workload=phase)
        yield desk.assumption("relative_throughput", f"{phase}_throughput", gpu=price.gpu, workload=phase)


def _batch(desk: Desk, price: Price) -> Iterator[Quantity]:
    yield constant("prefill_gpu_hours", 0.0, "GPU-hour/month")
    yield constant("decode_gpu_hours", 0.0, "GPU-hour/month")
    work = CLASS[desk.scenario.demand.work]
    yield desk.assumption("relative_throughput", "batch_throughput", gpu=price.gpu, workload=work)


def _fleet(desk: Desk, price: Price) -> Iterator[Quantity]:
    """How much of what is rented works; whole instances, or busy time by the second."""
    demand, scope = desk.scenario.demand, _scope(desk, price)
    replica = gpus_per_replica(desk.scenario, price)
    yield desk.assumption("hours_per_month")
    if price.basis is Basis.SERVERLESS:
        yield constant("dedicated_gpu_hours", 0.0, "GPU-hour/month")
        yield desk.assumption("batch_fill", **scope)
        yield desk.assumption("idle_timeout_hours", **scope)
        yield desk.yours("wakeups_per_month", demand.wakeups_per_month, "1/month", "demand.wakeups_per_month")
        yield constant("gpus_per_replica", float(replica), "GPU")
        return
    yield constant("serverless_gpu_hours", 0.0, "GPU-hour/month")
    yield desk.assumption("utilisation", **scope)
    yield desk.assumption("spare_share", **scope)
    if price.basis is Basis.COMMITTED and demand.work == "serving":
        yield desk.yours("peak_floor", demand.peak_to_mean, "x", "demand.peak_to_mean")
    else:
        yield constant("peak_floor", 1.0, "x")
    sold_singly = price.max_gpus > price.gpu_count
    yield constant("gpus_per_instance", float(max(price.gpu_count, replica if sold_singly else 0)), "GPU/instance")


def _billing(desk: Desk, price: Price) -> Iterator[Quantity]:
    row = price.usd_per_gpu_hour
    for name, seconds in (("quantum_hours", price.quantum_s), ("minimum_hours", price.minimum_s)):
        if seconds is None:
            yield desk.assumption(name, **_scope(desk, price))
        else:
            hours = seconds / HOUR_SECONDS
            yield Quantity(name=name, value=hours, unit="hour", rows=row.rows[:1], evidence=row.evidence)


def _price(desk: Desk, price: Price) -> Iterator[Quantity]:
    """What an hour costs when it is bought as it comes, and how far that may have moved."""
    paid = overflow(desk, price) if price.basis is Basis.COMMITTED else price
    yield replace(paid.usd_per_gpu_hour, label=f"price of {paid.provider} {paid.offer}, {paid.basis.replace('_', ' ')}")
    yield constant("age_months", age_days(paid, desk.scenario.as_of) / DAYS_A_MONTH, "months")
    if paid.basis is Basis.CONTRACT:
        yield constant("price_factor", 1.0, "x")  # a signed price does not move
    yield from moves(desk, _scope(desk, price, paid.basis))
    yield from _extras(desk, price)
    premium = desk.premiums.get((price.provider, price.product))
    if premium is None or (price.provider, price.product, price.gpu) in desk.listed:
        yield constant("platform_premium", 0.0, "share")
    else:
        yield rate(premium, "platform_premium")
    discount = desk.scenario.terms.negotiated_discount.get(price.provider)
    if discount is None:
        yield constant("negotiated_discount", 0.0, "share")
    else:
        yield desk.yours("negotiated_discount", discount, "share", f"terms.negotiated_discount.{price.provider}")


def _extras(desk: Desk, price: Price) -> Iterator[Quantity]:
    """CPU and memory charged apart, and the multiplier for a pinned region, where the seller has them."""
    if price.basis is Basis.SERVERLESS and desk.sells("cpu", "standard", price):
        yield desk.assumption("vcpus_per_gpu", **_scope(desk, price))
        yield desk.assumption("memory_per_gpu", **_scope(desk, price))
        yield rate(desk.service("cpu", ("standard",), price), "vcpu_price")
        yield rate(desk.service("memory", ("standard",), price), "memory_price")
    else:
        yield constant("extra_price", 0.0, "USD/GPU-hour")
    if desk.scenario.constraints.market and desk.sells("region_multiplier", "broad", price):
        yield rate(desk.service("region_multiplier", ("broad",), price), "region_multiplier")
    else:
        yield constant("region_multiplier", 1.0, "x")


def overflow(desk: Desk, price: Price) -> Price:
    """The seller's on-demand price, in a place that the scenario allows, for what exceeds a commitment.

    Raises WorkbenchError where the seller prints none: the offer is then excluded with that reason.
    """
    found = [p for p in desk.on_demand.get(price.gpu, ()) if p.provider == price.provider and allowed(desk, p)]
    if not found and price.usd_per_gpu_hour.evidence is Evidence.YOURS:
        return price  # a quote says what more of the same costs
    if not found:
        what = f"{price.provider} prints no on-demand price of {price.gpu} for what exceeds the commitment"
        raise WorkbenchError(price.usd_per_gpu_hour.rows[0], what, "add its on-demand row")
    return min(found, key=lambda p: (p.product != price.product, p.sku != price.sku, p.region != price.region,
                                     p.usd_per_gpu_hour.value))  # fmt: skip


def allowed(desk: Desk, price: Price) -> bool:
    """Whether the place of a price satisfies the market and the residency that the scenario asks for."""
    wanted, region = desk.scenario.constraints, desk.region(price)
    if wanted.residency and (region is None or region["jurisdiction"] not in wanted.residency):
        return False
    return not (wanted.market and region and region["market"] != wanted.market)


def _commitment(desk: Desk, price: Price) -> Iterator[Quantity]:
    if price.basis is not Basis.COMMITTED:
        yield constant("committed_gpu_hours", 0.0, "GPU-hour/month")
        yield constant("committed_price", 0.0, "USD/GPU-hour")
        yield constant("upfront_share", 0.0, "share")
        return
    scope = _scope(desk, price)
    label = f"price of {price.provider} {price.offer}, committed {price.term_months} months"
    yield replace(price.usd_per_gpu_hour, name="committed_list_price", label=label)
    yield constant("committed_age_months", age_days(price, desk.scenario.as_of) / DAYS_A_MONTH, "months")
    yield from signed_moves(desk, scope)
    yield desk.assumption("upfront_share_" + price.upfront, "upfront_share")
    yield desk.assumption("committed_share")


def _bridge(desk: Desk, price: Price) -> Iterator[Quantity]:
    """Until capacity arrives, and when it is not there: the work is bridged, or waits where the user prices a week."""
    scope, waiting = _scope(desk, price), desk.scenario.terms.waiting_cost_per_week
    lead = _lead(desk, price) or desk.assumption("lead_time_months", **scope)
    yield lead
    if lead.high == 0:
        yield constant("waiting_share", 0.0, "share")
    yield desk.assumption("unavailable_share", **scope)
    if waiting is None:
        yield constant("bridged", 1.0, "share")
        yield constant("waiting_usd_per_month", 0.0, "USD/month")
    else:
        yield constant("bridged", 0.0, "share")
        weeks = desk.assumption("weeks_per_month").value * desk.usd
        yield desk.yours("waiting_usd_per_month", waiting, "USD/month", "terms.waiting_cost_per_week", weeks)
    yield market_price(desk, price)
    yield desk.assumption("bridge_premium")


def _lead(desk: Desk, price: Price) -> Quantity | None:
    """What the user knows of a seller's lead time: it is about commitments."""
    stated = desk.scenario.plan.lead_time_months if desk.scenario.plan else {}
    if price.basis is not Basis.COMMITTED or price.provider not in stated:
        return None
    key = f"plan.lead_time_months.{price.provider}"
    return desk.yours("lead_time_months", stated[price.provider], "months", key)


def market_price(desk: Desk, price: Price) -> Quantity:
    """What the accelerator costs elsewhere: the median over the other sellers of each one's cheapest on-demand price
    that breaks no constraint. A committed fleet that has not arrived is bridged at the seller's own on-demand price."""
    cheapest: dict[str, Quantity] = {}
    if price.basis is not Basis.COMMITTED:
        for other in desk.on_demand.get(price.gpu, ()):
            if id(other) in desk.fit and other.provider != price.provider:
                cheapest.setdefault(other.provider, other.usd_per_gpu_hour)
    if not cheapest:
        return constant("market_price", 0.0, "USD/GPU-hour")
    same = list(cheapest.values())
    return Quantity(
        name="market_price", value=float(np.median([q.value for q in same])), unit="USD/GPU-hour",
        rows=tuple(q.rows[0] for q in same), evidence=max((q.evidence for q in same), key=lambda e: e.rank),
        label=f"price of {price.gpu} at other sellers",
    )  # fmt: skip


def _data(desk: Desk, price: Price) -> Iterator[Quantity]:
    data = desk.scenario.data
    for name, key, unit in (
        ("egress_gb_per_month", "egress_tb_per_month", "GB/month"), ("stored_gb", "stored_tb", "GB"),
        ("transfer_gb_per_month", "inter_region_tb_per_month", "GB/month"),
    ):  # fmt: skip
        yield desk.yours(name, getattr(data, key), unit, f"data.{key}", TB)
    yield from tiers(desk.service("egress", ("internet", "premium"), price), "egress")
    yield from tiers(desk.service("storage", (data.storage,), price), "storage")
    if data.inter_region_tb_per_month:
        yield rate(desk.service("inter_region", ("standard",), price), "transfer_price")
    else:
        yield constant("transfer_price", 0.0, "USD/GB")
    yield rate(desk.service("control_plane", ("standard", "free"), price), "control_plane_price")


def _support(desk: Desk, price: Price) -> Iterator[Quantity]:
    home, plan = desk.scenario.incumbent, desk.scenario.terms.support
    if home.provider == price.provider and home.other_spend_per_month:
        key = "incumbent.other_spend_per_month"
        yield desk.yours("other_spend", home.other_spend_per_month, "USD/month", key, desk.usd)
    else:
        yield constant("other_spend", 0.0, "USD/month")
    if plan == "none":
        yield constant("support_cost", 0.0, "USD/month")
    else:
        yield from tiers(desk.service("support", (plan,), price), "support")


def _people(desk: Desk, price: Price) -> Iterator[Quantity]:
    scope, home = _scope(desk, price), desk.scenario.incumbent.provider
    for name in STANDING:
        yield desk.assumption(name, **scope)
    yield constant("extra_providers", float(home not in ("none", price.provider)), "provider")
    if home == price.provider:
        yield constant("setup_usd_per_gpu", 0.0, "USD/GPU")
    else:
        yield desk.assumption("setup_usd_per_gpu", **scope)
    yield constant("setup_usd", 0.0, "USD")
    yield constant("horizon_months", float(desk.scenario.months), "month")


def _failures(desk: Desk, price: Price) -> Iterator[Quantity]:
    """What the goodput formulas take: the job that one failure stops, how often, and how long until it runs again."""
    scope, together = _scope(desk, price), job_gpus(desk, price)
    yield constant("job_gpus", float(together), "GPU")
    yield constant("job_instances", float(ceil(together / max(price.gpu_count, 1))), "x")
    for name in ("gpu_hours_between_failures", "restart_h", "checkpoint_h"):
        yield desk.assumption(name, **scope)
    if price.basis is Basis.SPOT:
        yield desk.assumption("interruptions_per_hour", **scope)
    else:
        yield constant("interruptions_per_hour", 0.0, "1/hour")
