"""Charts of leaving: the bill as a waterfall, its course against the saving, and where to go, wait or stay."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.charts.canvas import COLOURS, HALF, NARROW, ROW, TALL, TEXT, chart, framed, layered, library, marks
from workbench.cite import words
from workbench.decision import contrast as kinds
from workbench.decision.lockin.bill import PARTS
from workbench.decision.lockin.timing import NOW, STAY, WAIT, regions, windows
from workbench.prose import usd

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

    from workbench.decision.lockin.leaving import Leaving
    from workbench.decision.lockin.ranking import Ranking

THOUSAND, MILLION = 1e3, 1e6
LEADING = 3
"""Options of either order that a chart compares."""
SLIVER = 0.005
"""A part below this share of the bill would be a bar that nobody sees."""
LOW = 15
"""Pixels of a row of the bill: a report prints it beside a few sentences."""
CELLS, COLUMNS = 81, 26
"""Savings and volatilities at which the map asks what to do: its edges are as fine as that."""
LEAST, ROOM = 2.0, 1.3
"""Times the bill that the map reaches at least, and room above where the scenario stands."""
VOLATILITIES = np.linspace(0, 1, COLUMNS)
"""Of the rival's price against today's, by the year."""
DOINGS = {NOW: ("answer", 0.85), WAIT: ("answer", 0.4), STAY: ("excluded", 0.3)}
"""What to do, with the colour and strength in which the map shows it."""


def _is_frame(source: Any) -> bool:
    return not hasattr(source, "study")


# --- the bill


def waterfall_frame(found: "Leaving") -> "pl.DataFrame":
    """One row a part of the bill and one for the total, each with where its bar begins; thousand USD."""
    rows, end = [], 0.0
    for part in PARTS:
        start, end = end, end + found.parts[part] / THOUSAND
        if end - start > SLIVER * found.parts["total"] / THOUSAND:
            rows.append({"part": words(part), "start": start, "end": end, "usd": end - start, "total": False})
    rows.append({"part": "total", "start": 0.0, "end": end, "usd": end, "total": True})
    largest = max(PARTS, key=lambda p: found.parts[p])
    whole = found.parts["total"]
    most = f"{words(largest)} is {found.parts[largest] / whole:.0%} of that" if whole else "nothing"
    return framed(rows, f"Leaving {found.here.provider} costs {usd(whole)} today; {most} (thousand USD)")


def waterfall(source: Any) -> "alt.LayerChart":
    """The bill for leaving today in thousand USD, part on part, with the total at the foot."""
    alt, frame = library(), source if _is_frame(source) else waterfall_frame(source)
    mark = marks().encode(y=alt.Y("part:N", sort=None, title=None))
    x = alt.X("start:Q", axis=None)  # each bar says its own figure
    shade = alt.condition("datum.total", alt.value(1), alt.value(0.55))
    bars = mark.mark_bar(height=9, cornerRadius=2, color=COLOURS["bill"]).encode(x=x, x2="end:Q", opacity=shade)
    text = mark.mark_text(align="left", dx=5).encode(x=alt.X("end:Q"), text=alt.Text("usd:Q", format=",.0f"))
    return layered(chart(frame, NARROW, height=alt.Step(LOW)), bars, text)


# --- its course against the saving


def course_frame(found: "Leaving") -> "pl.DataFrame":
    """One row a month: the bill (mean, P10, P90) and what the months after it would save; thousand USD."""
    low, high = np.quantile(found.by_month("exit_cost"), (0.1, 0.9), axis=1)
    bill, saving = found.mean("exit_cost"), found.mean("saving_pv")
    rows = [{"month": m, "bill": float(bill[m]) / THOUSAND, "low": float(low[m]) / THOUSAND,
             "high": float(high[m]) / THOUSAND, "saving": float(saving[m]) / THOUSAND}
            for m in range(found.scenario.months)]  # fmt: skip
    return framed(rows, _course(found))


def _course(found: "Leaving") -> str:
    if found.last_month is None:
        return f"Leaving {found.here.provider} pays in no month: what it saves never reaches the bill"
    if found.last_month == found.scenario.months - 1:
        return f"Leaving {found.here.provider} pays in every month up to the last"
    return f"Leaving {found.here.provider} pays up to month {found.last_month}; then too few months are left to save in"


def course(source: Any) -> "alt.LayerChart":
    """The bill by the month in which one leaves (line and band), and the saving to the end of the horizon (dashed)."""
    alt, frame = library(), source if _is_frame(source) else course_frame(source)
    x = alt.X("month:Q", title="month in which one leaves (dashed: saving; line: bill; band: P10 to P90)",
              axis=alt.Axis(format="d", tickMinStep=1, grid=False), scale=alt.Scale(nice=False))  # fmt: skip
    mark = marks().encode(x=x)
    y = alt.Y("low:Q", title="thousand USD", scale=alt.Scale(zero=True))
    band = mark.mark_area(opacity=0.18, color=COLOURS["bill"]).encode(y=y, y2="high:Q")
    bill = mark.mark_line(strokeWidth=2, color=COLOURS["bill"]).encode(y=alt.Y("bill:Q"))
    saving = mark.mark_line(strokeWidth=2, strokeDash=[5, 3], color=TEXT).encode(y=alt.Y("saving:Q"))
    return layered(chart(frame, NARROW, height=TALL), band, bill, saving)


# --- the options without and with the exit


def both_frame(found: "Leaving") -> "pl.DataFrame":
    """One row an option that leads either order: its cost over the horizon, and where the exit's bill takes it."""
    made = found.ranking
    leading = made.leading(LEADING)
    named = kinds.labels([r.outcome for r in leading])
    rows = [{"option": name, "cost": r.outcome.mean / MILLION, "end": r.with_exit / MILLION}
            for name, r in zip(named, leading, strict=True)]  # fmt: skip
    return framed(rows, _both(made))


def _both(made: "Ranking") -> str:
    first = kinds.label(made.without.outcome.plan)
    if made.flip is None:
        return f"{first} is the cheapest, whether one leaves at the end or stays (million USD)"
    chance, other = made.flip
    return f"{kinds.label(other.outcome.plan)} beats {first} once leaving is likelier than {chance:.0%} (million USD)"


def both(source: Any) -> "alt.LayerChart":
    """What the leading options cost over the horizon (strong), and with the bill for leaving at its end (light)."""
    alt, frame = library(), source if _is_frame(source) else both_frame(source)
    mark = marks().encode(y=alt.Y("option:N", sort=None, title=None))
    x = alt.X("cost:Q", title="million USD over the horizon (light: the bill for leaving at its end)",
              scale=alt.Scale(zero=True))  # fmt: skip
    cost = mark.mark_bar(height=12, color=COLOURS["answer"]).encode(x=x)
    bill = mark.mark_bar(height=12, color=COLOURS["bill"], opacity=0.55).encode(x=x, x2="end:Q")
    text = mark.mark_text(align="left", dx=5).encode(x="end:Q", text=alt.Text("end:Q", format=",.2f"))
    return layered(chart(frame, HALF, height=alt.Step(ROW)), cost, bill, text)


# --- go, wait or stay


def ratios(found: "Leaving") -> Any:
    """Savings, as multiples of the bill, that the map shows: no more than all that is paid today, to a free rival."""
    ratio, paid = (float(v / found.parts["total"]) for v in (found.mean("saving_pv")[0], windows(found).value[0, 0]))
    return np.linspace(0, min(max(LEAST, ROOM * ratio), paid), CELLS)


def region_frame(found: "Leaving") -> "pl.DataFrame":
    """For each volatility where each advice begins and ends, as saving over bill, and one row for where this stands."""
    asked = ratios(found)
    advice = regions(found, asked, VOLATILITIES)
    rows = [row for j, at in enumerate(VOLATILITIES) for row in _bands(advice[:, j], asked, float(at))]
    ratio = float(found.mean("saving_pv")[0] / found.parts["total"])
    at, top = min(found.worth.volatility, 1.0), float(np.clip(ratio, asked[0], asked[-1]))
    rows.append({"at": at, "low": top, "high": top, "advice": found.worth.advice, "here": True})
    return framed(rows, _region(found, ratio, advice))


def _region(found: "Leaving", ratio: float, advice: Any) -> str:
    said = {NOW: "Leave now", WAIT: "Wait", STAY: "Stay"}[found.worth.advice]
    if not (advice == NOW).any() and found.worth.advice == STAY:
        return f"{said}: even if {found.rival.provider} were free, going today would not pay"
    if ratio <= 0:
        return f"{said}: {found.rival.provider} saves nothing, so there is nothing to set against the bill"
    threshold = found.worth.threshold
    wanted = f", and going at once asks for {threshold:,.1f} times" if threshold else ""
    return f"{said}: the saving is {ratio:,.1f} times the bill{wanted}"


def _bands(column: Any, asked: Any, at: float) -> Iterator[dict[str, Any]]:
    """Where each advice holds at one volatility: none, then all above a first saving, as staying, waiting and going
    follow each other."""
    step = asked[1] - asked[0]
    starts = [
        float(asked[0]),
        *(_first(column, asked, step, doing) for doing in ({WAIT, NOW}, {NOW})),
        float(asked[-1]),
    ]
    for doing, low, high in zip((STAY, WAIT, NOW), starts, starts[1:], strict=False):
        yield {"at": at, "low": low, "high": high, "advice": doing, "here": False}


def _first(column: Any, asked: Any, step: float, doing: set[str]) -> float:
    """The saving from which on such advice is given: between the last without it and the first with it."""
    found = np.flatnonzero(np.isin(column, list(doing)))
    return float(max(asked[found[0]] - step / 2, asked[0])) if found.size else float(asked[-1])


def region(source: Any) -> "alt.LayerChart":
    """Where going at once is right, where waiting is, and where staying; the diamond is this scenario."""
    alt, frame = library(), source if _is_frame(source) else region_frame(source)
    x = alt.X("at:Q", title="volatility of the rival's price against today's, by the year (diamond: this scenario)",
              axis=alt.Axis(format="%", grid=False), scale=alt.Scale(domain=[0, 1]))  # fmt: skip
    y = alt.Y("low:Q", title="saving over bill", scale=alt.Scale(nice=False), axis=alt.Axis(grid=False))
    strengths = alt.Scale(domain=list(DOINGS), range=[strength for _, strength in DOINGS.values()])
    colours = alt.Scale(domain=list(DOINGS), range=[COLOURS[name] for name, _ in DOINGS.values()])
    bands = marks().transform_filter("!datum.here").mark_area()
    bands = bands.encode(x=x, y=y, y2="high:Q", color=alt.Color("advice:N", scale=colours),
                         opacity=alt.Opacity("advice:N", scale=strengths))  # fmt: skip
    dot = marks().transform_filter("datum.here").mark_point(shape="diamond", filled=True, size=110, opacity=1,
                                                            color=COLOURS["bill"])  # fmt: skip
    return layered(chart(frame, NARROW, height=TALL), bands, dot.encode(x=alt.X("at:Q"), y=alt.Y("low:Q")))
