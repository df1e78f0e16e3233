"""Records become options: constraints filter, and what is left binds rows to the names of the formulas.

An option is an offer with a basis and a commitment. It binds only what applies: a name that does not apply is bound to a
constant with no row, and a whole branch is switched off by binding the formula's own name.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np

from workbench.records import Basis, Evidence, Facts, Price, Quantity, Range, Scenario, Scoped, Service, WorkbenchError

AVERAGE_MONTH_DAYS = 365.25 / 12
PRECEDENCE = ("provider", "product", "gpu", "basis", "workload", "provider_kind")
"""Of two rows that fit, the one whose scope names the earlier of these is taken."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One way to run the workload: what it is called, why it may not be taken, and its inputs by name."""

    provider: str
    product: str
    offer: str
    basis: Basis
    price: Price
    term_months: int | None = None
    stale: bool = False
    reasons: tuple[tuple[str, str], ...] = ()
    inputs: Mapping[str, Quantity] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        return not self.reasons

    @property
    def id(self) -> str:
        return " / ".join(filter(None, (self.provider, self.product, self.offer, self.terms)))

    @property
    def terms(self) -> str:
        term = f" {self.term_months} months" if self.term_months else ""
        return self.basis.replace("_", " ") + term


@dataclass(frozen=True)
class Desk:
    """The facts and the scenario on one desk: looks up rows by scope and says what lacks."""

    facts: Facts
    scenario: Scenario
    strict: bool = False

    @cached_property
    def _by_name(self) -> Mapping[str, list[Scoped]]:
        found = defaultdict(list)
        for scoped in sorted(self.facts.assumptions, key=_precedence, reverse=True):
            found[scoped.quantity.name].append(scoped)
        return found

    @cached_property
    def _services(self) -> Mapping[tuple[str, str, str], list[Service]]:
        found = defaultdict(list)
        for service in self.facts.services:
            found[service.provider, service.category, service.plan].append(service)
        return found

    @cached_property
    def premiums(self) -> Mapping[tuple[str, str], Service]:
        """(provider, product) -> the premium of a managed platform over the plain price."""
        return {(s.provider, s.product): s for s in self.facts.services if s.category == "platform_premium" and s.product}

    @cached_property
    def listed(self) -> frozenset[tuple[str, str, str]]:
        """(provider, product, gpu) that have a price of their own."""
        return frozenset((p.provider, p.product, p.gpu) for p in self.facts.prices)

    @cached_property
    def on_demand(self) -> Mapping[str, list[Price]]:
        """The on-demand prices of each accelerator, cheapest first."""
        found = defaultdict(list)
        for price in sorted(self.facts.prices, key=lambda p: (p.usd_per_gpu_hour.value, p.usd_per_gpu_hour.rows)):
            if price.basis is Basis.ON_DEMAND:
                found[price.gpu].append(price)
        return found

    def kind(self, provider: str) -> str:
        return self.facts.provider_kinds.get(provider, ("other", ""))[0]

    def assumption(self, name: str, rename: str | None = None, **scope: str | None) -> Quantity:
        """The most specific row for a name; the scenario's own value goes before any row.

        Raises WorkbenchError where no row fits: never zero for "not found".
        """
        own = self.scenario.assumptions.get(name)
        if own is not None:
            unit = self._by_name[name][0].quantity.unit if name in self._by_name else "share"
            return replace(self.yours(name, own, unit, f"assumptions.{name}"), name=rename or name)
        for scoped in self._by_name.get(name, ()):
            if all(scope.get(part) == wanted for part, wanted in scoped.scope.items()):
                return replace(scoped.quantity, name=rename or name, label=_label(name, scoped.scope))
        text = ", ".join(f"{k} {v}" for k, v in scope.items() if v)
        raise WorkbenchError(f"assumptions.csv: {name}", f"no row for {text or 'it'}", "add a row with low and high")

    def yours(self, name: str, value: float | Range | None, unit: str, key: str, scale: float = 1.0) -> Quantity:
        """A number of the scenario, with the line it stands on (none for a default that the file leaves out)."""
        spread = value if isinstance(value, Range) else Range(value=value or 0.0, low=value or 0.0, high=value or 0.0)
        place = self.scenario.places.get(key)
        return Quantity(
            name=name, value=spread.value * scale, low=spread.low * scale, high=spread.high * scale, unit=unit,
            rows=(place,) if place else (), evidence=Evidence.YOURS, as_of=self.scenario.as_of, label=name,
        )  # fmt: skip

    def service(self, category: str, plan: str, price: Price) -> Service | None:
        """The seller's own service row: the product's before the provider's, the place's before the general one."""
        market = self.facts.regions.get((price.provider, price.region), {}).get("market", "")
        places = (price.region, {"North America": "US", "Europe": "EU"}.get(market, market), None)
        fits = [s for s in self._services.get((price.provider, category, plan), ())
                if s.product in (price.product, None) and s.region in places]  # fmt: skip
        return min(fits, key=lambda s: (s.product is None, places.index(s.region)), default=None)


def _precedence(scoped: Scoped) -> list[bool]:
    return [part in scoped.scope for part in PRECEDENCE]


def _label(name: str, scope: Mapping[str, str]) -> str:
    return f"{name} ({', '.join(scope.values())})" if scope else name


def constant(name: str, value: Any, unit: str = "") -> Quantity:
    """What does not apply to an option, or an axis of the model: a constant with no row."""
    return Quantity(name=name, value=value, unit=unit)


# --- which options there are


def options(facts: Facts, scenario: Scenario, *, strict: bool = False) -> list[Option]:
    """Every offer as an option, the infeasible ones with their reasons and no inputs, in a stable order."""
    desk = Desk(facts, scenario, strict)
    found = [_option(desk, prices) for prices in _choices([*facts.prices, *_managed(desk)])]
    return sorted(found, key=lambda o: (o.provider, o.product, o.offer, o.basis, o.term_months or 0, str(o.price.key)))


def _choices(prices: Iterable[Price]) -> list[list[Price]]:
    groups: dict[tuple[Any, ...], list[Price]] = defaultdict(list)
    for price in prices:
        groups[price.key].append(price)
    return [sorted(group, key=lambda p: p.usd_per_gpu_hour.value) for group in groups.values()]


def _managed(desk: Desk) -> Iterator[Price]:
    """Managed platforms that add a premium to the plain price and print no price of their own for that accelerator."""
    for provider, product in desk.premiums:
        for price in desk.facts.prices:
            plain = price.basis in (Basis.ON_DEMAND, Basis.SPOT) and (price.provider, price.product) not in desk.premiums
            if price.provider == provider and plain and (provider, product, price.gpu) not in desk.listed:
                yield replace(price, product=product)


def _option(desk: Desk, prices: list[Price]) -> Option:
    """The cheapest place that the constraints allow; where none is allowed, the cheapest with its reasons."""
    judged = [(tuple(reasons(desk, p)), p) for p in prices]
    why, price = next(((w, p) for w, p in judged if not w), judged[0])
    made = Option(
        provider=price.provider, product=price.product, offer=price.offer, basis=price.basis, price=price,
        term_months=price.term_months, stale=age_days(price, desk.scenario.as_of) > desk.assumption("stale_days").value, reasons=why,
    )  # fmt: skip
    if why:
        return made
    try:
        return replace(made, inputs=bind(desk, price))
    except WorkbenchError as lack:
        return replace(made, reasons=((f"{lack.what} ({lack.remedy})", lack.where),))


def age_days(price: Price, day: date) -> int:
    return (day - price.usd_per_gpu_hour.as_of).days if price.usd_per_gpu_hour.as_of else 0


# --- hard constraints, before money


def reasons(desk: Desk, price: Price) -> Iterator[tuple[str, str]]:
    """(reason, row) for each constraint that the offer breaks; nothing where it may be taken."""
    scenario, wanted = desk.scenario, desk.scenario.constraints
    row = price.usd_per_gpu_hour.rows[0]
    if wanted.providers and price.provider not in wanted.providers:
        yield f"{price.provider} is not among the providers asked for", row
    if price.provider in wanted.exclude_providers:
        yield f"{price.provider} is excluded by the scenario", row
    if wanted.accelerators and price.gpu not in wanted.accelerators:
        yield f"{price.gpu} is not among the accelerators asked for", row
    yield from _place(desk, price, row)
    yield from _trust(desk, price, row)
    yield from _size(desk, price, row)
    if price.basis is Basis.SPOT and not wanted.spot_allowed:
        yield "spot is not allowed", row
    if price.basis is Basis.MARKETPLACE and not wanted.marketplace_allowed:
        yield "hosts of a marketplace are not allowed", row
    if price.basis is Basis.COMMITTED:
        allowed = wanted.max_commitment_months if wanted.max_commitment_months is not None else scenario.months
        if (price.term_months or 0) > allowed:
            yield f"a commitment of {price.term_months} months is beyond the {allowed} allowed", row
    if desk.strict and age_days(price, scenario.as_of) > desk.assumption("stale_days").value:
        yield f"the price is stale: seen {age_days(price, scenario.as_of)} days before {scenario.as_of}", row


def _place(desk: Desk, price: Price, row: str) -> Iterator[tuple[str, str]]:
    wanted = desk.scenario.constraints
    region = desk.facts.regions.get((price.provider, price.region))
    if wanted.market and region and region["market"] != wanted.market:
        yield f"{price.region} is not in {wanted.market}", region["place"]
    if wanted.residency and (region is None or region["jurisdiction"] not in wanted.residency):
        place = f"{price.region} is under {region['jurisdiction']} law" if region else f"the region is {price.region}"
        yield f"data must stay in {' or '.join(wanted.residency)}; {place}", region["place"] if region else row


def _trust(desk: Desk, price: Price, row: str) -> Iterator[tuple[str, str]]:
    wanted, facts = desk.scenario.constraints, desk.facts
    provider_row = facts.provider_kinds.get(price.provider, ("", row))[1]
    if wanted.sovereignty:
        law = {r["jurisdiction"] for r in facts.regions.values() if r["country"] == _country(facts, price.provider)}
        if not law & set(wanted.sovereignty):
            yield f"the parent company is not under {' or '.join(wanted.sovereignty)} law", provider_row
    held = {value: (sure, r) for value, r, sure in facts.capabilities.get((price.provider, "certification"), ())}
    for certificate in wanted.certifications:
        sure, r = held.get(certificate, ("", provider_row))
        if sure in ("", "low"):
            why = f"{certificate} is only a word on the trust page of" if sure else f"no {certificate} certificate on record for"
            yield f"{why} {price.provider}", r
    if wanted.managed_kubernetes and not facts.capabilities.get((price.provider, "managed_kubernetes")):
        yield f"no managed Kubernetes on record for {price.provider}", provider_row
    if wanted.confidential_computing:
        able = facts.capabilities.get((price.provider, "confidential_gpu"), ())
        if not any(value in price.sku for value, *_ in able):
            yield "not a confidential-computing SKU on record", next((r for _, r, _ in able), row)


def _country(facts: Facts, provider: str) -> str:
    return facts.provider_countries.get(provider, "unstated")


def _size(desk: Desk, price: Price, row: str) -> Iterator[tuple[str, str]]:
    scenario, wanted = desk.scenario, desk.scenario.constraints
    memory = price.gpu_memory_gb
    if memory is None and (wanted.min_gpu_memory_gb or wanted.model_memory_gb):
        yield f"the memory of this {price.gpu} is not stated", row
    if memory is not None and memory < wanted.min_gpu_memory_gb:
        yield f"{memory:g} GB of memory; {wanted.min_gpu_memory_gb:g} GB needed on one accelerator", row
    if memory is not None and gpus_per_replica(scenario, price) > price.max_gpus:
        yield f"{wanted.model_memory_gb:g} GB of model needs {gpus_per_replica(scenario, price)} of {price.gpu} in one instance; it has {price.max_gpus:g}", row  # fmt: skip
    together = scenario.demand.gpus or 0
    node = desk.assumption("cluster_node_gpus").value
    if scenario.demand.work == "training" and together > price.max_gpus and price.max_gpus < node:
        yield f"a job on {together:g} accelerators needs nodes of {node:g}; this instance has {price.max_gpus:g}", row
    limit = {Basis.FLEX_START: "flex_start_max_hours", Basis.CAPACITY_BLOCK: "capacity_block_max_hours"}.get(price.basis)
    if limit:
        hours, most = stretch_hours(desk), desk.assumption(limit, provider=price.provider)
        if hours > most.value:
            yield f"runs of {hours:,.0f} hours; {price.basis.replace('_', ' ')} ends after {most.value:g}", most.rows[0]


def stretch_hours(desk: Desk) -> float:
    """Length of one run: a session, or the whole horizon for a workload that is always on."""
    demand, hours = desk.scenario.demand, desk.assumption("hours_per_month").value
    if demand.active_share < 1:
        return float(hours * demand.active_share / demand.sessions_per_month)
    return float(hours * desk.scenario.months)


def gpus_per_replica(scenario: Scenario, price: Price) -> int:
    """Accelerators that hold one copy of the model."""
    memory = scenario.constraints.model_memory_gb
    return max(ceil(memory / price.gpu_memory_gb), 1) if memory and price.gpu_memory_gb else 1


# --- binding rows to names


def bind(desk: Desk, price: Price) -> dict[str, Quantity]:
    """All inputs of the cost and goodput formulas for one offer; what is decided later (committed_gpus) is left out.

    Raises WorkbenchError naming the row that lacks.
    """
    bound = [*_demand(desk, price), *_hours(desk, price), *_price(desk, price), *_capacity(desk, price),
             *_services(desk, price), *_people(desk, price), *_failures(desk, price)]  # fmt: skip
    return {q.name: q for q in bound}


def _scope(desk: Desk, price: Price) -> dict[str, str | None]:
    return {"provider": price.provider, "provider_kind": desk.kind(price.provider), "product": price.product,
            "gpu": price.gpu, "basis": str(price.basis)}  # fmt: skip


def _demand(desk: Desk, price: Price) -> Iterator[Quantity]:
    demand = desk.scenario.demand
    counts = {
        "tokens_in_per_month": "token/month", "tokens_out_per_month": "token/month", "requests_per_month": "request/month",
        "gpu_hours_per_request": "GPU-hour/request", "runs_per_month": "run/month", "gpu_hours_per_run": "GPU-hour/run",
        "gpu_hours_per_month": "GPU-hour/month",
    }  # fmt: skip
    for name, unit in counts.items():
        stated = getattr(demand, name)
        yield constant(name, 0.0, unit) if stated is None else desk.yours(name, stated, unit, f"demand.{name}")
    for name, unit in (("growth_per_month", "share"), ("ramp_months", "months"), ("active_share", "share"),
                       ("sessions_per_month", "1/month")):  # fmt: skip
        yield desk.yours(name, getattr(demand, name), unit, f"demand.{name}")
    yield constant("work_share", 1.0, "share")
    for branch in ("batch_gpu_hours",) if demand.work == "serving" else ("prefill_gpu_hours", "decode_gpu_hours"):
        yield constant(branch, 0.0, "GPU-hour/month")
    batch = {"training": "training", "image": "image"}.get(demand.work)
    for name, workload in (("prefill_throughput", "prefill"), ("decode_throughput", "decode"), ("batch_throughput", batch)):
        used = (demand.work == "serving") != (name == "batch_throughput")
        yield desk.assumption("relative_throughput", name, gpu=price.gpu, workload=workload) if used else constant(name, 1.0, "x")
    for name, workload in (("prefill_tokens_per_gpu_hour", "prefill"), ("decode_tokens_per_gpu_hour", "decode")):
        serving = demand.work == "serving"
        yield desk.assumption(name, workload=workload) if serving else constant(name, 1.0, "token/GPU-hour")
    confidential = desk.scenario.constraints.confidential_computing
    yield desk.assumption("confidential_overhead") if confidential else constant("confidential_overhead", 0.0, "share")


def _hours(desk: Desk, price: Price) -> Iterator[Quantity]:
    demand, scope = desk.scenario.demand, _scope(desk, price)
    replica = gpus_per_replica(desk.scenario, price)
    yield desk.assumption("hours_per_month")
    yield desk.assumption("utilisation", workload=_workload(demand.work), **scope)
    yield desk.assumption("spare_share", workload=_workload(demand.work), **scope)
    fixed = price.basis is Basis.COMMITTED and demand.work == "serving"
    yield desk.yours("peak_floor", demand.peak_to_mean, "x", "demand.peak_to_mean") if fixed else constant("peak_floor", 1.0, "x")
    step = price.gpu_count if price.max_gpus == price.gpu_count else max(price.gpu_count, replica)
    yield constant("gpus_per_instance", float(step), "GPU/instance")
    for name, seconds in (("quantum_hours", price.quantum_s), ("minimum_hours", price.minimum_s)):
        if seconds is None:
            yield desk.assumption(name, **scope)
        else:
            hours = seconds / 3600.0
            yield Quantity(name=name, value=hours, unit="hour", rows=price.usd_per_gpu_hour.rows[:1], evidence=price.usd_per_gpu_hour.evidence)
    if price.basis is Basis.SERVERLESS:
        yield constant("dedicated_gpu_hours", 0.0, "GPU-hour/month")
        yield desk.assumption("batch_fill", workload=_workload(demand.work), **scope)
        yield desk.assumption("idle_timeout_hours", **scope)
        yield desk.yours("wakeups_per_month", demand.wakeups_per_month, "1/month", "demand.wakeups_per_month")
        yield constant("gpus_per_replica", float(replica), "GPU")
    else:
        yield constant("serverless_gpu_hours", 0.0, "GPU-hour/month")


def _workload(work: str) -> str:
    return {"serving": "decode"}.get(work, work)


def _price(desk: Desk, price: Price) -> Iterator[Quantity]:
    scenario, scope = desk.scenario, _scope(desk, price)
    paid = price if price.basis is not Basis.COMMITTED else overflow(desk, price)
    yield replace(paid.usd_per_gpu_hour, label=f"price of {paid.provider} {paid.offer}, {paid.basis.replace('_', ' ')}")
    yield constant("age_months", max(age_days(paid, scenario.as_of), 0) / AVERAGE_MONTH_DAYS, "months")
    plain = {**scope, "basis": str(paid.basis)}
    yield desk.assumption("price_drift", **plain)
    yield desk.assumption("market_volatility", **plain)
    yield desk.assumption("offer_volatility", **plain)
    yield from _extras(desk, price)
    premium = desk.premiums.get((price.provider, price.product))
    if premium is None or (price.provider, price.product, price.gpu) in desk.listed:
        yield constant("platform_premium", 0.0, "share")
    else:
        yield rate(premium, "platform_premium")
    discount = scenario.terms.negotiated_discount.get(price.provider)
    if discount is None:
        yield constant("negotiated_discount", 0.0, "share")
    else:
        yield desk.yours("negotiated_discount", discount, "share", f"terms.negotiated_discount.{price.provider}")


def _extras(desk: Desk, price: Price) -> Iterator[Quantity]:
    """CPU and memory charged apart, and the multiplier for a pinned region, where the seller has them."""
    cpu, memory = desk.service("cpu", "standard", price), desk.service("memory", "standard", price)
    apart = price.basis is Basis.SERVERLESS and cpu is not None and memory is not None
    scope = _scope(desk, price)
    if apart and cpu and memory:
        yield desk.assumption("vcpus_per_gpu", **scope)
        yield desk.assumption("memory_per_gpu", **scope)
        yield rate(cpu, "vcpu_price")
        yield rate(memory, "memory_price")
    else:
        yield constant("extra_price", 0.0, "USD/GPU-hour")
    pinned = desk.service("region_multiplier", "broad", price) if desk.scenario.constraints.market else None
    yield rate(pinned, "region_multiplier") if pinned else constant("region_multiplier", 1.0, "x")


def rate(service: Service, name: str) -> Quantity:
    """A service with one rate as an input."""
    return Quantity(
        name=name, value=service.rates[0], unit=service.unit, low=service.low[0], high=service.high[0], rows=service.rows,
        evidence=service.evidence, label=f"{service.provider} {service.category.replace('_', ' ')} ({service.plan})", note=service.note,
    )  # fmt: skip


def overflow(desk: Desk, price: Price) -> Price:
    """The seller's on-demand price for what exceeds a commitment.

    Raises WorkbenchError where the seller prints none: the offer is then excluded with that reason.
    """
    found = [p for p in desk.on_demand.get(price.gpu, ()) if p.provider == price.provider and not list(_place(desk, p, ""))]
    same = [p for p in found if p.sku == price.sku and p.product == price.product] or [
        p for p in found if p.product == price.product] or found  # fmt: skip
    if not same:
        raise WorkbenchError(
            price.usd_per_gpu_hour.rows[0], f"{price.provider} prints no on-demand price of {price.gpu} for what exceeds the commitment",
            "add its on-demand row",
        )  # fmt: skip
    return min(same, key=lambda p: (p.region != price.region, p.usd_per_gpu_hour.value))


def _capacity(desk: Desk, price: Price) -> Iterator[Quantity]:
    """Commitment, lead time, bridge."""
    scope, waiting = _scope(desk, price), desk.scenario.terms.waiting_usd_per_week
    lead = desk.assumption("lead_time_months", **scope)
    yield lead
    if lead.high == 0:
        yield constant("waiting_share", 0.0, "share")
    yield desk.assumption("unavailable_share", **scope)
    yield constant("bridged", 1.0 if waiting is None else 0.0, "share")
    weeks = desk.assumption("weeks_per_month")
    yield (constant("waiting_usd_per_month", 0.0, "USD/month") if waiting is None else
           desk.yours("waiting_usd_per_month", waiting, "USD/month", "terms.waiting_usd_per_week", weeks.value))  # fmt: skip
    yield bridge_price(desk, price)
    if price.basis is not Basis.COMMITTED:
        yield constant("committed_gpu_hours", 0.0, "GPU-hour/month")
        yield constant("committed_price", 0.0, "USD/GPU-hour")
        yield constant("upfront_share", 0.0, "share")
        return
    quote = price.usd_per_gpu_hour
    yield replace(quote, name="committed_list_price", label=f"price of {price.provider} {price.offer}, committed")
    yield constant("committed_age_months", max(age_days(price, desk.scenario.as_of), 0) / AVERAGE_MONTH_DAYS, "months")
    yield desk.assumption("price_drift", "committed_drift", **scope)
    yield desk.assumption("offer_volatility", "committed_volatility", **scope)
    yield desk.assumption("upfront_share_" + price.upfront, "upfront_share")
    yield desk.assumption("committed_share")


def bridge_price(desk: Desk, price: Price) -> Quantity:
    """The median on-demand price of the accelerator over all sellers, with the premium of asking at once."""
    same = [p.usd_per_gpu_hour for p in desk.on_demand.get(price.gpu, ())] or [price.usd_per_gpu_hour]
    premium = desk.assumption("bridge_premium")
    middle = float(np.median([q.value for q in same])) * (1 + premium.value)
    return Quantity(
        name="bridge_price", value=middle, unit="USD/GPU-hour", low=middle * (1 + premium.low) / (1 + premium.value),
        high=middle * (1 + premium.high) / (1 + premium.value), rows=(same[len(same) // 2].rows[0], *premium.rows),
        evidence=max((q.evidence for q in (*same, premium)), key=lambda e: e.rank), label=f"bridge price of {price.gpu}",
    )  # fmt: skip


def _services(desk: Desk, price: Price) -> Iterator[Quantity]:
    data, terms = desk.scenario.data, desk.scenario.terms
    for name, stated, unit in (
        ("egress_gb_per_month", data.egress_tb_per_month, "GB/month"), ("stored_gb", data.stored_tb, "GB"),
        ("transfer_gb_per_month", data.inter_region_tb_per_month, "GB/month"),
    ):  # fmt: skip
        key = {"egress_gb_per_month": "egress_tb_per_month", "stored_gb": "stored_tb"}.get(name, "inter_region_tb_per_month")
        yield desk.yours(name, stated, unit, f"data.{key}", 1024.0) if stated else constant(name, 0.0, unit)
    egress = desk.service("egress", "internet", price) or desk.service("egress", "premium", price)
    yield from tiers(_found(egress, "egress", price), "egress")
    yield rate(_found(desk.service("storage", data.storage, price), f"storage of class {data.storage}", price), "storage_price")
    transfer = desk.service("inter_region", "standard", price)
    yield rate(_found(transfer, "inter-region traffic", price), "transfer_price") if data.inter_region_tb_per_month else constant("transfer_price", 0.0, "USD/GB")
    yield rate(_found(desk.service("control_plane", "standard", price) or desk.service("control_plane", "free", price), "control plane", price), "control_plane_price")
    other = desk.scenario.incumbent.other_spend_usd_per_month if desk.scenario.incumbent.provider == price.provider else 0.0
    yield desk.yours("other_spend", other, "USD/month", "incumbent.other_spend_usd_per_month") if other else constant("other_spend", 0.0, "USD/month")
    if terms.support == "none":
        yield constant("support_cost", 0.0, "USD/month")
    else:
        yield from tiers(_found(desk.service("support", terms.support, price), f"{terms.support} support", price), "support")


def _found(service: Service | None, what: str, price: Price) -> Service:
    if service is None:
        raise WorkbenchError(price.usd_per_gpu_hour.rows[0], f"no {what} row for {price.provider}", "add one to services.csv")
    return service


def tiers(service: Service, name: str) -> Iterator[Quantity]:
    """A tier table as two inputs, edges and rates, both citing the whole selection."""
    flat = service.unit == "USD/month"
    whole = Quantity(name=f"{name}_rates", value=np.array([0.0] if flat else service.rates), unit=service.unit, rows=service.rows,
                     evidence=service.evidence, label=f"{service.provider} {name} tiers ({service.plan})", note=service.note)  # fmt: skip
    yield whole
    yield replace(whole, name=f"{name}_edges", value=np.array(service.edges), unit="GB/month")
    if name == "support":
        yield replace(whole, name="support_minimum", value=service.rates[0] if flat else service.minimum, unit="USD/month")


def _people(desk: Desk, price: Price) -> Iterator[Quantity]:
    scope, months = _scope(desk, price), desk.scenario.months
    home = desk.scenario.incumbent.provider
    yield desk.assumption("observability_usd_per_gpu_month", **scope)
    yield desk.assumption("engineers_per_extra_provider", **scope)
    yield constant("extra_providers", float(home not in ("none", price.provider)), "provider")
    yield desk.assumption("platform_engineers", **scope)
    yield desk.assumption("engineer_usd_per_month")
    yield (constant("setup_usd_per_gpu", 0.0, "USD/GPU") if home == price.provider else desk.assumption("setup_usd_per_gpu", **scope))
    yield constant("setup_usd", 0.0, "USD")
    yield constant("horizon_months", float(months), "month")
    yield desk.assumption("debugging_usd_per_gpu_month", **scope)
    yield desk.assumption("discount_rate")
    yield desk.assumption("months_per_year")


def _failures(desk: Desk, price: Price) -> Iterator[Quantity]:
    """What the goodput formulas take: the job that one failure stops, how often, and how long until it runs again."""
    demand, scope = desk.scenario.demand, {**_scope(desk, price), "workload": _workload(desk.scenario.demand.work)}
    together = demand.gpus if demand.work == "training" and demand.gpus else gpus_per_replica(desk.scenario, price)
    yield constant("job_gpus", float(together), "GPU")
    yield constant("job_instances", float(ceil(together / max(price.gpu_count, 1))), "x")
    yield desk.assumption("gpu_hours_between_failures", **scope)
    yield desk.assumption("restart_h", **scope)
    yield desk.assumption("checkpoint_h", **scope)
    spot = price.basis is Basis.SPOT
    yield desk.assumption("interruptions_per_hour", **scope) if spot else constant("interruptions_per_hour", 0.0, "1/hour")
