"""Sliders over a plan: more or less work, dearer or cheaper hours, and the plan with its charts follows.

While a slider moves nothing need be whole, which answers in milliseconds; when it rests the whole plan is solved.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from workbench import charts, face
from workbench.charts import plan as pictures
from workbench.decision.commitments import commitments, moved
from workbench.decision.portfolio import relaxed, solve
from workbench.decision.purchase import Purchase, planned
from workbench.explorer import REST, Pictures
from workbench.records import Scenario, WorkbenchError

REACH = 2
"""Powers of two to either side of today that a slider reaches."""
STEP = 1 / 8
PICTURES: tuple[tuple[Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (pictures.stack, pictures.stack_frame),
    (pictures.calendar, pictures.calendar_frame),
)


class Planner(widgets.VBox):
    """The widget: `found` is the plan as the sliders stand, None where there is none."""

    def __init__(self, scenario: Scenario) -> None:
        self.asked = commitments(face.facts(scenario.as_of), scenario)
        self.found: Purchase | None = None
        self.work, self.price = (_slider(text) for text in ("work, times today's", "price by the hour, times today's"))
        self.verdict, self.pictures = widgets.HTML().add_class("workbench-verdict"), Pictures()
        self._timer: asyncio.TimerHandle | None = None
        for each in (self.work, self.price):
            each.observe(self._moved, "value")
        super().__init__([self.verdict, self.work, self.price, self.pictures])
        self.show(solve)

    def __repr__(self) -> str:
        """The finding in one line: all that is seen where no kernel runs."""
        return charts.finding(self.pictures.specs[0]) if self.pictures.specs else "No plan as it stands"

    def show(self, solver: Callable[..., Any]) -> None:
        """The plan as the sliders stand, or why there is none."""
        try:
            self.found = planned(moved(self.asked, self.work.value, self.price.value), solver)
        except WorkbenchError as error:
            self.found, self.pictures.specs = None, []
            self.verdict.value = f"<p>No plan as it stands: {error.what}; {error.remedy}</p>"
            return
        whole = (
            "to a gap of " + f"{self.found.gap:.2%}"
            if solver is solve
            else "with nothing whole, while the slider moves"
        )
        self.verdict.value = f"<p>{self.found.cost:,.0f} USD over {self.found.scenario.months} months, {whole}</p>"
        self.pictures.specs = [build(rows(self.found)).to_dict() for build, rows in PICTURES]

    def _moved(self, _: Any) -> None:
        if self._timer:
            self._timer.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel, so nobody drags: a script wants the whole plan
            self.show(solve)
            return
        self.show(relaxed)
        self._timer = loop.call_later(REST, self.show, solve)


def _slider(text: str) -> widgets.FloatLogSlider:
    return widgets.FloatLogSlider(base=2, min=-REACH, max=REACH, step=STEP, value=1, description=text,
                                  readout_format=".2f", style={"description_width": "16em"},
                                  layout=widgets.Layout(width="100%"))  # fmt: skip
