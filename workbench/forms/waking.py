"""Sliders over a pool of replicas: theory answers while one moves, a simulation when it rests.

The form shows what `decision.coldstart.pool` says, and swaps the rows of charts that were built once.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import ipywidgets as widgets

from workbench import face, prose_waking
from workbench.charts import waking as waking_charts
from workbench.charts.canvas import HALF
from workbench.decision.coldstart import pool as pools
from workbench.decision.coldstart.pool import Options, Pool, Seen, Setting
from workbench.forms.parts import Pictures, Resting, back, columns, put, refusal
from workbench.prose_waking import seconds
from workbench.records import Facts, WorkbenchError

if TYPE_CHECKING:
    from workbench.decision.coldstart.frontier import Frontier

KEPT_S = (0.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
"""Keep-alives that may be chosen, and that the chart of choices shows."""
LIMITS_S = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0)
LEAST = 2
"""Replicas that may stay awake, where no fleet of the frontier has more."""


# --- what may be turned


class Turn(NamedTuple):
    """Something that may be turned: its name in a setting, how it is called, its positions, and what stands behind."""

    name: str
    label: str
    positions: tuple[tuple[str, Any], ...]
    note: str


def turns(facts: Facts, pool: Pool, found: "Frontier") -> tuple[Turn, ...]:
    """What may be turned, with the positions that rows know or that people ask for; what has one position is none."""
    now = pools.setting(pool)
    sizes = dict(pools.sizes(facts, pool))
    storages = pools.storages(facts, pool)
    most = max([LEAST, now.min_replicas, *_always_on(found)])
    found_turns = (
        Turn("weights_gb", "Size of the weights", tuple((f"{gb:.0f} GB", gb) for gb in sizes),
             _note("Weights of models of other sizes in the same bits", (r for rows in sizes.values() for r in rows))),
        Turn("storage", "Rate of the storage", tuple((f"{rate:.3g} GB/s", name) for name, rate, _ in storages),
             _note(_places(storages), (r for *_, rows in storages for r in rows))),
        Turn("keep_alive_s", "Keep-alive", tuple((_span(s), s) for s in sorted({*KEPT_S, now.keep_alive_s})),
             "How long a replica waits for the next request"),
        Turn("min_replicas", "Minimum of replicas", tuple((str(n), n) for n in range(most + 1)),
             "Replicas that never sleep"),
        Turn("limit_s", "Answered within", tuple((_span(s), s) for s in sorted({*LIMITS_S, now.limit_s})),
             "Seconds within which the objective's share of requests is to be answered"),
    )  # fmt: skip
    return tuple(turn for turn in found_turns if len(turn.positions) > 1)


def _note(text: str, rows: Any) -> str:
    return f"{text}\n{', '.join(dict.fromkeys(rows))}"


def _places(storages: Sequence[tuple[str, float, Any]]) -> str:
    named = (f"{rate:.3g} {name or 'as it is'}" for name, rate, _ in storages)
    return f"GB a second to a start that finds nothing on its host: {', '.join(named)}"


def _span(value: float) -> str:
    """Seconds, and whole minutes where they are some."""
    minutes, rest = divmod(value, MINUTE)
    return seconds(value) if rest or minutes < 2 else f"{minutes:g} min"


MINUTE = 60


def _always_on(found: "Frontier") -> list[int]:
    """The sizes of the reserved fleets on the frontier."""
    return sorted({p.policy.max_replicas or 0 for p in found.points if p.capacity.kind == "reserved"})


def slider(turn: Turn, value: Any) -> widgets.Widget:
    """A slider from position to position."""
    return widgets.SelectionSlider(
        options=turn.positions, value=value, description=turn.label, tooltip=turn.note,
        style={"description_width": "10.5em"}, layout=widgets.Layout(width="100%"),
    )  # fmt: skip


# --- the form


class WakingForm(widgets.VBox):
    """The widget: `pool` is what the sliders say, `seen` how it does (None where it cannot be)."""

    def __init__(self, found: "Frontier", facts: Facts, start: Pool | None) -> None:
        self.found, self.facts, self.start = found, facts, start
        self.pool: Pool | None = start
        self._moved = Resting(self.show, "theory", "simulation")
        self.seen: Seen | None = None
        self.verdict = widgets.HTML().add_class("workbench-verdict")
        self.pictures = Pictures()
        self._shown: tuple[Setting, str] | None = None
        self._options: tuple[Any, Options] | None = None
        self._reserved = next((p.capacity for p in found.points if p.capacity.kind == "reserved"), None)
        self._counts = _always_on(found)
        self.sliders = self._sliders()
        turned = [columns(self.sliders.values(), "30em"), back(self._reset)] if self.sliders else []
        super().__init__([self.verdict, *turned, self.pictures])

    def _sliders(self) -> dict[str, widgets.Widget]:
        if self.start is None:
            return {}
        first = pools.setting(self.start)
        made = {t.name: slider(t, getattr(first, t.name)) for t in turns(self.facts, self.start, self.found)}
        for each in made.values():
            each.observe(self._moved, "value")
        return made

    def __repr__(self) -> str:
        """The finding in one line: all that is seen of the form where no kernel runs."""
        return self.pictures.finding or "No answer as it stands"

    @property
    def setting(self) -> Setting:
        """What the sliders say."""
        assert self.start is not None
        first = pools.setting(self.start)
        return Setting(**{n: getattr(self.sliders.get(n, first), "value", getattr(first, n)) for n in vars(first)})

    def show(self, how: str) -> None:
        """Answer by theory or by simulation, or say as text why there is no answer."""
        if self.start is None or self._shown == (self.setting, how):
            return
        self._shown = (self.setting, how)
        try:
            self.pool = pools.turned(self.facts, self.start, self.setting)
            self.seen, options = self._answer(self.pool, how)
        except WorkbenchError as error:
            self.refuse(error)
            return
        told = prose_waking.turned(self.pool, self.seen)._repr_html_()
        self.verdict.value = f"{told}<p><small>{escape(prose_waking.basis(self.pool, self.seen))}</small></p>"
        frames = [
            waking_charts.choice_frame(self.pool, self.seen, options),
            waking_charts.latency_frame(self.seen),
            waking_charts.stages_frame(self.pool.capacity.waking),
        ]
        self.pictures.follow(list(zip(PICTURES, frames, strict=True)))

    def _answer(self, pool: Pool, how: str) -> tuple[Seen, Options]:
        """How the pool does, and what else there is: that stays as it is where only the keep-alive moves."""
        seen_by, options_by = ANSWERS[how]
        key = (how, replace(self.setting, keep_alive_s=0.0))
        if self._options is None or self._options[0] != key:
            self._options = key, options_by(pool, KEPT_S, self._reserved, self._counts)
        return seen_by(pool), self._options[1]

    def refuse(self, error: WorkbenchError) -> None:
        """Show why there is no answer, in place of charts."""
        self.pool, self.seen, self.pictures.specs = None, None, []
        self.verdict.value = refusal(error)

    def _reset(self, _: Any) -> None:
        assert self.start is not None
        put(self.sliders, vars(pools.setting(self.start)), self._moved)


ANSWERS = {
    "theory": (pools.by_theory, pools.options), "simulation": (pools.simulated, pools.options_simulated),
}  # fmt: skip
"""Where the answer comes from, and the answer to what else there is."""
PICTURES: Sequence[Any] = (
    partial(waking_charts.choice, width=HALF), partial(waking_charts.latency, width=HALF), waking_charts.stages,
)  # fmt: skip
"""Two side by side, so that all are in sight while a slider moves."""


def form(found: "Frontier") -> WakingForm:
    """A form that starts at the pool that is most like the frontier's answer.

    Raises nothing where there is no such pool: the form says why.
    """
    facts = face.facts(found.load.scenario.as_of)
    try:
        start = pools.start(found)
    except WorkbenchError as error:
        made = WakingForm(found, facts, None)
        made.refuse(error)
        return made
    made = WakingForm(found, facts, start)
    made.show("simulation")
    return made
