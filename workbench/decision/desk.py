"""The facts and the scenario on one desk: what a name is worth in a scope, and where that stands."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np

from workbench.decision import laws
from workbench.records import (
    Basis,
    Evidence,
    Facts,
    Law,
    Price,
    Quantity,
    Range,
    Scenario,
    Scoped,
    Service,
    WorkbenchError,
)

PRECEDENCE = ("provider", "product", "gpu", "basis", "workload", "provider_kind")
"""Of two rows that fit, the one whose scope names the earlier of these is taken."""

TIER_MARKETS = {"North America": "US", "Europe": "EU"}
"""The market of a region -> what sellers call it in their tier tables."""


@dataclass(frozen=True)
class Desk:
    """Looks up rows by scope, and says what lacks."""

    facts: Facts
    scenario: Scenario
    strict: bool = False
    fit: frozenset[int] = frozenset()
    """Prices (by identity) that break no constraint: what a bridge may be bought at."""

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
        managed = (s for s in self.facts.services if s.category == "platform_premium" and s.product)
        return {(s.provider, str(s.product)): s for s in managed}

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

    @property
    def usd(self) -> float:
        """USD for one unit of the scenario's currency."""
        return self.facts.currencies[self.scenario.currency]

    def kind(self, provider: str) -> str:
        """hyperscaler, neocloud, ... ; `other` for a seller that providers.csv does not know."""
        return self.facts.provider_kinds.get(provider, ("other", ""))[0]

    def region(self, price: Price) -> Mapping[str, str] | None:
        """The row of the price's region; None where the region is unstated or global."""
        return self.facts.regions.get((price.provider, price.region))

    def stale(self, price: Price) -> bool:
        return age_days(price, self.scenario.as_of) > self.assumption("stale_days").value

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
                label = f"{name} ({', '.join(scoped.scope.values())})" if scoped.scope else name
                return replace(scoped.quantity, name=rename or name, label=label, law=self._law(name))
        text = ", ".join(f"{k} {v}" for k, v in scope.items() if v)
        raise WorkbenchError(f"assumptions.csv: {name}", f"no row for {text or 'it'}", "add a row with low and high")

    def known(self, name: str, **scope: str | None) -> bool:
        """Whether a row fits."""
        rows = self._by_name.get(name, ())
        return any(all(scope.get(part) == wanted for part, wanted in s.scope.items()) for s in rows)

    @cached_property
    def _laws(self) -> dict[str, Law]:
        return laws.laws(self.facts.parameters)

    def _law(self, name: str) -> Law:
        """As rows say; where they weigh its low, value and high, the scenario's own weights go before them."""
        ends = [laws.WEIGHT.format(name=name, end=end) for end in laws.ENDS]
        if all(end in self._by_name for end in ends):
            return "switch", tuple(float(self.assumption(end).value) for end in ends)
        return self._laws.get(name, laws.TRIANGULAR)

    def yours(self, name: str, value: float | Range, unit: str, key: str, scale: float = 1.0) -> Quantity:
        """A number of the scenario, with the line it stands on (none for a default that the file leaves out)."""
        spread = value if isinstance(value, Range) else Range(value=value, low=value, high=value)
        place = self.scenario.places.get(key)
        return Quantity(
            name=name, value=spread.value * scale, low=spread.low * scale, high=spread.high * scale, unit=unit,
            rows=(place,) if place else (), evidence=Evidence.YOURS, as_of=self.scenario.as_of, label=name,
        )  # fmt: skip

    def service(self, category: str, plans: tuple[str, ...], price: Price) -> Service:
        """The seller's own row for the first plan that it has: the product's before the provider's, the place's before
        the general one.

        Raises WorkbenchError where the seller has none: the offer is then excluded with that reason.
        """
        region = self.region(price)
        places = (price.region, TIER_MARKETS.get(region["market"], region["market"]) if region else None, None)
        for plan in plans:
            fits = [s for s in self._services.get((price.provider, category, plan), ())
                    if s.product in (price.product, None) and s.region in places]  # fmt: skip
            if fits:
                return min(fits, key=lambda s: (s.product is None, places.index(s.region)))
        what = f"no {category.replace('_', ' ')} row ({' or '.join(plans)}) for {price.provider}"
        raise WorkbenchError(price.usd_per_gpu_hour.rows[0], what, "add one to services.csv")

    def sells(self, category: str, plan: str, price: Price) -> bool:
        """Whether the seller has such a service at all."""
        return (price.provider, category, plan) in self._services


def _precedence(scoped: Scoped) -> list[bool]:
    return [part in scoped.scope for part in PRECEDENCE]


def age_days(price: Price, day: date) -> int:
    """Days since the price was seen."""
    seen = price.usd_per_gpu_hour.as_of
    return max((day - seen).days, 0) if seen else 0


def constant(name: str, value: Any, unit: str) -> Quantity:
    """What does not apply to an option, or an axis of the model: a constant with no row."""
    return Quantity(name=name, value=value, unit=unit)


def rate(service: Service, name: str) -> Quantity:
    """A service with one rate as an input."""
    label = f"{service.provider} {service.category.replace('_', ' ')} ({service.plan})"
    return Quantity(
        name=name, value=service.rates[0], unit=service.unit, low=service.low[0], high=service.high[0],
        rows=service.rows, evidence=service.evidence, label=label, note=service.note,
    )  # fmt: skip


def tiers(service: Service, name: str) -> Iterator[Quantity]:
    """A tier table as two inputs, edges and rates, both citing the whole selection. Rates are (tier, 1); a table of one
    tier is a single rate, with its range."""
    flat = service.unit == "USD/month"
    single = rate(service, f"{name}_rates")
    if flat:
        yield replace(single, value=np.zeros((1, 1)), low=None, high=None, unit="share")
    elif len(service.rates) == 1 and single.uncertain:
        yield single
    else:
        yield replace(single, value=np.array(service.rates)[:, None], low=None, high=None)
    counted = {"support": "USD/month", "storage": "GB"}.get(name, "GB/month")
    edges = replace(single, name=f"{name}_edges", low=None, high=None, label=f"{single.label}, edges")
    yield replace(edges, value=np.array(service.edges), unit=counted)
    if name == "support":
        fee = service.rates[0] if flat else service.minimum
        yield replace(edges, name="support_minimum", value=fee, unit=counted, label=f"{single.label}, minimum")
