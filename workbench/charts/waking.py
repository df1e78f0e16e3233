"""Charts of a model that wakes: the frontier, latencies with the cold hump, stages, a day of replicas, a pool's choice.

As everywhere, a `..._frame` builds the rows and a function the chart, from results or from such a frame.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.charts.canvas import (  # isort: skip
    COLOURS, FULL, ROW, TALL, TEXT, THOUSAND, chart, framed, joined, layered, library, marks,
)  # fmt: skip
from workbench.cite import plain
from workbench.decision.coldstart.course import Course
from workbench.prose import usd
from workbench.prose_waking import nearly, seconds

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

    from workbench.decision.coldstart.frontier import Frontier, Point
    from workbench.decision.coldstart.pool import Options, Pool, Seen
    from workbench.decision.coldstart.waking import Waking

KINDS = ("reserved", "autoscaled", "serverless")
"""Ways to have capacity."""
SHAPES = ("square", "triangle-up", "circle")
BINS = 60
EDGE = 0.0005
"""Share of the requests at each end of a histogram that may lie outside it."""
COLD_RANGE = (0.05, 0.95)
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
WARM, COLD = "served by a replica that is awake", "met a cold start"


# --- the frontier


def frontier_frame(found: "Frontier") -> "pl.DataFrame":
    """One row a policy that was simulated to the end: thousand USD a month, and the objective's quantile of latency."""
    p = found.load.asked.p
    kept = {id(point) for point in _unbeaten(found.points, p)}
    rows = [
        {"policy": o.label, "kind": o.capacity.kind, "cost": o.cost_usd / THOUSAND,
         "latency_s": o.run.latency_quantile(p), "met": o.met, "unbeaten": id(o) in kept,
         "answer": o is found.chosen, "rival": o is found.rival,
         "limit_s": found.load.asked.limit_s, "share": plain(p, "share")}
        for o in found.points
    ]  # fmt: skip
    return framed(rows, _best(found))


def _unbeaten(points: Sequence["Point"], p: float) -> list["Point"]:
    """The points that no cheaper one beats in the latency at `p`."""
    kept: list[Point] = []
    for point in points:
        if not kept or point.run.latency_quantile(p) < kept[-1].run.latency_quantile(p):
            kept.append(point)
    return kept


def _best(found: "Frontier") -> str:
    chosen, other = found.chosen, found.rival
    kind, cost = chosen.capacity.kind, f"{usd(chosen.cost_usd)} a month"
    if not chosen.met:
        within = nearly(chosen.run.attainment)
        return f"No policy meets the objective: the fastest answers {within} in time, for {cost}"
    if other is None:
        return f"Only {kind} capacity meets the objective, for {cost}"
    gap = other.cost_usd / chosen.cost_usd - 1
    more = f"{other.capacity.kind} is {plain(gap, 'share')} more"
    return f"{kind.capitalize()} is the cheapest that is fast enough: {cost}; {more}"


def frontier(source: Any) -> "alt.LayerChart":
    """Cost against latency: each policy by its kind of capacity, the objective as a line, the answer marked."""
    alt, frame = library(), source if hasattr(source, "columns") else frontier_frame(source)
    share, limit = frame["share"][0], f"the objective: {frame['share'][0]} within {seconds(frame['limit_s'][0])}"
    x = alt.X("cost:Q", title="thousand USD a month", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=8))
    title = f"seconds that {share} of requests do not exceed"
    y = alt.Y("latency_s:Q", title=title, scale=alt.Scale(type="log", nice=False, padding=22), axis=_seconds_axis())
    mark = marks().encode(x=x, y=y)
    colour, shape = _kind(frame)
    line = mark.transform_filter("datum.unbeaten").mark_line(
        color=TEXT, strokeWidth=1, interpolate="step-after", opacity=0.6
    )
    dots = mark.mark_point(size=70, filled=True, opacity=0.85).encode(color=colour, shape=shape)
    answer = mark.transform_filter("datum.answer")
    ring = answer.mark_point(shape="diamond", size=260, strokeWidth=2, color=COLOURS["answer"], opacity=1)
    text = answer.mark_text(align="right", dx=-12, dy=14, fontWeight=600, color=COLOURS["answer"])  # nothing is there
    text = text.encode(text=alt.value("the answer"))
    rival = mark.transform_filter("datum.rival").mark_text(align="left", dx=9, dy=11).encode(text="policy:N")
    return layered(
        chart(frame, FULL, height=TALL * 3 / 2), *_limit(limit, "limit_s", across="x"), line, dots, ring, text, rival
    )


def _kind(frame: "pl.DataFrame") -> tuple[Any, Any]:
    """Colour and shape by kind of capacity; the legend names the kinds that are there."""
    alt, shown = library(), [k for k in KINDS if k in frame["kind"]]
    legend = alt.Legend(values=shown)
    colours, shapes = (alt.Scale(domain=list(KINDS), range=r) for r in ([COLOURS[k] for k in KINDS], list(SHAPES)))
    return alt.Color("kind:N", scale=colours, legend=legend), alt.Shape("kind:N", scale=shapes, legend=legend)


def _seconds_axis() -> Any:
    return library().Axis(format="~g", values=list(TICKS))


def _limit(text: str, limit: str, *, across: str) -> list["alt.Chart"]:
    """The objective as a line across the chart from left to right (`x`) or from top to bottom (`y`), with its name."""
    mark = marks().transform_aggregate([library().AggregatedFieldDef(field=limit, op="max", **{"as": limit})])
    if across == "x":
        mark = mark.encode(y=f"{limit}:Q")
        named = mark.mark_text(x="width", align="right", dy=-6)
    else:
        mark = mark.encode(x=f"{limit}:Q")
        named = mark.mark_text(y=0, align="right", dx=-5, dy=4)
    return [mark.mark_rule(color=TEXT, strokeDash=[5, 3]), named.encode(text=library().value(text))]


# --- how long requests take


def latency_frame(seen: "Seen") -> "pl.DataFrame":
    """Shares of the requests by latency, in bins of equal ratio; those that met a cold start stand on the others."""
    lowest, highest = np.quantile(seen.latencies_s, [EDGE, 1 - EDGE], method="inverted_cdf")
    highest = max(highest, seen.limit_s, lowest * 2)
    edges = np.geomspace(lowest, highest, BINS + 1)
    warm, cold = (np.histogram(seen.latencies_s[which], edges)[0] / seen.cold.size for which in (~seen.cold, seen.cold))
    rows = [
        {"low": float(low), "high": float(high), "from": start, "to": start + share, "start": name,
         "limit_s": seen.limit_s}
        for low, high, awake, met in zip(edges[:-1], edges[1:], warm, cold, strict=True)
        for name, start, share in ((WARM, 0.0, float(awake)), (COLD, float(awake), float(met))) if share
    ]  # fmt: skip
    return framed(rows, _hump(seen))


def _hump(seen: "Seen") -> str:
    within = f"{nearly(seen.attainment)} are answered within {seconds(seen.limit_s)}"
    if not seen.cold.any():
        half = seconds(seen.latency_quantile(1 / 2))
        return f"No request meets a cold start: half are answered within {half}, {within}"
    low, high = np.quantile(seen.latencies_s[seen.cold], COLD_RANGE)
    return (
        f"{plain(seen.cold_share, 'share')} of requests meet a cold start and take {low:.0f} to {high:.0f} s; {within}"
    )


def latency(source: Any, width: int = FULL) -> "alt.LayerChart":
    """The distribution of latencies on a logarithmic axis, the objective's limit as a line."""
    alt, frame = library(), source if hasattr(source, "columns") else latency_frame(source)
    x = alt.X("low:Q", title="seconds from a request to the end of its answer", axis=_seconds_axis(),
              scale=alt.Scale(type="log", nice=False))  # fmt: skip
    y = alt.Y("from:Q", title="share of requests", axis=alt.Axis(format="%", tickCount=4))
    colour = alt.Color(
        "start:N", scale=alt.Scale(domain=[WARM, COLD], range=[COLOURS["warm"], COLOURS["cold"]]),
        legend=alt.Legend(labelLimit=400),
    )  # fmt: skip
    bars = marks().mark_rect(opacity=0.85).encode(x=x, x2="high:Q", y=y, y2="to:Q", color=colour)
    limit = f"the limit, {seconds(frame['limit_s'][0])}"
    return layered(chart(frame, width, height=TALL), bars, *_limit(limit, "limit_s", across="y"))


# --- what a cold start is made of


def stages_frame(waking: "Waking") -> "pl.DataFrame":
    """The stages of a cold start, each where it begins and ends on the mean course; then the tiers of the mixture."""
    rows: list[dict[str, Any]] = []
    begun = 0.0
    for stage, length in waking.stages:
        rows.append({"part": "stage", "name": STAGES[stage], "from": begun, "to": begun + length,
                     "note": seconds(length)})  # fmt: skip
        begun += length
    rows.append({"part": "total", "name": "in all", "from": 0.0, "to": begun, "note": seconds(begun)})
    for tier, share, length in waking.tiers:
        note = f"{seconds(length)}, {plain(share, 'share')} of starts"
        rows.append({"part": "tier", "name": TIERS[tier], "from": 0.0, "to": length, "note": note})
    return framed(rows, _average(waking))


def _average(waking: "Waking") -> str:
    low, high = np.quantile(waking.seconds, COLD_RANGE)
    middle = f"at the middle of all ranges it is {seconds(waking.middle_s)}"
    return f"A cold start takes {low:.0f} to {high:.0f} s, {seconds(waking.mean_s)} on average; {middle}"


def stages(source: Any) -> "alt.HConcatChart":
    """A waterfall of the stages, which adds up to the mean, and beside it the tiers that a start may meet."""
    alt, frame = library(), source if hasattr(source, "columns") else stages_frame(source)
    course = _spans("datum.part != 'tier'", "seconds since the start was asked for, at middle values")
    tiers = _spans("datum.part == 'tier'", "seconds, at middle values")
    return joined(chart(frame, FULL), alt.hconcat, course.properties(width=300), tiers.properties(width=150))


def _spans(which: str, title: str) -> "alt.LayerChart":
    """Bars from one time to another, each with its name to the left and its length to the right."""
    alt = library()
    y = alt.Y("name:N", sort=None, title=None)
    x = alt.X("from:Q", title=title, axis=alt.Axis(tickCount=4))
    mark = marks().transform_filter(which).encode(y=y)
    colour = alt.condition("datum.part == 'total'", alt.value(TEXT), alt.value(COLOURS["cold"]))
    bars = mark.mark_bar(height=14, cornerRadius=2).encode(x=x, x2="to:Q", color=colour)
    text = mark.mark_text(align="left", dx=4).encode(x=alt.X("to:Q"), text="note:N")
    return alt.layer(bars, text, height=alt.Step(ROW))


STAGES = {
    "detect": "see the need", "provision": "get a node", "image_pull": "pull the image",
    "container_start": "start the container", "runtime_init": "start the runtime", "weights": "load the weights",
    "host_to_gpu": "copy them to the GPU", "engine_init": "start the engine", "first_token": "give a first token",
}  # fmt: skip
TIERS = {
    "warm_host": "all on the host", "local_disk": "weights on its disk", "remote": "nothing of the model",
    "new_node": "a new node",
}  # fmt: skip
"""What is done in a stage, and what a start finds, in the words of a chart."""


# --- a day of replicas


def course_frame(course: Course) -> "pl.DataFrame":
    """By part of a day: requests a minute, and the replicas that are ready and those that start on top of them."""
    rows = [
        {"hour": float(hour), "next": float(hour) + float(course.hours[1]), "requests": float(rate),
         "ready": float(ready), "both": float(ready + starting)}
        for hour, rate, ready, starting in zip(
            course.hours, course.requests_per_minute, course.ready, course.starting, strict=True)
    ]  # fmt: skip
    return framed(rows, _sleep(course))


def _sleep(course: Course) -> str:
    hours = course.hours[-1] + course.hours[1]
    if course.asleep_share:
        peak = f"{course.most} replicas carry" if course.most > 1 else "one replica carries"
        return f"The fleet sleeps for {course.asleep_share * hours:.2g} of {hours:.3g} hours; {peak} the peak"
    least = float((course.ready + course.starting).min())
    if round(least) == course.most:
        return f"The fleet stays at {course.most}, whatever the load"
    return f"The fleet follows the load and never sleeps: {least:.0f} to {course.most} replicas are up"


def course(source: Any) -> "alt.VConcatChart":
    """Requests a minute above, replicas below: ready ones, and those that start on top of them."""
    alt, frame = library(), source if hasattr(source, "columns") else course_frame(source)
    whole = alt.Scale(domain=[0, float(frame["next"].max() or 1)], nice=False)  # type: ignore[arg-type]
    x = alt.X("hour:Q", title=None, scale=whole, axis=alt.Axis(grid=False, labels=False))
    hours = alt.X("hour:Q", title="hours of the simulated day", scale=whole, axis=alt.Axis(grid=False, tickCount=12))
    load = alt.Y("requests:Q", title="requests/minute", axis=alt.Axis(tickCount=3))
    above = marks().mark_rect(color=TEXT, opacity=0.6).encode(x=x, x2="next:Q", y=load, y2=alt.datum(0))
    legend = alt.Scale(domain=["ready", "starting"], range=[COLOURS["warm"], COLOURS["cold"]])
    count = alt.Axis(tickCount=3)
    parts = [
        marks().mark_rect(opacity=0.85).transform_calculate(state=f"'{name}'", zero="0").encode(
            x=hours, x2="next:Q", y=alt.Y(f"{low}:Q", title="replicas (mean)", axis=count), y2=f"{high}:Q",
            color=alt.Color("state:N", scale=legend),
        )
        for name, low, high in (("ready", "zero", "ready"), ("starting", "ready", "both"))
    ]  # fmt: skip
    low = alt.layer(*parts).properties(width=FULL, height=TALL * 2 / 3)
    return joined(chart(frame, FULL), alt.vconcat, above.properties(width=FULL, height=TALL * 2 / 5), low)


# --- what else a pool may cost


def choice_frame(pool: "Pool", seen: "Seen", options: "Options") -> "pl.DataFrame":
    """What the pool costs, in thousand USD a month, and answers in time; with other keep-alives as well, and what
    fleets do that are always on."""
    limit, least = pool.load.asked.limit_s, pool.load.asked.p
    common = {"asked": least, "kind": pool.capacity.kind}
    rows = [
        *({**common, "part": "kept", "cost": cost / THOUSAND, "within": within} for cost, within in options.kept),
        *({**common, "part": "on", "cost": cost / THOUSAND, "within": within, "kind": "reserved"}
          for cost, within in options.always_on),
        {**common, "part": "now", "cost": seen.cost_usd / THOUSAND, "within": seen.attainment},
    ]  # fmt: skip
    told = f"{nearly(seen.attainment)} within {seconds(limit)}, {plain(least, 'share')} are asked for"
    return framed(rows, f"Kept for {pool.keep_alive_s:g} s it costs {usd(seen.cost_usd)} a month: {told}")


def choice(frame: "pl.DataFrame", width: int = FULL) -> "alt.LayerChart":
    """Cost against the share in time: the pool, the line of its keep-alives, fleets that are always on, the goal."""
    alt = library()
    x = alt.X("cost:Q", title="thousand USD a month (line: other keep-alives; squares: always on)",
              scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=6))  # fmt: skip
    y = alt.Y("within:Q", title="share of requests in time", scale=alt.Scale(zero=False),
              axis=alt.Axis(format="%", tickCount=5))  # fmt: skip
    mark, (colour, _) = marks().encode(x=x, y=y), _kind(frame)
    line = mark.transform_filter("datum.part == 'kept'").mark_line(strokeWidth=2, point=True).encode(color=colour)
    fleets = mark.transform_filter("datum.part == 'on'").mark_point(shape="square", filled=True, size=70, opacity=0.85)
    now = mark.transform_filter("datum.part == 'now'")
    dot = now.mark_point(shape="diamond", filled=True, size=160, opacity=1, color=COLOURS["answer"])
    rule = _limit("asked for", "asked", across="x")
    return layered(chart(frame, width, height=TALL), *rule, line, fleets.encode(color=colour), dot)
