"""Sliders over a scenario: a scenario goes in, a scenario comes out, and the answer with its charts follows.

The form shows dials as sliders, asks for a decision, and swaps the rows of charts that were built once.
"""

from dataclasses import asdict, replace
from html import escape
from typing import Any

import ipywidgets as widgets

from workbench import charts, face, prose
from workbench import scenario as scenarios
from workbench.decision import contrast
from workbench.decision.answer import Decision
from workbench.forms.dials import Dial, dials
from workbench.forms.parts import FEW, Pictures, Resting, Sliders, back, columns, put, refusal
from workbench.records import Facts, Scenario, WorkbenchError

COMPETING = 12
"""Options that compete while a slider moves: those on show and a few more."""
PICTURES = (
    (charts.ranges, charts.ranges_frame),
    (charts.monthly, charts.monthly_frame),
    (charts.difference, charts.difference_frame),
)


# --- the form


class Form(widgets.VBox):
    """The widget: `scenario` is what the sliders say, `decision` what follows from it (None where nothing does)."""

    def __init__(self, scenario: Scenario, found: tuple[Dial, ...]) -> None:
        self.start, self.dials = scenario, found
        self._turned = Sliders(found)
        self.decision: Decision | None = None
        self.sliders = self._turned.by_name
        self.verdict = widgets.HTML().add_class("workbench-verdict")
        self.pictures = Pictures()
        self._shown: Scenario | None = None
        self._rest = Resting(self.show, FEW, scenario.draws)
        for each in self.sliders.values():
            each.observe(self._moved, "value")
        turned = [columns(self.sliders.values()), back(self._reset)] if found else []
        super().__init__([self.verdict, *turned, self.pictures])

    @property
    def scenario(self) -> Scenario:
        """The scenario with every slider that was moved, taken as certain; what was not moved keeps its range."""
        return self._turned.written(self.start)

    def __repr__(self) -> str:
        """The finding in one line: all that is seen of the form where no kernel runs."""
        return self.pictures.finding or "No answer as it stands"

    def show(self, draws: int) -> None:
        """Decide with so many draws at most, and show the answer, or the error as text."""
        asked = replace(self.scenario, draws=min(draws, self.start.draws))
        if asked == self._shown:
            return
        self._shown = asked
        try:
            self.decision = face.decide(asked, only=self._shown_choices(asked))
        except WorkbenchError as error:
            self.refuse(error)
            return
        self.verdict.value = _heading(self.start) + _answer(self.decision)
        # The charts of one horizon are of a kind: their axis ends where it does.
        self.pictures.follow(
            [(build, frame(self.decision)) for build, frame in PICTURES], self.decision.scenario.months
        )

    def _shown_choices(self, asked: Scenario) -> set[Any] | None:
        """While a slider moves, only what is on show competes; at rest, everything does."""
        if self.decision is None or asked.draws >= self.start.draws:
            return None
        shown = contrast.shortlist(self.decision.study, COMPETING)
        return {leg.price.key for o in shown for leg in o.plan.legs}

    def refuse(self, error: WorkbenchError) -> None:
        """Show why there is no answer, in place of charts."""
        self.decision, self.pictures.specs = None, []
        self.verdict.value = _heading(self.start) + refusal(error)

    def _moved(self, change: Any) -> None:
        if self._shown == replace(self.scenario, draws=self.start.draws):
            self._rest.cancel()
            return
        self._rest(change)

    def _reset(self, _: Any) -> None:
        put(self.sliders, self._turned.starts, self._moved)


def form(scenario: Scenario) -> Form:
    """A form with sliders for the scenario's main inputs, and charts that follow them.

    Raises nothing for a scenario that cannot be decided: the form says why.
    """
    try:
        facts = face.facts(scenario.as_of)
        _check(scenario, facts)
        made = Form(scenario, dials(facts, scenario))
    except WorkbenchError as error:
        made = Form(scenario, ())
        made.refuse(error)
        return made
    made.show(scenario.draws)
    return made


def _check(scenario: Scenario, facts: Facts) -> None:
    """A scenario made in Python passes the same door as a file.

    Raises InputProblems with every mistake in it.
    """
    table = {key: value for key, value in asdict(scenario).items() if key not in scenarios.FILLED}
    scenarios.parse(table, scenario.name, known=lambda _: scenarios.names(facts))


# --- what it says, as HTML


def _heading(scenario: Scenario) -> str:
    return f"<h3 style='margin: 0'>{escape(scenario.title or scenario.name)}</h3>"


def _answer(decision: Decision) -> str:
    return f"{prose.verdict(decision)._repr_html_()}<p><small>{decision.study.draws.size:,} draws</small></p>"
