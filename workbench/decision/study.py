"""Every option over the same draws: which are left, how they rank, and what utilisation alone would change."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from workbench.decision import copula, value
from workbench.decision.beside import goodput_loss
from workbench.decision.coldstart.latency import judged
from workbench.decision.desk import Desk
from workbench.decision.draws import Draws, central, draw
from workbench.decision.offers import Choice, Option, options, pattern
from workbench.decision.outcome import Outcome, Plan, monthly, outcome, plan_of, shared, split
from workbench.records import Basis, Facts, Infeasible, Quantity, Scenario

BURSTS = (Basis.ON_DEMAND, Basis.SERVERLESS, Basis.SPOT)


@dataclass(frozen=True, kw_only=True)
class Lever:
    """Utilisation as a lever of its own on `plan`: what reaching the higher share saves and what that costs.

    Money in USD over the horizon.
    """

    plan: Plan
    low: Quantity
    high: Quantity
    cost_at_low: float
    cost_at_high: float
    cost_to_reach: float
    reach: tuple[Quantity, ...]


@dataclass(frozen=True, kw_only=True)
class Study:
    """The evaluated question: outcomes by rising mean, excluded options, and what is needed to ask more of it."""

    scenario: Scenario
    facts: Facts
    draws: Draws
    outcomes: tuple[Outcome, ...]
    excluded: tuple[Option, ...]
    perfect_information: float
    together: tuple[copula.Block, ...] = ()
    """Inputs that are correlated."""

    @property
    def answer(self) -> Outcome:
        return self.outcomes[0]

    @property
    def rival(self) -> Outcome | None:
        return self.outcomes[1] if len(self.outcomes) > 1 else None

    @property
    def lever(self) -> Lever | None:
        """On the best plan that rents by the hour and leaves idle hours to win back; None without one."""
        return _lever(self)


def study(facts: Facts, scenario: Scenario, *, strict: bool = False, only: Collection[Choice] | None = None) -> Study:
    """Every option, or `only` some choices, evaluated over the same draws.

    Raises Infeasible naming the constraint that binds where no option is left.
    """
    desk = Desk(facts, scenario, strict)
    usable, excluded = feasible(desk, only)
    plans = _plans(desk, usable)
    limit = scenario.constraints.max_provider_share
    if limit < 1:
        reason = (
            f"one provider would hold all of the work (limit {limit:.0%})",
            scenario.places.get("constraints.max_provider_share", ""),
        )
        excluded += [replace(p.head, reasons=(reason,), inputs={}) for p in plans if len(p.providers) == 1]
        plans = [p for p in plans if len(p.providers) > 1 and max(_shares(p)) <= limit]
        if not plans:
            base = desk.assumption("base_share")
            what = f"no split keeps every provider within the limit of {limit:.0%}: the base load is {base.value:.0%}"
            raise Infeasible(f"scenario {scenario.name}", what, "raise max_provider_share, or state base_share")
    return _evaluated(desk, plans, excluded)


def feasible(desk: Desk, only: Collection[Choice] | None = None) -> tuple[list[Option], list[Option]]:
    """The options that may be taken, and those that may not with their reasons; of `only` some choices where given.

    Raises Infeasible naming the constraint that binds where no option is left.
    """
    found = judged(desk, options(desk.facts, desk.scenario, strict=desk.strict, only=only))
    usable, hopeless = _converging([o for o in found if o.feasible])
    excluded = [o for o in found if not o.feasible] + hopeless
    if not usable:
        raise _nothing(desk.scenario, excluded)
    return usable, excluded


def _shares(plan: Plan) -> list[float]:
    base = float(plan.head.inputs["work_share"].value)
    return [base, 1 - base]


def _plans(desk: Desk, usable: list[Option]) -> list[Plan]:
    """One plan for each option, and the one two-provider split: the cheapest base load (committed where any is) with
    the cheapest burst at another seller."""
    scenario, middle = desk.scenario, central(usable)
    plans = [plan_of((o,), middle, scenario) for o in usable]
    if scenario.demand.work == "training" and scenario.demand.gpus:
        return plans  # one job does not run in two places
    costs = [float(monthly(p, middle, scenario.months).sum()) for p in plans]
    ranked = [plans[i].head for i in np.argsort(costs, kind="stable")]
    base = next((o for o in ranked if o.basis is Basis.COMMITTED), ranked[0])
    burst = next((o for o in ranked if o.basis in BURSTS and o.provider != base.provider), None)
    if burst is None:
        return plans
    legs = split(base, burst, desk)
    return [*plans, plan_of(legs, central(legs), scenario)]


def _evaluated(desk: Desk, plans: list[Plan], excluded: list[Option]) -> Study:
    scenario = desk.scenario
    legs = [leg for p in plans for leg in p.legs]
    together = copula.blocks(legs, copula.ties(desk.facts))
    draws, middle = draw(legs, scenario.draws, scenario.seed, together), central(legs)
    known = shared([leg for p in plans if len(p.legs) == 1 for leg in p.legs] or legs, draws, scenario.months)
    outcomes = [outcome(p, draws, middle, scenario, known if len(p.legs) == 1 else None) for p in plans]
    costs = np.array([o.total for o in outcomes])
    probability, regret = value.best_probability(costs), value.expected_regret(costs)
    judged = [replace(o, best_probability=float(p), expected_regret=float(r))
              for o, p, r in zip(outcomes, probability, regret, strict=True)]  # fmt: skip
    judged.sort(key=lambda o: (o.mean, o.plan.id))
    return Study(scenario=scenario, facts=desk.facts, draws=draws, outcomes=tuple(judged), excluded=tuple(excluded),
                 perfect_information=value.perfect_information(costs), together=together)  # fmt: skip


def _converging(usable: list[Option]) -> tuple[list[Option], list[Option]]:
    """Options whose interruptions leave any work done, and those whose restarts never catch up."""
    good, bad = [], []
    for option in usable:
        worst = {n: q.high if n in ("restart_h", "checkpoint_h", "interruptions_per_hour") and q.high is not None else
                 q.low if n == "gpu_hours_between_failures" and q.low is not None else q.value
                 for n, q in option.inputs.items()}  # fmt: skip
        loss = goodput_loss(option, worst)
        if np.isfinite(loss) and loss < worst["hours_per_month"]:
            good.append(option)
        else:
            row = option.inputs["interruptions_per_hour"].rows or option.inputs["gpu_hours_between_failures"].rows
            bad.append(
                replace(
                    option,
                    reasons=(("failures come faster than the job restarts: no work gets done", row[0]),),
                    inputs={},
                )
            )
    return good, bad


def _nothing(scenario: Scenario, excluded: list[Option]) -> Infeasible:
    """Which constraint binds: the kind of reason that keeps the most offers out, told by its commonest instance."""
    kinds, told = Counter[str](), dict[str, str]()
    for option in excluded:
        for kind, reason in {pattern(reason, option): reason for reason, _ in option.reasons}.items():
            kinds[kind] += 1
            told.setdefault(kind, reason)
    binding, times = max(kinds.items(), key=lambda k: (k[1], k[0]), default=("", 0))
    why = told.get(binding, "the datasets hold no offer")
    what = f"no offer is feasible: {why} (such a reason keeps out {times} of {len(excluded)} offers)"
    return Infeasible(f"scenario {scenario.name}", what, "relax that constraint, or add a row that satisfies it")


def _idle(plan: Plan, good: Quantity) -> bool:
    """Whether a plan rents by the hour and leaves idle hours to win back."""
    shares = [leg.inputs.get("utilisation") for leg in plan.legs]
    return all(share is not None and share.value < good.value for share in shares)


def _lever(study: Study) -> Lever | None:
    """A plan at a low and a high utilisation, other inputs unchanged, and what reaching the high one costs."""
    desk = Desk(study.facts, study.scenario)
    good = desk.assumption("utilisation_good", "utilisation")
    plan = next((o.plan for o in study.outcomes if _idle(o.plan, good)), None)
    if plan is None:
        return None
    low = desk.assumption("utilisation_poor", "utilisation")
    months = study.scenario.months

    def at(share: Quantity) -> float:
        fixed = replace(share, low=None, high=None)
        legs = tuple(replace(leg, inputs={**leg.inputs, "utilisation": fixed}) for leg in plan.legs)
        return float(monthly(plan_of(legs, central(legs), study.scenario), study.draws, months).sum(axis=1).mean())

    cost_at_low, cost_at_high = at(low), at(good)
    reach = tuple(
        desk.assumption(n) for n in ("scheduler_engineers", "engineer_usd_per_month", "time_slicing_overhead")
    )
    people = reach[0].value * reach[1].value * months
    return Lever(
        plan=plan,
        low=low,
        high=good,
        cost_at_low=cost_at_low,
        cost_at_high=cost_at_high,
        cost_to_reach=people + reach[2].value * cost_at_high,
        reach=reach,
    )
