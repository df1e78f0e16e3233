"""Results in the terminal: the verdict in one sentence, the best options, what it rests on, and what made it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workbench import prose, prose_plan
from workbench.cite import words
from workbench.decision import contrast
from workbench.decision.offers import QUOTE
from workbench.records import SHOWN

if TYPE_CHECKING:
    from workbench.decision.answer import Decision
    from workbench.decision.coldstart.frontier import Frontier
    from workbench.decision.coldstart.replay import Replay
    from workbench.decision.lockin.leaving import Leaving
    from workbench.decision.reasons import Reasons
    from workbench.records import Scenario

MOST_OPTIONS = 10
MOST_LINES = 5
APART = ("command", "simulated")
"""Of a stamp: what is shown on lines of its own."""
MOST_ROWS = 6
CENTS_BELOW = 100.0
PERCENT = 100


def plain_console(**options: Any) -> Console:
    """Prints names as they are: no colours for numbers, no pictures for words between colons."""
    return Console(highlight=False, emoji=False, **options)


def shown(text: str) -> str:
    """Text from files and users, with nothing in it that the terminal or the mark-up would act on."""
    return escape(text.translate(SHOWN))


def titled(scenario: "Scenario") -> str:
    """What a scenario calls itself, on one line."""
    return shown(" ".join((scenario.title or scenario.name).split()))


def show(decision: "Decision", console: Console | None = None) -> None:
    """Print a decision for people."""
    console = console or plain_console()
    scenario = decision.scenario
    console.print(f"[bold]{titled(scenario)}[/bold], as of {scenario.as_of}")
    console.print(shown(str(prose.verdict(decision))))
    console.print()
    console.print(_options(decision))
    study = decision.study
    more = len(study.outcomes) - MOST_OPTIONS
    left = f"Feasible besides: {more}; excluded" if more > 0 else "Excluded"
    console.print(f"{left}: {len(study.excluded)}; --json gives all, with the reasons.")
    for option in study.excluded:
        if option.product == QUOTE:
            console.print(shown(f"Your quote of {option.provider} is left out: {option.reasons[0][0]}."))
    console.print()
    for line in filter(None, (*decision.stamp.get("simulated", ()), prose.assumed(decision), *_lines(decision))):
        console.print(shown(line))
    console.print(f"[dim]{shown(', '.join(f'{k} {v}' for k, v in decision.stamp.items() if k not in APART))}[/dim]")
    console.print(f"[dim]again: {shown(str(decision.stamp.get('command', '')))}[/dim]", soft_wrap=True)


def _options(decision: "Decision") -> Table:
    """The best options, one of each seller before any seller's second."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("option", overflow="fold", ratio=1)
    for title in ("mean", "P10", "P90", "cheapest in", "regret"):
        table.add_column(title, justify="right", no_wrap=True)
    best = contrast.shortlist(decision.study, MOST_OPTIONS)
    for o, name in zip(best, contrast.labels(best), strict=True):
        low, _, high = o.quantiles
        stale = " (stale price)" if any(leg.stale for leg in o.plan.legs) else ""
        money = [f"{value:,.0f}" for value in (o.mean, low, high)]
        table.add_row(shown(name + stale), *money, f"{o.best_probability:.0%}", f"{o.expected_regret:,.0f}")
    table.caption = f"USD over {prose.span(decision)}; regret: what the option costs more than the best, on average"
    return table


def _lines(decision: "Decision") -> list[str]:
    worth = prose.usd(decision.study.perfect_information)
    lines = [f"Knowing everything before choosing would be worth {worth} at most."]
    if decision.pilot is not None:
        lines.append(str(prose_plan.pilot(decision.pilot)))
    if decision.drivers:
        drivers = ", ".join(f"{words(name)} {share:.0%}" for name, share in decision.drivers[:MOST_LINES])
        lines.append(f"What makes the difference to the runner-up uncertain: {drivers}.")
    adjusted = max((block.adjusted for block in decision.correlated), default=0.0)
    if adjusted:
        lines.append(f"The correlations of the rows do not fit together; the nearest that do were taken, up to "
                     f"{adjusted:.2f} apart.")  # fmt: skip
    for flip in [*decision.flips[:1], *prose.nearest_flips(decision)[: MOST_LINES - 1]]:
        beyond = " (outside its range)" if flip.outside_range else ""
        course = f"{flip.start:,.4g} to {flip.to:,.4g} {flip.quantity.unit}{beyond}"
        lines.append(f"Flips to {prose.best_name(decision, flip.new_best)} if {words(flip.input)} goes from {course}.")
    rows = decision.answer.rows
    more = f" and {len(rows) - MOST_ROWS} more" if len(rows) > MOST_ROWS else ""
    return [*lines, f"Rows, by share of the cost: {', '.join(rows[:MOST_ROWS])}{more}."]


def show_reasons(found: "Reasons", console: Console | None = None) -> None:
    """Print why the answer is what it is: a tornado, where it loses, what is worth knowing, and how bad it may get."""
    console = console or plain_console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("saving against the runner-up, USD, with", overflow="fold", ratio=1)
    for title in ("at low", "at high", "alone", "with others"):
        table.add_column(title, justify="right", no_wrap=True)
    shares = {s["input"]: s for s in found.as_dict()["indices"]}
    for s in found.tornado[:MOST_OPTIONS]:
        share = shares.get(s.input)
        parts = (f"{share['first']:.0%}", f"{share['total']:.0%}") if share else ("", "")
        table.add_row(shown(words(s.input)), f"{s.at_low:,.0f}", f"{s.at_high:,.0f}", *parts)
    table.caption = "alone, with others: shares of the variance; none where an input is correlated with another"
    console.print(table)
    if found.region is not None:
        console.print(shown(found.region.sentence))
    if found.worths:
        worth = "; ".join(f"{words(w.input)} {prose.usd(w.usd)}" for w in found.worths[:MOST_LINES])
        console.print(shown(f"What it would be worth to know before choosing: {worth}."))
    console.print(_risks(found))


def _risks(found: "Reasons") -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("option", overflow="fold", ratio=1)
    over = ["over budget"] if any("exceeds_budget" in risk for risk in found.risks) else []
    for title in ("regret", "at most", "worst tenth", *over):
        table.add_column(title, justify="right", no_wrap=True)
    for risk in found.risks:
        money = (f"{risk[n]:,.0f}" for n in ("expected_regret", "maximum_regret", "worst_tenth"))
        table.add_row(shown(risk["id"]), *money, *(f"{risk['exceeds_budget']:.0%}" for _ in over))
    table.caption = "USD over the horizon; regret on average and at most; worst tenth: the mean of its dearest draws"
    return table


def show_leaving(found: "Leaving", console: Console | None = None) -> None:
    """Print what leaving would take, each sentence with the rows that its largest figure rests on."""
    from workbench import exit_prose

    console, scenario = console or plain_console(), found.scenario
    console.print(f"[bold]{titled(scenario)}[/bold]: leaving, as of {scenario.as_of}")
    for text in exit_prose.sentences(found):
        console.print(shown(str(text).strip()))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("month", "bill", "saving", "brings", "pays in"):
        table.add_column(title, justify="right", no_wrap=True)
    for m in found.as_dict()["by_month"]:
        money = (f"{m[n]:,.0f}" for n in ("exit_cost", "saving_pv", "npv"))
        table.add_row(str(m["month"]), *money, f"{m['pays_probability']:.0%}")
    table.caption = "USD of the month in which one leaves, means; pays in: share of the draws"
    console.print(table)
    console.print(_both_ways(found))
    for part in found.parts:
        rows = ", ".join(dict.fromkeys(r for q in found.cited.get(part, ()) for r in q.rows[:1]))
        console.print(f"{words(part)}: {found.parts[part]:,.0f} USD" + shown(f" [{rows}]" if rows else ""))
    console.print(f"[dim]{shown(', '.join(f'{k} {v}' for k, v in found.stamp.items() if k != 'command'))}[/dim]")
    console.print(f"[dim]again: {shown(str(found.stamp.get('command', '')))}[/dim]", soft_wrap=True)


LEADING = 3
"""Options of either order that are shown."""


def _both_ways(found: "Leaving") -> Table:
    """The options that lead without the exit or with it, with their place in both orders."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("total over the horizon", overflow="fold", ratio=1)
    for title in ("without", "exit", "with the exit", "place"):
        table.add_column(title, justify="right", no_wrap=True)
    made = found.ranking
    plain = made.leading(len(made.options))
    for r in made.leading(LEADING):
        money = (f"{v:,.0f}" for v in (r.outcome.mean, r.exit_cost, r.with_exit))
        table.add_row(shown(r.outcome.plan.id), *money, f"{plain.index(r) + 1} -> {made.options.index(r) + 1}")
    table.caption = "USD, means; place: among all options, without and with the exit when the horizon ends"
    return table


BEAT = 0.5


@contextmanager
def progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """Tell on stderr how far a long job is, with the time left, each half second at most."""
    told, first = time.monotonic(), (0, 0.0)  # the first takes the compile as well, and tells nothing of the others
    err = plain_console(stderr=True)

    def tell(done: int, of: int) -> None:
        nonlocal told, first
        now = time.monotonic()
        if not first[0]:
            first = done, now
        elif now - told >= BEAT and done > first[0]:
            told = now
            left = (now - first[1]) / (done - first[0]) * max(of - done, 0)
            err.print(f"{name}: {done} of about {of} simulations, about {left:.0f} s left")

    yield tell


def show_waking(found: "Frontier | Replay", console: Console | None = None) -> None:
    """Print how slow a model is when it wakes, and the policies that were tried."""
    console, told = console or plain_console(), found.as_dict()
    objective = told["objective"]
    met = "met" if objective["met"] else "NOT met"
    console.print(f"[bold]{shown(told['policy'])}[/bold]" + (f": {shown(told['offer'])}" if "offer" in told else ""))
    whole = "month" if told["cost_per"] == "month" else "run, of what is measured of the trace"
    replicas = f"{told['mean_replicas']:{'.1f' if told['mean_replicas'] >= 1 else '.2g'}}"
    share = f"{PERCENT * objective['p']:.10g}%"
    console.print(f"{_small(told['cost_usd'])} USD a {whole}, {replicas} replicas on average; "
                  f"the objective ({share} of requests within {objective['limit_s']:g} s) is {met}: "
                  f"{objective['attainment']:.2%}{_proven(objective)}")  # fmt: skip
    if not objective["met"] and len(told["frontier"]) > 1:
        console.print("Nothing that was tried meets it, and this comes nearest: give a replica more or faster "
                      "accelerators, another mitigation, or the objective more seconds.")  # fmt: skip
    console.print(f"Latency: P50 {told['p50_s']:.3g} s, P95 {told['p95_s']:.3g} s, P99 {told['p99_s']:.3g} s; "
                  f"{told['cold_share']:.2%} of requests met a cold start")  # fmt: skip
    stages = ", ".join(f"{s['stage'].replace('_', ' ')} {s['seconds']:.3g} s" for s in told["stages"])
    console.print(
        f"A cold start takes {told['cold_start_mean_s']:.3g} s on average; at the middle values "
        f"{sum(s['seconds'] for s in told['stages']):.3g} s: {shown(stages)}"
    )
    console.print(f"Traffic: {shown(told['traffic']['says'])}; the first {told['traffic']['warm_up_s']:.0f} s left out")
    for note in told["traffic"]["notes"]:
        console.print(f"[yellow]note: {shown(note)}[/yellow]")
    if len(told["frontier"]) > 1:
        console.print(_frontier(_worth_a_look(told["frontier"])))
        console.print(f"{told['simulated']} policies were simulated; * is on the frontier of cost and P99, sure how "
                      "likely the objective holds in the long run.")  # fmt: skip
        again = str(told["stamp"].get("command", ""))
        if again and " --trace " not in again:
            decide = again.replace("workbench coldstart", "workbench decide", 1)
            console.print(f"To decide by what they pay: {shown(decide)} --simulated", soft_wrap=True)
        console.print()
    rows = told["rows"]
    more = f" and {len(rows) - MOST_ROWS} more" if len(rows) > MOST_ROWS else ""
    if rows:
        console.print(f"Rows: {shown(', '.join(rows[:MOST_ROWS]))}{more}")
    console.print(f"[dim]again: {shown(str(told['stamp'].get('command', '')))}[/dim]", soft_wrap=True)


def _small(usd: float) -> str:
    """An amount, with cents or two digits where it is so small that they count."""
    if usd >= CENTS_BELOW or usd == 0:
        return f"{usd:,.0f}"
    return f"{usd:.2f}" if usd >= 1 else f"{usd:.2g}"


def _proven(objective: dict[str, Any]) -> str:
    """How far the share within the limit is known, where a trace is all there is."""
    if "attainment_99_percent" not in objective:
        return ""
    low, high = objective["attainment_99_percent"]
    return f" ({low:.2%} to {high:.2%} in the long run, with 99% confidence)"


def _worth_a_look(points: list[dict[str, object]]) -> list[dict[str, object]]:
    """The frontier, and the cheapest of each kind of capacity that meets the objective, by rising cost."""
    cheapest = {p["kind"]: id(p) for p in reversed(points) if p["met"]}
    return [p for p in points if p["on_frontier"] or id(p) in cheapest.values()]


def _frontier(points: list[dict[str, object]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("policy", overflow="fold", ratio=1)
    table.add_column("capacity", overflow="fold", ratio=1)
    for title in ("USD a month", "P99 s", "within", "sure"):
        table.add_column(title, justify="right", no_wrap=True)
    for p in points:
        mark = "* " if p["on_frontier"] else "  "
        table.add_row(shown(f"{mark}{p['policy']}"), shown(str(p["offer"])), f"{p['cost_usd']:,.0f}",
                      f"{p['p99_s']:.1f}", f"{p['attainment']:.2%}", f"{p['confidence']:.0%}")  # fmt: skip
    return table
