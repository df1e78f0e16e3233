"""What leaving means in words: the bill, whether it pays and when, the option to go, and what the law says.

One text for the terminal and the report; every numeral is cited.
"""

from typing import TYPE_CHECKING, Any

from workbench.cite import Cited, Name, Prose, counted, plain, say, words
from workbench.decision.lockin.bill import PARTS, day_of
from workbench.decision.lockin.deadlines import CONTRACT, LAW
from workbench.decision.lockin.leaving import leaving
from workbench.decision.lockin.timing import NOW, WAIT
from workbench.prose import Stack, plan_name, usd
from workbench.records import Evidence, WorkbenchError

if TYPE_CHECKING:
    from workbench.decision.answer import Decision
    from workbench.decision.lockin.failure import Peril
    from workbench.decision.lockin.leaving import Leaving
    from workbench.decision.lockin.ties import Conformance

PURPOSES = {"switching": "a move", "parallel": "parallel use"}
DAY = 24
"""Hours."""
MEANT = {
    "dual_running": " (both bills at once)",
    "risk": " (overrun and outage)",
    "breakage": " (owed for the rest of a term)",
    "retraining": " (people who learn the new)",
    "lost_discount": " (on what stays)",
}
"""Parts of the bill whose names do not say what they are."""
LARGEST = 2
"""Parts of the bill that its sentence names."""


def _money(found: "Leaving", value: float, rows: tuple[str, ...] = ()) -> Cited:
    return Cited(value, "USD", rows or found.rows, Evidence.ESTIMATED, text=usd(value))


def _part(found: "Leaving", part: str) -> Cited:
    return _money(found, found.parts[part], tuple(r for q in found.cited[part] for r in q.rows))


def _count(found: "Leaving", value: float) -> Cited:
    return Cited(value, "", found.rows, Evidence.ESTIMATED, text=plain(value, ""))


def _horizon(found: "Leaving") -> Cited:
    place = found.scenario.places.get("months")
    return Cited(found.scenario.months, "", (place,) if place else (), Evidence.YOURS, text=str(found.scenario.months))


def bill(found: "Leaving") -> Prose:
    """What leaving costs today, what most of it is, and how it grows."""
    ranked = sorted(PARTS, key=lambda p: -found.parts[p])[:LARGEST]
    first, second = (say("{what} {usd}" + MEANT.get(p, ""), what=words(p), usd=_part(found, p)) for p in ranked)
    low, high = (_money(found, v) for v in found.spread("exit_cost"))
    return say(
        "{whose}Leaving {here} for {rival} costs {total} today (P10 {low}, P90 {high}), most of it {first} and"
        " {second}; at the end of the horizon of {horizon} it costs {later}.",
        whose=_whose(found), here=Name(found.here.provider), rival=Name(found.rival.provider),
        total=_money(found, found.parts["total"]), low=low, high=high, first=first, second=second,
        horizon=counted(_horizon(found), "month"), later=_money(found, float(found.mean("exit_cost")[-1])),
    )  # fmt: skip


def _whose(found: "Leaving") -> Any:
    if not found.assumed:
        return ""
    return say("Nothing runs yet, so {here}, the decision's answer, is taken for the incumbent to come. ",
               here=Name(found.here.provider))  # fmt: skip


def owned(found: "Leaving") -> Prose:
    """What the hardware of one's own costs, when it is there, and what is still to be written off."""
    fleet = found.rival.owned
    if fleet is None:
        return say("{rival} is rented, not owned.", rival=Name(found.rival.provider))
    told = fleet.as_dict()
    named: dict[str, Any] = {
        n: _money(found, told[n], fleet.rows) for n in ("hardware", "per_month", "not_written_off_at_the_end")
    }
    gpus, life, lead = (Cited(v, "", fleet.rows, Evidence.ESTIMATED, text=plain(v, "")) for v in (
        told["gpus"], fleet.mean("hardware_life"), told["lead_months"]))  # fmt: skip
    hour = told["usd_per_gpu_hour"]
    rate = Cited(hour, "USD/GPU-hour", fleet.rows, Evidence.ESTIMATED, text=f"{hour:.2f} USD/GPU-hour")
    return say(
        "{gpus} {what} to own cost {hardware}: written off over {life} months, with site, power and operators,"
        " {per_month} a month ({rate}, used or not). Ordered today they work from month {lead} on; at the end of the"
        " horizon {not_written_off_at_the_end} is not written off, which who stops then must sell them for, or lose.",
        gpus=gpus, what=Name(told["accelerator"]), life=life, rate=rate, lead=lead, **named,
    )  # fmt: skip


def advice(found: "Leaving") -> Prose:
    """Leave now, wait or stay, with what that rests on."""
    worth, saving = found.worth, round(float(found.mean("saving_pv")[0]))
    what = {NOW: "Leave now", WAIT: "Wait"}.get(worth.advice, "Stay")
    pays = say("it pays in no month") if found.last_month is None else say(
        "the last month in which it pays is month {month} from now", month=_count(found, found.last_month))  # fmt: skip
    side = say("saves {usd}", usd=_money(found, saving)) if saving >= 0 else say(
        "costs {usd} more", usd=_money(found, -saving))  # fmt: skip
    return say(
        "{what}: to the end of the horizon the rival {side}, before the bill; {pays}. Being free to leave is worth"
        " {worth}.", what=what, side=side, pays=pays, worth=_money(found, round(worth.option.value)),
    )  # fmt: skip


def rule(found: "Leaving") -> Prose:
    """How likely one ever goes as the two prices move, and from which saving on one should go at once."""
    at = found.worth.threshold
    chance = Cited(found.worth.option.chance, "share", found.rows, Evidence.ESTIMATED)
    when = say(" Going at once is right where the saving is at least {ratio} times the bill.",
               ratio=_count(found, at)) if at else ""  # fmt: skip
    return say("In {chance} of the futures of the two prices one ever goes.{when}", chance=chance, when=when)


def power(found: "Leaving") -> Prose:
    """What an incumbent can make of it."""
    return say(
        "The bill lets {here} charge up to {cap} a month more than {there} before one would go; price rises to be"
        " expected cost {rises} over the horizon, and portable parts would be worth {parts} to whoever must fear them.",
        here=Name(found.here.provider), there=Name(found.rival.provider), cap=_money(found, found.premium_cap),
        rises=_money(found, found.price_rises),
        parts=_money(found, round(found.portable_value)),
    )  # fmt: skip


def move(found: "Leaving") -> Prose:
    """How long the data takes on its way out, against the days in which a waiver of egress holds."""
    told = found.as_move()
    here, which = Name(found.here.provider), "all of it" if told["within_waiver"] else "a part"
    rest = say("{here} waives egress for who leaves within {window}, if it grants it: {which} gets out in time.",
               here=here, window=_time(found, told["waiver_days"]), which=which)  # fmt: skip
    if not told["waiver_days"]:
        rest = say("No waiver of egress is on record for {purpose} from {here}.", here=here,
                   purpose=PURPOSES[found.ties.purpose])  # fmt: skip
    return say("The data takes {time} to move, on average. {rest}", time=_time(found, told["days"]), rest=rest)


def _time(found: "Leaving", days: float) -> Prose:
    """So many days, or hours where it is less than one."""
    number, noun = (days, "day") if not 0 < days < 1 else (days * DAY, "hour")
    return counted(_count(found, number), noun)


def risk(found: "Leaving") -> Prose:
    """What a provider that fails would cost, on both sides: it is in the saving."""
    told = [_peril(found, p) for p in (found.peril, found.rival_peril) if p]
    if len(told) == 1:
        return say("{one}; it is in the saving, and hardware of one's own has none.", one=told[0])
    return say("{one}. {two}. Both are in the saving.", one=told[0], two=told[1])


def _peril(found: "Leaving", told: "Peril") -> Prose:
    chance = Cited(told.chance, "share", told.hazard.rows, told.hazard.evidence, text=f"{told.chance:.1%}")
    return say(
        "A chance of {chance} that {who} fails within the horizon, and a forced move of {move}, cost {expected} on"
        " average", chance=chance, who=Name(told.provider), move=_money(found, told.forced_move, told.hazard.rows),
        expected=_money(found, told.expected, told.hazard.rows),
    )  # fmt: skip


def ahead(found: "Leaving") -> Prose:
    """The windows of the option: when the contract ends and the law changes, and what waiting for that is worth."""
    told = found.ahead
    said = [say(
        "From {day} on the law takes egress for {purpose} from {before} to {after} ({row}); waiting for it is worth"
        " {worth}. ", day=Name(str(change.rule.valid_from)), purpose=PURPOSES[found.ties.purpose],
        before=_money(found, change.before), after=_money(found, change.after), row=Name(change.rule.row),
        worth=_awaited(found, LAW)) for change in told.changes]  # fmt: skip
    return Prose((*said, _ends(found)))


def _ends(found: "Leaving") -> Prose:
    told = found.ahead
    if told.value_at_ends is None:
        return say("No contract binds, so every month is a window.")
    if not told.ends:
        return say("No term of the contract ends within the horizon: whoever goes pays what is left of it.")
    days = ", ".join(str(day_of(found.scenario.as_of, m)) for m in told.ends)
    return say(
        "A term of the contract ends on {days}; waiting for that is worth {worth}. Whoever goes only when nothing is"
        " owed has an option worth {ends}, of {whole} where one may go in any month for the fee.",
        days=Name(days), worth=_awaited(found, CONTRACT), ends=_money(found, round(told.value_at_ends)),
        whole=_money(found, round(found.worth.option.value)),
    )  # fmt: skip


def _awaited(found: "Leaving", what: str) -> Cited:
    waiting = found.ahead.waiting.get(what)
    return _money(found, round(waiting.worth) if waiting else 0)


def hedge(found: "Leaving") -> Prose:
    """A second platform kept warm: its standing cost in people against the option that it buys."""
    told = found.standby
    named: dict[str, Any] = {n: _money(found, round(getattr(told, n)), told.rows) for n in (
        "prepared", "people_per_month", "standing", "gained", "forced_saved")}  # fmt: skip
    net = _money(found, abs(round(told.net)))
    verdict = say("it pays, by {net}", net=net) if told.net > 0 else say("it does not pay, by {net}", net=net)
    return say(
        "Several clouds at once as a hedge: to keep {rival} warm beside {here} takes {prepared} ahead and people for"
        " {people_per_month} a month, {standing} over the horizon; it makes the option to leave worth {gained} more and"
        " a failing provider {forced_saved} cheaper: {verdict}.",
        rival=Name(found.rival.provider), here=Name(found.here.provider), verdict=verdict, **named,
    )  # fmt: skip


def portability(found: "Leaving") -> Prose:
    """The index beside days and money, with the state of conformance of both platforms."""
    rows = tuple(r for q in found.ties.effort for r in q.rows)
    days, cost = (float(found.mean(n)[0]) for n in ("surface", "re_engineering"))
    names = ", ".join(t.service.service for t in found.ties.services)
    return say(
        "Of the effort in {names}, {index} carries over; {days} ({usd}) would be written anew. {one} {two}",
        names=Name(names), index=Cited(found.portability, "share", rows, Evidence.ESTIMATED),
        days=counted(Cited(days, "", rows, Evidence.ESTIMATED, text=plain(days, "")), "person-day"),
        usd=_money(found, cost, rows),
        one=_conformance(found, found.conformance[0]),
        two="" if found.rival.owned else _conformance(found, found.conformance[1]),
    )  # fmt: skip


def _conformance(found: "Leaving", state: "Conformance") -> Prose:
    who = Name(state.provider)
    if state.listed is None or state.until is None:
        return say("{who} is not on the CNCF's list of AI conformance.", who=who)
    version, day, until = map(Name, (f"Kubernetes {state.version}", str(state.listed), str(state.until)))
    held = "is" if state.holds(found.scenario.as_of) else "is no longer"
    return say(
        "{who} {held} on the CNCF's list of AI conformance ({version}; self-assessed, from {day} to {until}).",
        who=who, held=held, version=version, day=day, until=until,
    )  # fmt: skip


def law(found: "Leaving") -> Prose:
    """What the customer's law says on egress for a move, and from which day on."""
    name, purpose = found.ties.jurisdiction, PURPOSES[found.ties.purpose]
    if not found.ties.laws:
        where = say(" under {law} law", law=Name(name)) if name else ""
        return say("No law on record caps what a move out may cost{where}.", where=where)
    said: list[Any] = []
    for rule in found.ties.laws:
        most = "nothing" if rule.quantity and rule.quantity.value == 0 else "no more than it costs the seller"
        said += [", " if said else "", say("from {day} {most} ({row})", day=Name(str(rule.valid_from)), most=most,
                                           row=Name(rule.row))]  # fmt: skip
    return say("Under {law} law egress for {purpose} may cost {said}.", law=Name(name), purpose=purpose,
               said=Prose(tuple(said)))  # fmt: skip


def ranking(found: "Leaving") -> Prose:
    """Whether the exit changes which option is best, and from which chance of leaving on."""
    made = found.ranking
    best, without = (plan_name(r.outcome) for r in (made.best, made.without))
    if made.flip is None:
        return say("With the bill for leaving at the end of the horizon counted, {best} stays the cheapest.", best=best)
    cost, other = (_money(found, r.with_exit, r.outcome.rows) for r in (made.best, made.without))
    chance = Cited(made.flip[0], "share", made.flip[1].outcome.rows, Evidence.ESTIMATED)
    return say("With the bill for leaving at the end of the horizon counted, {best} costs {cost} and is cheaper than"
               " {without} with {other}; the order turns once leaving is likelier than {chance}.", best=best, cost=cost,
               without=without, other=other, chance=chance)  # fmt: skip


def of(decision: "Decision") -> "Leaving | None":
    """Leaving as it follows from a decision; None where there is nowhere to go, or a service is not known."""
    try:
        return leaving(decision.study, stamp=decision.stamp)
    except WorkbenchError:
        return None


def section(found: "Leaving | None") -> Stack:
    """Leaving as a report tells it: the bill, whether it pays, and whether it changes the answer."""
    texts = (bill, advice, ranking) if found else ()
    said = [text(found) for text in texts if found] or [say("No bill can be told: no other seller is feasible, or a"
                                                            " service in use is in no row.")]  # fmt: skip
    return Stack((Prose(("What leaving would take",), tag="h2"), *said))


def sentences(found: "Leaving") -> tuple[Prose, ...]:
    """All of it, in the order in which it is read."""
    own = [owned] if found.rival.owned else []
    told = (bill, move, *own, advice, rule, ahead, power, risk, hedge, portability, law, ranking)
    return tuple(text(found) for text in told)
