"""Charts of a plan: what runs in which month, what other commitments would cost, and when to order.

Like those of a decision: a `..._frame` builds the rows, a chart is built from a plan or from such a frame.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.charts.canvas import (  # isort: skip
    COLOURS, NARROW, ROW, TALL, TEXT, THOUSAND, WIDE, chart, framed, layered, library, marks, money,
)  # fmt: skip
from workbench.decision import contrast as kinds
from workbench.decision.outcome import Plan
from workbench.prose import usd
from workbench.prose_plan import alike, way

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

    from workbench.decision.portfolio.commitments import Bound
    from workbench.decision.portfolio.purchase import Purchase

MOST = 12
"""Orders that the calendar shows."""
THIN = 0.06
"""Share of the stack below which a name would not fit."""
ROOM = 160
"""Pixels beside the stack for names."""
BOUND, LOOSE = "committed", "by the hour"
HUES = {BOUND: COLOURS["answer"], LOOSE: COLOURS["range"]}


def label(bound: "Bound") -> str:
    """What a capacity is called in a chart."""
    return kinds.label(Plan(legs=(bound.option,)))


# --- what runs, against what may be needed


def stack_frame(found: "Purchase") -> "pl.DataFrame":
    """One row a capacity and month (accelerators there, `from` and `to` in the stack), and one a month with the
    accelerators that the work at its P10 and P90 would need of the same mix."""
    rows: list[dict[str, Any]] = []
    foot, work = np.zeros(found.scenario.months), found.asked.demand.sum(axis=0)
    ordered = sorted(found.used, key=lambda u: u[0].capacity.kind != "reserved")
    for b, months in ordered:
        head = foot + np.array(months)
        kind = BOUND if b.capacity.whole else LOOSE
        rows += [{"month": m + 1, "capacity": label(b), "kind": kind, "from": float(foot[m]), "to": float(head[m]),
                  "low": None, "high": None} for m in range(found.scenario.months)]  # fmt: skip
        foot = head
    low, high = (foot * band / work for band in found.band)
    rows += [{"month": m + 1, "capacity": "", "kind": "", "from": None, "to": None, "low": float(low[m]),
              "high": float(high[m])} for m in range(found.scenario.months)]  # fmt: skip
    return framed(rows, _bought(found))


def _bought(found: "Purchase") -> str:
    held = [months for b, months in found.used if b.capacity.whole]
    if not held:
        return "Nothing is committed: all of the work runs on what is bought by the hour"
    every = sum(sum(months) for _, months in found.used)
    saved = "" if found.on_demand_only is None else f", which saves {usd(found.on_demand_only - found.cost)}"
    return f"{sum(map(sum, held)) / every:.0%} of the accelerators are committed{saved}"


def stack(source: Any) -> "alt.LayerChart":
    """Accelerators by month, committed ones below, and the band of what the work may need."""
    alt, rows = library(), stack_frame(source) if hasattr(source, "plan") else source
    last = len(rows["month"].unique())
    x = alt.X("month:O", title="month (dashed: P10 and P90 of the need)", axis=alt.Axis(
        labelAngle=0, values=list(range(1, last + 1, max(last // MOST, 1)))))  # fmt: skip
    scale = alt.Scale(domain=list(HUES), range=list(HUES.values()))
    y = alt.Y("from:Q", title="accelerators")
    bars = marks().transform_filter("datum.to > datum.from").mark_bar(opacity=0.75, stroke="white", strokeWidth=0.5)
    bars = bars.encode(x=x, y=y, y2="to:Q", color=alt.Color("kind:N", scale=scale), detail="capacity:N")
    # Names stand beside the last month, of what is large enough for a line of text.
    thin = THIN * max((top for top in rows["to"].to_list() if top is not None), default=0)
    least = f"datum.month == {last} && datum.to - datum.from > {thin}"
    names = marks().transform_filter(least).transform_calculate(middle="(datum.from + datum.to) / 2").mark_text(
        align="left", x="width", dx=8, color=TEXT).encode(y="middle:Q", text="capacity:N")  # fmt: skip
    edges = [marks().transform_filter("isValid(datum.low)").mark_line(color=TEXT, strokeDash=[5, 3]).encode(
        x=x, y=alt.Y(f"{end}:Q")) for end in ("low", "high")]  # fmt: skip
    return layered(chart(rows, WIDE - ROOM, height=TALL), bars, names, *edges)


# --- what other commitments would cost


def frontier_frame(found: "Purchase") -> "pl.DataFrame":
    """One row a way to commit: expected cost and the mean of the worst tenth, thousand USD."""
    risks = found.risks()
    rows = [{"way": way(same), "kind": LOOSE if same[0]["weight"] is None else BOUND,
             "expected": same[0]["expected"] / THOUSAND, "worst": same[0]["at_risk"] / THOUSAND,
             "orders": len(same[0]["schedule"])} for same in alike(risks)]  # fmt: skip
    weighed = [p for p in risks if p["weight"] is not None]
    dear = weighed[-1]["expected"] - weighed[0]["expected"]
    safe = weighed[0]["at_risk"] - weighed[-1]["at_risk"]
    title = f"{usd(dear)} more on average take {usd(safe)} off the worst tenth" if safe > dear else (
        "No other commitment makes the worst tenth much cheaper")  # fmt: skip
    return framed(rows, title)


def frontier(source: Any) -> "alt.LayerChart":
    """Expected cost against the mean of the worst tenth."""
    alt, rows = library(), frontier_frame(source) if hasattr(source, "plan") else source
    span = alt.Scale(zero=False, nice=True, padding=20)
    (across, below), (up, beside) = (money(max(rows[c].to_list()), tickCount=6) for c in ("expected", "worst"))
    mark = marks().encode(x=alt.X("expected:Q", title=f"expected cost, {across}", scale=span, axis=below),
                          y=alt.Y("worst:Q", title=f"worst tenth, {up}", scale=span, axis=beside))  # fmt: skip
    line = mark.transform_filter(f"datum.kind == '{BOUND}'").mark_line(color=COLOURS["answer"], strokeWidth=1)
    dots = mark.mark_point(filled=True, size=70, opacity=1).encode(
        color=alt.Color("kind:N", scale=alt.Scale(domain=list(HUES), range=list(HUES.values())), legend=None)
    )
    names = [mark.transform_filter(f"datum.kind == '{kind}'").mark_text(align="left", dx=8, dy=dy).encode(text="way:N")
             for kind, dy in ((BOUND, -8), (LOOSE, 12))]  # fmt: skip
    return layered(chart(rows, WIDE, height=TALL), line, dots, *names)


# --- when to order


def calendar_frame(found: "Purchase") -> "pl.DataFrame":
    """One row a commitment, soonest first: month of the order, first and last month of the term (from 1 on)."""
    names = {b.option.id: label(b) for b, _ in found.used}
    orders = [o for o in found.schedule if o["kind"] == "reserved"][:MOST]
    rows = [{"order": f"{o['order_by']}: {o['accelerators']:,.0f} of {names[o['offer']]}", "by": o["order_month"],
             "from": o["month"], "to": o["month"] + o["term_months"], "kind": BOUND} for o in orders]  # fmt: skip
    if not rows:
        rows = [{"order": "nothing to order ahead", "by": 0, "from": 0, "to": 0, "kind": BOUND}]
        return framed(rows, "Nothing has to be ordered ahead")
    every = sum(o["kind"] == "reserved" for o in found.schedule)
    more = f", of which the first {MOST} are shown" if every > MOST else ""
    return framed(rows, f"The first order is due by {orders[0]['order_by']}; {every} in all{more}")


def calendar(source: Any) -> "alt.LayerChart":
    """Terms as bars; a diamond where the order is due."""
    alt, rows = library(), calendar_frame(source) if hasattr(source, "plan") else source
    y = alt.Y("order:N", sort=None, title=None)
    axis = alt.X("from:Q", title="months from today (diamond: order by)", axis=alt.Axis(format="d", tickMinStep=1))
    bars = (
        marks().mark_bar(height=10, opacity=0.6, cornerRadius=2, color=COLOURS["answer"]).encode(y=y, x=axis, x2="to:Q")
    )
    dots = marks().mark_point(shape="diamond", filled=True, size=70, opacity=1, color=COLOURS["answer"]).encode(
        y=y, x=alt.X("by:Q"))  # fmt: skip
    return layered(chart(rows, NARROW, height=alt.Step(ROW)), bars, dots)
