"""Records become options: hard constraints filter before money, and what is left binds its rows.

An option is an offer with a basis and a commitment.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.cite import so_many
from workbench.decision.binding import bind, gpus_per_replica, job_gpus
from workbench.decision.desk import Desk, age_days
from workbench.records import Basis, Facts, Price, Quantity, Scenario, WorkbenchError

Reason = tuple[str, str]
"""Why an offer may not be taken, and the row that says so."""

Choice = tuple[Any, ...]
"""What the buyer chooses: `Price.key`."""

SURE = ("low", "medium", "high")

RUN_LIMITS = {Basis.FLEX_START: "flex_start_max_hours", Basis.CAPACITY_BLOCK: "capacity_block_max_hours"}


QUOTE = "quote"
"""The product of the user's own quotes."""


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
    reasons: tuple[Reason, ...] = ()
    inputs: Mapping[str, Quantity] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        return not self.reasons

    @property
    def terms(self) -> str:
        term = f" {so_many(self.term_months, 'month')}" if self.term_months else ""
        return self.basis.replace("_", " ") + term

    @property
    def id(self) -> str:
        return " / ".join((self.provider, self.product, self.offer, self.terms))


def pattern(reason: str, option: Option) -> str:
    """A reason without what is particular to the offer, so that like reasons fall into one group."""
    price = option.price
    particular = sorted({price.gpu, price.region, price.provider, price.product, price.sku}, key=len, reverse=True)
    return re.sub(r"[\d.,]+", "#", re.sub("|".join(map(re.escape, particular)), "…", reason))


def options(
    facts: Facts, scenario: Scenario, *, strict: bool = False, only: Collection[Choice] | None = None
) -> list[Option]:
    """Every offer as an option, the infeasible ones with their reasons and no inputs, in a stable order.

    `only` leaves all but some choices out: a form that shows a few asks again and again.
    """
    desk = Desk(facts, scenario, strict)
    choices = _choices([*desk.facts.prices, *_managed(desk), *_quoted(desk)])
    judged = {key: [(tuple(reasons(desk, p)), p) for p in prices] for key, prices in choices.items()}
    fit = frozenset(id(p) for places in judged.values() for why, p in places if not why)
    desk = replace(desk, fit=fit)
    found = [_option(desk, places) for choice, places in judged.items() if only is None or choice in only]
    return sorted(_told_apart(found), key=lambda o: o.id)


def _told_apart(found: list[Option]) -> list[Option]:
    """Offers of one name get what differs into theirs: the accelerator, its memory, how a commitment is paid."""
    for more in (lambda p: p.gpu, lambda p: f"{p.gpu_memory_gb or 0:g} GB", lambda p: f"{p.upfront} upfront"):
        times = Counter(o.id for o in found)
        found = [replace(o, offer=f"{o.offer}, {more(o.price)}") if times[o.id] > 1 else o for o in found]
    return found


def _choices(prices: Iterable[Price]) -> dict[Choice, list[Price]]:
    """The places of each choice, cheapest first."""
    groups: dict[Choice, list[Price]] = defaultdict(list)
    for price in prices:
        groups[price.key].append(price)
    return {key: sorted(group, key=lambda p: p.usd_per_gpu_hour.value) for key, group in groups.items()}


def _managed(desk: Desk) -> Iterator[Price]:
    """Managed platforms that add a premium to the plain price and print no price of their own for that accelerator."""
    # The premium is a share of the on-demand price, whatever is bought: other bases need a price of their own.
    plain = [
        p for p in desk.facts.prices if p.basis is Basis.ON_DEMAND and (p.provider, p.product) not in desk.premiums
    ]
    for (provider, product), premium in desk.premiums.items():
        for price in plain:
            over = (price.provider, price.product) == (provider, premium.plan)
            if over and (provider, product, price.gpu) not in desk.listed:
                yield replace(price, product=product)


def _quoted(desk: Desk) -> Iterator[Price]:
    """The user's own quotes, beside what sellers print."""
    memory = {p.gpu: p.gpu_memory_gb for p in desk.facts.prices}
    for number, quote in enumerate(desk.scenario.quotes, start=1):
        stated = desk.yours("list_price", quote.usd_per_gpu_hour, "USD/GPU-hour", "quotes")
        stated = replace(stated, rows=stated.rows or (f"scenario {desk.scenario.name}: quote {number}",))
        basis = Basis.COMMITTED if quote.term_months else Basis.CONTRACT
        yield Price(
            provider=quote.provider, product=QUOTE, sku=f"your quote {number}", gpu=quote.gpu,
            gpu_count=quote.gpus_per_instance, max_gpus=quote.gpus_per_instance, region=quote.region, basis=basis,
            term_months=quote.term_months, upfront=quote.upfront, usd_per_gpu_hour=stated,
            gpu_memory_gb=memory.get(quote.gpu), quantum_s=None, minimum_s=None,
        )  # fmt: skip


def _option(desk: Desk, judged: list[tuple[tuple[Reason, ...], Price]]) -> Option:
    """The cheapest place that the constraints allow; where none is allowed, the cheapest with its reasons."""
    why, price = next(((w, p) for w, p in judged if not w), judged[0])
    made = Option(
        provider=price.provider, product=price.product, offer=price.offer, basis=price.basis, price=price,
        term_months=price.term_months, stale=desk.stale(price), reasons=why,
    )  # fmt: skip
    if why:
        return made
    try:
        return replace(made, inputs=bind(desk, price))
    except WorkbenchError as lack:
        return replace(made, reasons=((f"{lack.what} ({lack.remedy})", lack.where),))


def reasons(desk: Desk, price: Price) -> Iterator[Reason]:
    """Each constraint that the offer breaks; nothing where it may be taken."""
    row = price.usd_per_gpu_hour.rows[0]
    for check in (_choice, _place, _trust, _size, _run):
        yield from check(desk, price, row)


def _choice(desk: Desk, price: Price, row: str) -> Iterator[Reason]:
    wanted, day = desk.scenario.constraints, desk.scenario.as_of
    if wanted.providers and price.provider not in wanted.providers:
        yield f"{price.provider} is not among the providers asked for", row
    if price.provider in wanted.exclude_providers:
        yield f"{price.provider} is excluded by the scenario", row
    if wanted.accelerators and price.gpu not in wanted.accelerators:
        yield f"{price.gpu} is not among the accelerators asked for", row
    if price.basis is Basis.SPOT and not wanted.spot_allowed:
        yield "spot is not allowed", row
    if price.basis is Basis.MARKETPLACE and not wanted.marketplace_allowed:
        yield "hosts of a marketplace are not allowed", row
    if price.term_months:
        most = wanted.max_commitment_months if wanted.max_commitment_months is not None else desk.scenario.months
        if price.term_months > most:
            yield f"a commitment of {so_many(price.term_months, 'month')} is beyond the {most} allowed", row
    oldest = desk.assumption("oldest_usable_days")
    if age_days(price, day) > oldest.value:
        yield (
            f"the price was seen {age_days(price, day):,} days before {day}: stale beyond use",
            oldest.rows[0],
        )
    if desk.strict and desk.stale(price):
        yield f"the price is stale: seen {age_days(price, day)} days before {day}", row


def _place(desk: Desk, price: Price, row: str) -> Iterator[Reason]:
    wanted, region = desk.scenario.constraints, desk.region(price)
    if wanted.market and region and region["market"] != wanted.market:
        yield f"{price.region} is not in {wanted.market}", region["place"]
    if wanted.residency and (region is None or region["jurisdiction"] not in wanted.residency):
        place = f"{price.region} is under {region['jurisdiction']} law" if region else f"the region is {price.region}"
        yield f"data must stay in {' or '.join(wanted.residency)}; {place}", region["place"] if region else row


def _trust(desk: Desk, price: Price, row: str) -> Iterator[Reason]:
    wanted, facts = desk.scenario.constraints, desk.facts
    seller_row = facts.provider_kinds.get(price.provider, ("", row))[1]
    if wanted.sovereignty:
        home = facts.provider_countries.get(price.provider, "unstated")
        law = {r["jurisdiction"] for r in facts.regions.values() if r["country"] == home}
        if not law & set(wanted.sovereignty):
            yield f"the parent company is not under {' or '.join(wanted.sovereignty)} law", seller_row
    rows = facts.capabilities.get((price.provider, "certification"), ())
    held = {value: (sure, at) for value, at, sure in sorted(rows, key=lambda r: SURE.index(r[2]))}
    for certificate in wanted.certifications:
        sure, at = held.get(certificate, ("", seller_row))
        if not sure:
            yield f"no {certificate} certificate on record for {price.provider}", at
        elif sure == "low":  # read off a page by keyword: a word is not an authorisation
            yield f"{certificate} is only a word on the trust page of {price.provider}", at
    if wanted.managed_kubernetes and not facts.capabilities.get((price.provider, "managed_kubernetes")):
        yield f"no managed Kubernetes on record for {price.provider}", seller_row
    if wanted.confidential_computing:
        able = facts.capabilities.get((price.provider, "confidential_gpu"), ())
        if not any(sku in price.sku for sku, *_ in able):
            yield "not a confidential-computing SKU on record", next((at for _, at, _ in able), row)


def _size(desk: Desk, price: Price, row: str) -> Iterator[Reason]:
    wanted, memory = desk.scenario.constraints, price.gpu_memory_gb
    if memory is None and (wanted.min_gpu_memory_gb or wanted.model_memory_gb):
        yield f"the memory of this {price.gpu} is not stated", row
    if memory is not None and memory < wanted.min_gpu_memory_gb:
        yield f"{memory:g} GB of memory; {wanted.min_gpu_memory_gb:g} GB needed on one accelerator", row
    replica = gpus_per_replica(desk.scenario, price)
    if replica > price.max_gpus:
        needs = f"{wanted.model_memory_gb:g} GB of model needs {replica} of {price.gpu} in one instance"
        yield f"{needs}; it has {price.max_gpus:g}", row
    job = job_gpus(desk, price)
    node = desk.assumption("cluster_node_gpus", gpu=price.gpu)
    if job > price.max_gpus and price.max_gpus < node.value:
        yield f"a job on {job} accelerators needs nodes of {node.value:g}; it has {price.max_gpus:g}", row
    most = desk.assumption("max_job_gpus", provider=price.provider, product=price.product, basis=str(price.basis))
    if job > most.value:
        yield (
            f"a job on {job} accelerators; {price.provider} {price.product} joins at most {most.value:g}",
            most.rows[0],
        )


def _run(desk: Desk, price: Price, row: str) -> Iterator[Reason]:
    """Some bases end a run after some days; a workload that is always on runs for the whole horizon."""
    if price.basis not in RUN_LIMITS:
        return
    demand, hours = desk.scenario.demand, desk.assumption("hours_per_month").value
    always_on = demand.active_share == 1
    run = hours * (desk.scenario.months if always_on else demand.active_share / demand.sessions_per_month)
    most = desk.assumption(RUN_LIMITS[price.basis], provider=price.provider)
    if run > most.value:
        yield f"runs of {run:,.0f} hours; {price.basis.replace('_', ' ')} ends after {most.value:g}", most.rows[0]
