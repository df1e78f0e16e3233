"""Sliders over a plan: more or less work, dearer or cheaper hours, and the plan with its charts follows.

While a slider moves nothing need be whole, which answers in milliseconds; when it rests the whole plan is solved.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as widgets
import numpy as np

from workbench import face
from workbench.charts import plan as pictures
from workbench.cite import so_many
from workbench.decision.portfolio.capacity import Capacity
from workbench.decision.portfolio.commitments import commitments, moved
from workbench.decision.portfolio.purchase import Purchase, planned
from workbench.decision.portfolio.schedule import Plan
from workbench.decision.portfolio.solver import relaxed, repriced, solve
from workbench.forms.parts import Pictures, Resting, refusal
from workbench.records import Scenario, WorkbenchError

REACH = 2
"""Powers of two to either side of today that a slider reaches."""
STEP = 1 / 8
KEPT = 7
"""Solved plans that a move of the prices may go on from, besides the last."""
PICTURES: tuple[tuple[Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (pictures.stack, pictures.stack_frame),
    (pictures.calendar, pictures.calendar_frame),
)


class Planner(widgets.VBox):
    """The widget: `found` is the plan as the sliders stand, None where there is none."""

    def __init__(self, scenario: Scenario) -> None:
        self._moved = Resting(self.show, relaxed, self._whole)
        self._solved: list[tuple[Any, Plan]] = []
        self.asked = commitments(face.facts(scenario.as_of), scenario)
        self.found: Purchase | None = None
        self.work, self.price = (_slider(text) for text in ("work, times today's", "price by the hour, times today's"))
        self.verdict, self.pictures = widgets.HTML().add_class("workbench-verdict"), Pictures()
        for each in (self.work, self.price):
            each.observe(self._moved, "value")
        super().__init__([self.verdict, self.work, self.price, self.pictures])
        self.show(self._whole)

    def __repr__(self) -> str:
        """The finding in one line: all that is seen where no kernel runs."""
        return self.pictures.finding or "No plan as it stands"

    def show(self, solver: Callable[..., Any]) -> None:
        """The plan as the sliders stand, or why there is none."""
        try:
            self.found = planned(moved(self.asked, self.work.value, self.price.value), solver)
        except WorkbenchError as error:
            self.found, self.pictures.specs = None, []
            self.verdict.value = refusal(error)
            return
        months = self.found.scenario.months
        gap = f"to a gap of {self.found.gap:.2%}"
        whole = "with nothing whole, while the slider moves" if solver is relaxed else gap
        self.verdict.value = f"<p>{self.found.cost:,.0f} USD over {so_many(months, 'month')}, {whole}</p>"
        self.pictures.specs = [build(rows(self.found)).to_dict() for build, rows in PICTURES]

    def _whole(self, demand: Any, capacities: Sequence[Capacity], onboarding: Any, *, rules: Any) -> Plan:
        """The whole plan; where only prices have moved since the same work was solved, from where that plan ended."""
        for place, (work, old) in enumerate(self._solved):
            before = old.optimum.programme.market.capacities
            if np.array_equal(work, demand) and _unpriced(before) == _unpriced(capacities):
                self._solved[place] = (work, repriced(old, capacities))
                return self._solved[place][1]
        self._solved = [*self._solved[-KEPT:], (demand, solve(demand, capacities, onboarding, rules=rules))]
        return self._solved[-1][1]


def _unpriced(capacities: Sequence[Capacity]) -> list[Capacity]:
    return [replace(c, rate=0) for c in capacities]


def _slider(text: str) -> widgets.FloatLogSlider:
    return widgets.FloatLogSlider(base=2, min=-REACH, max=REACH, step=STEP, value=1, description=text,
                                  readout_format=".2f", style={"description_width": "16em"},
                                  layout=widgets.Layout(width="100%"))  # fmt: skip
