"""What a report says in words: short sentences in which every numeral is cited.

The verdict is one text for the terminal, the command line's JSON and the report.
"""

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cite import Cited, Name, Prose, counted, html, numerals, of, plain, say, words
from workbench.decision import contrast as kinds
from workbench.decision.breakeven import Flip
from workbench.decision.contrast import Contrast
from workbench.decision.outcome import Outcome
from workbench.records import Evidence, Quantity

if TYPE_CHECKING:
    from workbench.decision.answer import Decision

MILLION = 1e6
CLAUSE = 100
"""Characters of a row's note that a table holds."""
EXPLAINED = 3
"""Drivers whose meaning is told beneath their chart."""
HUNDRED = 100


# --- numbers in words


def usd(value: float, like: float = 0.0) -> str:
    """Money with three significant digits, in millions where it, or what it stands beside, is a million or more."""
    return plain(value / MILLION, "million USD") if max(abs(value), abs(like)) >= MILLION else plain(value, "USD")


def of_hundred(probability: float) -> str:
    """A probability in words that claim no more than it does: `97 of 100 draws`, `all draws`."""
    count = round(probability * HUNDRED)
    if probability >= 1 or probability <= 0:
        return "all draws" if probability >= 1 else "no draw"
    if count == HUNDRED:
        return f"more than {HUNDRED - 1} of {HUNDRED} draws"
    return f"{count} of {HUNDRED} draws" if count else f"fewer than 1 of {HUNDRED} draws"


def spent(outcome: Outcome, value: float, text: str = "") -> Cited:
    """A figure of an outcome, on the rows of its total."""
    return Cited(value, "USD", outcome.rows, kinds.weakest(outcome), text=text or usd(value))


def compared(found: Contrast, value: float, text: str) -> Cited:
    """A figure of the answer against its rival, on the rows of both."""
    return Cited(value, "", found.rows, found.evidence, text=text)


def stated(decision: "Decision", key: str, value: float, text: str = "") -> Cited:
    """A number of the user's own scenario, on the line where it stands."""
    place = decision.scenario.places.get(key)
    return Cited(value, "", (place,) if place else (), Evidence.YOURS, text=text or plain(value, ""))


def span(decision: "Decision") -> Prose:
    """The horizon: 12 months."""
    return counted(stated(decision, "months", decision.scenario.months), "month")


def plan_name(outcome: Outcome) -> Name:
    """A plan by its label."""
    return Name(kinds.label(outcome.plan))


def heading(outcome: Outcome) -> Name:
    """A plan at the head of a column: one of two sellers by their names alone."""
    legs = outcome.plan.legs
    return plan_name(outcome) if len(legs) == 1 else Name(" + ".join(map(kinds.seller, legs)))


@dataclass(frozen=True, repr=False)
class Stack:
    """Texts one below the other, as one block of a page."""

    texts: tuple[Prose, ...]
    tag: str = "div"

    def __repr__(self) -> str:
        return "\n".join(map(str, self.texts))

    def _repr_html_(self) -> str:
        return f"<{self.tag}>{''.join(t._repr_html_() for t in self.texts)}</{self.tag}>"


def headed(title: str, text: Prose) -> Stack:
    """A text under its heading."""
    return Stack((Prose((title,), tag="h2"), text))


# --- the verdict


def verdict(decision: "Decision") -> Prose:
    """Where to run it, what that costs, against what, and how sure that is: one sentence."""
    answer, found, rival = decision.answer, kinds.contrast(decision.study), decision.rival
    start: dict[str, Any] = {"where": plan_name(answer), "cost": spent(answer, answer.mean), "horizon": span(decision)}
    first = "Run it on {where}: {cost} over {horizon}, "
    if found is not None:
        return say(
            first + "{less} less than the best {kind} ({other}), {but} cheaper in {sure}.", css="verdict", **start,
            but="and" if found.probability > 1 / 2 else "but",
            less=compared(found, found.share, plain(found.share, "share")), kind=found.rival_side,
            other=plan_name(found.rival), sure=compared(found, found.probability, of_hundred(found.probability)),
        )  # fmt: skip
    own = kinds.side(answer.plan, decision.study.facts)
    if rival is None:
        return say(first + "the only option that the constraints leave.", css="verdict", **start)
    less = (rival.mean - answer.mean) / rival.mean
    return say(
        first + "{less} less than the next option, {other}; every option left is of a {own}.", css="verdict", **start,
        less=spent(rival, less, plain(less, "share")), other=plan_name(rival), own=own,
    )  # fmt: skip


def explanation(decision: "Decision") -> Prose:
    """How far the verdict may be wrong, and what its words mean."""
    found = kinds.closest(decision.study)
    doubt: Any = ""
    if found is not None and found.quantile(0.1) < 0:
        worst = -found.quantile(0.1)
        doubt = say(
            "It is not certain: in one draw in ten the {who} costs at least {more} more than the {whom}. ",
            who=found.who, whom=found.whom, more=compared(found, worst, usd(worst)),
        )  # fmt: skip
    return say(
        "{doubt}A draw is one way in which all uncertain prices and inputs may turn out together. One draw in ten costs"
        " less than P10, one in ten more than P90, and half cost less than P50. Money is in USD for the whole horizon.",
        css="note", doubt=doubt,
    )  # fmt: skip


# --- the figures beneath it


@dataclass(frozen=True, repr=False)
class Figures:
    """A row of key figures: each a label, a number, and what it means."""

    figures: tuple[tuple[Any, Any, Any], ...]

    def __repr__(self) -> str:
        return "\n".join(f"{label}: {number} ({note})" for label, number, note in self.figures)

    def _repr_html_(self) -> str:
        cells = (
            f"<div><dt>{html(label)}</dt><dd><b>{html(number)}</b><small>{html(note)}</small></dd></div>"
            for label, number, note in self.figures
        )
        return f'<dl class="figures">{"".join(cells)}</dl>'


def figures(decision: "Decision") -> Figures:
    """The answer's cost, its difference to the other kind, how sure that is, and what more study could be worth."""
    answer, found = decision.answer, kinds.closest(decision.study)
    cost = (say("Mean cost over {horizon}", horizon=span(decision)), spent(answer, answer.mean), _range(answer))
    worth = decision.study.perfect_information
    study = ("Worth of knowing more", spent(answer, worth), "at most, if all were known before choosing")
    if found is None:
        return Figures((cost, study))
    low, high = found.quantile(0.1), found.quantile(0.9)
    spread = say(
        "P10 {low}, P90 {high}, against the {whom}",
        low=compared(found, low, _bare(low, high)), high=compared(found, high, usd(high, low)), whom=found.whom,
    )  # fmt: skip
    sure = compared(found, found.probability, _percent(found.probability))
    return Figures((
        cost,
        ("Mean saving", compared(found, found.mean, usd(found.mean)), spread),
        ("How sure", sure, say("of draws in which it is the cheaper of the two; the cheapest of all in {best}",
                               best=spent(answer, answer.best_probability, _percent(answer.best_probability)))),
        study,
    ))  # fmt: skip


def _range(outcome: Outcome) -> Prose:
    low, high = outcome.quantile(0.1), outcome.quantile(0.9)
    return say("P10 {low}, P90 {high}", low=spent(outcome, low, _bare(low, high)), high=spent(outcome, high))


def _bare(value: float, like: float) -> str:
    """Money without its unit, which stands with the figure beside it."""
    return usd(value, like).removesuffix(" USD").removesuffix(" million")


def _percent(probability: float) -> str:
    shown = plain(probability, "share")
    return ">99%" if shown == "100%" and probability < 1 else shown


# --- what flips it


def price_flip(decision: "Decision") -> Stack:
    """The answer's own unit price at which the runner-up ties."""
    return headed("When the runner-up is the better choice", _price_flip(decision))


def _price_flip(decision: "Decision") -> Prose:
    if not decision.flips or decision.rival is None:
        return say("Nothing can flip the answer: there is no second option.")
    flip = decision.flips[0]
    change = flip.to / flip.start - 1
    way = "rise" if change >= 0 else "fall"
    text = (
        "The runner-up is {rival}. It ties when the answer's own price ({price}) moves from {start} to {to}, "
        f"a {way} of {{change}}; beyond that the runner-up is the cheaper."
    )
    return say(
        text, rival=plan_name(decision.rival), price=Name(flip.quantity.text), start=of(flip.quantity),
        to=of(flip.quantity, flip.to), change=of(flip.quantity, change, plain(abs(change), "share")),
    )  # fmt: skip


def nearest_flips(decision: "Decision") -> list[Flip]:
    """The inputs that flip the answer within their range, those first that need the least of it."""
    found = [f for f in decision.flips[1:] if not f.outside_range and f.quantity.uncertain]
    return sorted(found, key=lambda f: (abs(f.to - f.start) / (f.quantity.high - f.quantity.low), f.input))


def best_name(decision: "Decision", plan_id: str) -> Name:
    """The label of the option that a flip names."""
    return Name(next((kinds.label(o.plan) for o in decision.study.outcomes if o.plan.id == plan_id), plan_id))


def input_words(quantity: Quantity) -> Prose:
    """An input's name, and what its row says that it means."""
    name, note = Prose((Name(words(quantity.text)),), tag="b"), meaning(quantity)
    said = Prose((numerals(note, quantity.rows, quantity.evidence),), tag="small")
    return Prose((name, " ", said) if note else (name,), tag="span")


def meaning(quantity: Quantity) -> str:
    """What an input means: by the glossary, else the start of its row's note, up to where that goes into detail."""
    own = GLOSSARY.get(quantity.name)
    return own or textwrap.shorten(re.split(r"[;:] ", quantity.note)[0], CLAUSE, placeholder=" …")


GLOSSARY = {
    "price_drift": "how fast prices of this kind rise or fall by themselves, a month",
    "committed_drift": "how fast committed prices of this kind rise or fall by themselves, a month",
    "market_volatility": "how far all prices of this kind move together, for the square root of a month",
    "offer_volatility": "how far one seller's price moves apart from the others', for the square root of a month",
    "committed_volatility": "how far one seller's committed price moves until it is signed",
    "price_trend_model": "whether rents stay (0), follow their long-run drift (1), or go on rising and then turn (2)",
    "rent_rise": "how fast rents rise until they turn, a month",
    "rent_fall": "how fast rents fall after they have turned, a month",
    "turn_month": "months until rents turn",
    "step_rate": "share of list prices of this kind that move in a month; all others stay",
    "committed_step_rate": "share of quotes for a commitment that move in a month; all others stay",
    "step_size": "how far a list price moves when it does",
    "prefill_throughput": "speed of this accelerator at reading prompts, as a multiple of an H100's",
    "decode_throughput": "speed of this accelerator at writing answers, as a multiple of an H100's",
    "batch_throughput": "speed of this accelerator at this work, as a multiple of an H100's",
    "prefill_tokens_per_gpu_hour": "prompt tokens that one H100 reads in an hour",
    "decode_tokens_per_gpu_hour": "answer tokens that one H100 writes in an hour",
    "lead_time_months": "months until capacity that is ordered today arrives",
    "setup_usd_per_gpu": "what joining the seller costs once, for each accelerator",
    "platform_engineers": "engineers who run the platform, fewer where the seller manages it",
    "bridge_price": "what the same accelerator costs elsewhere when it is wanted at once",
}
"""Inputs whose notes say how they were found rather than what they are, or that have no note of their own."""


def spread(quantity: Quantity) -> Prose:
    """An input's range; its unit stands with its value."""
    if not quantity.uncertain:
        return Prose((of(quantity),), tag="span")
    unit = "share" if quantity.unit == "share" else ""
    low, high = (of(quantity, end, plain(end, unit)) for end in (quantity.low, quantity.high))
    return say("{low} to {high}", tag="span", low=low, high=high)


def inputs(decision: "Decision") -> Prose:
    """What the inputs mean that the lead over the runner-up hangs on most."""
    known = {
        q.text: q for o in (decision.answer, decision.rival) if o for leg in o.plan.legs for q in leg.inputs.values()
    }
    found = [known[name] for name, _ in decision.drivers if name in known and meaning(known[name])][:EXPLAINED]
    alike: dict[str, list[Quantity]] = {}
    for q in found:
        alike.setdefault(meaning(q), []).append(q)
    parts: list[Any] = []
    for meant, same in alike.items():
        names = " and ".join(words(q.text) for q in same)
        parts += [Name(names[:1].upper() + names[1:]), ": ", numerals(meant, same[0].rows, same[0].evidence), ". "]
    return Prose(tuple(parts), css="note")


# --- utilisation, a lever of its own


def lever(decision: "Decision") -> Stack:
    """What the team can do by itself, apart from the seller's price: keep what it rents busy."""
    return headed("Utilisation, a lever of its own", _lever(decision))


def _lever(decision: "Decision") -> Prose:
    by, answer = decision.study.lever, decision.answer
    if by is None:
        return say(
            "No option leaves idle hours to win back: they bill busy time only, or are taken to be busy already."
        )
    before = Prose(())
    if by.plan is not answer.plan:
        before = say("{answer} bills busy time only, so idle hours cost nothing there. ", answer=plan_name(answer))
    whose = next(o for o in decision.study.outcomes if o.plan is by.plan)
    saved = by.cost_at_low - by.cost_at_high
    rows = tuple(dict.fromkeys((*by.low.rows, *by.high.rows, *(r for q in by.reach for r in q.rows), *whose.rows)))

    def money(value: float) -> Cited:
        return Cited(value, "USD", rows, Evidence.ESTIMATED, text=usd(value))

    return say(
        "{before}On {whose}, raising utilisation (the share of rented hours that have work) from {low} to {high}"
        " takes the cost from {poor} to {good}. Reaching it costs about {reach} in people and headroom, so {net} is"
        " saved. {discount}",
        before=before, whose=plan_name(whose), low=of(by.low), high=of(by.high),
        poor=money(by.cost_at_low), good=money(by.cost_at_high),
        reach=money(by.cost_to_reach), net=money(saved - by.cost_to_reach), discount=_discount(whose),
    )  # fmt: skip


def _discount(outcome: Outcome) -> Prose:
    quantity = outcome.plan.head.inputs["negotiated_discount"]
    if not quantity.value:
        return say("This is the team's own doing: no negotiated discount is assumed on either side of it.")
    return say("The seller's discount of {share} is separate, and is in all of these figures.", share=of(quantity))


# --- where it is weak


def evidence(decision: "Decision") -> Prose:
    """How much of the answer's money rests on which class of evidence."""
    answer = decision.answer
    shares = [(name, share) for name, share in answer.evidence.items() if share]
    parts: list[Any] = []
    for name, share in sorted(shares, key=lambda s: -s[1]):
        parts += [", " if parts else "", spent(answer, share, _percent(share)), f" {MEANINGS[name]}"]
    return Prose(("Of the answer's cost, taking each part by its weakest input: ", *parts, ". ", assumed(decision)))


def assumed(decision: "Decision") -> str:
    """Where it could be simulated how full machines are, and was not: that it is assumed, and how to simulate it."""
    if decision.scenario.serving is None or "simulated" in decision.stamp:
        return ""
    return ("How full machines are is assumed, not simulated, and moves the answer: with --simulated workbench decide "
            "takes it from the policies that meet the latency objective.")  # fmt: skip


MEANINGS = {
    "measured": "is measured",
    "yours": "is your own figure",
    "listed": "is the seller's list",
    "reported": "is reported by others",
    "estimated": "is estimated",
}


# --- the page's head and foot


def head(decision: "Decision") -> Stack:
    """What is asked: the day, the scenario's title and its summary."""
    scenario = decision.scenario
    place = scenario.places.get("summary") or scenario.places.get("title")
    rows = (place,) if place else ()
    title = numerals(scenario.title or scenario.name, rows, Evidence.YOURS)
    summary = numerals(scenario.summary, rows, Evidence.YOURS)
    day = Name(scenario.as_of.isoformat())
    return Stack(
        (
            say("Hyperscaler or neocloud? A decision as of {day}", tag="div", css="kicker", day=day),
            Prose((title,), tag="h1"),
            Prose((summary,), css="summary"),
        ),
        tag="header",
    )


def stamp(decision: "Decision", scenario: str) -> Prose:
    """What made the report, and the command that makes it again."""
    path = Path(scenario)
    shipped = path.parts[-3:-1] == ("datasets", "scenarios")
    command = "workbench report " + shlex.quote(path.stem if shipped else scenario)
    kept = {k: v for k, v in decision.stamp.items() if k != "command"}
    made = " · ".join(f"{k.replace('_', ' ')} {v}" for k, v in kept.items())
    return Prose((f"{made}. To make it again: ", Prose((command,), tag="code"), "."), css="stamp")
