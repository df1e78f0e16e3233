"""A plan in the terminal: what runs in each month, what to order by which day, and what it saves."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from workbench import prose, prose_plan
from workbench.cite import many, so_many
from workbench.decision.portfolio.futures import FUTURES
from workbench.prose_plan import alike, way
from workbench.terminal import plain_console, shown, titled

if TYPE_CHECKING:
    from workbench.decision.portfolio.purchase import Purchase

MOST_ORDERS = 12
MOST_COLUMNS = 4
MOST_ROWS = 6
LEAST = 0.05
"""Accelerators below this are the rounding of a whole plan; --json has them."""


def show(found: "Purchase", risks: Sequence[Mapping[str, Any]] = (), console: Console | None = None) -> None:
    """Print a plan for people, with its frontier of cost and risk where that was asked for."""
    console, scenario = console or plain_console(), found.scenario
    console.print(f"[bold]{titled(scenario)}[/bold], as of {scenario.as_of}")
    console.print(shown(_verdict(found)))
    for text in (*([prose_plan.reconciled(found, found.studied.answer)] if found.studied else ()),
                 *prose_plan.quotes(found)):  # fmt: skip
        console.print(shown(str(text)))
    console.print()
    console.print(_months(found))
    for line in _orders(found):
        console.print(shown(line))
    if risks:
        console.print(_frontier(risks))
    console.print(shown(_beyond(found)))
    if (rule := found.unforeseen) is not None:
        console.print(shown(
            f"Where demand cannot be forecast: commit to {rule['accelerators']:g} of {rule['commit']} once the same "
            f"work has cost {prose.usd(rule['threshold_usd'])} on {rule['instead_of']} within "
            f"{so_many(rule['term_months'], 'month')}; never dearer than {rule['ratio']:g} times what hindsight would "
            "pay."))  # fmt: skip
    if found.learning is not None:
        console.print(shown(str(prose_plan.find_out(found.learning))))
    rows = found.rows
    more = f" and {len(rows) - MOST_ROWS} more" if len(rows) > MOST_ROWS else ""
    console.print(f"Rows, prices first: {shown(', '.join(rows[:MOST_ROWS]))}{more}.")
    console.print(f"[dim]again: {shown(str(found.stamp.get('command', '')))}[/dim]", soft_wrap=True)


def _verdict(found: "Purchase") -> str:
    cost = f"{prose.usd(found.cost)} over {so_many(found.scenario.months, 'month')} at the median inputs"
    if not any(order["kind"] == "reserved" for order in found.schedule):
        return f"Commit to nothing: the plan costs {cost}, and no commitment on offer makes it cheaper."
    if found.on_demand_only is None:
        return f"Commit: the plan costs {cost}; what is on demand could not serve the work alone."
    saved = found.on_demand_only - found.cost
    less = f"{saved / found.on_demand_only:.0%} ({prose.usd(saved)}) less than all on demand"
    return f"Commit: the plan costs {cost}, {less}."


def _months(found: "Purchase") -> Table:
    """A row for each run of months in which the same is there."""
    table = Table(box=None, header_style="bold", pad_edge=False,
                  caption="accelerators there in each month; work in H100 at work all month")  # fmt: skip
    table.add_column("month", no_wrap=True)  # counted from 1, as in charts and reports
    table.add_column("work", justify="right", no_wrap=True)
    used = [(b, months) for b, months in found.used if max(months) >= LEAST]
    for b, _ in used[:MOST_COLUMNS]:
        table.add_column(shown(b.option.id), justify="right", overflow="fold")
    if len(used) > MOST_COLUMNS:
        table.add_column(f"{len(used) - MOST_COLUMNS} more", justify="right")
    work, lines = found.asked.demand.sum(axis=0), []
    for month in range(found.scenario.months):
        there = [months[month] for _, months in used]
        amounts = there[:MOST_COLUMNS] + ([sum(there[MOST_COLUMNS:])] if len(used) > MOST_COLUMNS else [])
        lines.append(tuple(f"{cell:,.1f}" for cell in (work[month], *amounts)))
    for cells, run in groupby(range(1, len(lines) + 1), key=lambda month: lines[month - 1]):
        first, *rest = run
        table.add_row(f"{first}-{rest[-1]}" if rest else str(first), *cells)
    return table


def _orders(found: "Purchase") -> list[str]:
    """What must be ordered ahead: commitments, soonest first."""
    orders = sorted((o for o in found.schedule if o["kind"] == "reserved"), key=lambda o: (o["order_by"], o["offer"]))
    lines = [_order(o) for o in orders[:MOST_ORDERS]]
    more = len(orders) - MOST_ORDERS
    return [*lines, f"and {more} more {many(more, 'order')}; --json gives all"] if more > 0 else lines


def _order(o: Mapping[str, Any]) -> str:
    cautious = o["order_by_cautious"]
    if cautious is None:
        hurry = " (late if the lead time is the longest: then bridge the wait on demand)"
    else:
        hurry = f", by {cautious} if the lead time is the longest" if cautious != o["order_by"] else ""
    what = f"{so_many(o['accelerators'], 'accelerator')} of {o['offer']}, from {o['starts']}"
    return f"Order by {o['order_by']}{hurry}: {what} for {so_many(o['term_months'], 'month')}, {o['usd']:,.0f} USD."


def _frontier(risks: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False,
                  caption=f"USD over the horizon in {FUTURES} drawn futures of prices and growth, all else at its "
                          "median; worst tenth: the mean of the dearest")  # fmt: skip
    table.add_column("how to commit", overflow="fold")
    for title in ("orders", "expected", "P10", "P90", "worst tenth"):
        table.add_column(title, justify="right", no_wrap=True)
    for point in alike(risks):
        money = [f"{point[0][key]:,.0f}" for key in ("expected", "p10", "p90", "at_risk")]
        table.add_row(shown(way(point)), str(len(point[0]["schedule"])), *money)
    return table


def _beyond(found: "Purchase") -> str:
    owed = found.plan.liability_after
    lines = [f"After the horizon {prose.usd(owed)} is still owed." if owed else "Nothing is owed after the horizon."]
    lines.append(f"No plan costs less than {prose.usd(found.bound)} (gap {found.gap:.2%}).")
    left = len(found.asked.left_out)
    lines.append(f"Capacities weighed: {len(found.asked.bound)}; left out, since others beat them: {left} (--json).")
    return " ".join(lines)
