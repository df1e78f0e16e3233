"""Charts of leaving: the bill as a waterfall, its course against the saving, and where to go, wait or stay."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.charts.canvas import COLOURS, NARROW, ROW, TALL, TEXT, WIDE, chart, framed, layered, library, marks
from workbench.decision import contrast as kinds
from workbench.decision.bill import PARTS
from workbench.decision.going import NOW, STAY, WAIT, regions
from workbench.prose import usd, words

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

    from workbench.decision.exits import Ranking
    from workbench.decision.leaving import Leaving

THOUSAND, MILLION = 1e3, 1e6
LEADING = 3
"""Options of either order that a chart compares."""
SLIVER = 0.005
"""A part below this share of the bill would be a bar that nobody sees."""
LOW = 15
"""Pixels of a row of the bill: a report prints it beside a few sentences."""
RATIOS = np.linspace(0.25, 4, 31)
"""Savings, as multiples of the bill, that the map shows: up to four times."""
VOLATILITIES = np.linspace(0, 1, 21)
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
    mark = marks().encode(y=alt.Y("option:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)))
    x = alt.X("cost:Q", title="million USD over the horizon (light: the bill for leaving at its end)",
              scale=alt.Scale(zero=True))  # fmt: skip
    cost = mark.mark_bar(height=12, color=COLOURS["answer"]).encode(x=x)
    bill = mark.mark_bar(height=12, color=COLOURS["bill"], opacity=0.55).encode(x=x, x2="end:Q")
    text = mark.mark_text(align="left", dx=5).encode(x="end:Q", text=alt.Text("end:Q", format=",.2f"))
    return layered(chart(frame, WIDE, height=alt.Step(ROW)), cost, bill, text)


# --- go, wait or stay


def region_frame(found: "Leaving") -> "pl.DataFrame":
    """One row a block of the map, (volatility, saving over bill), and one for where this scenario stands."""
    advice = regions(found, RATIOS, VOLATILITIES)
    rows = [row for j in range(len(VOLATILITIES)) for row in _blocks(advice[:, j], j)]
    ratio = found.mean("saving_pv")[0] / found.parts["total"]
    at, top = found.worth.volatility, float(np.clip(ratio, RATIOS[0], RATIOS[-1]))
    rows.append({"left": at, "right": at, "low": top, "high": top, "advice": found.worth.advice, "here": True})
    said = {NOW: "Leave now", WAIT: "Wait", STAY: "Stay"}[found.worth.advice]
    return framed(rows, f"{said}: the saving is {ratio:,.1f} times the bill")


def _blocks(column: Any, at: int) -> Iterator[dict[str, Any]]:
    """What to do at one volatility, ratios of one advice together."""
    wide, tall = ((ends[1] - ends[0]) / 2 for ends in (VOLATILITIES, RATIOS))
    ends = [*np.flatnonzero(column[1:] != column[:-1]), len(column) - 1]
    for first, last in zip([0, *(e + 1 for e in ends[:-1])], ends, strict=True):
        yield {"left": float(max(VOLATILITIES[at] - wide, 0)), "right": float(VOLATILITIES[at] + wide),
               "low": float(RATIOS[first] - tall), "high": float(RATIOS[last] + tall), "advice": str(column[last]),
               "here": False}  # fmt: skip


def region(source: Any) -> "alt.LayerChart":
    """Where going at once is right, where waiting is, and where staying; the diamond is this scenario."""
    alt, frame = library(), source if _is_frame(source) else region_frame(source)
    x = alt.X("left:Q", title="volatility of the rival's price against today's, by the year",
              axis=alt.Axis(format="%", grid=False), scale=alt.Scale(domain=[0, 1], clamp=True))  # fmt: skip
    y = alt.Y(
        "low:Q", title="saving over bill", scale=alt.Scale(domain=[float(RATIOS[0]), float(RATIOS[-1])], clamp=True)
    )
    strengths = alt.Scale(domain=list(DOINGS), range=[strength for _, strength in DOINGS.values()])
    colours = alt.Scale(domain=list(DOINGS), range=[COLOURS[name] for name, _ in DOINGS.values()])
    cells = marks().transform_filter("!datum.here").mark_rect()
    cells = cells.encode(x=x, x2="right:Q", y=y, y2="high:Q", color=alt.Color("advice:N", scale=colours),
                         opacity=alt.Opacity("advice:N", scale=strengths))  # fmt: skip
    dot = marks().transform_filter("datum.here").mark_point(shape="diamond", filled=True, size=110, opacity=1,
                                                            color=COLOURS["bill"])  # fmt: skip
    return layered(chart(frame, NARROW, height=TALL), cells, dot.encode(x=alt.X("left:Q"), y=alt.Y("low:Q")))
