"""A decision in the terminal: the verdict in one sentence, the best options, drivers, flips, and what made it."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workbench import prose
from workbench.decision import contrast

if TYPE_CHECKING:
    from workbench.decision.answer import Decision

MOST_OPTIONS = 10
MOST_LINES = 5
MOST_ROWS = 6


def show(decision: "Decision", console: Console | None = None) -> None:
    """Print a decision for people."""
    console = console or Console(highlight=False)
    scenario = decision.scenario
    console.print(f"[bold]{escape(scenario.title or scenario.name)}[/bold], as of {scenario.as_of}")
    console.print(escape(str(prose.verdict(decision))))
    console.print()
    console.print(_options(decision))
    study = decision.study
    more = len(study.outcomes) - MOST_OPTIONS
    left = f"{more} more options are feasible, " if more > 0 else ""
    console.print(f"{left}{len(study.excluded)} are excluded; --json gives all, with the reasons.\n")
    for line in _lines(decision):
        console.print(escape(line))
    console.print(f"[dim]{escape(', '.join(f'{k} {v}' for k, v in decision.stamp.items() if k != 'command'))}[/dim]")
    console.print(f"[dim]again: {escape(str(decision.stamp.get('command', '')))}[/dim]")


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
        table.add_row(escape(name + stale), *money, f"{o.best_probability:.0%}", f"{o.expected_regret:,.0f}")
    table.caption = (
        f"USD over {decision.scenario.months} months; regret: what the option costs more than the best, on average"
    )
    return table


def _lines(decision: "Decision") -> list[str]:
    worth = prose.usd(decision.study.perfect_information)
    lines = [f"Knowing everything before choosing would be worth {worth} at most."]
    if decision.drivers:
        drivers = ", ".join(f"{prose.words(name)} {share:.0%}" for name, share in decision.drivers[:MOST_LINES])
        lines.append(f"What makes the difference to the runner-up uncertain: {drivers}.")
    for flip in [*decision.flips[:1], *prose.nearest_flips(decision)[: MOST_LINES - 1]]:
        beyond = " (outside its range)" if flip.outside_range else ""
        course = f"{flip.start:,.4g} to {flip.to:,.4g} {flip.quantity.unit}{beyond}"
        lines.append(
            f"Flips to {prose.best_name(decision, flip.new_best)} if {prose.words(flip.input)} goes from {course}."
        )
    rows = decision.answer.rows
    more = f" and {len(rows) - MOST_ROWS} more" if len(rows) > MOST_ROWS else ""
    return [*lines, f"Rows, by share of the cost: {', '.join(rows[:MOST_ROWS])}{more}."]
