"""When the answer turns out wrong, and how bad it may get: sentences for who signs. Every numeral is cited."""

from typing import TYPE_CHECKING

from workbench.cite import Cited, Prose, plain, say
from workbench.decision import reasons, value
from workbench.decision.outcome import P90
from workbench.prose import Stack, plan_name, price_flip, spent
from workbench.records import Evidence

if TYPE_CHECKING:
    from workbench.decision.answer import Decision
    from workbench.decision.reasons import Region


def runner_up(decision: "Decision") -> Stack:
    """When the runner-up is the better choice: the price at which it ties, where it wins, and the worst of both."""
    if decision.rival is None:
        return price_flip(decision)
    return Stack((*price_flip(decision).texts, loses(reasons.region(decision.study)), worst(decision)))


def loses(found: "Region | None") -> Prose:
    """How often the answer loses to its runner-up, and in which part of their inputs most of that is."""
    if found is None:
        return say("There is no draw in which the runner-up is the cheaper.")
    share, density = (
        Cited(v, "", found.rows, Evidence.ESTIMATED, text=plain(v, "share")) for v in (found.share, found.box.density)
    )
    start = "It is the cheaper one in {share} of the draws"
    if not found.tells:
        return say(start + "; no range of an input tells in which.", share=share)
    return say(start + ", most of them {where}: there in {density}.", share=share, where=found.where, density=density)


def worst(decision: "Decision") -> Prose:
    """What the answer and the runner-up cost on average in the worst tenth of their draws."""
    tails = [spent(o, value.cvar(o.total, P90)) for o in decision.study.outcomes[:2]]
    return say("In the worst tenth of its draws {who} costs {tail} on average, the runner-up {other}.",
               who=plan_name(decision.answer), tail=tails[0], other=tails[-1])  # fmt: skip
