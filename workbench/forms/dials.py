"""The numbers of a scenario that may be turned: each with its range, the rows that say so, and how it is written.

A dial is a number of which people ask "and if it were otherwise?". It is data; parts.py shows it as a slider.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import Any, get_type_hints

from workbench.cite import words
from workbench.decision.desk import Desk
from workbench.records import Demand, Evidence, Facts, Quantity, Range, Scenario, Scoped
from workbench.units import CONVERTED


@dataclass(frozen=True, kw_only=True)
class Dial:
    """A number that may be turned: its start, range and rows, and how it is written into a scenario."""

    label: str
    quantity: Quantity
    write: Callable[[Scenario, float], Scenario]

    @property
    def name(self) -> str:
        return self.quantity.name

    @property
    def tooltip(self) -> str:
        q = self.quantity
        return "\n".join(filter(None, (q.note, f"{q.unit}, {q.evidence}", ", ".join(q.rows))))


# --- which dials there are


def dials(facts: Facts, scenario: Scenario) -> tuple[Dial, ...]:
    """The dials that make sense for the scenario's workload; what has no range gives none."""
    desk = Desk(facts, scenario)
    of_work = {
        "serving": ("batch_fill", "Fill of serverless batches"),
        "image": ("batch_fill", "Fill of serverless batches"),
        "training": ("gpu_hours_between_failures", "GPU-hours between failures"),
    }[scenario.demand.work]
    found = (
        assumed(desk, "utilisation", "Utilisation", "utilisation_poor", "utilisation_good"),
        _demand(scenario),
        _months(scenario),
        _egress(desk),
        assumed(desk, "price_drift", "Price drift a month"),
        assumed(desk, "committed_share", "Committed share", "base_share"),
        *_growth(scenario),
        assumed(desk, *of_work),
    )
    return tuple(dial for dial in found if dial.quantity.uncertain)


def assumed(desk: Desk, name: str, label: str, *wider: str) -> Dial:
    """A dial over an assumption: it starts at the row that holds for any seller, and its range covers the rows of all
    sellers and those named by `wider`, since what it writes holds for all of them."""
    workload = {"serving": "decode"}.get(desk.scenario.demand.work, desk.scenario.demand.work)
    fits = [s for s in desk.facts.assumptions if s.scope.get("workload") in (None, workload)]
    rows = [s.quantity for n in (name, *wider) for s in sorted(fits, key=_narrow) if s.quantity.name == n]
    own = [desk.assumption(name)] if name in desk.scenario.assumptions else []
    spread = [*own, *rows]
    quantity = replace(
        rows[0],
        value=spread[0].value,
        evidence=spread[0].evidence,
        low=min(q.low for q in spread),
        high=max(q.high for q in spread),
        rows=tuple(dict.fromkeys(row for q in spread for row in q.rows)),
    )
    return Dial(label=label, quantity=quantity, write=partial(_assume, name=name))


def _narrow(scoped: Scoped) -> list[bool]:
    """What holds for any seller comes first, and of that what was said of this workload."""
    return [*(part in scoped.scope for part in SELLERS), "workload" not in scoped.scope]


SELLERS = ("provider", "provider_kind", "product", "gpu", "basis")


def _assume(scenario: Scenario, value: float, name: str) -> Scenario:
    return off_file(replace(scenario, assumptions={**scenario.assumptions, name: value}), f"assumptions.{name}")


def off_file(scenario: Scenario, *keys: str) -> Scenario:
    """What a slider wrote does not stand on the line of the file any more."""
    left = {k: v for k, v in scenario.places.items() if k not in keys and k.rpartition(".")[0] not in keys}
    return replace(scenario, places=left)


def _stated(scenario: Scenario, *keys: str) -> Quantity:
    """What the scenario states itself, with the lines on which it does."""
    rows = tuple(scenario.places[k] for k in keys if k in scenario.places)
    return Quantity(name=keys[0].rpartition(".")[2], value=1.0, unit="x", rows=rows, evidence=Evidence.YOURS)


def _months(scenario: Scenario) -> Dial:
    """The horizon, within the limits that its own type sets."""
    least, most = get_type_hints(Scenario, include_extras=True)["months"].__metadata__
    quantity = replace(_stated(scenario, "months"), value=scenario.months, low=least.ge, high=most.le, unit="months",
                       note="The horizon of the decision")  # fmt: skip
    return Dial(label="Months", quantity=quantity, write=lambda s, v: off_file(replace(s, months=round(v)), "months"))


SIZES = ("gpus", "tokens_out_per_month", "tokens_in_per_month", "requests_per_month", "runs_per_month",
         "gpu_hours_per_month", "wakeups_per_month")  # fmt: skip
"""What grows with demand, the number that people call its size first."""


def _demand(scenario: Scenario) -> Dial:
    """All of the demand at once, from a quarter of what is stated to four times as much."""
    stated = [name for name in SIZES if getattr(scenario.demand, name)]
    size = f"{_middle(getattr(scenario.demand, stated[0])):,.0f} {words(stated[0])}"
    quantity = replace(_stated(scenario, *(f"demand.{n}" for n in stated)), name="demand", low=2.0**-2, high=2.0**2,
                       note=f"1 is what the scenario states: {size}")  # fmt: skip
    label = f"Accelerators (× {scenario.demand.gpus:g})" if scenario.demand.gpus else "Demand (multiple)"
    return Dial(label=label, quantity=quantity, write=_scaled)


def _scaled(scenario: Scenario, factor: float) -> Scenario:
    changed: dict[str, Any] = {
        n: _times(getattr(scenario.demand, n), factor) for n in SIZES if getattr(scenario.demand, n)
    }
    if scenario.demand.gpus:
        changed["gpus"] = float(ceil(changed["gpus"]))  # half an accelerator runs nothing
    return off_file(replace(scenario, demand=replace(scenario.demand, **changed)), *(f"demand.{n}" for n in changed))


def _times(number: float | Range, factor: float) -> float | Range:
    if isinstance(number, Range):
        return Range(value=number.value * factor, low=number.low * factor, high=number.high * factor)
    return number * factor


def _middle(number: float | Range) -> float:
    return number.value if isinstance(number, Range) else number


def _growth(scenario: Scenario) -> Iterator[Dial]:
    """Growth where the scenario itself is not sure of it."""
    growth = scenario.demand.growth_per_month
    if isinstance(growth, Range):
        stated = _stated(scenario, "demand.growth_per_month")
        quantity = replace(stated, value=growth.value, low=growth.low, high=growth.high, unit="share",
                           note="Growth of the demand, between the ends that the scenario states")  # fmt: skip
        yield Dial(label="Growth a month", quantity=quantity, write=_grow)


def _grow(scenario: Scenario, value: float) -> Scenario:
    demand: Demand = replace(scenario.demand, growth_per_month=value)
    return off_file(replace(scenario, demand=demand), "demand.growth_per_month")


def _egress(desk: Desk) -> Dial:
    """Traffic out, from none to where the last tier of the longest price table begins."""
    table = max((s for s in desk.facts.services if s.category == "egress" and s.edges), key=lambda s: max(s.edges))
    stated = _stated(desk.scenario, "data.egress_tb_per_month")
    value = _middle(desk.scenario.data.egress_tb_per_month)
    _, gb = CONVERTED["TB/month"]
    quantity = replace(
        stated,
        value=value,
        low=0.0,
        high=max(max(table.edges) / gb, value),
        unit="TB/month",
        rows=(*stated.rows, *table.rows),
        note=f"Up to where the last tier of {table.provider}'s price table begins",
    )
    return Dial(label="Egress, TB a month", quantity=quantity, write=_send)


def _send(scenario: Scenario, value: float) -> Scenario:
    data = replace(scenario.data, egress_tb_per_month=value)
    return off_file(replace(scenario, data=data), "data.egress_tb_per_month")
