"""Four charts of a decision: it or its frame goes in, a chart with the finding as its title comes out."""

from typing import TYPE_CHECKING, Any

from workbench.charts.canvas import (  # isort: skip
    COLOURS, LINES, NARROW, ROW, TALL, TEXT, THOUSAND, WIDE, chart, framed, layered, library, marks, money,
)  # fmt: skip
from workbench.cite import plain, so_many, words
from workbench.decision import contrast as kinds
from workbench.decision.contrast import Contrast
from workbench.prose import of_hundred, usd

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

    from workbench.decision.answer import Decision

MOST, SOME = 8, 6
"""Options and inputs that a chart shows."""
BINS = 48
LINE = 11
"""Pixels of a line of an option's name: one of two sellers takes two."""
TAIL = 0.005
"""Share of the draws at each end that a histogram leaves out, so that a few far draws do not flatten it."""
NUMBERS = ("no", "one", "two", "three", "four", "five")


def is_frame(source: Any) -> bool:
    """Whether a chart was given its rows already, and no decision."""
    return not hasattr(source, "study")


# --- the best options as ranges


def ranges_frame(decision: "Decision") -> "pl.DataFrame":
    """One row an option, the answer first: P10, P50, P90 and mean in thousand USD over the horizon."""
    found = kinds.shortlist(decision.study, MOST)
    rows = [
        {"option": name, "kind": kinds.side(o.plan, decision.study.facts), "p10": o.quantile(0.1) / THOUSAND,
         "p50": o.quantile(0.5) / THOUSAND, "p90": o.quantile(0.9) / THOUSAND, "mean": o.mean / THOUSAND,
         "best_probability": o.best_probability, "answer": o is decision.answer, "months": decision.scenario.months}
        for o, name in zip(found, kinds.labels(found), strict=True)
    ]  # fmt: skip
    return framed(rows, _verdict(decision))


def _verdict(decision: "Decision") -> str:
    found = kinds.closest(decision.study)
    if found is None:
        return "Only one option is feasible"
    cost = f"The {found.who} costs {plain(found.share, 'share')} less than the {found.whom}"
    return f"{cost}; it is cheaper in {of_hundred(found.probability)}"


def ranges(source: Any) -> "alt.LayerChart":
    """The best options as bars from P10 to P90 with their median; the answer is marked."""
    alt, frame = library(), ranges_frame(source) if not is_frame(source) else source
    half_up = {"condition": {"test": "indexof(datum.label, ' + ') > 0", "value": -LINE / 2}, "value": 0}
    two_lines = alt.Axis(labelExpr="split(replace(datum.label, ' + ', ' +|'), '|')", labelLineHeight=LINE,
                         labelOffset=half_up)  # fmt: skip
    y = alt.Y("option:N", sort=None, title=None, axis=two_lines)
    colour = _colour("kind", frame)
    unit, axis = money(_most(frame, "p90"), tickCount=8)
    title = f"cost over the horizon, {unit}: from P10 to P90, line at P50"
    across = alt.X("p10:Q", title=title, scale=alt.Scale(zero=True), axis=axis)
    mark = marks().encode(y=y)
    bars = mark.mark_bar(height=12, opacity=0.6, cornerRadius=2).encode(x=across, x2="p90:Q", color=colour)
    middle = mark.mark_tick(thickness=2, height=16).encode(x=alt.X("p50:Q"), color=colour)
    answer = mark.transform_filter("datum.answer").encode(x=alt.X("p90:Q"))
    dot = answer.mark_point(shape="diamond", filled=True, size=90, opacity=1, xOffset=14, color=COLOURS["answer"])
    text = answer.mark_text(align="left", dx=24, fontWeight=600, color=COLOURS["answer"])
    text = text.encode(text=alt.value("the answer"))
    return layered(chart(frame, WIDE, height=alt.Step(ROW)), bars, middle, dot, text)


def _most(frame: "pl.DataFrame", *columns: str) -> float:
    """The largest number of some columns, whatever its sign."""
    return max((abs(v) for c in columns for v in frame[c].to_list() if v is not None), default=0.0)


def _colour(column: str, frame: "pl.DataFrame") -> Any:
    """Colour by kind of provider; the legend names the kinds that are there."""
    alt, shown = library(), [k for k in kinds.SIDES if k in frame[column]]
    scale = alt.Scale(domain=list(kinds.SIDES), range=[COLOURS[k] for k in kinds.SIDES])
    return alt.Color(f"{column}:N", scale=scale, legend=alt.Legend(values=shown))


# --- the answer and its rival of the other kind, month by month


def monthly_frame(decision: "Decision") -> "pl.DataFrame":
    """One row a plan and month, for the answer and the best of the other kind; thousand USD a month."""
    found = kinds.closest(decision.study)
    plans = [decision.answer, *([found.rival] if found else [])]
    rows = [
        {"month": month + 1, "option": name, "kind": kinds.side(o.plan, decision.study.facts),
         "answer": o is decision.answer, "mean": float(o.monthly[month]) / THOUSAND,
         "low": float(o.monthly_band[0][month]) / THOUSAND, "high": float(o.monthly_band[1][month]) / THOUSAND}
        for o, name in zip(plans, kinds.labels(plans), strict=True) for month in range(decision.scenario.months)
    ]  # fmt: skip
    return framed(rows, _course(decision, found))


def _course(decision: "Decision", found: Contrast | None) -> str:
    if found is None:
        return f"The answer costs {decision.answer.monthly[-1] / THOUSAND:,.0f} thousand USD in the last month"
    gap = found.rival.monthly - found.answer.monthly
    who, whom, cheaper = found.who, found.whom, int((gap > 0).sum())
    if cheaper == len(gap):
        return f"The {who} is cheaper in every month: by {usd(gap[0])} in the first, {usd(gap[-1])} in the last"
    dear = len(gap) - cheaper
    when = "at first" if (gap[:dear] <= 0).all() else "at the end" if (gap[cheaper:] <= 0).all() else "in between"
    return f"The {who} is cheaper in {cheaper} of {so_many(len(gap), 'month')}; {when} the {whom} is"


YEAR = 12
"""Months up to which the axis names each."""


def monthly(source: Any) -> "alt.LayerChart":
    """Cost by month with its P10 to P90 band: the answer and the best of the other kind."""
    alt, frame = library(), monthly_frame(source) if not is_frame(source) else source
    last = int(frame["month"].max() or 1)  # type: ignore[arg-type]
    few = list(range(1, last + 1)) if last <= YEAR else alt.Undefined
    whole = alt.Axis(format="d", tickMinStep=1, grid=False, values=few)
    span = alt.Scale(domain=[1, max(last, 2)], nice=False)
    x = alt.X("month:Q", title="month (line: mean, dashed for the rival; band: P10 to P90)", axis=whole, scale=span)
    colour = _colour("kind", frame)
    mark = marks().encode(x=x, color=colour, detail="option:N")
    unit, axis = money(_most(frame, "high"))
    y = alt.Y("low:Q", title=f"{unit} a month", scale=alt.Scale(zero=True), axis=axis)
    band = mark.mark_area(opacity=0.18).encode(y=y, y2="high:Q")
    dash = alt.condition("datum.answer", alt.value([1, 0]), alt.value([5, 3]))  # two of one kind have one colour
    line = mark.mark_line(strokeWidth=2).encode(y=alt.Y("mean:Q"), strokeDash=dash)
    ends = mark.transform_joinaggregate(last="max(month)").transform_filter("datum.answer && datum.month == datum.last")
    dot = ends.mark_point(shape="diamond", filled=True, size=90, opacity=1)
    dot = dot.encode(y=alt.Y("mean:Q"), color=alt.value(COLOURS["answer"]))
    return layered(chart(frame, NARROW, height=TALL), band, line, dot)


# --- the difference between the two, over all draws


def difference_frame(decision: "Decision") -> "pl.DataFrame":
    """Shares of the draws by what the answer saves against the best of the other kind; thousand USD."""
    import numpy as np

    found = kinds.closest(decision.study)
    if found is None:
        nothing = {
            "low": 0.0,
            "high": 0.0,
            "share": 0.0,
            "cheaper": kinds.side(decision.answer.plan, decision.study.facts),
        }
        return framed([nothing], "There is no second option to compare with")
    saving = found.saving / THOUSAND
    edges = _edges(saving)
    counts, _ = np.histogram(saving, bins=edges)
    rows = [
        {"low": float(low), "high": float(high), "share": float(count) / len(saving),
         "cheaper": found.side if low >= 0 else found.rival_side}
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]  # fmt: skip
    middle = found.quantile(0.5)
    course = f"saves {usd(middle)}" if middle >= 0 else f"costs {usd(-middle)} more"
    return framed(
        rows, f"The {found.who} {course} in the middle case; it is cheaper in {of_hundred(found.probability)}"
    )


def _edges(saving: Any) -> Any:
    """Edges of equal bins, one of them at zero, so that no bar is half of one kind and half of the other."""
    import numpy as np

    low, high = np.quantile(saving, [TAIL, 1 - TAIL])
    width = max(float(high - low), np.finfo(float).eps) / BINS
    return width * np.arange(np.floor(low / width), np.ceil(high / width) + 2)


def difference(source: Any) -> "alt.LayerChart":
    """How often the answer saves how much; bars left of zero are draws in which the other kind is cheaper."""
    alt, frame = library(), difference_frame(source) if not is_frame(source) else source
    unit, axis = money(_most(frame, "low", "high"), grid=False, tickCount=6)
    title = f"saving over the horizon, {unit} (middle {1 - 2 * TAIL:.0%} of draws)"
    x = alt.X("low:Q", bin="binned", title=title, axis=axis)
    colour = _colour("cheaper", frame)
    y = alt.Y("share:Q", title="share of draws", axis=alt.Axis(format="%", tickCount=3))
    bars = marks().mark_bar(opacity=0.75, binSpacing=1).encode(x=x, x2="high:Q", y=y, color=colour)
    zero = marks().mark_rule(color=TEXT, strokeDash=[3, 3]).encode(x=alt.datum(0))
    return layered(chart(frame, NARROW, height=TALL), bars, zero)


# --- what the difference to the runner-up hangs on


def drivers_frame(decision: "Decision") -> "pl.DataFrame":
    """One row an input: its share of the variance of the answer minus the runner-up, largest first."""
    found = decision.drivers[:SOME]
    rows = [{"input": words(name), "share": share} for name, share in found]
    return framed(rows or [{"input": "nothing uncertain", "share": 0.0}], _doubt(found))


def _doubt(found: list[tuple[str, float]]) -> str:
    if not found:
        return "No single input moves the difference to the runner-up"
    total, count = 0.0, 0
    while count < min(len(found), len(NUMBERS) - 1) and total < 1 / 2:
        total, count = total + found[count][1], count + 1
    if count == 1:
        return f"One input explains {total:.0%} of the doubt: {words(found[0][0])}"
    return f"{NUMBERS[count].capitalize()} inputs explain {total:.0%} of the doubt about the lead over the runner-up"


def drivers(source: Any) -> "alt.LayerChart":
    """Which uncertain inputs the difference between the answer and the runner-up hangs on; each name above its bar."""
    alt, frame = library(), drivers_frame(source) if not is_frame(source) else source
    mark = marks().encode(y=alt.Y("input:N", sort=None, title=None, axis=None))
    x = alt.X("share:Q", title="share of the variance explained", axis=alt.Axis(format="%", tickCount=4))
    bars = mark.mark_bar(height=7, cornerRadius=2, color=COLOURS["range"], yOffset=7).encode(x=x)
    share = mark.mark_text(align="left", dx=4, dy=7).encode(x=alt.X("share:Q"), text=alt.Text("share:Q", format=".0%"))
    name = mark.mark_text(align="left", dy=-5, limit=NARROW + 60).encode(x=alt.datum(0), text="input:N")
    return layered(chart(frame, NARROW, height=alt.Step(LINES)), bars, share, name)
