"""A study with its reasons: what drives the answer, what flips it, and the same in JSON."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.decision import breakeven, copula, knowing
from workbench.decision.contrast import contrast
from workbench.decision.draws import MARKET, PRICES, Key, key, shock_key
from workbench.decision.offers import Choice, Option
from workbench.decision.outcome import P10, P50, P90, Outcome
from workbench.decision.sensitivity import first_order
from workbench.decision.study import Study, study
from workbench.records import Facts, Scenario

if TYPE_CHECKING:
    import polars as pl

LEAST_SHARE = 0.005
"""A driver that explains less of the variance than this is noise of the estimate."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Decision:
    """The answer to a scenario. Money in USD over the horizon, undiscounted accrual, unless said."""

    study: Study
    stamp: Mapping[str, Any]

    @property
    def scenario(self) -> Scenario:
        return self.study.scenario

    @property
    def answer(self) -> Outcome:
        return self.study.answer

    @property
    def rival(self) -> Outcome | None:
        return self.study.rival

    @cached_property
    def drivers(self) -> list[tuple[str, float]]:
        """(input, share of the variance of the answer minus its best rival), largest first."""
        return _drivers(self.study)

    @cached_property
    def correlated(self) -> list[copula.Block]:
        """The groups of correlated inputs that the answer or its best rival rests on."""
        used = _used(self.study) | {MARKET: ""}
        return [block for block in self.study.together if not used.keys().isdisjoint(block.keys)]

    @cached_property
    def flips(self) -> list[breakeven.Flip]:
        return breakeven.flips(self.study)

    @cached_property
    def pilot(self) -> knowing.Pilot | None:
        """What two weeks of trying the leading options are worth before the choice."""
        return knowing.pilot(self.study)

    @cached_property
    def options(self) -> "pl.DataFrame":
        """One row an option, the answer first, the infeasible ones last with their reasons."""
        import polars as pl  # 0.2 s of CPU that the command line does without

        return pl.DataFrame(
            [{k: v for k, v in o.items() if k != "evidence"} for o in self.as_dict()["options"]],
            infer_schema_length=None,
        )

    def as_dict(self) -> dict[str, Any]:
        """The decision as the command line prints it with --json."""
        study = self.study
        return {
            "scenario": study.scenario.name, "as_of": study.scenario.as_of.isoformat(), "months": study.scenario.months,
            "basis": self.answer.plan.head.basis.value,
            "options": [*map(_feasible, study.outcomes), *map(_infeasible, study.excluded)],
            "answer": _feasible(study.outcomes[0]),
            "contrast": _contrast(study),
            "perfect_information": study.perfect_information, "pilot": self.pilot and self.pilot.as_dict(),
            "drivers": [{"input": name, "share": share} for name, share in self.drivers],
            "correlated": [_together(study, block) for block in self.correlated],
            "flips": [{"input": f.input, "from": f.start, "to": f.to, "unit": f.quantity.unit, "new_best": f.new_best,
                       "outside_range": f.outside_range} for f in self.flips],
            "stamp": dict(self.stamp),
        }  # fmt: skip

    def __repr__(self) -> str:
        from workbench import prose

        return str(prose.verdict(self))

    def _repr_html_(self) -> str:
        from workbench import tables

        return tables.options(self).as_raw_html()


def decide(
    facts: Facts,
    scenario: Scenario,
    *,
    strict: bool = False,
    only: Collection[Choice] | None = None,
    stamp: Mapping[str, Any] | None = None,
) -> Decision:
    """The answer to a scenario by the facts of its day, among `only` some choices where they are given.

    Raises Infeasible where no option is left.
    """
    return Decision(study=study(facts, scenario, strict=strict, only=only), stamp=stamp or {})


def _drivers(study: Study) -> list[tuple[str, float]]:
    if study.rival is None:
        return []
    used = _used(study)
    keys = [k for k in study.draws.values if k in used or k == MARKET]
    shares = first_order(np.hstack([study.draws.values[k] for k in keys]), study.answer.total - study.rival.total)
    ranked = sorted(
        ((used.get(k, "market price"), float(s)) for k, s in zip(keys, shares, strict=True)),
        key=lambda d: (-d[1], d[0]),
    )
    return [d for d in ranked if d[1] >= LEAST_SHARE]


def _used(study: Study) -> dict[Key, str]:
    """The uncertain inputs of the answer and its best rival, and the movements of their prices, by name."""
    used: dict[Key, str] = {}
    for outcome in study.outcomes[:2]:
        for leg in outcome.plan.legs:
            used |= {key(q): q.text for q in leg.inputs.values() if q.uncertain}
            used |= {shock_key(q): "movement of the " + q.text for n, q in leg.inputs.items() if n in PRICES}
    return used


def _together(study: Study, block: copula.Block) -> dict[str, Any]:
    """By name, in the order of the block; `adjusted` is how far the nearest possible correlation is from the rows."""
    drawn = study.draws.quantities
    names = [drawn[k].text if k in drawn else k[0] for k in block.keys]
    return {"inputs": names, "adjusted": block.adjusted, "rows": list(block.rows)}


def _contrast(study: Study) -> dict[str, Any] | None:
    """Hyperscaler against neocloud: what the answer saves against the best plan of the other kind."""
    found = contrast(study)
    if found is None:
        return None
    low, middle, high = (found.quantile(share) for share in (P10, P50, P90))
    return {"kind": found.side, "other_kind": found.rival_side, "other": found.rival.plan.id,
            "probability": found.probability,
            "saving": {"p10": low, "p50": middle, "p90": high, "mean": found.mean, "share": found.share}}  # fmt: skip


def _label(option: Option) -> str:
    return f"{option.product}: {option.offer}"


def _feasible(o: Outcome) -> dict[str, Any]:
    head = o.plan.head
    return {
        "provider": " + ".join(o.plan.providers), "offer": " + ".join(map(_label, o.plan.legs)),
        "basis": head.basis.value,
        "term_months": head.term_months, "region": " + ".join(leg.price.region for leg in o.plan.legs),
        "gpu": " + ".join(dict.fromkeys(leg.price.gpu for leg in o.plan.legs)), "id": o.plan.id,
        **dict(zip(("p10", "p50", "p90"), o.quantiles, strict=True)), "mean": o.mean,
        "best_probability": o.best_probability, "expected_regret": o.expected_regret, "feasible": True, "reasons": [],
        "stale": any(leg.stale for leg in o.plan.legs), "evidence": o.evidence, "rows": list(o.rows),
        "liability_after": o.liability_after, "net_present_value": o.net_present_value, "parts": dict(o.parts),
        "cash_by_month": o.cash.tolist(), "cost_by_month": o.monthly.tolist(), "unit_costs": dict(o.units),
        "unused_gpu_hours": o.work["unused_gpu_hours"],
        "contradictions": [r for leg in o.plan.legs for r in leg.price.contradictions],
    }  # fmt: skip


def _infeasible(option: Option) -> dict[str, Any]:
    figures = dict.fromkeys(("p10", "p50", "p90", "mean", "best_probability", "expected_regret", "liability_after",
                             "net_present_value"))  # fmt: skip
    return {
        "provider": option.provider, "offer": _label(option), "basis": option.basis.value,
        "term_months": option.term_months,
        "region": option.price.region, "gpu": option.price.gpu, "id": option.id, **figures, "feasible": False,
        "reasons": [f"{reason} [{row}]" if row else reason for reason, row in option.reasons],
        "stale": option.stale, "evidence": {},
        "rows": list(option.price.usd_per_gpu_hour.rows),
    }  # fmt: skip
