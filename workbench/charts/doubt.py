"""The map of where the answer loses: two of its inputs, how often it loses in each part, and the box that says it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.charts.canvas import COLOURS, NARROW, TALL, TEXT, chart, framed, layered, library, marks
from workbench.cite import words
from workbench.decision.discovery import Limit
from workbench.decision.reasons import Region
from workbench.decision.reasons import region as found_in

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

    from workbench.decision.answer import Decision

PARTS = 12
"""Of each input's range: some thirty draws in a part."""


def losing_frame(decision: "Decision") -> "pl.DataFrame":
    """One row a part of the map: its sides, the share of its draws in which the answer loses to its runner-up; and one
    for the box. The two inputs are those whose limits in the box leave the least of the draws."""
    found = found_in(decision.study)
    if found is None:
        return framed([_nowhere()], "The answer loses to no other in any draw: 0%")
    across, up = _two(found)
    x, y = (found.inputs[:, found.names.index(name)] for name in (across, up))
    edges = [np.linspace(v.min(), v.max(), PARTS + 1) for v in (x, y)]
    every, _, _ = np.histogram2d(x, y, edges)
    lost, _, _ = np.histogram2d(x[found.loses], y[found.loses], edges)
    rows = [
        {"left": float(edges[0][i]), "right": float(edges[0][i + 1]), "low": float(edges[1][j]),
         "high": float(edges[1][j + 1]), "share": float(lost[i, j] / every[i, j]), "box": False,
         "across": words(across), "up": words(up)}
        for i in range(PARTS) for j in range(PARTS) if every[i, j]
    ]  # fmt: skip
    sides = [_sides(found, name, ends) for name, ends in ((across, edges[0]), (up, edges[1]))]
    rows.append(_nowhere() | {"left": sides[0][0], "right": sides[0][1], "low": sides[1][0], "high": sides[1][1],
                              "across": words(across), "up": words(up)})  # fmt: skip
    return framed(rows, f"The answer is dearer than {found.rival} in {found.share:.0%} of the draws, and in "
                        f"{found.box.density:.0%} of those in the box")  # fmt: skip


def _nowhere() -> dict[str, Any]:
    return {"left": 0.0, "right": 0.0, "low": 0.0, "high": 0.0, "share": 0.0, "box": True, "across": "", "up": ""}


def _two(found: Region) -> tuple[str, str]:
    """The inputs of the box that cut away the most; others where the box has fewer than two."""
    cut = {limit.input: -_left(found, limit) for limit in found.box.limits}
    ranked = sorted(cut, key=lambda name: (-cut[name], name)) + [n for n in found.names if n not in cut]
    return ranked[0], ranked[1]


def _left(found: Region, limit: Limit) -> float:
    """The share of the draws that one limit leaves."""
    column = found.inputs[:, found.names.index(limit.input)]
    low, high = (-np.inf if limit.low is None else limit.low), (np.inf if limit.high is None else limit.high)
    return float(((column > low) & (column < high)).mean())


def _sides(found: Region, name: str, edges: Any) -> tuple[float, float]:
    limit = next((x for x in found.box.limits if x.input == name), None)
    low, high = (None, None) if limit is None else (limit.low, limit.high)
    return float(edges[0] if low is None else low), float(edges[-1] if high is None else high)


def losing(source: Any) -> "alt.LayerChart":
    """Where in two of its inputs the answer loses to its runner-up: the darker, the more often; the box is outlined."""
    alt, frame = library(), losing_frame(source) if hasattr(source, "study") else source
    x = alt.X("left:Q", title=f"{frame['across'][0]} (shade: share of the draws in which the answer is dearer)",
              scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(grid=False))  # fmt: skip
    y = alt.Y("low:Q", title=frame["up"][0], scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(grid=False))
    sides = {"x": x, "x2": "right:Q", "y": y, "y2": "high:Q"}
    shade = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, 1]), legend=None)
    parts = marks().transform_filter("!datum.box").mark_rect(color=COLOURS["bill"]).encode(opacity=shade, **sides)
    box = marks().transform_filter("datum.box").mark_rect(fillOpacity=0, stroke=TEXT, strokeWidth=2).encode(**sides)
    return layered(chart(frame, NARROW, height=TALL), parts, box)
