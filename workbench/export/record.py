"""A decision as a one-page record in Markdown, to sit beside code: context, options, decision, consequences, what would
flip it. Every figure has a footnote with its rows.

Text of users and sellers is escaped: it adds no heading, link, image, table, mention or footnote of its own.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from workbench import prose, prose_plan
from workbench.cite import Cited, Name, Prose, counted, numerals, of, plain, say, words
from workbench.decision import contrast as kinds
from workbench.decision import knowing
from workbench.records import SHOWN, Evidence, Infeasible, Scenario

if TYPE_CHECKING:
    from workbench.decision.answer import Decision
    from workbench.decision.outcome import Outcome
    from workbench.decision.portfolio.purchase import Purchase

MOST_OPTIONS = 5
MOST_FLIPS = 3
SPECIAL = re.compile(r"[\\`*_\[\]<>|~#!$&^]")
"""What Markdown acts on within a line."""
LINKED = re.compile(r"(?i)(?<=:)//|(?<=www)\.|@")
"""What some readers turn into links, or into a message to somebody."""
BROKEN = {"//": "/\\/", ".": "\\.", "@": "&#64;"}


def record(decision: "Decision", found: "Purchase | Infeasible") -> str:
    """The record of a decision and its plan; or of a decision whose work no plan serves, and why."""
    notes = _Notes()
    scenario = decision.scenario
    blocks = [f"# {_escaped(scenario.title or scenario.name)}", _status(decision)]
    for title, lines in (
        ("Context", _context(scenario)), ("Options", _options(decision, notes)), ("Decision", _plan(decision, found)),
        ("Consequences", _consequences(decision, found)), ("What would flip it", _flips(decision)),
    ):  # fmt: skip
        blocks += [f"## {title}", *(line if isinstance(line, str) else notes.markdown(line) for line in lines)]
    return "\n\n".join([*(b for b in blocks if b), *notes.listed()]) + "\n"


# --- the parts


def _status(decision: "Decision") -> str:
    stamp = decision.stamp
    made = f"workbench {stamp.get('version', '')}, datasets {stamp.get('datasets', '')}"
    return f"Proposed {decision.scenario.as_of}; {made}; again: {_code(again(decision))}"


def again(decision: "Decision") -> str:
    """The command that makes the record again; an export takes the scenario's own number of draws."""
    command = str(decision.stamp.get("command", "")).replace("workbench decide", "workbench export record", 1)
    return re.sub(r" --draws \d+", "", command)


def _context(scenario: Scenario) -> Iterator[Prose | str]:
    place = scenario.places.get("summary") or scenario.places.get("title")
    if scenario.summary:
        told = numerals(scenario.summary, (place,) if place else (), Evidence.YOURS)
        yield say("In the words of the scenario: {told}", told=told)
    months = Cited(scenario.months, "", _rows(scenario, "months"), Evidence.YOURS, text=str(scenario.months))
    yield say("Asked: which of the options costs least over {horizon}{limits}.",
              horizon=counted(months, "month"), limits=_limits(scenario))  # fmt: skip


def _limits(scenario: Scenario) -> Prose:
    """The constraints that the scenario states, in a row."""
    asked = scenario.constraints
    named = {
        "in": (asked.market,) if asked.market else (), "data under the law of": asked.residency,
        "with": asked.certifications, "seller under the law of": asked.sovereignty, "of": asked.providers,
        "not": asked.exclude_providers, "on": asked.accelerators,
    }  # fmt: skip
    told = [say(f"{words} {{names}}", names=Name(", ".join(names))) for words, names in named.items() if names]
    told += [say("encrypted in use")] if asked.confidential_computing else []
    told += [] if asked.spot_allowed else [say("no spot")]
    return Prose(tuple(part for limit in told for part in (", ", limit)))


def _options(decision: "Decision", notes: "_Notes") -> Iterator[Prose | str]:
    """The best options as a table: mean, P10 to P90, how often each is the cheapest; and how many others there are."""
    head = "| option | mean | P10 to P90 | cheapest in |\n|---|---:|---:|---:|"
    rows = [_row(o, notes) for o in decision.study.outcomes[:MOST_OPTIONS]]
    yield "\n".join([head, *rows])
    yield _others(decision)


def _row(outcome: "Outcome", notes: "_Notes") -> str:
    low, _, high = outcome.quantiles
    spread = say("{low} to {high}", low=prose.spent(outcome, low), high=prose.spent(outcome, high))
    best = prose.spent(outcome, outcome.best_probability, plain(outcome.best_probability, "share"))
    cells = (prose.plan_name(outcome), prose.spent(outcome, outcome.mean), spread, best)
    return f"| {' | '.join(map(notes.markdown, cells))} |"


def _others(decision: "Decision") -> Prose:
    rows, more = decision.answer.rows, len(decision.study.outcomes) - MOST_OPTIONS
    counts = [Cited(n, "", rows, Evidence.ESTIMATED, text=str(n)) for n in (more, len(decision.study.excluded))]
    dearer = say("{more} more are feasible and dearer, ", more=counts[0]) if more > 0 else ""
    return say("{dearer}{out} are excluded, each with its reason (workbench decide --json).", dearer=dearer,
               out=counts[1])  # fmt: skip


def _plan(decision: "Decision", found: "Purchase | Infeasible") -> Iterator[Prose]:
    """The verdict, and the plan by month as the report says it."""
    yield prose.verdict(decision)
    if isinstance(found, Infeasible):
        yield say("No plan serves all of the work month by month: {why}.", why=Name(found.remedy))
        return
    yield from (prose_plan.commit(found), prose_plan.order(found), prose_plan.keep_free(found))


def _consequences(decision: "Decision", found: "Purchase | Infeasible") -> Iterator[Prose]:
    answer, chance = decision.answer, kinds.contrast(decision.study)
    yield say("Whoever chooses it pays {regret} more on average than one who knew the future; in one draw in ten it "
              "costs more than {high}.", regret=prose.spent(answer, answer.expected_regret),
              high=prose.spent(answer, answer.quantiles[-1]))  # fmt: skip
    if chance is not None and chance.probability < 1:
        wrong = prose.compared(chance, 1 - chance.probability, plain(1 - chance.probability, "share"))
        yield say("In {wrong} of draws the best {kind} would have been cheaper.", wrong=wrong, kind=chance.rival_side)
    if not isinstance(found, Infeasible):
        yield prose_plan.find_out(knowing.learning(decision.study))


def _flips(decision: "Decision") -> Iterator[Prose]:
    yield prose.price_flip(decision).texts[1]
    for flip in prose.nearest_flips(decision)[:MOST_FLIPS]:
        quantity = flip.quantity
        yield say("Or {name} from {start} to {to}: then {best} is the cheapest.", name=Name(words(quantity.text)),
                  start=of(quantity, flip.start), to=of(quantity, flip.to),
                  best=prose.best_name(decision, flip.new_best))  # fmt: skip


def _rows(scenario: Scenario, key: str) -> tuple[str, ...]:
    place = scenario.places.get(key)
    return (place,) if place else ()


# --- Markdown


class _Notes:
    """Footnotes as they are asked for: one for each set of rows."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def markdown(self, part: Any) -> str:
        """A piece of a text as Markdown."""
        if isinstance(part, Prose):
            text = "".join(map(self.markdown, part.parts))
            return f"**{text}**" if part.tag == "b" else text
        if isinstance(part, Cited) and part.rows:
            number = self.numbers.setdefault(f"{part.evidence}: {_escaped(part.citation)}", len(self.numbers) + 1)
            return f"{_escaped(str(part))}[^{number}]"
        return _escaped(str(part))

    def listed(self) -> Iterable[str]:
        """The footnotes, in one block."""
        lines = [f"[^{number}]: {text}" for text, number in self.numbers.items()]
        return ["\n".join(lines)] if lines else []


def _escaped(text: str) -> str:
    """Text in which nothing is Markdown, on one line, with what cannot be seen spelt out."""
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text.translate(SHOWN))
    plain_text = SPECIAL.sub(lambda found: "\\" + found.group(), seen)
    return LINKED.sub(lambda found: BROKEN[found.group()], plain_text)


def _code(text: str) -> str:
    """Text as code, whatever it holds: between more backticks than it has in a row."""
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text.translate(SHOWN))
    ticks = "`" * (max((len(run) for run in re.findall("`+", seen)), default=0) + 1)
    return f"{ticks} {seen} {ticks}" if "`" in seen else f"{ticks}{seen}{ticks}"
