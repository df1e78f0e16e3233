"""A decision in the terminal: the verdict in one sentence, the best options, drivers, flips, weak points."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workbench.cite import money

if TYPE_CHECKING:
    from workbench.decision.answer import Decision
    from workbench.decision.outcome import Outcome

MOST = 8


def headline(decision: "Decision") -> str:
    """The verdict in one sentence."""
    answer, rival = decision.answer, decision.rival
    low, _, high = answer.quantiles
    cost = f"{money(answer.mean, 'USD')} over {decision.scenario.months} months (P10 {low:,.0f}, P90 {high:,.0f})"
    if rival is None:
        return f"Only {answer.plan.id} is feasible: {cost}."
    saving = (rival.mean - answer.mean) / rival.mean
    return (f"Run on {answer.plan.id}: {cost}, {saving:.0%} less than {rival.plan.id}; "
            f"cheapest in {answer.best_probability:.0%} of draws.")  # fmt: skip


def show(decision: "Decision", console: Console | None = None) -> None:
    """Print a decision for people."""
    console = console or Console(highlight=False, soft_wrap=False)
    console.print(
        f"[bold]{escape(decision.scenario.title or decision.scenario.name)}[/bold], as of {decision.scenario.as_of}"
    )
    console.print(escape(headline(decision)))
    table = Table("option", "mean USD", "P10", "P90", "cheapest in", "regret", box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for o in decision.study.outcomes[:MOST]:
        stale = " (stale)" if any(leg.stale for leg in o.plan.legs) else ""
        table.add_row(escape(o.plan.id + stale), f"{o.mean:,.0f}", f"{o.quantile(0.1):,.0f}", f"{o.quantile(0.9):,.0f}",
                      f"{o.best_probability:.0%}", f"{o.expected_regret:,.0f}")  # fmt: skip
    console.print(table)
    _sentences(decision, console)


def _sentences(decision: "Decision", console: Console) -> None:
    more = len(decision.study.outcomes) - MOST
    if more > 0:
        console.print(
            f"and {more} more feasible options; {len(decision.study.excluded)} excluded (see --json for the reasons)"
        )
    console.print(f"Knowing everything before choosing is worth at most {decision.study.perfect_information:,.0f} USD.")
    if decision.drivers:
        console.print(
            "What drives the difference: " + escape(", ".join(f"{n} {s:.0%}" for n, s in decision.drivers[:5]))
        )
    for flip in decision.flips[:5]:
        beyond = ", outside its range" if flip.outside_range else ""
        course = f"{flip.input} goes from {flip.start:,.4g} to {flip.to:,.4g} {flip.quantity.unit}{beyond}"
        console.print(escape(f"Flips to {flip.new_best} where {course}"))
    console.print(escape("Rows: " + _rows(decision.answer)))
    console.print(f"[dim]{escape(' '.join(f'{k}={v}' for k, v in decision.stamp.items()))}[/dim]")


def _rows(answer: "Outcome") -> str:
    return ", ".join(answer.rows[:6]) + (f" and {len(answer.rows) - 6} more" if len(answer.rows) > 6 else "")
