"""A scenario becomes what a plan is made of: demand by month, and every offer as a capacity with its rate and term.

Demand is useful work in accelerators of the reference kind (H100-SXM), busy the whole month. Work below the mean level
of the day is the base, the rest the burst: a fleet held for the base alone is better used than one that holds the peak,
and base and burst together take what the whole takes in `workbench decide`. All at the median inputs.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Literal

import numpy as np

from workbench.decision.copula import Tie, ties
from workbench.decision.desk import Desk
from workbench.decision.draws import Draws, central
from workbench.decision.laws import middle
from workbench.decision.offers import Option
from workbench.decision.outcome import axis, evaluate
from workbench.decision.portfolio import limits
from workbench.decision.portfolio.capacity import Array, Capacity, Rules
from workbench.decision.study import feasible
from workbench.records import Basis, Facts, Quantity, Scenario

KINDS: Mapping[Basis, Literal["reserved", "spot"]] = {Basis.COMMITTED: "reserved", Basis.SPOT: "spot"}
"""All other bases are bought and given back as the work comes and goes."""
BY_SIZE = ("usage_cost", "bridge_cost", "waiting_cost", "failure_cost", "support_cost")
BY_GPU = ("observability_cost", "debugging_cost", "setup_cost")
BY_WORK = ("egress_cost", "transfer_cost")
ONCE = ("storage_cost", "control_plane_cost")
"""What is paid in each month by whoever is a customer at all."""
NO_RULES = Rules()


@dataclass(frozen=True, kw_only=True)
class Bound:
    """An option as a capacity. A unit is an instance where it is `reserved`, else one accelerator for a month.

    `unit_costs` are USD for a unit of work, (workloads, months): egress included, onboarding not.
    """

    option: Option
    capacity: Capacity
    unit_gpus: float
    unit_costs: Array
    onboarding: float
    """USD over the horizon for being a customer of this seller."""
    quoted: Array
    """The part of the capacity's rate that goes with the quoted price, by month: the accelerators and their support."""
    cautious_lead_months: int
    """The lead time at the high end of its range."""


@dataclass(frozen=True, kw_only=True)
class Commitments:
    """What a plan for the scenario chooses from. `demand` is (workloads, months) in units of useful work.

    `places` are the sets of capacities among which one plan may mix: all of them, or for a job that does not run in two
    places one set for each accelerator of each seller. `fixed` is USD over the horizon that every plan pays.
    """

    scenario: Scenario
    demand: Array
    every: tuple[Bound, ...]
    bound: tuple[Bound, ...]
    left_out: tuple[tuple[Option, str], ...]
    places: tuple[tuple[Bound, ...], ...]
    rules: Rules
    fixed: float
    shares: tuple[Quantity, ...]
    read: tuple[str, ...] = ()
    """Rows of what reading the data costs whoever runs elsewhere."""
    tied: tuple[Tie, ...] = ()
    """Rank correlations of what is drawn."""

    @property
    def onboarding(self) -> dict[str, float]:
        return {b.capacity.provider: b.onboarding for b in self.bound}


def commitments(facts: Facts, scenario: Scenario, *, strict: bool = False) -> Commitments:
    """Demand and capacities of a scenario; only those that no other beats in every respect, the rest named.

    Raises Infeasible naming the constraint that binds where no option is left.
    """
    desk = Desk(facts, scenario, strict)
    usable, _ = feasible(desk)
    middle = central(usable)
    one_place = scenario.demand.work == "training" and bool(scenario.demand.gpus)
    shares = () if one_place else (desk.assumption("base_share"), desk.assumption("base_utilisation"))
    demand = work_of(usable[0], middle, scenario.months, shares)[0]
    sellers, fixed = _sellers(usable, scenario, alone=limits.by_provider(scenario))
    read, rows = limits.reading(desk, usable[0])
    per_work = read / demand.sum()
    every = tuple(_bound(o, middle, demand, (shares, sellers[o.id], limits.away(scenario, o) * per_work))
                  for o in usable)  # fmt: skip
    asked = Commitments(
        scenario=scenario,
        demand=demand,
        every=every,
        bound=(),
        left_out=(),
        places=(),
        fixed=fixed,
        rules=limits.rules(desk, {o.provider for o in usable}, fixed),
        shares=shares,
        read=rows,
        tied=tuple(ties(facts)),
    )
    return _chosen(asked)


def moved(asked: Commitments, work: float = 1.0, price: float = 1.0) -> Commitments:
    """The same with so many times the work, and what is bought as it comes at so many times its price: for a slider."""
    every = tuple(b if b.capacity.whole else _repriced(b, price) for b in asked.every)
    return _chosen(replace(asked, demand=asked.demand * work, every=every))


def _chosen(asked: Commitments) -> Commitments:
    """With what no plan would want left out."""
    kept, left_out = (undominated if asked.shares else _by_seller)(asked.every, asked.rules)
    places = (tuple(kept),) if asked.shares else _places(kept)
    return replace(asked, bound=tuple(kept), left_out=tuple(left_out), places=places)


def _repriced(bound: Bound, factor: float) -> Bound:
    rate = np.asarray(bound.capacity.rate)
    more = rate * (factor - 1) / np.asarray(bound.capacity.serves)[:, None]
    return replace(bound, capacity=replace(bound.capacity, rate=tuple(rate * factor)), quoted=bound.quoted * factor,
                   unit_costs=bound.unit_costs + more)  # fmt: skip


# --- demand


def work_of(option: Option, draws: Draws, months: int, shares: tuple[Quantity, ...]) -> Array:
    """(draws, workloads, months): base and burst, or all of the work, the same by whatever option."""
    work = _useful_work(option, draws, months).T
    base = _median(shares[0]) if shares else 1.0
    parts = (base, 1 - base) if shares else (base,)
    return np.stack([work * part for part in parts], axis=1)


def _useful_work(option: Option, draws: Draws, months: int) -> Array:
    """(months, draws) of accelerators of the reference kind that work all the time."""
    values = evaluate(option, draws, months, np.zeros(months))
    hours: Any = sum(values[f"{kind}_gpu_hours"] * values.get(f"{kind}_throughput", 1) for kind in _KINDS_OF_WORK)
    return np.broadcast_to(hours / values["hours_per_month"], (months, draws.size))


_KINDS_OF_WORK = ("prefill", "decode", "batch")


# --- capacities


def _sellers(
    usable: Sequence[Option], scenario: Scenario, *, alone: bool
) -> tuple[dict[str, tuple[str, float]], float]:
    """The seller that each option joins, with the people that it takes in USD over the horizon; and what all share.

    A seller is a provider, or a product of it where products need different people; with limits by provider (`alone`)
    always the provider, with the people of its most laborious product. The first provider of a company that has none
    needs nobody extra.
    """
    monthly = {o.id: _median(o.inputs["engineer_usd_per_month"]) * scenario.months for o in usable}
    staff = {o.id: _median(o.inputs["platform_engineers"]) * monthly[o.id] for o in usable}
    extra = {o.id: _median(o.inputs["engineers_per_extra_provider"]) * monthly[o.id] for o in usable}
    by_provider = defaultdict(set)
    for o in usable:
        by_provider[o.provider].add(staff[o.id])
    least, home = min(staff.values()), scenario.incumbent.provider
    joined = {}
    for o in usable:
        apart = not alone and len(by_provider[o.provider]) > 1
        people = (staff[o.id] if apart else max(by_provider[o.provider])) - least
        name = f"{o.provider} {o.product}" if apart else o.provider
        joined[o.id] = name, people + (0.0 if o.provider == home else extra[o.id])
    return joined, least - (min(extra.values()) if home == "none" else 0.0)


def _bound(
    option: Option, middle: Draws, demand: Array, given: tuple[tuple[Quantity, ...], tuple[str, float], float]
) -> Bound:
    shares, (seller, people), read = given
    months = demand.shape[1]
    reserved = option.basis is Basis.COMMITTED
    lead = option.inputs["lead_time_months"]
    wait = ceil(lead.value) if reserved else 0
    signed = np.maximum(axis(months) - wait, 0)[:, None]
    values = evaluate(option, middle, months, np.zeros(months), known={"waiting_share": 0.0, "term_start": signed})

    def by_month(*names: str) -> Array:
        return summed(values, names, (months, 1))[:, 0]

    hours = float(values["hours_per_month"])
    unit, gpu_months = 1.0, gpus_billed(values, (months, 1))[:, 0]
    per_gpu = usage_price(values, (months, 1))[:, 0]
    support = by_month("support_cost").sum() / by_month("platform_spend").sum()
    quoted = by_month("usage_cost") / gpu_months * (1 + support)
    if reserved:
        unit, gpu_months = float(values["gpus_per_instance"]), gpu_months / values["active_share"]
        quoted = by_month("committed_price") * hours * (1 + support)
        per_gpu = quoted + by_month(*BY_GPU) / by_month("fleet_gpus")
    serves = unit * demand.sum() / gpu_months.sum() * _better(option, shares)
    data = by_month(*BY_WORK).sum() / demand.sum() + read
    rate = per_gpu * unit
    capacity = Capacity(
        option.id, seller, tuple(rate), KINDS.get(option.basis, "on_demand"), term_months=option.term_months or 1,
        lead_months=wait, upfront=float(option.inputs["upfront_share"].value), serves=tuple(serves),
        usage=tuple(data * serves), size=unit,
    )  # fmt: skip
    slowest = lead.value if lead.high is None else lead.high
    return Bound(option=option, capacity=capacity, unit_gpus=unit, unit_costs=rate / serves[:, None] + data,
                 onboarding=people + float(by_month(*ONCE).sum()), quoted=quoted * unit,
                 cautious_lead_months=ceil(slowest) if reserved else 0)  # fmt: skip


def summed(values: Mapping[str, Any], names: Iterable[str], shape: tuple[int, int]) -> Array:
    """The sum of values of the cost formulas, spread to (months, draws)."""
    return np.sum([np.broadcast_to(values[name], shape) for name in names], axis=0)


def gpus_billed(values: Mapping[str, Any], shape: tuple[int, int]) -> Array:
    """Mean accelerators on the bill by (months, draws), with those that repeat lost work."""
    return summed(values, ("billed_gpu_hours", "lost_gpu_hours"), shape) / values["hours_per_month"]


def usage_price(values: Mapping[str, Any], shape: tuple[int, int]) -> Array:
    """USD for an accelerator a month that is bought as it comes, by (months, draws): with what is bridged elsewhere and
    lost to failures, with support, set-up and observability."""
    return summed(values, (*BY_GPU, *BY_SIZE), shape) / gpus_billed(values, shape)


def _better(option: Option, shares: tuple[Quantity, ...]) -> Array:
    """How much more than on average a unit does of each workload: base, burst. Both together take what the whole takes,
    and the base never more than its share."""
    if not shares:
        return np.ones(1)
    share, flat = map(_median, shares)
    used = option.inputs.get("utilisation")
    if used is None:
        return np.ones(2)
    fleet = max(1 / _median(used), _median(option.inputs["peak_floor"]))
    base = min(1 / flat / fleet, 1.0)
    return np.array([1 / base, (1 - share) / (1 - share * base)])


def _median(quantity: Quantity) -> float:
    """Of an input, as `central` draws it."""
    return middle(quantity) if quantity.uncertain else float(quantity.value)


# --- what no other beats


def undominated(every: Sequence[Bound], rules: Rules = NO_RULES) -> tuple[list[Bound], list[tuple[Option, str]]]:
    """Capacities that some plan may want, and the others with the reason.

    Within a seller a capacity goes that another beats in price, term and lead for all work in all months. A whole
    seller goes if another that costs no more to join beats everything that it has. The size of blocks is set aside.
    Who has only so much, or may only do a share of the work, stands in for nobody else.
    """
    kept, left_out = _by_seller(every, rules)
    scarce = {*rules.max_size, *(p for p, share in rules.max_share.items() if share < 1)}
    sellers: dict[str, list[Bound]] = defaultdict(list)
    for b in kept:
        sellers[b.capacity.provider].append(b)
    for name in sorted(sellers, key=lambda n: -_best(sellers[n])):
        own = sellers[name]
        rivals = (n for n in sellers if n != name and n not in scarce and sellers[n][0].onboarding <= own[0].onboarding)
        better = next((n for n in rivals if all(any(_beats(a, b, rules) for a in sellers[n]) for b in own)), None)
        if better is not None:
            del sellers[name]
            left_out += [(b.option, f"{better} is cheaper for all work in all months") for b in own]
    return [b for own in sellers.values() for b in own], left_out


def _by_seller(every: Iterable[Bound], rules: Rules = NO_RULES) -> tuple[list[Bound], list[tuple[Option, str]]]:
    """What no capacity of the same seller beats; of equals the first stays. Who joins pays the dearer data at rest.

    Where a seller has only so many accelerators, one that does more work with each may be worth its price.
    """
    kept: list[Bound] = []
    left_out = []
    ranked = sorted(every, key=lambda b: (b.unit_costs.mean(), b.capacity.term_months, b.capacity.name))
    for b in ranked:
        own = () if b.capacity.provider in rules.max_size else kept
        better = next((a for a in own if a.capacity.provider == b.capacity.provider and _beats(a, b, rules)), None)
        if better is None:
            kept.append(b)
        else:
            left_out.append((b.option, f"{better.option.id} is no dearer, sooner there and no longer bound"))
    joins: dict[str, float] = defaultdict(float)
    for b in kept:
        joins[b.capacity.provider] = max(joins[b.capacity.provider], b.onboarding)
    return [replace(b, onboarding=joins[b.capacity.provider]) for b in kept], left_out


def _beats(one: Bound, other: Bound, rules: Rules) -> bool:
    """Whether one is at least as good as the other in price, term and lead, for all work in all months; under a budget
    also in no month dearer."""
    a, b = one.capacity, other.capacity
    if rules.budget is not None and not (a.upfront == b.upfront and (a.term_months == b.term_months or not a.upfront)):
        return False
    if b.term_months % a.term_months or a.lead_months > b.lead_months:
        return False
    if a.term_months == b.term_months:
        return bool((one.unit_costs <= other.unit_costs).all())
    return bool((one.unit_costs.max(axis=1) <= other.unit_costs.min(axis=1)).all())


def _best(bounds: Sequence[Bound]) -> float:
    return float(min(b.unit_costs.mean() for b in bounds))


def _places(kept: Sequence[Bound]) -> tuple[tuple[Bound, ...], ...]:
    """One set for each accelerator of each provider."""
    sets: dict[tuple[str, str], list[Bound]] = defaultdict(list)
    for b in kept:
        sets[b.option.provider, b.option.price.gpu].append(b)
    return tuple(map(tuple, sets.values()))
