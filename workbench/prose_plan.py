"""What to do, in four sentences: commit, order, keep free, find out. Every numeral is cited."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from workbench.cite import MOVES, Cited, Name, Prose, counted, of, plain, say, words
from workbench.decision import contrast as kinds
from workbench.decision import knowing
from workbench.decision.outcome import Outcome, Plan
from workbench.prose import MEANINGS, Stack, spent, usd
from workbench.records import Evidence, Infeasible

if TYPE_CHECKING:
    from workbench.decision.answer import Decision
    from workbench.decision.portfolio.commitments import Bound
    from workbench.decision.portfolio.purchase import Purchase

LEAST = 0.01
"""Share of the plan's cost below which an order is the rounding of a whole plan."""


def advice(decision: "Decision") -> Stack:
    """The plan of the decision's scenario, and what is worth knowing before it is signed."""
    from workbench.decision.portfolio.purchase import purchase  # the optimiser; whoever prints a pilot does without

    try:
        found = purchase(decision.study.facts, decision.scenario)
    except Infeasible as error:
        told: tuple[Prose, ...] = (
            say("No plan serves all of the work month by month: {why}.", why=Name(error.remedy)),
        )
    else:
        first = (commit(found), reconciled(found, decision.answer), *quotes(found))
        told = (Prose(tuple(part for text in first for part in (text, " "))), order(found), keep_free(found))
    known = knowing.learning(decision.study)
    return Stack((Prose(("Commit, order, keep free, find out",), tag="h2"), *told, find_out(known)))


def _spent(found: "Purchase", value: float, text: str = "") -> Cited:
    return Cited(value, "USD", tuple(found.rows), Evidence.ESTIMATED, text=text or usd(value))


def _commitments(found: "Purchase") -> list[dict[str, Any]]:
    """The commitments of the plan, one for each offer, with its accelerators at the most and all that it costs."""
    told = []
    for bound, months in found.used:
        orders = [o for o in found.schedule if o["offer"] == bound.option.id and o["kind"] == "reserved"]
        if orders:
            told.append({"name": _name(bound), "rows": bound.option.price.usd_per_gpu_hour.rows, "orders": orders,
                         "most": max(months), "usd": sum(o["usd"] for o in orders),
                         "lead": bound.option.inputs["lead_time_months"]})  # fmt: skip
    return told


def commit(found: "Purchase") -> Prose:
    """What to commit to, and what that saves."""
    bold, cost, held = _bold("Commit"), _spent(found, found.cost), _commitments(found)
    if not held:
        text = "{b}: to nothing. The cheapest plan costs {cost} at the median inputs; no commitment makes it cheaper."
        return say(text, b=bold, cost=cost)
    first = held[0]
    most = Cited(first["most"], "", first["rows"], Evidence.ESTIMATED, text=plain(first["most"], ""))
    saved = Prose(())
    if found.on_demand_only is not None:
        share = (found.on_demand_only - found.cost) / found.on_demand_only
        saved = say(", {less} less than all on demand", less=_spent(found, share, plain(share, "share")))
    text = "{b}: to {most} of {name} at the most{more}. The plan costs {cost} at the median inputs{saved}."
    more = "" if len(held) == 1 else ", and less elsewhere"
    return say(
        text, b=bold, most=counted(most, "accelerator"), name=Name(first["name"]), more=more, cost=cost, saved=saved
    )


SAME = 0.001
"""Share of its cost by which a plan may differ from one of a single option and still be it."""


def reconciled(found: "Purchase", answer: Outcome) -> Prose:
    """Why the plan's cost is not the mean that the decision gives: draws against medians, a mix against one option."""
    rest, gap = found.cost - answer.at_medians, answer.mean - answer.at_medians
    mix: Any = ""
    if abs(rest) > SAME * found.cost:
        mix = say("{rest} {way} than the answer alone at the medians ({alone}), by ordering month by month, and ",
                  rest=_spent(found, abs(rest)), way="less" if rest < 0 else "more",
                  alone=spent(answer, answer.at_medians))  # fmt: skip
    way, tilt = ("more", "adds more") if gap >= 0 else ("less", "adds less")
    return say(
        "That is {mix}not the mean of {mean} over all draws, which is {gap} {way}, since what may go wrong {tilt} than"
        " what may go well takes off. Both hold the same work, people, data and support.", mix=mix,
        mean=spent(answer, answer.mean), gap=spent(answer, abs(gap)), way=way, tilt=tilt,
    )  # fmt: skip


def quotes(found: "Purchase") -> tuple[Prose, ...]:
    """The prices of the plan that have a range, and what the same orders cost at either end of it."""
    return tuple(
        say(
            "The price of {name} {is_known}: {value}, {low} to {high} ({row}); with it the same orders cost {least} to"
            " {most}.", name=Name(_name(q.bound)), is_known=MEANINGS[str(q.price.evidence)],
            value=of(q.price), low=of(q.price, q.price.low, plain(q.price.low, "")),
            high=of(q.price, q.price.high, plain(q.price.high, "")), row=Name(q.price.rows[0]),
            least=_spent(found, q.low), most=_spent(found, q.high),
        )
        for q in found.quotes
    )  # fmt: skip


def order(found: "Purchase") -> Prose:
    """By which day to order, and how late that may turn out to be."""
    bold, held = _bold("Order"), _commitments(found)
    if not held:
        return say("{b}: nothing ahead; what is bought by the hour needs no date.", b=bold)
    orders = sorted((o for h in held for o in h["orders"]), key=lambda o: (o["order_by"], o["offer"]))
    lead = next(h["lead"] for h in held if orders[0] in h["orders"])
    longest = lead.value if lead.high is None else lead.high
    text = "{b}: {times} by {day}; the lead time is {lead}, perhaps {longest}{so}."
    return say(
        text, b=bold, times="once," if len(orders) == 1 else "in several steps as the work goes, the first",
        day=Name(orders[0]["order_by"]), lead=of(lead, text=plain(lead.value, "")),
        longest=counted(of(lead, longest, plain(longest, "")), "month"),
        so=", bridged by what is bought by the hour" if longest else "",
    )  # fmt: skip


def keep_free(found: "Purchase") -> Prose:
    """How much of what is bought stays free to move, and what is owed when the horizon ends."""
    bold, every = _bold("Keep free"), sum(o["usd"] for o in found.schedule)
    share = sum(o["usd"] for o in found.schedule if o["kind"] != "reserved") / every if every else 1.0
    loose = next((b for b, _ in found.used if b.capacity.kind != "reserved"), None)
    owed = found.plan.liability_after
    after = say("{owed} is owed after the horizon", owed=_spent(found, owed)) if owed else "nothing is owed later"
    if loose is None or share < LEAST:
        return say("{b}: nothing; all that is bought is committed, and {after}.", b=bold, after=after)
    most = "all" if len(found.used) == 1 else "most"
    text = "{b}: {share} of what is bought is bound to no term, " + most + " of it at {name}; {after}."
    return say(
        text,
        b=bold,
        share=_spent(found, share, plain(share, "share")),
        name=Name(_name(loose)),
        after=after,
    )


def find_out(known: knowing.Learning) -> Prose:
    """What a pilot is worth, and which single input matters most."""
    bold = _bold("Find out")
    if known.pilot is None or not known.worths:
        return say("{b}: nothing that could be learnt would change the choice.", b=bold)
    most = known.worths[0]
    best = Cited(most.usd, "USD", most.rows, Evidence.ESTIMATED, text=usd(most.usd))
    asked = " (a seller's fixed quote tells it)" if most.input.startswith(MOVES) else ""
    return say("{b}: {pilot} Of single inputs it is worth most to know the {name}{asked}: {best}.", b=bold,
               pilot=pilot(known.pilot), name=Name(words(most.input)), asked=asked, best=best)  # fmt: skip


def pilot(tried: knowing.Pilot) -> Prose:
    """Whether a pilot pays."""
    rows = tuple(dict.fromkeys((*tried.error.rows, *(r for q in tried.inputs for r in q.rows))))

    def money(value: float, text: str) -> Cited:
        return Cited(value, "", rows, Evidence.ESTIMATED, text=text)

    advised = "run it" if tried.pays else "it does not pay"
    return say("A pilot of {weeks} with the two leading options is worth up to {worth} and costs about {cost} in"
               f" accelerators: {advised}.", weeks=counted(money(tried.weeks, str(tried.weeks)), "week"),
               worth=money(tried.worth, usd(tried.worth)), cost=money(tried.cost, usd(tried.cost)))  # fmt: skip


def alike(risks: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Ways to commit, those that come to the same figures together."""
    same = groupby(risks, key=lambda p: (p["weight"] is None, usd(p["expected"]), usd(p["at_risk"])))
    return [list(points) for _, points in same]


def way(points: Sequence[Mapping[str, Any]]) -> str:
    """What a way to commit is called: several weights of the worst tenth may choose the same."""
    first, last = points[0], points[-1]
    if first["weight"] is None:
        return " = ".join(str(p["name"]) for p in points)
    return f"risk weighs {first['weight']:g}" + (f" to {last['weight']:g}" if last is not first else "")


def _name(bound: "Bound") -> str:
    return kinds.label(Plan(legs=(bound.option,)))


def _bold(text: str) -> Prose:
    return Prose((text,), tag="b")
