"""The only place where models are composed: options and draws become costs, and costs become a decision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import ceil, floor
from typing import Any

import numpy as np

from workbench import formula
from workbench.decision import value
from workbench.decision.draws import MARKET, Array, Draws, Key, central, draw, key, shock_key
from workbench.decision.offers import Desk, Option, constant, options
from workbench.models import cost, goodput
from workbench.records import Basis, Evidence, Facts, Infeasible, Quantity, Scenario

PARTS = formula.formulas(cost)["monthly_cost"].arguments
"""The leaf parts of the total, as the formula that adds them up names them."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is evaluated: one option, or two that share the work (a split), with what was decided for each."""

    legs: tuple[Option, ...]
    committed_gpus: tuple[Array, ...] = ()

    @property
    def head(self) -> Option:
        return self.legs[0]

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(leg.provider for leg in self.legs))

    @property
    def id(self) -> str:
        return " + ".join(leg.id for leg in self.legs)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a plan costs over the horizon. Money in USD; `total` has one figure a draw."""

    plan: Plan
    total: Array
    monthly: Array
    monthly_band: tuple[Array, Array]
    parts: Mapping[str, float]
    part_evidence: Mapping[str, Evidence]
    cash: Array
    net_present_value: float
    liability_after: float
    units: Mapping[str, float]
    work: Mapping[str, float]
    rows: tuple[str, ...]
    best_probability: float = 0.0
    expected_regret: float = 0.0

    @property
    def mean(self) -> float:
        return float(self.total.mean())

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.total, share))

    @property
    def evidence(self) -> dict[str, float]:
        """Share of the money by evidence class; each part takes the class of its weakest input."""
        whole = sum(abs(v) for v in self.parts.values()) or 1.0
        return {
            str(e): sum(abs(self.parts[p]) for p, c in self.part_evidence.items() if c is e) / whole for e in Evidence
        }


@dataclass(frozen=True, kw_only=True)
class Lever:
    """Utilisation as a lever of its own: what reaching the higher share saves and what that costs."""

    low: Quantity
    high: Quantity
    cost_at_low: float
    cost_at_high: float
    cost_to_reach: float
    reach: tuple[Quantity, ...]


@dataclass(frozen=True, kw_only=True)
class Study:
    """The evaluated question: outcomes by falling merit, excluded options, and what is needed to ask more of it."""

    scenario: Scenario
    facts: Facts
    draws: Draws
    outcomes: tuple[Outcome, ...]
    excluded: tuple[Option, ...]
    perfect_information: float
    lever: Lever | None = field(default=None)

    @property
    def answer(self) -> Outcome:
        return self.outcomes[0]

    @property
    def rival(self) -> Outcome | None:
        return self.outcomes[1] if len(self.outcomes) > 1 else None


# --- binding an option to draws


@lru_cache(maxsize=256)
def _axis(months: int) -> Array:
    return np.arange(float(months))


def arrays(option: Option, draws: Draws, months: int, committed: Array | None = None) -> dict[str, Any]:
    """The option's inputs in their natural shapes: a constant (), an uncertain input (draw, 1), an axis (month,)."""
    values: dict[str, Any] = {name: draws.values.get(key(q), q.value) for name, q in option.inputs.items()}
    values["month"] = _axis(months)
    values["market_shock"] = draws.values[MARKET]
    values["offer_shock"] = draws.values[shock_key(option.inputs["list_price"])]
    if option.term_months:
        values["term_start"] = _axis(months) // option.term_months * option.term_months
        values["committed_shock"] = draws.values[shock_key(option.inputs["committed_list_price"])]
        values["committed_gpus"] = np.zeros(months) if committed is None else committed
    values["goodput_loss"] = _goodput_loss(option, values)
    return values


def _goodput_loss(option: Option, values: Mapping[str, Any]) -> Any:
    training = np.any(np.asarray(values["checkpoint_h"]) > 0)
    target = "training_loss" if training else "serving_loss"
    with np.errstate(over="ignore"):
        return formula.evaluate(goodput, values, [target])[target]


def evaluate(option: Option, draws: Draws, months: int, committed: Array | None, targets: Iterable[str]) -> dict[str, Any]:
    """All values of the cost formulas for one option over (draw, month)."""
    return formula.evaluate(cost, arrays(option, draws, months, committed), targets)


def _sum_months(array: Any, months: int) -> Array:
    array = np.asarray(array, dtype=float)
    return np.asarray(array.sum(axis=-1) if array.ndim and array.shape[-1] == months else (array * months).reshape(-1))


def monthly(plan: Plan, draws: Draws, months: int) -> Array:
    """Accrued cost of a plan, (draws, months)."""
    total: Any = 0.0
    for leg, committed in zip(plan.legs, plan.committed_gpus, strict=True):
        total = total + evaluate(leg, draws, months, committed, ["monthly_cost"])["monthly_cost"]
    return np.broadcast_to(total, (draws.size, months))


# --- what is decided before the draws are known


def _committed(option: Option, middle: Draws, scenario: Scenario) -> Array:
    """Accelerators committed by month, fixed before the future is known: a share of the mean need, in whole instances.

    Terms are renewed while they fit; one that outlives the horizon only where the scenario allows it.
    """
    months, term = scenario.months, option.term_months
    if not term:
        return np.zeros(months)
    limit = scenario.constraints.max_commitment_months
    terms = ceil(months / term) if limit is not None else floor(months / term)
    covered = min(terms * term, months)
    values = evaluate(option, middle, months, None, ["billed_gpu_hours", "fleet_gpus"])
    need = np.broadcast_to(np.asarray(values["fleet_gpus"]).reshape(-1), (months,))[:covered].mean() if covered else 0.0
    step = option.inputs["gpus_per_instance"].value
    held = ceil(need * option.inputs["committed_share"].value / step) * step
    return np.where(_axis(months) < covered, float(held), 0.0)


def plan_of(legs: tuple[Option, ...], middle: Draws, scenario: Scenario) -> Plan:
    return Plan(legs=legs, committed_gpus=tuple(_committed(leg, middle, scenario) for leg in legs))


def split(base: Option, burst: Option, desk: Desk) -> tuple[Option, Option]:
    """Base load at one provider, burst at another: each leg with its share of the work and of the people."""
    share = desk.assumption("base_share")
    flat = desk.assumption("base_utilisation", "utilisation")
    rest = replace(share, name="work_share", value=1 - share.value, low=1 - share.high, high=1 - share.low, label="burst share")
    extra = constant("extra_providers", 1.0, "provider")
    shared = {"platform_engineers": constant("platform_engineers", 0.0, "engineer"), "extra_providers": extra}
    return (
        replace(base, inputs={**base.inputs, "work_share": replace(share, name="work_share"), "utilisation": flat,
                              "peak_floor": constant("peak_floor", 1.0, "x")}),
        replace(burst, inputs={**burst.inputs, "work_share": rest, **shared}),
    )  # fmt: skip


# --- outcomes


def outcome(plan: Plan, draws: Draws, scenario: Scenario) -> Outcome:
    """A plan over all draws: totals, monthly course, parts, evidence, unit costs, cash."""
    months, by_month = scenario.months, monthly(plan, draws, scenario.months)
    total = by_month.sum(axis=1)
    accounts = _accounts(plan, central(plan.legs), scenario)
    band = (np.quantile(by_month, 0.1, axis=0), np.quantile(by_month, 0.9, axis=0))
    return Outcome(
        plan=plan, total=total, monthly=by_month.mean(axis=0), monthly_band=band,
        units=_units(float(total.mean()), accounts["work"]), **accounts,
    )  # fmt: skip


def _accounts(plan: Plan, middle: Draws, scenario: Scenario) -> dict[str, Any]:
    """The plan at the median inputs: parts of the total, their evidence, rows by share of cost, cash, work done."""
    months = scenario.months
    found: dict[str, Any] = {"parts": dict.fromkeys(PARTS, 0.0), "part_evidence": dict.fromkeys(PARTS, Evidence.MEASURED)}
    weights: dict[str, float] = {}
    work = dict.fromkeys(WORK, 0.0)
    cash, liability, present = np.zeros(months), 0.0, 0.0
    for leg, committed in zip(plan.legs, plan.committed_gpus, strict=True):
        values = formula.evaluate(cost, arrays(leg, middle, months, committed), ["monthly_cost", "unused_gpu_hours"])
        _add_parts(leg, values, months, found, weights)
        for name, amount in _work(values, months).items():
            work[name] += amount
        paid = _cash(leg, values, months)
        cash, liability = cash + paid, liability + _liability(leg, values, committed, months)
        present += float(np.sum(cost.discounted_cost(paid, values["discount_rate"], values["month"], values["months_per_year"])))
    rows = tuple(sorted(weights, key=lambda r: -weights[r]))
    return {**found, "rows": rows, "cash": cash, "liability_after": liability, "work": work, "net_present_value": present}


WORK = ("useful_gpu_hours", "billed_gpu_hours", "unused_gpu_hours", "tokens", "requests", "runs")


def _work(values: Mapping[str, Any], months: int) -> dict[str, float]:
    hours = {n: float(_sum_months(values[n], months).sum()) for n in ("useful_gpu_hours", "billed_gpu_hours", "unused_gpu_hours")}
    level = float(_sum_months(values["demand_level"], months).sum())
    counts = {"tokens": ("tokens_in_per_month", "tokens_out_per_month"), "requests": ("requests_per_month",),
              "runs": ("runs_per_month",)}  # fmt: skip
    return hours | {what: sum(float(np.sum(values[n])) for n in names) * level for what, names in counts.items()}


def _add_parts(leg: Option, values: Mapping[str, Any], months: int, found: dict[str, Any], weights: dict[str, float]) -> None:
    for part in PARTS:
        money = float(_sum_months(values[part], months).sum())
        cited = _cited(leg, part)
        found["parts"][part] += money
        found["part_evidence"][part] = max([found["part_evidence"][part], *(q.evidence for q in cited)], key=lambda e: e.rank)
        for rank, row in enumerate(dict.fromkeys(r for q in cited for r in q.rows)):
            # Within a part the price's row comes first; a thousandth of the part's money keeps the order of its inputs.
            weights[row] = max(weights.get(row, 0.0), abs(money) * (1 - rank / 1000))


def _cash(leg: Option, values: Mapping[str, Any], months: int) -> Array:
    """The payments of each month at the median inputs: upfront shares at the start of a term, set-up in the first month."""
    start = values["term_start"] if leg.term_months else values["month"]
    rows = {n: np.broadcast_to(np.asarray(values[n], dtype=float).reshape(1, -1), (1, months))
            for n in ("monthly_cost", "commitment_cost", "setup_cost")}  # fmt: skip
    matrices = {"term_starts": (values["month"] == start[:, None]) * 1.0, "setup_months": np.ones((months, 1)) * (values["month"] == 0)}
    return np.asarray(formula.evaluate(cost, {**values, **rows, **matrices}, ["cash_cost"])["cash_cost"]).reshape(-1)


def _liability(leg: Option, values: Mapping[str, Any], committed: Array, months: int) -> float:
    """What the last term still owes after the horizon, at its monthly price, paid upfront or not."""
    if not leg.term_months or not committed[-1]:
        return 0.0
    left = -months % leg.term_months
    price = float(np.asarray(values["committed_price"]).reshape(-1)[-1])
    return left * float(committed[-1]) * float(np.sum(values["hours_per_month"])) * price


@lru_cache(maxsize=1024)
def _part_leaves(part: str, bound: frozenset[str]) -> tuple[str, ...]:
    return formula.leaves(cost, [part], bound)


def _cited(leg: Option, part: str) -> list[Quantity]:
    """The quantities with rows that a part rests on, prices first."""
    names = _part_leaves(part, frozenset(leg.inputs))
    found = [leg.inputs[n] for n in names if n in leg.inputs]
    if "goodput_loss" in names:
        found += [leg.inputs[n] for n in ("gpu_hours_between_failures", "restart_h", "checkpoint_h", "interruptions_per_hour")]
    return sorted((q for q in found if q.rows), key=lambda q: "price" not in q.name)


def _units(total: float, work: Mapping[str, float]) -> dict[str, float]:
    """Unit economics: the whole cost by what the workload counts in, and by useful GPU-hour."""
    million = 1e6
    per = {"USD/million tokens": work["tokens"] / million, "USD/request": work["requests"], "USD/run": work["runs"],
           "USD/useful GPU-hour": work["useful_gpu_hours"]}  # fmt: skip
    return {unit: total / amount for unit, amount in per.items() if amount}


# --- the study


def study(facts: Facts, scenario: Scenario, *, strict: bool = False) -> Study:
    """Every option evaluated over the same draws.

    Raises Infeasible naming the constraint that binds where no option is left.
    """
    desk = Desk(facts, scenario, strict)
    found = options(facts, scenario, strict=strict)
    usable, hopeless = _converging([o for o in found if o.feasible])
    excluded = [o for o in found if not o.feasible] + hopeless
    if not usable:
        raise _nothing(scenario, excluded)
    middle = central(usable)
    plans = [plan_of((o,), middle, scenario) for o in usable] + _split(desk, usable, middle)
    limit = scenario.constraints.max_provider_share
    if limit < 1:
        reason = (f"one provider would hold all of the work (limit {limit:.0%})", scenario.places.get("constraints.max_provider_share", ""))
        excluded += [replace(p.head, reasons=(reason,), inputs={}) for p in plans if len(p.providers) == 1]
        plans = [p for p in plans if len(p.providers) > 1 and max(_shares(p)) <= limit]
        if not plans:
            raise _nothing(scenario, excluded)
    draws = draw([leg for p in plans for leg in p.legs], scenario.draws, scenario.seed)
    return _ranked(desk, scenario, draws, [outcome(p, draws, scenario) for p in plans], excluded)


def _shares(plan: Plan) -> list[float]:
    return [float(leg.inputs["work_share"].value) for leg in plan.legs]


def _split(desk: Desk, usable: list[Option], middle: Draws) -> list[Plan]:
    """The one two-provider split: the cheapest base load (committed where any is) and the cheapest burst elsewhere."""
    scenario = desk.scenario
    if scenario.demand.work == "training" and scenario.demand.gpus:
        return []  # one job does not run in two places
    costs = {id(o): float(monthly(plan_of((o,), middle, scenario), middle, scenario.months).sum()) for o in usable}
    ranked = sorted(usable, key=lambda o: (costs[id(o)], o.id))
    base = next((o for o in ranked if o.basis is Basis.COMMITTED), ranked[0])
    burst = next((o for o in ranked if o.basis in BURSTS and o.provider != base.provider), None)
    if burst is None:
        return []
    legs = split(base, burst, desk)
    return [plan_of(legs, central(legs), scenario)]


BURSTS = (Basis.ON_DEMAND, Basis.SERVERLESS, Basis.SPOT)


def _converging(usable: list[Option]) -> tuple[list[Option], list[Option]]:
    """Options whose interruptions leave any work done, and those whose restarts never catch up."""
    good, bad = [], []
    for option in usable:
        worst = {n: q.high if n in ("restart_h", "checkpoint_h", "interruptions_per_hour") and q.high is not None else
                 q.low if n == "gpu_hours_between_failures" and q.low is not None else q.value
                 for n, q in option.inputs.items()}  # fmt: skip
        loss = _goodput_loss(option, worst)
        if np.isfinite(loss) and loss < worst["hours_per_month"]:
            good.append(option)
        else:
            row = option.inputs["interruptions_per_hour"].rows or option.inputs["gpu_hours_between_failures"].rows
            bad.append(replace(option, reasons=(("failures come faster than the job restarts: no work gets done", row[0]),)))
    return good, bad


def _ranked(desk: Desk, scenario: Scenario, draws: Draws, outcomes: list[Outcome], excluded: list[Option]) -> Study:
    costs = np.array([o.total for o in outcomes])
    probability, regret = value.best_probability(costs), value.expected_regret(costs)
    judged = [replace(o, best_probability=float(p), expected_regret=float(r))
              for o, p, r in zip(outcomes, probability, regret, strict=True)]  # fmt: skip
    judged.sort(key=lambda o: (o.mean, o.plan.id))
    return Study(
        scenario=scenario, facts=desk.facts, draws=draws, outcomes=tuple(judged), excluded=tuple(excluded),
        perfect_information=value.perfect_information(costs), lever=_lever(desk, judged[0], draws),
    )  # fmt: skip


def _nothing(scenario: Scenario, excluded: list[Option]) -> Infeasible:
    """Which constraint binds: the reason that excludes the most offers, and how many it alone keeps out."""
    counts: dict[str, int] = {}
    for option in excluded:
        for reason, _ in option.reasons:
            counts[reason.split(";")[0]] = counts.get(reason.split(";")[0], 0) + 1
    binding = max(counts, key=lambda r: (counts[r], r)) if counts else "the datasets hold no offer"
    return Infeasible(f"scenario {scenario.name}", f"no offer is feasible: {binding} ({counts.get(binding, 0)} of {len(excluded)} offers)",
                      "relax that constraint, or add a row that satisfies it")  # fmt: skip


def _lever(desk: Desk, answer: Outcome, draws: Draws) -> Lever | None:
    """The answer at a low and a high utilisation, other inputs unchanged, and what reaching the high one costs."""
    head = answer.plan.head
    if head.basis is Basis.SERVERLESS:
        return None
    low, high = desk.assumption("utilisation_poor", "utilisation"), desk.assumption("utilisation_good", "utilisation")
    months = desk.scenario.months

    def at(share: Quantity) -> Outcome:
        fixed = replace(share, low=None, high=None)
        legs = tuple(replace(leg, inputs={**leg.inputs, "utilisation": fixed}) for leg in answer.plan.legs)
        return outcome(plan_of(legs, central(legs), desk.scenario), draws, desk.scenario)

    poor, good = at(low), at(high)
    reach = tuple(desk.assumption(n) for n in ("scheduler_engineers", "engineer_usd_per_month", "time_slicing_overhead"))
    people = reach[0].value * reach[1].value * months
    return Lever(low=low, high=high, cost_at_low=poor.mean, cost_at_high=good.mean,
                 cost_to_reach=people + reach[2].value * good.mean, reach=reach)  # fmt: skip
