"""What all charts share: one Altair theme, one meaning for a colour, how a chart shows itself, and its parts.

The only importer of Altair.
"""

import sys
import textwrap
from typing import TYPE_CHECKING, Any

from workbench.decision.contrast import HYPERSCALER, MIX, NEOCLOUD

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

# One colour has one meaning in the whole product. They are those of Okabe and Ito and four more, told apart by the
# colour-blind and visible on white and on near-black alike (tests/test_charts.py holds both).
COLOURS = {
    HYPERSCALER: "#0072B2",
    NEOCLOUD: "#D55E00",
    MIX: "#56B4E9",
    "answer": "#009E73",
    "range": "#CC79A7",
    "excluded": "#ADADAD",
    "reserved": "#A02C6E",
    "autoscaled": "#5E6731",
    "serverless": "#8F5EF1",
    "warm": "#7CB260",
    "cold": "#E69F00",
    "bill": "#8822EE",
}
TEXT = "#777777"
"""Of all text in charts: a grey that is legible on white and on near-black, since a picture cannot know the page's."""
FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
DIGITS = 7
"""Significant digits of a number in a chart."""
NAME = "rows"
"""Of the data within a chart's specification."""
WIDE, NARROW, TALL, ROW, LINES = 600, 350, 180, 25, 34
"""Pixels: widths of a chart across the page and of one beside another, a height, a row of bars, a bar with its name."""
FULL, HALF = 720, 430
"""Of a chart across the page whose axis has short labels, and of two that share it."""
THOUSAND = 1000.0
CHARACTERS = {WIDE: 112, FULL: 98, HALF: 62, NARROW: 54}
"""Characters that a line of the title holds, by the chart's width."""


def library() -> Any:
    """Altair, imported with the first chart."""
    # jsonschema's optional URI checker takes a second to import and checks nothing that a chart needs: where it is
    # installed, None in its place makes its import fail, and jsonschema then goes on without it.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import altair

    return altair


def theme() -> dict[str, Any]:
    """The Vega-Lite configuration of every chart: no background, grey text, light grid, no frame."""
    text = {"labelColor": TEXT, "titleColor": TEXT, "labelFont": FONT, "titleFont": FONT, "labelFontSize": 11,
            "titleFontSize": 11, "titleFontWeight": "normal"}  # fmt: skip
    return {
        "background": "transparent", "font": FONT, "view": {"stroke": None},
        "padding": {"left": 0, "top": 4, "right": 4, "bottom": 4},
        "axis": {**text, "gridColor": TEXT, "gridOpacity": 0.22, "domain": False, "ticks": False, "labelPadding": 6,
                 "titlePadding": 8, "labelLimit": 340, "labelFlush": False},
        "legend": {**text, "orient": "bottom", "title": None, "symbolType": "square", "symbolOpacity": 1,
                   "padding": 0, "offset": 8},
        "title": {"color": TEXT, "font": FONT, "fontSize": 13, "fontWeight": 600, "anchor": "start", "frame": "bounds",
                  "offset": 12, "lineHeight": 17},
        "text": {"color": TEXT, "font": FONT, "fontSize": 11},
        "range": {"category": [COLOURS[k] for k in (HYPERSCALER, NEOCLOUD, MIX, "answer", "range", "excluded")]},
    }  # fmt: skip


def enable() -> None:
    """Charts of this notebook show themselves as SVG, in this theme: in JupyterLab, on GitHub, in a report, on paper.

    Altair's own renderers ask the network for their scripts, or draw nothing where no JavaScript runs.
    """
    alt = library()
    alt.theme.register("workbench", enable=True)(lambda: alt.theme.ThemeConfig(config=theme()))
    alt.renderers.register("workbench", bundle)
    _ = alt.renderers.enable("workbench")


def bundle(spec: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A chart for Jupyter: the picture, its specification, and its finding as a line of text."""
    return {"image/svg+xml": svg(spec), "application/vnd.vegalite.v6+json": spec, "text/plain": finding(spec)}


def svg(chart: Any) -> str:
    """A chart, or its specification, as SVG text: no script, no request."""
    import vl_convert

    spec = chart if isinstance(chart, dict) else chart.to_dict()
    return str(vl_convert.vegalite_to_svg(spec))


def finding(chart: Any) -> str:
    """The title of a chart or of its specification, in one line."""
    spec = chart if isinstance(chart, dict) else chart.to_dict()
    title = spec.get("title", "")
    text = title.get("text", "") if isinstance(title, dict) else title
    return " ".join(text) if isinstance(text, list) else str(text)


def swapped(spec: dict[str, Any], frame: "pl.DataFrame") -> dict[str, Any]:
    """The specification of a chart with the rows and finding of another frame of its kind: what a slider sets."""
    width = spec.get("width", FULL)
    return {
        **spec,
        "data": {"name": NAME, "values": _rows(frame)},
        "title": {**spec["title"], "text": _lines(frame["finding"][0], width)},
    }


def _rows(frame: "pl.DataFrame") -> list[dict[str, Any]]:
    # Rounded, so that a stored chart is the same on every processor.
    rows = frame.drop("finding").to_dicts()
    return [{k: float(f"{v:.{DIGITS}g}") if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def _lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, CHARACTERS.get(width, CHARACTERS[WIDE]))


def framed(rows: list[dict[str, Any]], title: str) -> "pl.DataFrame":
    """Rows as a frame that carries its chart's title."""
    import polars as pl

    return pl.DataFrame([{**row, "finding": title} for row in rows], infer_schema_length=None)


def chart(frame: "pl.DataFrame", width: int, **size: Any) -> "alt.Chart":
    """An empty chart over the rows of a frame, with its finding as the title."""
    alt = library()
    return alt.Chart(
        alt.InlineData(values=_rows(frame), name=NAME),
        title=alt.Title(_lines(frame["finding"][0], width)),
        width=width,
        config=theme(),
        **size,
    )


def layered(chart: "alt.Chart", *layers: "alt.Chart") -> "alt.LayerChart":
    """Layers over the chart's own data, title and theme, which stand once at the top."""
    return library().layer(
        *layers, data=chart.data, title=chart.title, width=chart.width, height=chart.height, config=chart.config
    )


def joined(frame: "alt.Chart", how: Any, *parts: Any) -> Any:
    """Charts side by side or one above the other, over the data, title and theme of one."""
    return how(*parts, data=frame.data, title=frame.title, config=frame.config, spacing=12)


def money(most: float, **axis: Any) -> tuple[str, "alt.Axis"]:
    """The unit and the axis of money that is held in thousand USD and reaches so far: told in millions from one on."""
    if abs(most) < THOUSAND:
        return "thousand USD", library().Axis(**axis)
    return "million USD", library().Axis(labelExpr=f"format(datum.value / {THOUSAND:g}, ',~g')", **axis)


def marks() -> "alt.Chart":
    """What a layer is made of: a chart without data of its own."""
    return library().Chart()
