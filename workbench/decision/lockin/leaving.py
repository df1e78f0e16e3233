"""What leaving costs by month, what it saves, and what being able to leave is worth: the exit bill put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from workbench import formula
from workbench.decision.desk import Desk
from workbench.decision.draws import Array, Draws, draw
from workbench.decision.lockin import deadlines, multicloud
from workbench.decision.lockin.bill import PARTS, bills, cited, effort
from workbench.decision.lockin.failure import HAZARD, Peril, peril, rival_peril
from workbench.decision.lockin.ranking import Ranking, ranking
from workbench.decision.lockin.sides import YEAR_MONTHS, Side, rival_of, scope, signed, staying
from workbench.decision.lockin.ties import PORTABLE, Conformance, Ties, conformance, ties
from workbench.decision.lockin.timing import WAIT, Worth, worth
from workbench.decision.outcome import P10, P90, axis
from workbench.decision.study import Study
from workbench.models import exit_cost, lockin
from workbench.records import Evidence, Quantity, Scenario

THREE_YEARS = 3 * YEAR_MONTHS


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """The bill for leaving `here` for `rival`, by month; money in USD of the month in which one leaves.

    `values` has every formula's result over (month, draw). `assumed` says that nothing runs yet, so the decision's
    answer is taken for the incumbent to come.
    """

    study: Study
    ties: Ties
    draws: Draws
    here: Side
    rival: Side
    assumed: bool
    values: Mapping[str, Any]
    peril: Peril
    rival_peril: Peril | None
    stamp: Mapping[str, Any]

    @property
    def scenario(self) -> Scenario:
        return self.study.scenario

    def by_month(self, name: str) -> Array:
        """A value over all months and draws, (month, draw)."""
        return np.broadcast_to(self.values[name], (self.scenario.months, self.draws.size))

    def mean(self, name: str) -> Array:
        """A value's mean by month."""
        return np.asarray(self.by_month(name).mean(axis=1))

    def middle(self, name: str) -> float:
        """The mean of a value that has no month."""
        return float(np.mean(self.values[name]))

    def spread(self, name: str, month: int = 0) -> tuple[float, float]:
        """P10 and P90 of a value in a month."""
        low, high = np.quantile(self.by_month(name)[month], (P10, P90))
        return float(low), float(high)

    @cached_property
    def parts(self) -> dict[str, float]:
        """The bill for leaving today, by part, and their total: means over the draws."""
        parts = {part: float(self.mean(part)[0]) for part in PARTS}
        return parts | {"total": sum(parts.values())}

    @cached_property
    def last_month(self) -> int | None:
        """The last month in which leaving still pays, on average."""
        return exit_cost.last_month_that_pays(self.mean("npv"))

    @cached_property
    def best_month(self) -> int | None:
        """The month in which leaving brings the most in today's money."""
        return exit_cost.best_month(self.mean("npv_today"))

    @cached_property
    def portability(self) -> float:
        """The share of the person-days that carries over: the mean over the draws."""
        used, days, share = effort(self.ties, self.draws)
        return float(np.mean(lockin.portability(used, days, share)))

    @cached_property
    def worth(self) -> Worth:
        """The option to leave."""
        return worth(self)

    @cached_property
    def ahead(self) -> deadlines.Ahead:
        """The ends of the contract and the days of the law, as windows of the option."""
        return deadlines.ahead(self)

    @cached_property
    def standby(self) -> multicloud.Standby:
        """A second platform kept warm, as a hedge."""
        return multicloud.standby(self)

    @cached_property
    def premium_cap(self) -> float:
        """The most a month that the incumbent can charge above the rival over the horizon before one would leave."""
        rate = self.middle("rate_per_month")
        return float(lockin.premium_cap(self.parts["total"], rate, self.scenario.months))

    @cached_property
    def price_rises(self) -> float:
        """Present value of the price rises to be expected of the incumbent over the horizon."""
        desk = Desk(self.study.facts, self.scenario)
        rises, size = (desk.assumption(n, **scope(desk, self.here.price)) for n in ("rises_per_year", "mean_rise"))
        years = self.scenario.months / YEAR_MONTHS
        annual = float(self.here.bill.mean()) * YEAR_MONTHS
        rate = float(np.log1p(self.middle("discount_rate")))
        return float(lockin.price_rise_cost(annual, rises.value, size.value, rate, years))

    @cached_property
    def later(self) -> dict[int, float]:
        """The mean bill for leaving today, in a year and in three."""
        months = np.array([0.0, YEAR_MONTHS, THREE_YEARS])
        bill = self.here.bill[np.minimum(months, self.scenario.months - 1).astype(int)]
        totals = bills(self.ties, self.draws, self.scenario.as_of, months, bill)["exit_cost"]
        return {int(m): float(np.mean(t)) for m, t in zip(months, totals, strict=True)}

    @cached_property
    def conformance(self) -> tuple[Conformance, Conformance]:
        """Of the incumbent's and of the rival's Kubernetes."""
        return conformance(self.study.facts, self.here.provider), conformance(self.study.facts, self.rival.provider)

    @cached_property
    def cited(self) -> dict[str, list[Quantity]]:
        """For each part of the bill the quantities with rows that it rests on."""
        return cited(self.ties, self.here)

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """The rows behind the bill, by the money of the part that they are in."""
        ranked = sorted(PARTS, key=lambda p: -abs(self.parts[p]))
        used = (r for p in ranked if self.parts[p] for q in self.cited[p] for r in q.rows)
        return tuple(dict.fromkeys((*used, *(r.row for r in self.ties.laws), *self.rival.rows)))

    @cached_property
    def evidence(self) -> dict[str, float]:
        """Share of the bill's money by evidence class; each part takes the class of its weakest input."""
        whole = sum(abs(self.parts[p]) for p in PARTS) or 1.0
        shares = dict.fromkeys(map(str, Evidence), 0.0)
        for part in PARTS:
            weakest = max((q.evidence for q in self.cited[part]), key=lambda e: e.rank, default=Evidence.MEASURED)
            shares[str(weakest)] += abs(self.parts[part]) / whole
        return shares

    @cached_property
    def ranking(self) -> Ranking:
        """The decision's options without and with the exit at the end of the horizon."""
        return ranking(self.study)

    @cached_property
    def portable_value(self) -> float:
        """What portable parts would save who must fear price rises: the cost at today's switching cost less that at the
        cost of a move in which hardly anything is rewritten."""
        desk, years = Desk(self.study.facts, self.scenario), max(self.scenario.months // YEAR_MONTHS, 1)
        rises, size = (
            desk.assumption(n, **scope(desk, self.here.price)).value for n in ("rises_per_year", "mean_rise")
        )
        rewriting = self.parts["re_engineering"] * (1 + self.middle("overrun_share"))
        bound = (self.parts["total"] - rewriting, self.parts["total"])
        here, there = (float(side.bill.mean()) * YEAR_MONTHS for side in (self.here, self.rival))
        factor = 1 / (1 + self.middle("discount_rate"))
        return float(lockin.portability_value(here, size, 1 - np.exp(-rises), there, bound, years, factor))

    def as_dict(self) -> dict[str, Any]:
        """What the command line prints with --json; money in USD."""
        low, high = np.quantile(self.by_month("exit_cost"), (P10, P90), axis=1)
        worth, scenario = self.worth, self.scenario
        return {
            "scenario": scenario.name, "as_of": scenario.as_of.isoformat(), "months": scenario.months,
            "incumbent": {"provider": self.here.provider, "assumed": self.assumed, "plan": self.here.plan,
                          "services_stated": self.ties.stated},
            "rival": {"provider": self.rival.provider, "plan": self.rival.plan,
                      "owned": self.rival.owned and self.rival.owned.as_dict()},
            "jurisdiction": self.ties.jurisdiction or None, "purpose": self.ties.purpose,
            "exit_cost": self.parts, "exit_cost_range": {"p10": float(low[0]), "p90": float(high[0])},
            "later": [{"months": m, "exit_cost": usd} for m, usd in self.later.items()],
            "portability": self.portability, "effort": self._effort(),
            "conformance": [c.as_dict(scenario.as_of) for c in self.conformance],
            "move": self.as_move(), "by_month": self._months(low, high),
            "option_value": float(worth.option.value), "wait": worth.advice == WAIT, "advice": worth.advice,
            "value_of_waiting": float(worth.option.value) - max(float(self.mean("npv")[0]), 0.0),
            "chance_to_leave": float(worth.option.chance), "threshold": worth.threshold,
            "volatility": worth.volatility,
            "last_month_to_leave": self.last_month, "best_month": self.best_month,
            "premium_cap_per_month": self.premium_cap, "expected_price_rises": self.price_rises,
            "portability_value": self.portable_value, "forced_migration": self.peril.expected,
            "provider_risk": {"incumbent": self.peril.as_dict(),
                              "rival": self.rival_peril and self.rival_peril.as_dict()},
            "ahead": deadlines.as_dict(self), "multi_cloud": self.standby.as_dict(),
            "ranking": self.ranking.as_dict(),
            "rows": list(self.rows), "evidence": self.evidence, "stamp": dict(self.stamp),
        }  # fmt: skip

    def as_move(self) -> dict[str, Any]:
        """The data on its way out today, on average, against the window in which a waiver of egress holds."""
        days, window = self.mean("move_days")[0], self.middle("waiver_days")
        return {"gb": float(self.mean("exit_gb")[0]), "days": float(days), "waiver_days": window,
                "waived_gb": float(self.mean("waived_gb")[0]),
                "within_waiver": bool(days <= window) if window else None}  # fmt: skip

    def _effort(self) -> dict[str, Any]:
        days, usd = (self.mean(n)[0] for n in ("surface", "re_engineering"))
        return {"person_days": float(days), "usd": float(usd), "services": [
            {"service": t.service.service, "used": t.used.value, "portable": t.service.portable,
             "build_days": t.service.build_days.value, "rewrite_share": t.service.rewrite_share.value,
             "rows": list(t.service.build_days.rows)} for t in self.ties.services
        ]}  # fmt: skip

    def _months(self, low: Array, high: Array) -> list[dict[str, Any]]:
        means = {n: self.mean(n) for n in ("exit_cost", "saving_pv", "npv", "npv_today")}
        sides = {"incumbent_usd": self.here.bill.mean(axis=1), "rival_usd": self.rival.bill.mean(axis=1)}
        parts = {p: self.mean(p) for p in PARTS}
        sure = (self.by_month("npv") > 0).mean(axis=1)
        return [{"month": m, **{n: float(v[m]) for n, v in (means | sides).items()}, "pays": bool(means["npv"][m] > 0),
                 "pays_probability": float(sure[m]), "p10": float(low[m]), "p90": float(high[m]),
                 "parts": {p: float(parts[p][m]) for p in PARTS}}
                for m in range(self.scenario.months)]  # fmt: skip


def leaving(study: Study, *, stamp: Mapping[str, Any] | None = None) -> Leaving:
    """What it would take to leave the scenario's incumbent; where it has none, the decision's answer, later.

    Raises WorkbenchError for a service that no row knows, Infeasible where the incumbent's bill or a rival is missing.
    """
    desk = Desk(study.facts, study.scenario)
    assumed = study.scenario.incumbent.provider == "none"
    here = staying(study, desk)
    rival = rival_of(study, desk, here)
    contract = signed(here.outcome, study.scenario.months) if assumed and here.outcome else None
    tied = ties(desk, here.price, contract, to=rival.price)
    draws = draw([tied], study.scenario.draws, study.scenario.seed)
    months = axis(study.scenario.months)
    values = bills(tied, draws, study.scenario.as_of, months, here.bill) | {"rival_usd_per_month": rival.bill}
    values["rival_re_engineering"] = _portable_upkeep(desk, tied, draws, values)
    risk = rival_peril(study, desk, rival)
    values["rival_failure_usd"] = risk.by_month if risk else 0.0
    values = formula.evaluate(exit_cost, values, ("npv_today",))
    return Leaving(
        study=study, ties=tied, draws=draws, here=here, rival=rival, assumed=assumed, values=values,
        peril=peril(here, tied.inputs[HAZARD], draws, values), rival_peril=risk, stamp=stamp or {},
    )  # fmt: skip


def _portable_upkeep(desk: Desk, tied: Ties, draws: Draws, values: Mapping[str, Any]) -> Any:
    """Breaking releases after the move, on what is still to be rewritten where everything runs on portable parts."""
    used, days, share = effort(tied, draws)
    left = np.minimum(share, desk.facts.dependences[PORTABLE].rewrite_share.value)
    surface = exit_cost.surface(
        exit_cost.surface_now(used, days, left), values["surface_growth_per_month"], values["month"]
    )
    return exit_cost.staying_re_engineering(
        surface, values["breaking_releases_per_month"], values["broken_share"], values["day_rate"]
    )
