"""What may be bought and what must be served, checked and condensed.

Workloads that every capacity serves alike become one group, and capacities of one provider that serve every workload
alike become one pool: what is solved grows with what differs, not with what is listed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.checks import numbers
from workbench.records import WorkbenchError

Array = NDArray[np.float64]
Index = NDArray[np.int64]
KINDS = ("on_demand", "spot", "reserved")


@dataclass(frozen=True)
class Capacity:
    """One way to buy. `rate` is USD per unit and month, monthly even if paid upfront; a sequence gives it by the month
    in which an order starts.

    `cap` is in units a month. An order runs for `term_months` and is paid for all of them; it starts at the earliest
    `lead_months` into the horizon. Reserved amounts are whole, on-demand and spot amounts are not. `upfront` is the
    share that is paid as the term starts (it matters to a budget by month). `serves` is the demand that a unit serves,
    one figure or one for each workload: 0 where a constraint such as residency forbids it, below 1 for a slower
    accelerator or for what interruptions of spot lose. `usage` is what a unit in use costs on top, USD per unit and
    month, one figure or one for each workload: egress to where a workload's data lies. `size` is what a unit counts
    towards what its provider has at most.
    """

    name: str
    provider: str
    rate: float | Sequence[float]
    kind: Literal["on_demand", "spot", "reserved"] = "on_demand"
    cap: float | None = None
    term_months: int = 1
    lead_months: int = 0
    upfront: float = 0.0
    serves: float | Sequence[float] = 1.0
    usage: float | Sequence[float] = 0.0
    size: float = 1.0

    @property
    def whole(self) -> bool:
        return self.kind == "reserved"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What limits a plan beyond its capacities: `budget`, USD that may be paid in each month (one figure, or one for
    each month), `max_share` of the horizon's work by provider, and `max_size` of all that runs at once by provider.

    `joining` are the shares of the onboarding that fall due in each month; all of it in the first where left out."""

    budget: Any = None
    max_share: Mapping[str, float] = field(default_factory=dict)
    max_size: Mapping[str, float] = field(default_factory=dict)
    joining: Any = None


@dataclass(frozen=True, kw_only=True)
class Risk:
    """What may happen: the probability of each scenario, rates of on-demand and spot capacities in it by name
    (scenarios, months), the weight that the mean of its worst 1 - `level` has beside the expected cost, and the
    relative gap that will do."""

    probabilities: Any = None
    rates: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 0.0
    level: float = 0.0
    gap: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class Market:
    """Capacities and demand as arrays; the axes are named by s scenario, g group, p pool, c capacity, m month."""

    capacities: tuple[Capacity, ...]
    rates_scm: Array
    demand_sgm: Array
    group_of: Index
    """The group of each workload."""
    serves_gp: Array
    usage_gp: Array
    pool_of: Index
    """The pool of each capacity."""
    provider_of: tuple[str, ...]
    """The provider of each pool."""
    onboarding: Mapping[str, float]
    """What joining costs, by provider, where it costs anything."""
    budget: Array | None
    max_share: Mapping[str, float]
    max_size: Mapping[str, float]
    joining: Array
    probabilities: Array
    risk: Risk

    @property
    def scenarios(self) -> int:
        return self.demand_sgm.shape[0]

    @property
    def months(self) -> int:
        return self.demand_sgm.shape[-1]


def market(
    where: str, demand: Any, capacities: Sequence[Capacity], onboarding: Mapping[str, float], limits: tuple[Rules, Risk]
) -> Market:
    """What was asked, checked and condensed. `demand` is (scenarios, workloads, months).

    Raises WorkbenchError in the name of `where` on the first thing that makes no sense.
    """
    rules, risk = limits
    if not capacities or not all(isinstance(c, Capacity) for c in capacities):
        raise WorkbenchError(
            where, "there is no capacity to choose from", "give at least one Capacity, and nothing else"
        )
    scenarios, workloads, months = np.shape(demand)
    for capacity in capacities:
        _check(where, capacity)
    serves, usage = (
        np.array([_along(where, c, name, workloads, "workloads") for c in capacities]).T for name in ("serves", "usage")
    )
    group_of, first = _alike(np.hstack([serves, usage]))
    providers = [c.provider for c in capacities]
    owner = np.array([providers.index(p) for p in providers], float)
    pool_of, head = _alike(np.vstack([owner, serves, usage]).T)
    grouped = np.zeros((scenarios, len(first), months))
    np.add.at(grouped.swapaxes(0, 1), group_of, np.swapaxes(demand, 0, 1))
    return Market(
        capacities=tuple(capacities), rates_scm=_rates(where, capacities, risk, (scenarios, months)),
        demand_sgm=grouped, group_of=group_of, serves_gp=serves[np.ix_(first, head)],
        usage_gp=usage[np.ix_(first, head)], pool_of=pool_of, provider_of=tuple(providers[i] for i in head),
        onboarding=_onboarding(where, onboarding), budget=_budget(where, rules.budget, months),
        max_share={p: _share(f"{where}: provider {p!r}", max_share=s) for p, s in rules.max_share.items()},
        max_size={p: float(numbers(f"{where}: provider {p!r}", max_size=s)[0]) for p, s in rules.max_size.items()},
        joining=_joining(where, rules.joining, months),
        probabilities=_probabilities(where, risk.probabilities, scenarios), risk=_risk(where, risk),
    )  # fmt: skip


def moved(where: str, old: Market, capacities: Sequence[Capacity]) -> Market:
    """The market with its capacities at other rates. Raises WorkbenchError on bad ones."""
    shape = (old.scenarios, old.months)
    return replace(old, capacities=tuple(capacities), rates_scm=_rates(where, capacities, old.risk, shape))


def _alike(rows: Array) -> tuple[Index, Index]:
    """For each row the number of its kind, kinds numbered as they first appear, and the first row of each kind."""
    _, first, kind = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return np.argsort(order)[kind.ravel()], first[order]


def _check(where: str, c: Capacity) -> None:
    named = f"{where}: capacity {c.name!r}"
    if c.kind not in KINDS:
        raise WorkbenchError(named, f"kind {c.kind!r} is not known", f"use one of {', '.join(KINDS)}")
    if c.cap is not None and np.ndim(numbers(named, cap=c.cap)[0]):
        raise WorkbenchError(named, f"cap={c.cap!r} is not one number", "give units a month")
    (term,), (lead,) = numbers(named, low=1, term_months=c.term_months), numbers(named, lead_months=c.lead_months)
    if np.ndim(term) or np.ndim(lead) or term % 1 or lead % 1:
        raise WorkbenchError(named, f"a term of {c.term_months!r} or a lead of {c.lead_months!r} is no count",
                             "give whole months")  # fmt: skip
    _share(named, upfront=c.upfront)
    numbers(named, size=c.size)


def _share(where: str, **argument: Any) -> float:
    (share,) = numbers(where, **argument)
    if np.ndim(share) or share > 1:
        raise WorkbenchError(where, f"{argument} is out of range", "give a share of 0 to 1")
    return float(share)


def _along(where: str, c: Capacity, name: str, size: int, axis: str) -> Array:
    """A figure of a capacity, or one for each of an axis."""
    named = f"{where}: capacity {c.name!r}"
    arguments: dict[str, Any] = {name: getattr(c, name)}
    (value,) = numbers(named, **arguments)
    if np.ndim(value) and np.shape(value) != (size,):
        raise WorkbenchError(
            named, f"{name} of shape {np.shape(value)}", f"give one figure, or one for each of {size} {axis}"
        )
    return np.broadcast_to(np.asarray(value, float), (size,))


def _rates(where: str, capacities: Sequence[Capacity], risk: Risk, shape: tuple[int, int]) -> Array:
    scenarios, months = shape
    rates = np.array([_along(where, c, "rate", months, "months") for c in capacities])
    found = np.broadcast_to(rates, (scenarios, *rates.shape)).copy()
    for name, given in risk.rates.items():
        (paths,) = numbers(where, rates=given)
        if np.shape(paths) != shape:
            raise WorkbenchError(where, f"rates of {name!r} of shape {np.shape(paths)}", f"give {shape}")
        moved = [i for i, c in enumerate(capacities) if c.name == name and not c.whole]
        if not moved:
            raise WorkbenchError(where, f"no on-demand or spot capacity is called {name!r}", "a reserved rate is known")
        found[:, moved] = paths[:, None]
    return found


def _onboarding(where: str, onboarding: Mapping[str, float]) -> dict[str, float]:
    checked = {p: numbers(f"{where}: provider {p!r}", onboarding=cost)[0] for p, cost in onboarding.items()}
    return {p: float(cost) for p, cost in checked.items() if cost > 0}


def _budget(where: str, budget: Any, months: int) -> Array | None:
    if budget is None:
        return None
    (checked,) = numbers(where, budget=budget)
    if np.ndim(checked) and np.shape(checked) != (months,):
        raise WorkbenchError(
            where, f"budget of shape {np.shape(checked)}", f"give one figure, or one for each of {months} months"
        )
    return np.broadcast_to(np.asarray(checked, float), (months,))


def _joining(where: str, joining: Any, months: int) -> Array:
    if joining is None:
        return np.eye(months)[0]
    (checked,) = numbers(where, joining=joining)
    if np.shape(checked) != (months,) or not np.isclose(np.sum(checked), 1):
        raise WorkbenchError(where, f"joining of shape {np.shape(checked)} that sums to {np.sum(checked):g}",
                             f"give {months} shares that sum to 1")  # fmt: skip
    return np.asarray(checked)


def _probabilities(where: str, probabilities: Any, scenarios: int) -> Array:
    if probabilities is None:
        return np.full(scenarios, 1 / scenarios)
    (checked,) = numbers(where, probabilities=probabilities)
    if np.shape(checked) != (scenarios,) or not np.isclose(np.sum(checked), 1):
        raise WorkbenchError(where, f"probabilities of shape {np.shape(checked)} that sum to {np.sum(checked):g}",
                             f"give {scenarios} that sum to 1")  # fmt: skip
    return np.asarray(checked)


def _risk(where: str, risk: Risk) -> Risk:
    numbers(where, risk_weight=risk.weight)
    if _share(where, risk_level=risk.level) == 1:
        raise WorkbenchError(where, "risk level=1 leaves no draw in the tail", "give a level below 1")
    return risk
