"""Sliders over a scenario: each reads its range from the rows, and together they write a scenario.

A dial is a number of the scenario of which people ask "and if it were otherwise?". It is data, and knows how to write
itself into a scenario. The form shows dials as sliders, asks for a decision, and swaps the rows of charts built once.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from html import escape
from math import ceil, floor, log2, log10
from typing import Any, get_type_hints

import ipywidgets as widgets

from workbench import charts, face, prose
from workbench import scenario as scenarios
from workbench.decision.answer import Decision
from workbench.decision.desk import Desk
from workbench.records import Demand, Evidence, Facts, InputProblems, Quantity, Range, Scenario, WorkbenchError
from workbench.units import CONVERTED

FEW = 512
"""Draws while a slider moves: enough to see where it goes."""
REST = 0.4
"""Seconds without a move after which all draws of the scenario are used."""
POSITIONS = 20
"""At least so many positions has a slider between the ends of its range."""
PICTURES = (
    (charts.ranges, charts.ranges_frame),
    (charts.monthly, charts.monthly_frame),
    (charts.difference, charts.difference_frame),
)
EMBED = {"renderer": "svg", "actions": False}
STYLE = f"""<style>
.workbench-form svg text[fill="{charts.TEXT}"] {{ fill: var(--jp-content-font-color1, {charts.TEXT}); }}
.workbench-verdict p, .workbench-verdict ul {{ line-height: 1.5; margin: 0.2em 0 0.6em; }}
</style>"""
"""A live chart knows its page: what a picture must print in grey takes the page's own colour here."""


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
        _assumed(desk, "utilisation", "Utilisation", "utilisation_poor", "utilisation_good"),
        _demand(scenario),
        _months(scenario),
        _egress(desk),
        _assumed(desk, "price_drift", "Price drift a month"),
        _assumed(desk, "committed_share", "Committed share", "base_share"),
        *_growth(scenario),
        _assumed(desk, *of_work),
    )
    return tuple(dial for dial in found if dial.quantity.uncertain)


def _assumed(desk: Desk, name: str, label: str, *wider: str) -> Dial:
    """A dial over an assumption; its range covers the row's own and those of the `wider` rows."""
    workload = {"serving": "decode"}.get(desk.scenario.demand.work, desk.scenario.demand.work)
    rows = replace(desk, scenario=replace(desk.scenario, assumptions={}))
    own = desk.assumption(name, workload=workload)
    spread = [own, *(rows.assumption(n, workload=workload) for n in (name, *wider))]
    quantity = replace(
        spread[1],
        value=own.value,
        evidence=own.evidence,
        low=min(q.low for q in spread),
        high=max(q.high for q in spread),
        rows=tuple(dict.fromkeys(row for q in spread for row in q.rows)),
    )
    return Dial(label=label, quantity=quantity, write=partial(_assume, name=name))


def _assume(scenario: Scenario, value: float, name: str) -> Scenario:
    return _off_file(replace(scenario, assumptions={**scenario.assumptions, name: value}), f"assumptions.{name}")


def _off_file(scenario: Scenario, *keys: str) -> Scenario:
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
    return Dial(label="Months", quantity=quantity, write=lambda s, v: _off_file(replace(s, months=round(v)), "months"))


SIZES = ("gpus", "tokens_out_per_month", "tokens_in_per_month", "requests_per_month", "runs_per_month",
         "gpu_hours_per_month", "wakeups_per_month")  # fmt: skip
"""What grows with demand, the number that people call its size first."""


def _demand(scenario: Scenario) -> Dial:
    """All of the demand at once, from a quarter of what is stated to four times as much."""
    stated = [name for name in SIZES if getattr(scenario.demand, name)]
    size = f"{_middle(getattr(scenario.demand, stated[0])):,.0f} {prose.words(stated[0])}"
    quantity = replace(_stated(scenario, *(f"demand.{n}" for n in stated)), name="demand", low=2.0**-2, high=2.0**2,
                       note=f"1 is what the scenario states: {size}")  # fmt: skip
    label = f"Accelerators (× {scenario.demand.gpus:g})" if scenario.demand.gpus else "Demand (multiple)"
    return Dial(label=label, quantity=quantity, write=_scaled)


def _scaled(scenario: Scenario, factor: float) -> Scenario:
    changed: dict[str, Any] = {
        n: _times(getattr(scenario.demand, n), factor) for n in SIZES if getattr(scenario.demand, n)
    }
    return _off_file(replace(scenario, demand=replace(scenario.demand, **changed)), *(f"demand.{n}" for n in changed))


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
    return _off_file(replace(scenario, demand=demand), "demand.growth_per_month")


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
    return _off_file(replace(scenario, data=data), "data.egress_tb_per_month")


# --- a dial as a slider


def slider(dial: Dial) -> widgets.Widget:
    """A whole number, a factor (by powers of two) or a share or amount in round steps, as the dial's unit asks."""
    q = dial.quantity
    common = {
        "value": q.value,
        "description": dial.label,
        "tooltip": dial.tooltip,
        "style": {"description_width": "13.5em"},
        "layout": widgets.Layout(width="100%"),
    }
    if q.unit == "months":
        return widgets.IntSlider(min=q.low, max=q.high, **common)
    if q.unit == "x":
        return widgets.FloatLogSlider(
            base=2, min=log2(q.low), max=log2(q.high), step=1 / POSITIONS, readout_format=".2f", **common
        )
    step = 10.0 ** floor(log10((q.high - q.low) / POSITIONS))
    low, high = floor(q.low / step) * step, ceil(q.high / step) * step
    form = f".{max(-round(log10(step)) - 2, 0)}%" if q.unit.startswith("share") else ",.0f"
    return widgets.FloatSlider(min=low, max=high, step=step, readout_format=form, **common)


# --- the form


class Form(widgets.VBox):
    """The widget: `scenario` is what the sliders say, `decision` what follows from it (None where nothing does)."""

    def __init__(self, scenario: Scenario, found: tuple[Dial, ...]) -> None:
        self.start, self.dials = scenario, found
        self.decision: Decision | None = None
        self.sliders = {dial.name: slider(dial) for dial in found}
        self.verdict = widgets.HTML().add_class("workbench-verdict")
        self.charts: tuple[widgets.Widget, ...] = ()
        self._specs: dict[int, tuple[dict[str, Any], ...]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._held = False
        for each in self.sliders.values():
            each.observe(self._moved, "value")
        self._pictures = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start"))
        back = widgets.Button(description="Back to the scenario", layout=widgets.Layout(width="auto"))
        back.on_click(self._reset)
        columns = widgets.Layout(grid_template_columns="repeat(auto-fit, minmax(26em, 1fr))", grid_gap="0 1.5em")
        dials = widgets.GridBox([*self.sliders.values(), back] if found else [], layout=columns)
        super().__init__([self.verdict, dials, self._pictures])
        self.add_class("workbench-form")

    @property
    def scenario(self) -> Scenario:
        """The scenario with every slider that was moved, taken as certain; what was not moved keeps its range."""
        found = self.start
        for dial in self.dials:
            value = self.sliders[dial.name].value
            found = found if value == dial.quantity.value else dial.write(found, value)
        return found

    def __repr__(self) -> str:
        return str(prose.verdict(self.decision)) if self.decision else "The scenario has no answer as it stands."

    def show(self, draws: int) -> None:
        """Decide with so many draws at most, and show the answer, or the error as text."""
        try:
            self.decision = face.decide(replace(self.scenario, draws=min(draws, self.start.draws)))
        except WorkbenchError as error:
            self.refuse(error)
            return
        self.verdict.value = STYLE + _heading(self.start) + _answer(self.decision)
        frames = [frame(self.decision) for _, frame in PICTURES]
        specs = self._built(self.decision.scenario.months, frames)
        self.charts = self.charts or tuple(map(_picture, specs))
        for chart, spec, frame in zip(self.charts, specs, frames, strict=True):
            chart.spec = charts.swapped(spec, frame)
        self._pictures.children = self.charts

    def refuse(self, error: WorkbenchError) -> None:
        """Show why there is no answer, in place of charts."""
        self.decision, self._pictures.children = None, ()
        self.verdict.value = STYLE + _heading(self.start) + _refusal(error)

    def _built(self, months: int, frames: list[Any]) -> tuple[dict[str, Any], ...]:
        """The charts of a horizon, built once: their axis ends where it does. All else is data, and swapped."""
        if months not in self._specs:
            self._specs[months] = tuple(build(f).to_dict() for (build, _), f in zip(PICTURES, frames, strict=True))
        return self._specs[months]

    def _moved(self, _: Any) -> None:
        """Few draws at once; all of them when the sliders have come to rest."""
        if self._timer:
            self._timer.cancel()
        if self._held:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel, so nobody drags: a script that sets a value wants the whole answer
            self.show(self.start.draws)
            return
        self.show(FEW)
        self._timer = loop.call_later(REST, self.show, self.start.draws)

    def _reset(self, _: Any) -> None:
        self._held = True
        for dial in self.dials:
            self.sliders[dial.name].value = dial.quantity.value
        self._held = False
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
    table = {key: value for key, value in asdict(scenario).items() if key != "places"}
    scenarios.parse(table, scenario.name, known=lambda _: scenarios.names(facts))


def _picture(spec: dict[str, Any]) -> widgets.Widget:
    from altair import JupyterChart

    JupyterChart.enable_offline()  # or it loads its scripts from a CDN
    view: Callable[..., widgets.Widget] = JupyterChart
    return view(None, spec=spec, embed_options=EMBED)


# --- what it says, as HTML


def _heading(scenario: Scenario) -> str:
    return f"<h3 style='margin: 0'>{escape(scenario.title or scenario.name)}</h3>"


def _answer(decision: Decision) -> str:
    return f"{prose.verdict(decision)._repr_html_()}<p><small>{decision.study.draws.size:,} draws</small></p>"


def _refusal(error: WorkbenchError) -> str:
    """Every mistake with its place and the way out."""
    problems = error.problems if isinstance(error, InputProblems) else (error,)
    lines = (f"<li>{escape(p.where)}: {escape(p.what)}. <i>{escape(p.remedy)}</i></li>" for p in problems)
    return f"<p>No answer as it stands:</p><ul>{''.join(lines)}</ul>"
