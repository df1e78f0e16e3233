"""The only place where models are composed: options and draws become costs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from math import ceil, floor
from typing import Any

import numpy as np

from workbench import formula
from workbench.decision.beside import FAILURES, MOVED, goodput_loss, moved_prices, narrow, wait
from workbench.decision.desk import Desk, constant
from workbench.decision.draws import MARKET, PRICES, Array, Draws, Key, key, shock_key
from workbench.decision.offers import Option
from workbench.models import cost, price
from workbench.records import Evidence, Quantity, Scenario

SUMS = ("platform_spend", "disruption_cost", "operations_cost")
PARTS = tuple(p for s in (*SUMS, "monthly_cost") for p in formula.formulas(cost)[s].arguments if p not in SUMS)
"""The parts of the total, as the formulas that add them up name them."""

HOURS = ("useful_gpu_hours", "billed_gpu_hours", "unused_gpu_hours")
COUNTED = {"tokens": ("tokens_in_per_month", "tokens_out_per_month"), "requests": ("requests_per_month",),
           "runs": ("runs_per_month",)}  # fmt: skip
RATES = {"egress_rates", "storage_rates", "support_rates"}
MILLION = 1e6
P10 = 0.1
P50 = 0.5
P90 = 0.9


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
    """What a plan costs over the horizon, in USD; `by_month` is (draw, month), `total` one figure a draw.

    `parts`, `cash` and `net_present_value` are means over the draws; `median_parts`, which weigh the classes of
    evidence, and `work` are at the median inputs.
    """

    plan: Plan
    by_month: Array
    parts: Mapping[str, float]
    median_parts: Mapping[str, float]
    part_evidence: Mapping[str, Evidence]
    rows: tuple[str, ...]
    cash: Array
    net_present_value: float
    liability_after: float
    work: Mapping[str, float]
    best_probability: float = 0.0
    expected_regret: float = 0.0

    @cached_property
    def total(self) -> Array:
        return np.asarray(self.by_month.sum(axis=1))

    @cached_property
    def mean(self) -> float:
        return float(self.total.mean())

    @cached_property
    def monthly(self) -> Array:
        return np.asarray(self.by_month.mean(axis=0))

    @cached_property
    def monthly_band(self) -> tuple[Array, Array]:
        """P10 and P90 by month."""
        low, high = np.quantile(self.by_month, (P10, P90), axis=0)
        return low, high

    @cached_property
    def quantiles(self) -> tuple[float, float, float]:
        """P10, P50, P90 of the total."""
        low, middle, high = np.quantile(self.total, (P10, P50, P90))
        return float(low), float(middle), float(high)

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.total, share))

    @property
    def at_medians(self) -> float:
        """What the plan costs with every input at its median."""
        return float(sum(self.median_parts.values()))

    @property
    def evidence(self) -> dict[str, float]:
        """Share of the money by evidence class; each part takes the class of its weakest input."""
        whole = sum(abs(v) for v in self.median_parts.values()) or 1.0
        shares = dict.fromkeys(map(str, Evidence), 0.0)
        for part, evidence in self.part_evidence.items():
            shares[str(evidence)] += abs(self.median_parts[part]) / whole
        return shares

    @property
    def units(self) -> dict[str, float]:
        """Unit economics: the whole cost by what the workload counts in, and by hour of an H100's work."""
        per = {"USD/million tokens": self.work["tokens"] / MILLION, "USD/request": self.work["requests"],
               "USD/run": self.work["runs"], "USD/useful H100-hour": self.work["reference_hours"]}  # fmt: skip
        return {unit: self.mean / amount for unit, amount in per.items() if amount}


# --- binding an option to draws


@cache
def axis(months: int) -> Array:
    """The months of the horizon, counted from 0."""
    return np.arange(float(months))


Values = dict[str, Any]
Known = Mapping[str, Any] | None
TOTAL = ("monthly_cost",)


def arrays(
    option: Option, draws: Draws, months: int, committed: Array | None = None, known: Known = None
) -> dict[str, Any]:
    """The option's inputs, with how far its prices have moved, (month, draw)."""
    values = inputs(option, draws, months, committed, known)
    return values | moved_prices(option, values)


def inputs(
    option: Option, draws: Draws, months: int, committed: Array | None = None, known: Known = None
) -> dict[str, Any]:
    """The option's inputs in their natural shapes: a constant (), an uncertain input (draw,), an axis (month, 1); what
    is `known` goes before them."""
    values: Values = {name: _shaped(name, draws.of(k, q)) for name, k, q in _keys(option)}
    values["month"] = axis(months)[:, None]
    values["market_shock"] = draws.of(MARKET)
    values["offer_shock"] = draws.of(shock_key(option.inputs["list_price"]))
    values["step_wait"] = wait(option, values["offer_shock"])
    if option.term_months:
        whole = option.term_months >= months  # one term: what it holds and when it began are the same in every month
        values["term_start"] = 0.0 if whole else values["month"] // option.term_months * option.term_months
        values["committed_shock"] = draws.of(shock_key(option.inputs["committed_list_price"]))
        values["committed_wait"] = wait(option, values["committed_shock"])
        held_gpus = np.zeros(months) if committed is None else committed
        values["committed_gpus"] = float(held_gpus[0]) if whole else held_gpus[:, None]
    values["goodput_loss"] = goodput_loss(option, values)
    return values | dict(known or {})


def _shaped(name: str, value: Any) -> Any:
    """Rates are (tier, 1), or (1, draw) for a single uncertain one."""
    return np.atleast_2d(value) if name in RATES else value


def _keys(option: Option) -> list[tuple[str, Key, Quantity]]:
    return [(name, key(q), q) for name, q in option.inputs.items()]


def shared(options: Iterable[Option], draws: Draws, months: int) -> dict[str, Any]:
    """Values of the formulas that rest only on inputs which all options have in common: computed once for all."""
    first, *rest = options
    values = {
        name: _shaped(name, draws.of(k, q))
        for name, k, q in _keys(first)
        if all(_same(q, o.inputs.get(name)) for o in rest)
    }
    values["month"] = axis(months)[:, None]
    names = formula.settled(cost, frozenset(values))
    made = formula.evaluate(cost, values, names)
    return {name: made[name] for name in names}


def _same(one: Quantity, other: Quantity | None) -> bool:
    return other is not None and key(one) == key(other) and (bool(one.rows) or np.array_equal(one.value, other.value))


def evaluate(option: Option, draws: Draws, months: int, committed: Array | None, *, known: Known = None) -> Values:
    """All values behind the monthly cost of one option, over (month, draw); `known` holds what is computed already."""
    with narrow():
        return formula.evaluate(cost, arrays(option, draws, months, committed, known), TOTAL)


def monthly(plan: Plan, draws: Draws, months: int, known: Known = None) -> Array:
    """Accrued cost of a plan, (draws, months)."""
    total: Any = 0.0
    for leg, committed in zip(plan.legs, plan.committed_gpus, strict=True):
        bound = arrays(leg, draws, months, committed, known)
        with narrow():
            total = total + formula.results(cost, bound, TOTAL)["monthly_cost"]
    return np.broadcast_to(total, (months, draws.size)).T


def values_of(plan: Plan, draws: Draws, months: int) -> tuple[Values, ...]:
    """All values behind the monthly cost of each leg: what `held` starts from."""
    return tuple(evaluate(leg, draws, months, c) for leg, c in zip(plan.legs, plan.committed_gpus, strict=True))


def held(plan: Plan, base: tuple[Values, ...], k: Key, at: Any) -> float:
    """The mean total with one input held at a value: only what depends on it is computed again."""
    total: Any = 0.0
    for leg, values in zip(plan.legs, base, strict=True):
        changed = {name: _shaped(name, at) for name, other, _ in _keys(leg) if other == k}
        if changed.keys() & set(FAILURES):
            changed["goodput_loss"] = goodput_loss(leg, {**values, **changed})
        if formula.affected(price, frozenset(changed)):
            changed |= moved_prices(leg, {**values, **changed})
        stale = formula.affected(cost, frozenset(changed)) - leg.inputs.keys()
        kept = {name: value for name, value in values.items() if name not in stale}
        with narrow():
            total = total + formula.results(cost, {**kept, **changed}, TOTAL)["monthly_cost"]
    return float(
        np.broadcast_to(total, np.broadcast_shapes(np.shape(total), np.shape(base[0]["month"]))).mean(axis=-1).sum()
    )


# --- what is decided before the draws are known


def plan_of(legs: tuple[Option, ...], middle: Draws, scenario: Scenario) -> Plan:
    """A plan with its commitments decided at the median inputs `middle`."""
    return Plan(legs=legs, committed_gpus=tuple(_committed(leg, middle, scenario) for leg in legs))


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
    values = evaluate(option, middle, months, None)
    step = option.inputs["gpus_per_instance"].value
    together = np.asarray(values["instances"]).reshape(-1) * step
    need = np.broadcast_to(together, (months,))[:covered].mean() if covered else 0.0
    held = ceil(need * option.inputs["committed_share"].value / step) * step
    return np.where(axis(months) < covered, float(held), 0.0)


def split(base: Option, burst: Option, desk: Desk) -> tuple[Option, Option]:
    """Base load at one provider, burst at another: each leg with its share of the work and of the people."""
    share = desk.assumption("base_share")
    flat = desk.assumption("base_utilisation", "utilisation")
    home = desk.scenario.incumbent.provider
    joined = float(len({base.provider, burst.provider, home} - {"none"}) - 1)
    extra = constant("extra_providers", joined, "provider")
    alone = {"platform_engineers": constant("platform_engineers", 0.0, "engineer"),
             "extra_providers": constant("extra_providers", 0.0, "provider")}  # fmt: skip
    return (
        replace(base, inputs={**base.inputs, "work_share": replace(share, name="work_share"), "utilisation": flat,
                              "peak_floor": constant("peak_floor", 1.0, "x"), "extra_providers": extra}),
        replace(burst, inputs={**burst.inputs, "taken_share": replace(share, name="taken_share"), **alone}),
    )  # fmt: skip


# --- outcomes


def outcome(
    plan: Plan, draws: Draws, middle: Draws, scenario: Scenario, known: Mapping[str, Any] | None = None
) -> Outcome:
    """A plan over all draws: its cost by month, its payments on average, its accounts at the median inputs."""
    months = scenario.months
    total: Any = 0.0
    parts = dict.fromkeys(PARTS, 0.0)
    cash, present = np.zeros(months), 0.0
    for leg, committed in zip(plan.legs, plan.committed_gpus, strict=True):
        bound = arrays(leg, draws, months, committed, known)
        with narrow():
            values = formula.results(cost, bound, (*TOTAL, *PARTS))
        total = total + values["monthly_cost"]
        for part in PARTS:
            parts[part] += float(np.mean(values[part])) * months
        paid = _cash(leg, values, months)
        rate = _draws_mean(values["discount_rate"])
        cash = cash + paid
        present += float(cost.discounted_cost(paid, rate, axis(months), values["months_per_year"]).sum())
    by_month = np.broadcast_to(total, (months, draws.size)).T
    accounts = _accounts(plan, middle, scenario)
    return Outcome(plan=plan, by_month=by_month, parts=parts, cash=cash, net_present_value=present, **accounts)


def _accounts(plan: Plan, middle: Draws, scenario: Scenario) -> dict[str, Any]:
    months = scenario.months
    parts, evidence = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, Evidence.MEASURED)
    weights: dict[str, float] = {}
    work = dict.fromkeys((*HOURS, *COUNTED, "reference_hours"), 0.0)
    liability = 0.0
    for leg, committed in zip(plan.legs, plan.committed_gpus, strict=True):
        values = formula.evaluate(cost, evaluate(leg, middle, months, committed), HOURS)
        for part, cited in _cited(leg).items():
            money = _over_months(values[part], months)
            parts[part] += money
            evidence[part] = max([evidence[part], *(q.evidence for q in cited)], key=lambda e: e.rank)
            for rank, row in enumerate(dict.fromkeys(r for q in cited for r in q.rows)):
                # Within a part the price's row comes first; a sliver of the part's money keeps the order of its inputs.
                weights[row] = max(weights.get(row, 0.0), abs(money) * (1 - rank / MILLION))
        for name, amount in _work(values, months).items():
            work[name] += amount
        liability += _liability(leg, values, committed, months)
    return {"median_parts": parts, "part_evidence": evidence, "rows": tuple(sorted(weights, key=lambda r: -weights[r])),
            "liability_after": liability, "work": work}  # fmt: skip


def _draws_mean(value: Any) -> float:
    """The mean over draws of an input without months."""
    return float(np.mean(value))


def _over_months(value: Any, months: int) -> float:
    """The sum over months of a value at one draw: a constant counts in each month."""
    flat = np.asarray(value, dtype=float).reshape(-1)
    return float(flat.sum()) if flat.size == months else float(flat[0]) * months


def _work(values: Mapping[str, Any], months: int) -> dict[str, float]:
    level = _over_months(values["demand_level"], months)
    counts = {what: sum(float(np.sum(values[n])) for n in names) * level for what, names in COUNTED.items()}
    reference = sum(_over_months(values[f"{k}_gpu_hours"], months) * float(np.mean(values.get(f"{k}_throughput", 1)))
                    for k in ("prefill", "decode", "batch"))  # fmt: skip
    return {name: _over_months(values[name], months) for name in HOURS} | counts | {"reference_hours": reference}


def _cash(leg: Option, values: Mapping[str, Any], months: int) -> Array:
    """The payments of each month, on average over the draws: upfront shares at the start of a term, set-up in the
    first month. Payments are linear in the costs, so the mean of the one is made of the means of the other."""
    month = axis(months)
    start = month // leg.term_months * leg.term_months if leg.term_months else month
    rows: Values = {n: np.broadcast_to(np.mean(np.atleast_2d(values[n]), axis=-1), (1, months))
            for n in ("monthly_cost", "commitment_cost", "setup_cost")}  # fmt: skip
    rows["upfront_share"] = _draws_mean(values["upfront_share"])
    matrices = {"term_starts": (month == start[:, None]) * 1.0, "setup_months": np.ones((months, 1)) * (month == 0)}
    return np.asarray(formula.evaluate(cost, {**values, **rows, **matrices}, ("cash_cost",))["cash_cost"]).reshape(-1)


def _liability(leg: Option, values: Mapping[str, Any], committed: Array, months: int) -> float:
    """What the last term still owes after the horizon, at its monthly price, paid upfront or not."""
    if not leg.term_months or not committed[-1]:
        return 0.0
    left = -months % leg.term_months
    price = float(np.asarray(values["committed_price"]).reshape(-1)[-1])
    return left * float(committed[-1]) * float(np.sum(values["hours_per_month"])) * price


def _cited(leg: Option) -> dict[str, list[Quantity]]:
    """For each part, the quantities with rows that it rests on, prices first."""
    bound = frozenset(leg.inputs)
    found = {}
    for part in PARTS:
        names = formula.leaves(cost, (part,), bound)
        names += FAILURES if "goodput_loss" in names else ()
        names += formula.leaves(price, tuple(name for name in MOVED if name in names), bound)
        found[part] = sorted(
            (q for n in names if (q := leg.inputs.get(n)) and q.rows), key=lambda q: q.name not in PRICES
        )
    return found
