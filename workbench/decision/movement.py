"""Which way an offer's price moves after it was seen: by steps, or by a trend with swings around it.

Rows say which: where a kind of seller has a rate of steps, its list prices stay until they step; where it has a rise,
its rents may go on as they went last and then turn, and how likely that is stands in rows too.
"""

from collections.abc import Iterator, Mapping

from workbench.decision.desk import Desk, constant
from workbench.records import Quantity

Scope = Mapping[str, str | None]
TURN = ("price_trend_model", "rent_rise", "rent_fall", "turn_month")
STEPS = ("step_rate", "step_size")
OWN = "price_drift"
"""Whoever states a drift has decided how prices move."""


def moves(desk: Desk, scope: Scope) -> Iterator[Quantity]:
    """What `models.price` takes for the price of an hour that is bought as it comes."""
    if _steps(desk, scope):
        for name in STEPS:
            yield desk.assumption(name, **scope)
        yield constant("price_slope", 0.0, "share/month")
        yield constant("before_turn", 0.0, "share")
        yield constant("price_swing", 0.0, "share")
        return
    yield constant("price_step", 0.0, "share")
    for name in ("price_drift", "market_volatility", "offer_volatility"):
        yield desk.assumption(name, **scope)
    if _turns(desk, scope):
        for name in TURN:
            yield desk.assumption(name, **scope)
    else:
        yield constant("price_trend_model", 1.0, "x")
        yield constant("rent_fall", 0.0, "share/month")
        yield constant("before_turn", 0.0, "share")


def signed_moves(desk: Desk, scope: Scope) -> Iterator[Quantity]:
    """The same for the price of a commitment, which moves until it is signed."""
    if _steps(desk, scope):
        yield desk.assumption("step_rate", "committed_step_rate", **scope)
        yield desk.assumption("step_size", **scope)
        yield constant("committed_slope", 0.0, "share/month")
        yield constant("committed_before_turn", 0.0, "share")
        yield constant("committed_swing", 0.0, "share")
        return
    yield constant("committed_step", 0.0, "share")
    yield desk.assumption("price_drift", "committed_drift", **scope)
    yield desk.assumption("market_volatility", **scope)
    yield desk.assumption("offer_volatility", "committed_volatility", **scope)
    if not _turns(desk, scope):
        yield constant("price_trend_model", 1.0, "x")
        yield constant("rent_fall", 0.0, "share/month")
        yield constant("committed_before_turn", 0.0, "share")
        return
    for name in TURN:
        yield desk.assumption(name, **scope)


def _steps(desk: Desk, scope: Scope) -> bool:
    return OWN not in desk.scenario.assumptions and desk.known("step_rate", **scope)


def _turns(desk: Desk, scope: Scope) -> bool:
    return OWN not in desk.scenario.assumptions and desk.known("rent_rise", **scope)
