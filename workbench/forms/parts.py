"""What every form is made of: dials as sliders, charts that follow, and what is asked while one moves and at rest."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from html import escape
from math import floor, isclose, log2, log10
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from workbench import charts
from workbench.forms.dials import Dial
from workbench.records import InputProblems, Scenario, WorkbenchError

Build = Callable[[Any], Any]
"""A chart from its frame."""
FEW = 512
"""Draws while a slider moves: enough to see where it goes."""
REST = 0.4
"""Seconds without a move after which all draws of the scenario are used."""
POSITIONS = 20
"""At least so many positions has a slider between the ends of its range."""
TOUCH = 1e-9
"""A page gives a number back with other last digits; that is no move."""


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


class Sliders:
    """Dials as sliders, by their names."""

    def __init__(self, dials: Sequence[Dial]) -> None:
        self.dials = dials
        self.by_name = {dial.name: slider(dial) for dial in dials}
        self.starts = {name: each.value for name, each in self.by_name.items()}

    def written(self, scenario: Scenario) -> Scenario:
        """The scenario with every slider that was moved, taken as certain; what was not moved keeps its range."""
        for dial in self.dials:
            value = self.by_name[dial.name].value
            if not isclose(value, self.starts[dial.name], rel_tol=TOUCH, abs_tol=TOUCH):
                scenario = dial.write(scenario, value)
        return scenario


def columns(sliders: Iterable[widgets.Widget], least: str = "26em") -> widgets.GridBox:
    """Sliders side by side, as many as fit where each has at least so much room."""
    layout = widgets.Layout(grid_template_columns=f"repeat(auto-fit, minmax({least}, 1fr))", grid_gap="0 1.5em")
    return widgets.GridBox([*sliders], layout=layout)


def back(act: Callable[[Any], None]) -> widgets.Button:
    """What puts every slider where it was."""
    button = widgets.Button(description="Back to the scenario", layout=widgets.Layout(width="max-content"))
    button.on_click(act)
    return button


def put(sliders: Mapping[str, widgets.Widget], values: Mapping[str, Any], moved: Callable[[Any], None]) -> None:
    """Set sliders to values without a word, then say once that something moved."""
    for name, each in sliders.items():
        each.unobserve(moved, "value")
        each.value = values[name]
        each.observe(moved, "value")
    moved(None)


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

    def __init__(self) -> None:
        super().__init__()
        self._built: dict[Any, list[dict[str, Any]]] = {}

    @property
    def _esm(self) -> str:
        return _script()

    @property
    def finding(self) -> str:
        """What the first chart says; empty where none is shown."""
        return charts.finding(self.specs[0]) if self.specs else ""

    def follow(self, shown: Sequence[tuple[Build, Any]], kind: Any = None) -> None:
        """Show (what builds a chart, its frame): a chart of one kind is built once, after that its rows are swapped."""
        if kind not in self._built:
            self._built[kind] = [build(frame).to_dict() for build, frame in shown]
        self.specs = [charts.swapped(spec, frame) for spec, (_, frame) in zip(self._built[kind], shown, strict=True)]


# --- while a slider moves, and at rest


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


# --- why there is no answer, as HTML


def refusal(error: WorkbenchError) -> str:
    """Every mistake with its place and the way out."""
    problems = error.problems if isinstance(error, InputProblems) else (error,)
    lines = (f"<li>{escape(p.where)}: {escape(p.what)}. <i>{escape(p.remedy)}</i></li>" for p in problems)
    return f"<p>No answer as it stands:</p><ul>{''.join(lines)}</ul>"
