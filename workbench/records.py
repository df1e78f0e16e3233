"""The frozen types that travel between the rooms, and the one error.

A `Quantity` is a number that knows where it came from: it is what a dataset row, a selection of rows or a line of the
user's scenario becomes, and what an option binds to an argument of a formula.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen

from workbench.stated import Count, NotNegative, Planning, Positive, Text
from workbench.stated import Range as Range  # noqa: PLC0414 who asks for records asks for it here

T = TypeVar("T")
Law = tuple[str, tuple[float, ...]]


class WorkbenchError(Exception):
    """The one base class: names the place, the thing that is wrong, and the way out.

    `status` is the exit status of the command line: 2 for bad input, 1 where no decision can be given.
    """

    status = 2

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(f"{where}: {what}; {remedy}")
        self.where, self.what, self.remedy = where, what, remedy

    def as_dict(self) -> dict[str, str]:
        return {"where": self.where, "what": self.what, "remedy": self.remedy}


_ACTED_ON = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000))
SHOWN = {code: f"\\u{code:04x}" for code in _ACTED_ON if chr(code) != "\n"}
"""For `str.translate`: what a terminal would act on (escape sequences, returns, turned text), and what
it cannot write (bytes of a name that are no text), as characters to read."""


class InputProblems(WorkbenchError):
    """Several mistakes of one file or folder, all reported at once."""

    def __init__(self, problems: Sequence[WorkbenchError]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(first.where, first.what + more, first.remedy)
        self.problems = tuple(problems)

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "problems": [p.as_dict() for p in self.problems]}


class Infeasible(WorkbenchError):
    """No option is left, or a result cannot be made."""

    status = 1


class Evidence(StrEnum):
    """Where a number comes from, strongest first."""

    MEASURED = "measured"
    YOURS = "yours"
    LISTED = "listed"
    REPORTED = "reported"
    ESTIMATED = "estimated"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {evidence: rank for rank, evidence in enumerate(Evidence)}


class Basis(StrEnum):
    """How a price is bought. Bases are never mixed silently; a managed platform is a product, not a basis."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    SERVERLESS = "serverless"
    FLEX_START = "flex_start"
    CAPACITY_BLOCK = "capacity_block"
    COMMITTED = "committed"
    MARKETPLACE = "marketplace"
    CONTRACT = "contract"
    OWNED = "owned"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a row was read."""

    id: str
    title: str
    address: str
    kind: str
    as_of: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with unit, range, evidence and the rows it was read from.

    `value` is a float or, for a selection of rows (a tier table), an array. `rows` is empty only for a constant that an
    option binds because the thing does not apply to it (no commitment: 0).
    """

    name: str
    value: Any
    unit: str
    low: Any = None
    high: Any = None
    rows: tuple[str, ...] = ()
    evidence: Evidence = Evidence.MEASURED
    as_of: date | None = None
    label: str = ""
    note: str = ""
    law: Law = ("triangular", ())

    @property
    def uncertain(self) -> bool:
        return self.low is not None and self.high is not None and bool(self.low < self.high)

    @property
    def text(self) -> str:
        return self.label or self.name


@dataclass(frozen=True, slots=True)
class Price:
    """One seller's price of one accelerator in one place: the chosen row, and the rows that disagree with it."""

    provider: str
    product: str
    sku: str
    gpu: str
    gpu_count: float
    max_gpus: float
    region: str
    basis: Basis
    term_months: int | None
    upfront: str
    usd_per_gpu_hour: Quantity
    gpu_memory_gb: float | None
    quantum_s: float | None
    minimum_s: float | None
    contradictions: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """What the buyer chooses; the region is chosen among those that the scenario allows."""
        return (self.provider, self.product, self.sku, self.gpu, self.gpu_count, self.gpu_memory_gb, self.basis,
                self.term_months, self.upfront)  # fmt: skip

    @property
    def offer(self) -> str:
        return f"{self.sku} ({self.gpu})" if self.gpu not in self.sku else self.sku


@dataclass(frozen=True, slots=True)
class Service:
    """A tier table, or a single rate, of one seller: egress, storage, support, ..."""

    provider: str
    product: str | None
    category: str
    plan: str
    region: str | None
    edges: tuple[float, ...]
    rates: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    unit: str
    minimum: float
    rows: tuple[str, ...]
    evidence: Evidence
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scoped:
    """An assumption with the scope in which it holds; a blank part of the scope means any."""

    quantity: Quantity
    scope: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dependence:
    """A service that a workload may rest on: what would do the same elsewhere, and the effort of the move."""

    service: str
    provider: str
    portable: str
    build_days: Quantity
    rewrite_share: Quantity


@dataclass(frozen=True, slots=True)
class Rule:
    """A term of law or contract, or a case: a figure, or what holds in words. It may hold only from a day to come."""

    name: str
    subject: str
    jurisdiction: str | None
    valid_from: date | None
    state: str | None
    quantity: Quantity | None
    row: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the datasets say at a day, as plain records."""

    as_of: date
    digest: str
    prices: tuple[Price, ...]
    services: tuple[Service, ...]
    assumptions: tuple[Scoped, ...]
    hardware: Mapping[tuple[str, str], Quantity]
    parameters: Mapping[tuple[str, str, str], Quantity]
    """(model, subject, name) -> a constant of the models of waking, serving, scaling and traffic."""
    dependences: Mapping[str, Dependence]
    rules: tuple[Rule, ...]
    """Law, contracts and cases on leaving; rules of days to come are among them."""
    provider_kinds: Mapping[str, tuple[str, str]]
    provider_countries: Mapping[str, str]
    regions: Mapping[tuple[str, str], Mapping[str, str]]
    capabilities: Mapping[tuple[str, str], tuple[tuple[str, str, str], ...]]
    """(provider, attribute) -> (value, address, confidence) of each row."""
    currencies: Mapping[str, float]
    """USD for one unit of a currency, from its newest rate row."""
    sources: Mapping[str, Source]
    row_sources: Mapping[str, tuple[str, str]]


# --- the scenario: what the user states. Validated at the door (scenario.py); trusted inside.


@dataclass(frozen=True, kw_only=True)
class Demand:
    """The useful work of one month at full ramp, before growth. State what the workload counts in."""

    work: Literal["serving", "training", "image"]
    tokens_in_per_month: NotNegative | Range | None = None
    tokens_out_per_month: NotNegative | Range | None = None
    model_billion_parameters: Positive | Range | None = None
    requests_per_month: NotNegative | Range | None = None
    gpu_hours_per_request: NotNegative | Range | None = None
    runs_per_month: NotNegative | Range | None = None
    gpu_hours_per_run: NotNegative | Range | None = None
    gpu_hours_per_month: NotNegative | Range | None = None
    gpus: Positive | None = None
    growth_per_month: Annotated[float, Gt(-1), Le(1)] | Range = 0.0
    ramp_months: Annotated[float, Ge(0), Le(60)] = 0.0
    peak_to_mean: Annotated[float, Ge(1)] | Range = 1.0
    active_share: Annotated[float, Gt(0), Le(1)] = 1.0
    sessions_per_month: Positive = 1.0
    wakeups_per_month: NotNegative | Range = 0.0


@dataclass(frozen=True, kw_only=True)
class Data:
    """Data that moves and rests. A TB is 1024 GB, as the sellers bill it."""

    egress_tb_per_month: NotNegative | Range = 0.0
    stored_tb: NotNegative | Range = 0.0
    storage: Literal["object", "object_cool", "file", "block"] = "object"
    inter_region_tb_per_month: NotNegative | Range = 0.0


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What an option must satisfy before money is looked at."""

    market: str | None = None
    residency: tuple[str, ...] = ()
    sovereignty: tuple[str, ...] = ()
    certifications: tuple[str, ...] = ()
    confidential_computing: bool = False
    managed_kubernetes: bool = False
    min_gpu_memory_gb: NotNegative = 0.0
    model_memory_gb: NotNegative = 0.0
    spot_allowed: bool = True
    marketplace_allowed: bool = False
    max_commitment_months: Annotated[int, Ge(0), Le(60)] | None = None
    max_provider_share: Annotated[float, Gt(0), Le(1)] = 1.0
    providers: tuple[str, ...] = ()
    exclude_providers: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Incumbent:
    """Where the workload runs today, and what else is spent there (in the scenario's currency)."""

    provider: str = "none"
    services: tuple[str, ...] = ()
    other_spend_per_month: NotNegative = 0.0


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The user's own terms: discounts by provider, the support plan, what a week of waiting costs (own currency)."""

    negotiated_discount: Mapping[str, Annotated[float, Ge(0), Le(1)]] = field(default_factory=dict)
    support: Literal["none", "business", "enterprise"] = "business"
    waiting_cost_per_week: NotNegative | None = None


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A seller's offer to the user: a contract price by the hour, or with `term_months` a commitment."""

    provider: Text
    gpu: Text
    usd_per_gpu_hour: Positive | Range
    gpus_per_instance: Annotated[float, Ge(1)] = 8.0
    region: Text = "unstated"
    term_months: Annotated[int, Ge(1), Le(60)] | None = None
    upfront: Literal["none", "partial", "all"] = "none"


@dataclass(frozen=True, kw_only=True)
class Serving:
    """How a model is served and woken, and how long its users may wait."""

    model: Text
    gpu: Text
    gpus: Annotated[int, Ge(1), Le(64)]
    platform: Text
    p: Annotated[float, Gt(0), Lt(1)]
    limit_s: Positive
    mitigation: Text = "none"
    storage: Text | None = None
    traffic: Text = "azure_conversation"
    patience_s: Positive | None = None
    usd_per_lost_request: NotNegative | None = None


@dataclass(frozen=True, kw_only=True)
class Lockin:
    """What leaving the incumbent meets: law, contract, and how much rests on each service (names of dependences.csv).
    Money in the scenario's currency."""

    jurisdiction: Text
    purpose: Literal["switching", "parallel"] = "switching"
    rival: Text = "best"
    services: Mapping[str, Count] = field(default_factory=dict)
    bill_per_month: Positive | Range | None = None
    term_months: Annotated[float, Ge(0), Le(120)] = 0.0
    renewal_months: Annotated[float, Ge(0), Le(120)] = 0.0
    committed_per_month: NotNegative = 0.0
    prepaid: NotNegative = 0.0
    link_gbit_per_s: Positive | Range | None = None
    data_growth_per_month: Annotated[float, Gt(-1)] | Range | None = None
    surface_growth_per_month: Annotated[float, Gt(-1)] | Range | None = None


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One question: a workload, its constraints, a horizon and the day on which it is asked."""

    name: Text
    as_of: date
    months: Annotated[int, Ge(1), Le(60)]
    demand: Demand
    title: str = ""
    summary: str = ""
    seed: Annotated[int, Ge(0)] = 0
    draws: Annotated[int, Ge(2), Le(1 << 17)] = 4096
    currency: Annotated[str, MinLen(3), MaxLen(3)] = "USD"
    data: Data = field(default_factory=Data)
    constraints: Constraints = field(default_factory=Constraints)
    incumbent: Incumbent = field(default_factory=Incumbent)
    terms: Terms = field(default_factory=Terms)
    assumptions: Mapping[str, float | Range] = field(default_factory=dict)
    quotes: tuple[Quote, ...] = ()
    serving: Serving | None = None
    lockin: Lockin | None = None
    plan: Planning | None = None
    origin: str = ""
    """How the user named it: a path, or the name of a shipped scenario (filled on load)."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Dotted key -> FILE:LINE of the file that the scenario came from (filled on load)."""
