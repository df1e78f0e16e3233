"""What is said of a model that wakes: short sentences in which every numeral is cited."""

from collections.abc import Callable
from math import floor
from typing import TYPE_CHECKING, Any

from workbench.cite import Cited, Name, Prose, plain, say
from workbench.prose import usd
from workbench.records import Evidence

if TYPE_CHECKING:
    from workbench.decision.coldstart.frontier import Capacity, Frontier, Point
    from workbench.decision.coldstart.pool import Pool, Seen

NEAR, PER_MILLE = 0.99, 1000
"""A share beyond which a tenth of a per cent counts."""
LEVEL = 0.99
"""Of the confidence interval that is told."""


def seconds(value: float) -> str:
    """Seconds with three significant digits."""
    return plain(value, "s")


def nearly(share: float) -> str:
    """A share in per cent that is not rounded up to all."""
    return f"{floor(share * PER_MILLE) / PER_MILLE:.1%}" if NEAR < share < 1 else plain(share, "share")


def offer(capacity: "Capacity") -> Name:
    """Whose accelerator, which, and how it is bought."""
    price = capacity.price
    return Name(f"{price.provider}, {price.gpu}, {price.basis.replace('_', ' ')}")


# --- the frontier


def verdict(found: "Frontier") -> Prose:
    """What to run and where, what that costs, against what, and how fast it is."""
    chosen, asked, told = found.chosen, found.load.asked, _told(found)
    start = "Run it on {offer} ({policy}): {cost} a month, {less}. {within} of requests are answered within {limit},"
    if not chosen.met:
        start = (
            "No policy meets the objective. The fastest is {offer} ({policy}), for {cost} a month: {within} of"
            " requests are answered within {limit},"
        )
    return say(
        start + " where {asked} are asked for; {cold}.", css="verdict", policy=Name(chosen.label),
        offer=offer(chosen.capacity), cost=told(chosen.cost_usd, usd(chosen.cost_usd)), less=_less(found),
        within=told(chosen.run.attainment, nearly(chosen.run.attainment)),
        limit=_stated(found, "limit_s", seconds(asked.limit_s)), asked=_stated(found, "p", plain(asked.p, "share")),
        cold=_cold(found),
    )  # fmt: skip


def doubt(found: "Frontier") -> Prose:
    """How sure it is, and what was tried."""
    run, told = found.chosen.run, _told(found)
    low, high = run.interval("attainment", LEVEL)
    return say(
        "{tried} policies were simulated, this one on {requests} requests. The share in time is {low} to {high}"
        " ({level} interval); {sure}. What no simulation knows is whether next year's traffic will be like this.",
        css="note", tried=told(found.tried, f"{found.tried:,}"), requests=told(run.requests, f"{run.requests:,}"),
        low=told(low, nearly(max(low, 0.0))), high=told(high, nearly(min(high, 1.0))),
        level=told(LEVEL, plain(LEVEL, "share")), sure=_sure(found),
    )  # fmt: skip


def _told(found: "Frontier") -> Callable[[float, str], Cited]:
    """How a figure of the chosen policy is cited: on all that its simulation rests on."""
    return lambda value, text: Cited(value, "", found.rows, Evidence.ESTIMATED, text=text)


def _stated(found: "Frontier", key: str, text: str) -> Cited:
    """A number of the objective, on the line of the scenario where it stands."""
    place = found.load.scenario.places.get(f"serving.{key}")
    return Cited(getattr(found.load.asked, key), "", (place,) if place else (), Evidence.YOURS, text=text)


def _less(found: "Frontier") -> Any:
    other: Point | None = found.rival
    if other is None:
        return "the only kind of capacity on which that can be done"
    less = 1 - found.chosen.cost_usd / other.cost_usd
    rows = tuple(dict.fromkeys((*found.rows, *other.capacity.price.usd_per_gpu_hour.rows)))
    return say(
        "{less} less than the cheapest {kind} fleet that is fast enough ({other})", kind=other.capacity.kind,
        less=Cited(less, "", rows, Evidence.ESTIMATED, text=plain(less, "share")),
        other=Prose((offer(other.capacity), "; ", Name(other.label))),
    )  # fmt: skip


def _cold(found: "Frontier") -> Prose:
    run, woken = found.chosen.run, found.chosen.capacity.waking
    if not run.cold_share:
        return say("none meets a cold start")
    start = Cited(woken.mean_s, "", woken.rows, Evidence.ESTIMATED, text=seconds(woken.mean_s))
    share = _told(found)(run.cold_share, plain(run.cold_share, "share"))
    return say("{share} meet a cold start, which takes {start} on average", share=share, start=start)


def _sure(found: "Frontier") -> Prose:
    confidence = found.chosen.confidence
    text = f"more than {plain(NEAR, 'share')}" if confidence > NEAR else plain(confidence, "share")
    return say("the objective is met with a confidence of {sure}", sure=_told(found)(confidence, text))


# --- a pool that is turned


def turned(pool: "Pool", seen: "Seen") -> Prose:
    """What the pool costs and how fast it is, and whether that is enough."""
    asked, woken, replica = pool.load.asked, pool.capacity.waking, pool.load.replica
    rows = (*pool.capacity.price.usd_per_gpu_hour.rows, *woken.rows,
            *(r for q in replica.inputs.values() for r in q.rows), *pool.load.traffic.rows)  # fmt: skip

    def told(value: float, text: str) -> Cited:
        return Cited(value, "", tuple(dict.fromkeys(rows)), Evidence.ESTIMATED, text=text)

    def yours(value: float, text: str) -> Cited:
        return Cited(value, "", (), Evidence.YOURS, text=text)

    return say(
        "Kept for {kept} after its last request, with at least {least} awake, on {offer}: {cost} a month for {replicas}"
        " replicas on average. {within} of requests are answered within {limit}, so the objective ({asked}) is {met};"
        " {cold} meet a cold start, which takes {start} on average.",
        css="verdict", kept=yours(pool.keep_alive_s, f"{pool.keep_alive_s:g} s"),
        least=yours(pool.min_replicas, f"{pool.min_replicas}"), offer=offer(pool.capacity),
        cost=told(seen.cost_usd, usd(seen.cost_usd)), replicas=told(seen.mean_replicas, plain(seen.mean_replicas, "")),
        within=told(seen.attainment, nearly(seen.attainment)), limit=yours(asked.limit_s, seconds(asked.limit_s)),
        asked=yours(asked.p, plain(asked.p, "share")), met="met" if seen.attainment >= asked.p else "missed",
        cold=told(seen.cold_share, plain(seen.cold_share, "share")),
        start=Cited(woken.mean_s, "", woken.rows, Evidence.ESTIMATED, text=seconds(woken.mean_s)),
    )  # fmt: skip


def basis(pool: "Pool", seen: "Seen") -> str:
    """How the figures were found: by theory, with what that is worth, or by simulation."""
    if seen.how == "simulation":
        return f"simulated, {seen.cold.size:,} requests"
    return "by theory" if pool.load.busy < 1 else "by theory, which flatters a fleet as busy as this"
