"""The two sides of an exit: what staying costs by month, and what the best rival would."""

from dataclasses import dataclass, replace

import numpy as np

from workbench.decision import contrast
from workbench.decision.desk import Desk, constant
from workbench.decision.draws import Array, Inputs, draw, key
from workbench.decision.lockin.owned import LABEL, OWNED, Owned, owned
from workbench.decision.outcome import Outcome, Plan, axis, monthly
from workbench.decision.study import Study
from workbench.models import cost
from workbench.records import Basis, Evidence, Infeasible, Price, WorkbenchError

YEAR_MONTHS = 12
MOVING = ("usage_cost", "bridge_cost")
"""Parts of a plan's cost that follow the market's prices; a signed commitment does so until it is signed."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two that are compared: a plan's cost by month, (month, draw), and the rows that it rests on."""

    provider: str
    outcome: Outcome | None
    price: Price
    bill: Array
    rows: tuple[str, ...]
    evidence: Evidence
    volatility: float
    owned: Owned | None = None

    @property
    def plan(self) -> str | None:
        """What runs there; None where only its bill is known."""
        if self.owned:
            return f"{LABEL} / {self.price.gpu}"
        return self.outcome.plan.id if self.outcome else None


def scope(desk: Desk, price: Price) -> dict[str, str]:
    """Where rows about a seller's prices must hold."""
    return {"provider": price.provider, "provider_kind": desk.kind(price.provider), "basis": str(price.basis)}


def staying(study: Study, desk: Desk) -> Side:
    """The answer where nothing runs yet; else the incumbent's stated bill, or its cheapest plan that signs nothing new.

    Raises Infeasible where the incumbent has no feasible option and no stated bill.
    """
    home, asked = study.scenario.incumbent.provider, study.scenario.lockin
    if home == "none":
        return _side(study, desk, study.answer, sunk=True)
    own = [o for o in study.outcomes if o.plan.providers == (home,)]
    open_ = [o for o in own if o.plan.head.basis is not Basis.COMMITTED] or own
    if asked and asked.bill_per_month is not None:
        return _stated(study, desk, home, open_)
    if not open_:
        what = f"no option of the incumbent {home} is feasible, so what it costs is not known"
        raise Infeasible(f"scenario {study.scenario.name}", what, "state lockin.bill_per_month")
    return _side(study, desk, open_[0])


def _stated(study: Study, desk: Desk, home: str, own: list[Outcome]) -> Side:
    """The user's own bill of today, which grows with the work."""
    asked, scenario = study.scenario.lockin, study.scenario
    price = own[0].plan.head.price if own else next((p for p in study.facts.prices if p.provider == home), None)
    if price is None or asked is None or asked.bill_per_month is None:
        raise Infeasible(f"scenario {scenario.name}", f"no price of {home} is on record", "add a row to prices/")
    today = desk.yours("bill_per_month", asked.bill_per_month, "USD/month", "lockin.bill_per_month", desk.usd)
    leg = study.answer.plan.head
    growth, ramp = (study.draws.of(key(leg.inputs[n]), leg.inputs[n]) for n in ("growth_per_month", "ramp_months"))
    level = cost.demand_level(growth, axis(scenario.months)[:, None], ramp, 1.0)
    drawn = draw([Inputs({today.name: today})], scenario.draws, scenario.seed).of(key(today), today)
    bill = np.broadcast_to(drawn * level / level[0], (scenario.months, scenario.draws))
    return Side(provider=home, outcome=None, price=price, bill=bill, rows=today.rows, evidence=Evidence.YOURS,
                volatility=_volatility(desk, price, 1.0))  # fmt: skip


def rival_of(study: Study, desk: Desk, here: Side) -> Side:
    """The best plan of another seller, or of the one that the scenario names; owned hardware where it asks for that.

    Raises Infeasible where there is none.
    """
    asked = study.scenario.lockin
    wanted = asked.rival if asked else "best"
    if wanted == OWNED:
        return _owned(study, desk, here)
    others = [o for o in study.outcomes if here.provider not in o.plan.providers]
    found = [o for o in others if wanted == "best" or o.plan.providers == (wanted,)]
    if not found:
        who = "no other seller" if wanted == "best" else f"no option of {wanted}"
        if wanted == here.provider:
            what = f"the rival {wanted} is whom one would leave"
            raise WorkbenchError("lockin.rival", what, "name another seller, or best")
        raise Infeasible(f"scenario {study.scenario.name}", f"{who} is feasible, so there is nowhere to go",
                         "relax a constraint, or name another rival")  # fmt: skip
    return _side(study, desk, found[0], fresh=True)


def _owned(study: Study, desk: Desk, here: Side) -> Side:
    """Hardware of one's own: what the servers cost moves with the market until they are ordered."""
    fleet = owned(study, desk, here.bill)
    head, market = (
        fleet.fleet.plan.head,
        desk.assumption("market_volatility", **scope(desk, fleet.fleet.plan.head.price)),
    )
    share = fleet.mean("hardware_usd") / fleet.mean("hardware_life") / float(fleet.bill[-1].mean())
    return Side(provider=LABEL, outcome=None, price=head.price, bill=fleet.bill, rows=fleet.rows,
                evidence=Evidence.ESTIMATED, volatility=float(market.value * np.sqrt(YEAR_MONTHS) * min(share, 1.0)),
                owned=fleet)  # fmt: skip


def _side(study: Study, desk: Desk, outcome: Outcome, *, sunk: bool = False, fresh: bool = False) -> Side:
    """A plan's cost by month. `sunk`: joining it is paid already; `fresh`: it is not signed yet, so its price moves.

    Nobody waits for capacity: the one side runs, and until the other's is there the old bill runs on (dual running).
    """
    off = {"waiting_share": constant("waiting_share", 0.0, "share")}
    off |= {"setup_usd_per_gpu": constant("setup_usd_per_gpu", 0.0, "USD/GPU")} if sunk else {}
    asked, home = study.scenario.lockin, study.scenario.incumbent
    if not home.other_spend_per_month and not (asked and asked.purpose == "parallel") and len(outcome.plan.legs) == 1:
        off["extra_providers"] = constant("extra_providers", 0.0, "provider")  # who leaves for good runs one platform
    plan: Plan = replace(
        outcome.plan, legs=tuple(replace(leg, inputs={**leg.inputs, **off}) for leg in outcome.plan.legs)
    )
    bill = monthly(plan, study.draws, study.scenario.months).T
    moving = sum(outcome.parts[p] for p in (*MOVING, *(["commitment_cost"] if fresh else [])))
    head = outcome.plan.head
    return Side(
        provider=" + ".join(outcome.plan.providers), outcome=outcome, price=head.price, bill=bill, rows=outcome.rows,
        evidence=contrast.weakest(outcome), volatility=_volatility(desk, head.price, moving / outcome.mean),
    )  # fmt: skip


def signed(outcome: Outcome, months: int) -> tuple[float, float]:
    """What a plan would commit to: USD a month, and the months of its term."""
    return outcome.parts["commitment_cost"] / months, float(outcome.plan.head.term_months or 0)


def _volatility(desk: Desk, price: Price, share: float) -> float:
    """Of a bill of which a share moves with prices, by the year."""
    market, own = (desk.assumption(n, **scope(desk, price)).value for n in ("market_volatility", "offer_volatility"))
    return float(np.hypot(market, own) * np.sqrt(YEAR_MONTHS) * min(share, 1.0))
