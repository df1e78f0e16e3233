"""What a scenario limits its plan by: money by month, what a seller may do and has, and what it costs to read the data.

The limits are the user's ([plan], and max_provider_share of [constraints]); the price of reading is the seller's.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.decision.desk import Desk, tiers
from workbench.decision.draws import central
from workbench.decision.offers import Option
from workbench.decision.outcome import evaluate
from workbench.decision.portfolio.capacity import Array, Rules
from workbench.records import Infeasible, Scenario, WorkbenchError
from workbench.stated import Planning
from workbench.units import CONVERTED

TB = CONVERTED["TB"][1]
EGRESS = ("internet", "premium")
"""The plans of a seller's egress that data to another seller goes by, as the scenario's own egress does."""


def planning(scenario: Scenario) -> Planning:
    """The scenario's [plan]; nothing is limited where it has none."""
    return scenario.plan or Planning()


def by_provider(scenario: Scenario) -> bool:
    """Whether something is limited by provider, so that its products count together."""
    asked = planning(scenario)
    return scenario.constraints.max_provider_share < 1 or bool(asked.max_provider_share or asked.max_accelerators)


def rules(desk: Desk, providers: Iterable[str], fixed: float) -> Rules:
    """The limits on plans of these providers, in USD and accelerators; `fixed` is USD over the horizon that every plan
    pays, month by month.

    Raises Infeasible where the budget does not even pay that.
    """
    asked, months = planning(desk.scenario), desk.scenario.months
    shares = {p: asked.max_provider_share.get(p, desk.scenario.constraints.max_provider_share) for p in providers}
    limited = {p: share for p, share in sorted(shares.items()) if share < 1}
    if asked.budget_per_month is None:
        return Rules(max_share=limited, max_size=asked.max_accelerators)
    budget = np.broadcast_to(np.asarray(asked.budget_per_month, float), months) * desk.usd - fixed / months
    if budget.min() < 0:
        what = f"the people that every plan needs cost {fixed / months:,.0f} USD a month"
        remedy = f"raise budget_per_month by {-budget.min():,.0f} USD"
        raise Infeasible(f"scenario {desk.scenario.name}", what, remedy)
    return Rules(budget=budget, joining=np.full(months, 1 / months), max_share=limited, max_size=asked.max_accelerators)


def away(scenario: Scenario, option: Option) -> float:
    """1 for an option that reads the data from another seller, 0 for one that runs where it lies."""
    return float(planning(scenario).data_at not in (None, option.provider))


def reading(desk: Desk, option: Option) -> tuple[float, tuple[str, ...]]:
    """USD over the horizon for reading the data from another seller, by the tiers of whom it lies with, and the rows.

    The formula is that of egress to the internet, and the work grows as by `option`, which is any. Raises
    WorkbenchError where the seller has no price or no row of egress.
    """
    asked, scenario = planning(desk.scenario), desk.scenario
    if asked.data_at is None or asked.read_tb_per_month == 0:
        return 0.0, ()
    price = next((p for p in desk.facts.prices if p.provider == asked.data_at), None)
    if price is None:
        raise WorkbenchError(scenario.places.get("plan.data_at", "plan.data_at"), f"no price of {asked.data_at}",
                             "name a seller with prices, whose egress is known")  # fmt: skip
    read = desk.yours("egress_gb_per_month", asked.read_tb_per_month, "GB/month", "plan.read_tb_per_month", TB)
    priced = {q.name: q for q in (read, *tiers(desk.service("egress", EGRESS, price), "egress"))}
    there = replace(option, inputs={**option.inputs, **priced})
    values: Any = evaluate(there, central([there]), scenario.months, np.zeros(scenario.months))
    monthly: Array = np.broadcast_to(values["egress_cost"], (scenario.months, 1))
    return float(monthly.sum()), tuple(row for q in priced.values() for row in q.rows)
