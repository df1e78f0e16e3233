"""What a user states in numbers: their limits, ranges, and the limits of a plan; and what is well formed but no use."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Count = Annotated[float, Ge(0), Le(10_000)]
"""Of deployments in use: nobody moves more at once."""
Text = Annotated[str, MinLen(1), MaxLen(200)]


@dataclass(frozen=True, kw_only=True)
class Range:
    """A number that the user is not sure of."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 pydantic's own name, read at the door
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Planning:
    """What limits a plan: money by month (in the scenario's currency), and by provider the months until a commitment
    is there, the share of the work, and the accelerators that run at once. `data_at` is whom the data is read from."""

    budget_per_month: NotNegative | tuple[NotNegative, ...] | None = None
    lead_time_months: Mapping[str, NotNegative | Range] = field(default_factory=dict)
    max_provider_share: Mapping[str, Annotated[float, Ge(0), Le(1)]] = field(default_factory=dict)
    max_accelerators: Mapping[str, NotNegative] = field(default_factory=dict)
    data_at: Text | None = None
    read_tb_per_month: NotNegative | Range = 0.0


def misfits(scenario: Any) -> Iterator[tuple[str, str, str]]:
    """(key, what, remedy) of what means nothing together: a demand without work, a budget for other months."""
    yield from _work(scenario.demand)
    plan = scenario.plan
    if plan is None:
        return
    if isinstance(plan.budget_per_month, tuple) and len(plan.budget_per_month) != scenario.months:
        yield ("plan.budget_per_month", f"{len(plan.budget_per_month)} months of budget for {scenario.months} months",
               "give one figure for all months, or one for each")  # fmt: skip
    if plan.read_tb_per_month != 0 and plan.data_at is None:
        yield "plan.read_tb_per_month", "nobody is named whom the data is read from", "add data_at = a provider"


def _work(demand: Any) -> Iterator[tuple[str, str, str]]:
    tokens = (demand.tokens_in_per_month, demand.tokens_out_per_month)
    stated = {
        "serving": None not in tokens and tokens != (0, 0),
        "training": any((demand.gpu_hours_per_month, demand.runs_per_month, demand.gpus)),
        "image": bool(demand.requests_per_month and demand.gpu_hours_per_request),
    }
    ways = {
        "serving": "tokens_in_per_month and tokens_out_per_month",
        "training": "gpus, gpu_hours_per_month, or runs_per_month and gpu_hours_per_run",
        "image": "requests_per_month and gpu_hours_per_request",
    }
    if demand.work == "serving" and demand.gpus is not None:
        yield ("demand.gpus", "gpus is what a training job holds, not a service",
               "leave it out: tokens say how many are needed")  # fmt: skip
    requests = _middle(demand.requests_per_month)
    for name, count in zip(("tokens_in_per_month", "tokens_out_per_month"), map(_middle, tokens), strict=True):
        if demand.work == "serving" and requests and count and count < requests:
            yield (f"demand.{name}", f"{count:,.0f} tokens for {requests:,.0f} requests",
                   "give tokens, not thousands or millions of them")  # fmt: skip
    if not stated[demand.work]:
        yield "demand", f"{demand.work} states no work", f"give {ways[demand.work]}"
    if (demand.runs_per_month is None) != (demand.gpu_hours_per_run is None):
        yield "demand", "runs without hours, or hours without runs", ways["training"]


def _middle(stated: Any) -> float:
    """A number, that of a range, or 0 where nothing is stated."""
    return float(getattr(stated, "value", stated) or 0)
