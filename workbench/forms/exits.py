"""Sliders over leaving: law, contract, data, growth of the surface and how prices move; the bill and the advice follow.

The form of choice.py with another question: a scenario goes in, charts that were built once follow.
"""

from dataclasses import replace
from typing import Any

import ipywidgets as widgets

from workbench import charts, exit_prose, face
from workbench.decision.desk import Desk
from workbench.decision.lockin.leaving import Leaving
from workbench.decision.lockin.ties import jurisdiction
from workbench.forms.dials import Dial, assumed, off_file
from workbench.forms.parts import FEW, Pictures, Resting, Sliders, columns, refusal
from workbench.records import Evidence, Facts, Lockin, Quantity, Range, Scenario, WorkbenchError
from workbench.units import CONVERTED

TB = CONVERTED["TB"][1]
LONGEST_TERM = 36
"""Months of the longest commitment on sale that scenarios use."""
LARGEST = ("moved_data", "37signals, S3 exit")
"""The rule whose amount is the largest that data goes to: an exit on record."""
PICTURES = (
    (charts.waterfall, charts.waterfall_frame),
    (charts.course, charts.course_frame),
    (charts.region, charts.region_frame),
)
TOLD = (exit_prose.bill, exit_prose.advice, exit_prose.ahead, exit_prose.law)
"""What the form says above its charts."""


# --- dials


def dials(facts: Facts, scenario: Scenario) -> tuple[Dial, ...]:
    """Growth of the surface, the contract's length, stored data, volatility and correlation of prices."""
    desk = Desk(facts, scenario)
    return (
        assumed(desk, "surface_growth_per_month", "Surface growth a month"),
        _term(scenario),
        _data(facts, scenario),
        assumed(desk, "offer_volatility", "Volatility of an offer's price"),
        assumed(desk, "price_correlation", "Correlation of the prices"),
    )


def _stated(scenario: Scenario, key: str, ends: tuple[float, float], unit: str, note: str) -> Quantity:
    place, (value, high) = scenario.places.get(key), ends
    return Quantity(name=key.rpartition(".")[2], value=value, low=0.0, high=high, unit=unit, evidence=Evidence.YOURS,
                    rows=(place,) if place else (), note=note)  # fmt: skip


def _term(scenario: Scenario) -> Dial:
    left = scenario.lockin.term_months if scenario.lockin else 0.0
    note = "Months that the contract still runs; each of them owes what is committed"
    quantity = _stated(scenario, "lockin.term_months", (round(left), max(LONGEST_TERM, left)), "months", note)
    return Dial(label="Contract, months left", quantity=quantity, write=_with_term)


def _with_term(scenario: Scenario, value: float) -> Scenario:
    asked = scenario.lockin or Lockin(jurisdiction="US")
    return off_file(replace(scenario, lockin=replace(asked, term_months=value)), "lockin.term_months")


def _data(facts: Facts, scenario: Scenario) -> Dial:
    stored = scenario.data.stored_tb
    value = stored.value if isinstance(stored, Range) else stored
    rule = next(r for r in facts.rules if (r.name, r.subject) == LARGEST and r.quantity)
    most = float(rule.quantity.value) / TB if rule.quantity else value
    quantity = _stated(scenario, "data.stored_tb", (value, max(most, value)), "TB", "Up to the largest exit on record")
    return Dial(label="Stored data, TB", quantity=replace(quantity, rows=(*quantity.rows, rule.row)), write=_with_data)


def _with_data(scenario: Scenario, value: float) -> Scenario:
    return off_file(replace(scenario, data=replace(scenario.data, stored_tb=value)), "data.stored_tb")


# --- the form


class LeavingForm(widgets.VBox):
    """The widget: `scenario` is what the sliders say, `leaving` what follows from it (None where nothing does)."""

    def __init__(self, scenario: Scenario, facts: Facts) -> None:
        law = jurisdiction(Desk(facts, scenario))
        asked = scenario.lockin or Lockin(jurisdiction=law or "US")
        self.start, self.dials = replace(scenario, lockin=asked), dials(facts, scenario)
        self.leaving: Leaving | None = None
        self._turned = Sliders(self.dials)
        self.sliders = self._turned.by_name
        laws = sorted({r.jurisdiction for r in facts.rules if r.jurisdiction} | {"US", asked.jurisdiction})
        self.law = widgets.Dropdown(options=laws, value=asked.jurisdiction, description="Law", style=self._style)
        self.said = widgets.HTML().add_class("workbench-verdict")
        self.pictures = Pictures()
        self._shown: Scenario | None = None
        self._moved = Resting(self.show, FEW, scenario.draws)
        for each in (self.law, *self.sliders.values()):
            each.observe(self._moved, "value")
        super().__init__([self.said, columns([self.law, *self.sliders.values()]), self.pictures])

    @property
    def _style(self) -> dict[str, str]:
        return {"description_width": "13.5em"}

    @property
    def scenario(self) -> Scenario:
        """The scenario with every slider that was moved, taken as certain; what was not moved keeps its range."""
        asked = replace(self.start, lockin=replace(self.start.lockin, jurisdiction=self.law.value))  # type: ignore[type-var]
        return self._turned.written(asked)

    def __repr__(self) -> str:
        """The advice in one line: all that is seen of the form where no kernel runs."""
        return str(exit_prose.advice(self.leaving)) if self.leaving else "No answer as it stands"

    def show(self, draws: int) -> None:
        """Work it out with so many draws at most, and show it, or the error as text."""
        asked = replace(self.scenario, draws=min(draws, self.start.draws))
        if asked == self._shown:
            return
        self._shown = asked
        try:
            self.leaving = face.lockin(asked, only=self._shown_choices())
        except WorkbenchError as error:
            self.leaving, self.pictures.specs = None, []
            self.said.value = refusal(error)
            return
        texts = (tell(self.leaving) for tell in TOLD)
        self.said.value = "".join(text._repr_html_() for text in texts)
        self.pictures.follow([(build, frame(self.leaving)) for build, frame in PICTURES])

    def _shown_choices(self) -> set[Any] | None:
        """After the first time only the two sides compete: sliders change what leaving costs, not who is cheapest."""
        if self.leaving is None:
            return None
        sides = [s.outcome for s in (self.leaving.here, self.leaving.rival) if s.outcome]
        return {leg.price.key for o in sides for leg in o.plan.legs}


def form(scenario: Scenario) -> LeavingForm:
    """A form with sliders for what leaving hangs on, and charts that follow them.

    Raises nothing where there is nowhere to go: the form says why.
    """
    made = LeavingForm(scenario, face.facts(scenario.as_of))
    made.show(scenario.draws)
    return made
