"""What ties a workload to a seller: rows are bound to the names of the exit bill, with the law and the contract.

Records only: the formulas are composed in leaving.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from typing import Any

from workbench.decision.desk import TIER_MARKETS, Desk, constant, tiers
from workbench.records import Basis, Dependence, Facts, Price, Quantity, Rule, WorkbenchError
from workbench.units import CONVERTED

TB = CONVERTED["TB"][1]
GBIT = CONVERTED["Gbit/second"][1]
ASSUMED = (
    "days_per_month", "working_days_per_month", "engineer_usd_per_month", "discount_rate", "months_per_year",
    "surface_growth_per_month", "data_growth_per_month", "link_gb_per_day", "team_engineers", "retraining_days",
    "parallel_days", "dual_share", "lost_discount_share", "overrun_share", "incident_chance", "incident_usd",
    "breaking_releases_per_month", "broken_share", "failure_per_year", "rush_share", "outage_days",
)  # fmt: skip
"""Names of the exit bill that the scenario may state in [assumptions], and rows else."""
PLAIN = {
    "serving": ("Kubernetes", "vLLM", "S3-compatible object store"),
    "training": ("Kubernetes", "S3-compatible object store"),
    "image": ("Kubernetes", "S3-compatible object store"),
}
"""What a workload rests on where nothing is stated: what runs everywhere."""
PORTABLE = "Kubernetes"
"""The service whose rewrite share stands for what is left to rewrite where everything runs on portable parts."""
TPU, OTHER_CHIPS = "TPU", "TPU with XLA"
"""Who moves between GPU and TPU rewrites for other chips, whichever services are in use: the row of that effort."""
ANYBODY = "any"
"""Whose services run at every seller."""
LISTED_YEARS = 1
"""A listing of CNCF AI Conformance holds one year (the programme's own terms)."""


@dataclass(frozen=True, kw_only=True)
class Tie:
    """A service in use: how much of it, the effort to build it anew, the share of that which a move asks for."""

    service: Dependence
    used: Quantity


@dataclass(frozen=True, kw_only=True)
class Ties:
    """All that leaving `provider` meets: the services in use, and every input of the bill that is not money of a plan.

    `stated` says whether the services are the user's own or were assumed.
    """

    provider: str
    jurisdiction: str
    purpose: str
    services: tuple[Tie, ...]
    stated: bool
    inputs: Mapping[str, Quantity]
    laws: tuple[Rule, ...]
    waiver: tuple[Rule, ...] = ()

    @property
    def effort(self) -> tuple[Quantity, ...]:
        """What the person-days rest on."""
        return tuple(q for t in self.services for q in (t.used, t.service.build_days, t.service.rewrite_share))


@dataclass(frozen=True, kw_only=True)
class Conformance:
    """What a provider's newest listing of CNCF AI Conformance says: self-assessed, and it holds one year."""

    provider: str
    version: str
    listed: date | None
    until: date | None
    row: str

    def holds(self, day: date) -> bool:
        """Whether a listing is there and has not run out on that day."""
        return self.listed is not None and self.until is not None and self.listed <= day <= self.until

    def as_dict(self, day: date) -> dict[str, Any]:
        """As the command line prints it, on that day."""
        return {
            "provider": self.provider, "kubernetes": self.version or None, "self_assessed": True,
            "listed": self.listed and self.listed.isoformat(), "until": self.until and self.until.isoformat(),
            "holds": self.holds(day), "rows": [self.row] if self.row else [],
        }  # fmt: skip


def ties(desk: Desk, price: Price, contract: tuple[float, float] | None = None, *, to: Price | None = None) -> Ties:
    """What leaving the seller of `price` meets, on the way `to` another.

    `contract` (USD a month, months left) stands for a plan that would be signed; the scenario's own else. Raises
    WorkbenchError for a service that no row knows, or where the seller has no egress row.
    """
    asked = desk.scenario.lockin
    used, stated = _services(desk, price)
    if (
        to
        and to.gpu.startswith(TPU) != price.gpu.startswith(TPU)
        and OTHER_CHIPS not in [t.service.service for t in used]
    ):
        used += (_tie(desk, OTHER_CHIPS),)
    law, purpose = jurisdiction(desk), asked.purpose if asked else "switching"
    found = [*_assumed(desk, price), *_data(desk, price), *_contract(desk, price, contract), *_law(desk, law, purpose)]
    waiver = _rules(desk.facts, ("waiver_days", "waiver_terms"), price.provider, None)
    return Ties(
        provider=price.provider, jurisdiction=law, purpose=purpose, services=used, stated=stated,
        inputs={q.name: q for q in [*found, *_waiver(desk, waiver, purpose)]},
        laws=_rules(desk.facts, ("egress_chargeable",), purpose, law) + _parallel(desk, price, law, purpose),
        waiver=waiver,
    )  # fmt: skip


def jurisdiction(desk: Desk) -> str:
    """The customer's law: as stated, else where the data must stay, else of the market; blank where unknown."""
    asked, wanted = desk.scenario.lockin, desk.scenario.constraints
    if asked:
        return asked.jurisdiction
    return wanted.residency[0] if wanted.residency else TIER_MARKETS.get(wanted.market or "", "")


# --- services in use


def _services(desk: Desk, price: Price) -> tuple[tuple[Tie, ...], bool]:
    asked, home = desk.scenario.lockin, desk.scenario.incumbent
    if asked and asked.services and home.provider in ("none", price.provider):
        return tuple(_tie(desk, n, f"lockin.services.{n}", amount) for n, amount in asked.services.items()), True
    if home.services and home.provider == price.provider:
        return tuple(_tie(desk, name, "incumbent.services") for name in home.services), True
    own = [d.service for d in desk.facts.dependences.values() if d.provider == price.provider]
    if price.basis is Basis.SERVERLESS and own:
        return tuple(_tie(desk, name) for name in own), False
    product = [name for name in own if name == price.product]
    return tuple(_tie(desk, name) for name in (*product, *PLAIN[desk.scenario.demand.work])), False


def _tie(desk: Desk, name: str, key: str = "", amount: float = 1.0) -> Tie:
    known = desk.facts.dependences
    if name not in known:
        near = get_close_matches(name, known, n=1)
        way = f"did you mean {near[0]!r}? use one of" if near else "use one of"
        where = desk.scenario.places.get(key, "incumbent.services")
        raise WorkbenchError(where, f"no row of dependences.csv knows the service {name!r}",
                             f"{way} {', '.join(sorted(known))}")  # fmt: skip
    home = desk.scenario.incumbent.provider
    if key and known[name].provider not in (ANYBODY, home) and home != "none":
        where = desk.scenario.places.get(key, key)
        raise WorkbenchError(where, f"{name} is of {known[name].provider}, and one would leave {home}",
                             f"name what is in use at {home}, or runs anywhere")  # fmt: skip
    used = desk.yours("used", amount, "count", key) if key else constant("used", amount, "count")
    return Tie(service=known[name], used=replace(used, label=f"used ({name})"))


# --- inputs


def _assumed(desk: Desk, price: Price) -> Iterator[Quantity]:
    asked, scope = desk.scenario.lockin, {"provider": price.provider, "provider_kind": desk.kind(price.provider)}
    for name in ASSUMED:
        own = getattr(asked, name, None) if asked else None
        if name == "link_gb_per_day" and asked and asked.link_gbit_per_s is not None:
            yield desk.yours(name, asked.link_gbit_per_s, "GB/day", "lockin.link_gbit_per_s", GBIT)
        elif own is not None:
            yield desk.yours(name, own, "share", f"lockin.{name}")
        else:
            yield desk.assumption(name, **scope)


def _data(desk: Desk, price: Price) -> Iterator[Quantity]:
    yield desk.yours("stored_gb", desk.scenario.data.stored_tb, "GB", "data.stored_tb", TB)
    yield from tiers(desk.service("egress", ("internet", "premium"), price), "exit")


def _contract(desk: Desk, price: Price, contract: tuple[float, float] | None) -> Iterator[Quantity]:
    asked, home, usd = desk.scenario.lockin, desk.scenario.incumbent, desk.usd
    if contract is not None or asked is None:
        committed, term = contract or (0.0, 0.0)
        yield constant("committed_usd_per_month", committed, "USD/month")
        yield constant("term_months", term, "months")
        yield constant("discount_months", term, "months")
        yield constant("renewal_months", 0.0, "months")
        yield constant("prepaid_usd", 0.0, "USD")
    else:
        committed = asked.committed_per_month
        yield desk.yours("committed_usd_per_month", committed, "USD/month", "lockin.committed_per_month", usd)
        for name in ("term_months", "discount_months"):
            yield desk.yours(name, asked.term_months, "months", "lockin.term_months")
        yield desk.yours("renewal_months", asked.renewal_months, "months", "lockin.renewal_months")
        yield desk.yours("prepaid_usd", asked.prepaid, "USD", "lockin.prepaid", usd)
    if home.provider == price.provider:
        key = "incumbent.other_spend_per_month"
        yield desk.yours("other_spend", home.other_spend_per_month, "USD/month", key, usd)
    else:
        yield constant("other_spend", 0.0, "USD/month")


# --- law


def _rules(facts: Facts, names: tuple[str, ...], subject: str, law: str | None) -> tuple[Rule, ...]:
    found = [r for r in facts.rules if r.name in names and r.subject == subject and r.jurisdiction == law]
    return tuple(sorted(found, key=lambda r: (names.index(r.name), r.valid_from or date.min)))


def _parallel(desk: Desk, price: Price, law: str, purpose: str) -> tuple[Rule, ...]:
    """What a seller charges for parallel use by its own word."""
    return _rules(desk.facts, ("parallel_egress",), price.provider, law) if purpose == "parallel" else ()


def _law(desk: Desk, law: str, purpose: str) -> Iterator[Quantity]:
    lawful = _rules(desk.facts, ("breakage_share",), "early termination fee", law)
    whole = _rules(desk.facts, ("breakage_share",), "take-or-pay", None)
    fee = next((r.quantity for r in (*lawful, *whole) if r.quantity), None)
    if fee is None:
        raise WorkbenchError("lockin.csv: breakage_share", "no row for take-or-pay", "add it")
    yield replace(fee, label=f"breakage share ({law or 'any law'})")
    charged = [r.quantity for r in _rules(desk.facts, ("egress_chargeable",), purpose, law) if r.quantity]
    at_cost = next((q for q in charged if q.value > 0), None)
    yield replace(at_cost, name="at_cost_share") if at_cost else constant("at_cost_share", 1.0, "share")


def _waiver(desk: Desk, waiver: tuple[Rule, ...], purpose: str) -> Iterator[Quantity]:
    """A waiver is for those who leave; who uses several clouds at once has none."""
    days = next((r.quantity for r in waiver if r.quantity), None)
    if days is None or purpose == "parallel":
        yield constant("waiver_days", 0.0, "day")
        yield constant("waiver_share", 0.0, "share")
    else:
        yield days
        yield desk.assumption("waiver_share")


# --- conformance


def conformance(facts: Facts, provider: str) -> Conformance:
    """The newest listing of a provider's Kubernetes, with its day; no version where none is on record."""
    rows = facts.capabilities.get((provider, "k8s_ai_conformance"), ())
    listed = [(version, row) for version, row, _ in rows if version[:1].isdigit()]
    if not listed:
        return Conformance(provider=provider, version="", listed=None, until=None, row=rows[0][1] if rows else "")
    version, row = max(listed, key=lambda r: [int(part) for part in r[0].split(".")])
    day = _first_day(facts.row_sources[row][1])
    until = day.replace(year=day.year + LISTED_YEARS, day=min(day.day, SAFE_DAY)) if day else None
    return Conformance(provider=provider, version=version, listed=day, until=until, row=row)


SAFE_DAY = 28
"""The last day that every month of every year has."""
DAY_PARTS = 3


def _first_day(text: str) -> date:
    """The first day of a day, a month or a year."""
    parts = [*map(int, text.split("-")), 1, 1]
    return date(*parts[:DAY_PARTS])
