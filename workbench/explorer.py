"""Sliders over a scenario: a scenario goes in, a scenario comes out, and the answer with its charts follows.

The form shows dials as sliders, asks for a decision, and swaps the rows of charts that were built once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from html import escape
from math import floor, isclose, log2, log10
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from workbench import charts, face, prose
from workbench import scenario as scenarios
from workbench.decision import contrast
from workbench.decision.answer import Decision
from workbench.dials import Dial, dials
from workbench.records import Facts, InputProblems, Scenario, WorkbenchError

COMPETING = 12
"""Options that compete while a slider moves: those on show and a few more."""
FEW = 512
"""Draws while a slider moves: enough to see where it goes."""
REST = 0.4
"""Seconds without a move after which all draws of the scenario are used."""
POSITIONS = 20
"""At least so many positions has a slider between the ends of its range."""
TOUCH = 1e-9
"""A page gives a number back with other last digits; that is no move."""
PICTURES = (
    (charts.ranges, charts.ranges_frame),
    (charts.monthly, charts.monthly_frame),
    (charts.difference, charts.difference_frame),
)


# --- a dial as a slider


def slider(dial: Dial) -> widgets.Widget:
    """A whole number, a factor (by powers of two) or an amount in round steps, as the dial's unit asks.

    The start and the ends lie on the steps: a page moves what lies between them, and says that somebody moved it.
    """
    q = dial.quantity
    common = {
        "description": dial.label,
        "tooltip": dial.tooltip,
        "style": {"description_width": "13.5em"},
        "layout": widgets.Layout(width="100%"),
    }
    if q.unit == "months":
        return widgets.IntSlider(min=q.low, max=q.high, value=q.value, **common)
    if q.unit == "x":
        ends = {"min": log2(q.low), "max": log2(q.high), "step": 1 / POSITIONS}
        return widgets.FloatLogSlider(base=2, value=q.value, readout_format=".2f", **ends, **common)
    digits = -floor(log10((q.high - q.low) / POSITIONS))
    low, value, high = (round(float(number), digits) for number in (q.low, q.value, q.high))
    shown = f".{max(digits - 2, 0)}%" if q.unit.startswith("share") else ",.0f"
    return widgets.FloatSlider(min=low, max=high, value=value, step=10.0**-digits, readout_format=shown, **common)


# --- the charts

DRAW = """
async function render({ model, el }) {
  let turn = 0, shown = [];
  async function draw() {
    const mine = ++turn;
    const made = await Promise.all(model.get("specs").map(async (spec) => {
      const box = document.createElement("div");
      const view = await vegaEmbed(box, spec, { renderer: "svg", actions: false });
      return { box, view };
    }));
    const [keep, drop] = mine === turn ? [made, shown] : [shown, made];
    el.replaceChildren(...keep.map((m) => m.box));
    drop.forEach((m) => m.view.finalize());
    shown = keep;
  }
  el.classList.add("workbench-pictures");
  model.on("change:specs", draw);
  await draw();
}
export default { render };
"""
"""New pictures are drawn aside and take the place of the old ones when they are ready: nothing flickers or jumps."""
STYLE = f"""
.workbench-pictures {{ display: flex; flex-wrap: wrap; align-items: flex-start; gap: 0 1.5em; }}
.workbench-pictures svg text[fill="{charts.TEXT}"] {{ fill: var(--jp-content-font-color1, {charts.TEXT}); }}
.workbench-verdict .widget-html-content {{ font-size: var(--jp-content-font-size1, inherit); }}
.workbench-verdict p, .workbench-verdict ul {{ line-height: 1.5; margin: 0.2em 0 0.6em; }}
"""
"""A live chart knows its page: what a picture must print in grey takes the page's own colour here."""


@cache
def _script() -> str:
    """What draws Vega-Lite in the page, with all that it needs: nothing is asked of a network."""
    import vl_convert

    return str(vl_convert.javascript_bundle(DRAW))


class Pictures(anywidget.AnyWidget):
    """Charts side by side; `specs` are their Vega-Lite specifications."""

    specs = traitlets.List(traitlets.Dict()).tag(sync=True)
    _css = STYLE

    @property
    def _esm(self) -> str:
        return _script()


# --- the form


class Resting:
    """What a form's sliders call: `show` is given `quick` while something moves, `whole` when it has come to rest."""

    def __init__(self, show: Callable[[Any], None], quick: Any, whole: Any) -> None:
        self._show, self._quick, self._whole = show, quick, whole
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, _: Any) -> None:
        self.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel, so nobody drags: a script that sets a value wants the whole answer
            self._show(self._whole)
            return
        self._show(self._quick)
        self._timer = loop.call_later(REST, self._show, self._whole)

    def cancel(self) -> None:
        """Nothing is left to show."""
        if self._timer:
            self._timer.cancel()


class Form(widgets.VBox):
    """The widget: `scenario` is what the sliders say, `decision` what follows from it (None where nothing does)."""

    def __init__(self, scenario: Scenario, found: tuple[Dial, ...]) -> None:
        self.start, self.dials = scenario, found
        self.decision: Decision | None = None
        self.sliders = {dial.name: slider(dial) for dial in found}
        self.verdict = widgets.HTML().add_class("workbench-verdict")
        self.pictures = Pictures()
        self._specs: dict[int, tuple[dict[str, Any], ...]] = {}
        self._starts = {name: each.value for name, each in self.sliders.items()}
        self._shown: Scenario | None = None
        self._rest = Resting(self.show, FEW, scenario.draws)
        for each in self.sliders.values():
            each.observe(self._moved, "value")
        back = widgets.Button(description="Back to the scenario", layout=widgets.Layout(width="max-content"))
        back.on_click(self._reset)
        columns = widgets.Layout(grid_template_columns="repeat(auto-fit, minmax(26em, 1fr))", grid_gap="0 1.5em")
        turned = [widgets.GridBox([*self.sliders.values()], layout=columns), back] if found else []
        super().__init__([self.verdict, *turned, self.pictures])

    @property
    def scenario(self) -> Scenario:
        """The scenario with every slider that was moved, taken as certain; what was not moved keeps its range."""
        found = self.start
        for dial in self.dials:
            value = self.sliders[dial.name].value
            if not isclose(value, self._starts[dial.name], rel_tol=TOUCH, abs_tol=TOUCH):
                found = dial.write(found, value)
        return found

    def __repr__(self) -> str:
        """The finding in one line: all that is seen of the form where no kernel runs."""
        return charts.finding(self.pictures.specs[0]) if self.pictures.specs else "No answer as it stands"

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
        frames = [frame(self.decision) for _, frame in PICTURES]
        specs = self._built(self.decision.scenario.months, frames)
        self.pictures.specs = [charts.swapped(spec, frame) for spec, frame in zip(specs, frames, strict=True)]

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

    def _built(self, months: int, frames: list[Any]) -> tuple[dict[str, Any], ...]:
        """The charts of a horizon, built once: their axis ends where it does. All else is data, and swapped."""
        if months not in self._specs:
            self._specs[months] = tuple(build(f).to_dict() for (build, _), f in zip(PICTURES, frames, strict=True))
        return self._specs[months]

    def _moved(self, change: Any) -> None:
        if self._shown == replace(self.scenario, draws=self.start.draws):
            self._rest.cancel()
            return
        self._rest(change)

    def _reset(self, _: Any) -> None:
        for dial in self.dials:
            self.sliders[dial.name].unobserve(self._moved, "value")
            self.sliders[dial.name].value = self._starts[dial.name]
            self.sliders[dial.name].observe(self._moved, "value")
        self._moved(None)


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


def refusal(error: WorkbenchError) -> str:
    """Every mistake with its place and the way out."""
    problems = error.problems if isinstance(error, InputProblems) else (error,)
    lines = (f"<li>{escape(p.where)}: {escape(p.what)}. <i>{escape(p.remedy)}</i></li>" for p in problems)
    return f"<p>No answer as it stands:</p><ul>{''.join(lines)}</ul>"
