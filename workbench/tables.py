"""One Great Tables theme: a decision goes in, a table comes out, and every numeral in it is cited."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench import cite, prose
from workbench.cite import Cited, Name, Prose, numerals, of, plain, say, words
from workbench.decision import contrast as kinds
from workbench.decision.offers import Option, pattern
from workbench.decision.outcome import Outcome
from workbench.records import Evidence, Quantity

if TYPE_CHECKING:
    import great_tables

    from workbench.decision.answer import Decision

THOUSAND = 1000.0
MOST = 12
"""Options in a table; the rest are counted beneath it."""
FEW = 4
NOWHERE = ("unstated", "global")
"""Rows of a table that a page holds: the nearest flips, the weakest points, the commonest reasons."""


class Column(NamedTuple):
    """A column's header, and its width on the page; numbers stand to the right."""

    label: Any
    width: str
    right: bool = False


class Page(NamedTuple):
    """What stands above and below a table: its title, a sentence, a note."""

    title: str
    text: Any = ""
    note: Any = ""


def _table(name: str, page: Page, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> "great_tables.GT":
    """The one theme: hairlines, the page's own font and colours, figures of equal width."""
    import great_tables
    import polars as pl

    keys = [f"c{i}" for i in range(len(columns))]
    cells = [dict(zip(keys, map(cite.html, row), strict=True)) for row in rows]
    frame = pl.DataFrame(cells, schema=dict.fromkeys(keys, pl.String))
    table = (
        great_tables.GT(frame, id=f"table-{name}")
        .fmt(str, columns=keys)  # the cells are HTML already, each piece of them escaped
        .cols_label(dict(zip(keys, (great_tables.html(cite.html(c.label)) for c in columns), strict=True)))
        .cols_width(dict(zip(keys, (c.width for c in columns), strict=True)))
        .cols_align("right", [k for k, c in zip(keys, columns, strict=True) if c.right])
        .cols_align("left", [k for k, c in zip(keys, columns, strict=True) if not c.right])
        .tab_options(table_background_color="transparent", table_width="100%", table_additional_css=[_css(name)])
    )
    text = great_tables.html(cite.html(page.text)) if page.text else None
    table = table.tab_header(page.title, subtitle=text)
    return table.tab_source_note(great_tables.html(cite.html(page.note))) if page.note else table


def _css(name: str) -> str:
    """What makes a table take the colours of the page that it is on, light or dark."""
    table = f"#table-{name}"
    return f"""{table} [class*="gt_"] {{ color: inherit; font-size: inherit; border-color: #8884; }}
{table} table {{ font-family: inherit; }}
{table} .gt_table {{ font-size: 0.85rem; border-top: 0; border-bottom: 0; table-layout: fixed; }}
{table} .gt_heading {{ text-align: left; border: 0; padding: 0; }}
{table} .gt_title {{ font-size: 1.1em; font-weight: 600; padding: 0 0 2px; }}
{table} .gt_subtitle {{ padding: 0 0 4px; }}
{table} .gt_col_headings, {table} .gt_table_body {{ border-top: 0; border-bottom: 1px solid #8888; }}
{table} .gt_col_heading {{ opacity: 0.75; padding: 2px 0 2px 10px; overflow: visible; }}
{table} .gt_row {{ padding: 3px 0 3px 10px; margin: 0; vertical-align: top; border-top: 1px solid #8883; }}
{table} .gt_row {{ overflow: visible; }}
{table} .gt_col_heading:first-child, {table} .gt_row:first-child {{ padding-left: 0; }}
{table} .gt_right {{ font-variant-numeric: tabular-nums lining-nums; }}
{table} .gt_sourcenotes, {table} .gt_sourcenote {{ opacity: 0.9; border: 0; padding: 4px 0 0; }}
{table} small {{ opacity: 0.75; font-size: 0.92em; }}"""


# --- the options


def options(decision: "Decision") -> "great_tables.GT":
    """The best options, in thousand USD over the horizon, the answer first."""
    found = kinds.shortlist(decision.study, MOST)
    rows = [_option(decision, o, label) for o, label in zip(found, kinds.labels(found), strict=True)]
    more = len(decision.study.outcomes) - len(found)
    note = say("Thousand USD over {horizon}. Feasible besides: {more}; excluded: {out}.", horizon=prose.span(decision),
               more=_count(more, decision.study.outcomes), out=_excluded_count(decision))  # fmt: skip
    figures = (Column(c, "8%", right=True) for c in ("Mean", "P10", "P50", "P90", "Best in", "Regret"))
    return _table(
        "options", Page("The best options", note=note), [Column("Option", "38%"), Column("Kind", "14%"), *figures], rows
    )


def _option(decision: "Decision", o: Outcome, label: str) -> list[Any]:
    stale = " (stale price)" if any(leg.stale for leg in o.plan.legs) else ""
    figures = (o.mean, o.quantile(0.1), o.quantile(0.5), o.quantile(0.9))
    money = [prose.spent(o, v, f"{v / THOUSAND:,.0f}") for v in figures]
    best = prose.spent(o, o.best_probability, plain(o.best_probability, "share"))
    regret = prose.spent(o, o.expected_regret, f"{o.expected_regret / THOUSAND:,.0f}")
    name = Prose((Name(label), stale), tag="b" if o is decision.answer else "span")
    return [name, kinds.side(o.plan, decision.study.facts), *money, best, regret]


def _count(number: int, outcomes: Sequence[Outcome]) -> Cited:
    rows = tuple(dict.fromkeys(leg.price.usd_per_gpu_hour.rows[0] for o in outcomes for leg in o.plan.legs))
    return Cited(number, "", rows[:1], Evidence.MEASURED)


def _excluded_count(decision: "Decision", excluded: Sequence[Option] | None = None) -> Cited:
    counted = decision.study.excluded if excluded is None else excluded
    rows = tuple(dict.fromkeys(row for o in counted for _, row in o.reasons if row))
    return Cited(len(counted), "", rows[:1], Evidence.MEASURED)


# --- what it costs by what the workload counts in, and in cash


def economics(decision: "Decision") -> "great_tables.GT":
    """The answer beside the best of the other kind: unit costs, present value, cash."""
    found = kinds.closest(decision.study)
    plans = [decision.answer, *([found.rival] if found else [])]
    lines: list[tuple[Any, list[Any]]] = [
        (f"Cost per {unit.removeprefix('USD/')}", [prose.spent(o, o.units[unit], plain(o.units[unit], "USD"))
                                                   for o in plans])
        for unit in decision.answer.units
    ]  # fmt: skip
    rate = decision.answer.plan.head.inputs["discount_rate"]
    lines.append(
        (
            Prose(("Present value of all payments, at ", of(rate), " a year")),
            [prose.spent(o, o.net_present_value) for o in plans],
        )
    )
    lines.append(("Largest payment in one month", [_peak(o) for o in plans]))
    lines.append(("Still owed after the horizon", [prose.spent(o, o.liability_after) for o in plans]))
    width = f"{60 / len(plans):.0f}%"
    columns = [Column("", "40%"), *(Column(prose.heading(o), width, right=True) for o in plans)]
    page = Page("What it costs by the unit, and in cash")
    return _table("economics", page, columns, [[label, *figures] for label, figures in lines])


def _peak(o: Outcome) -> Prose:
    month = int(o.cash.argmax())
    return say(
        "{most}, month\u00a0{month}",
        most=prose.spent(o, float(o.cash[month])),
        month=prose.spent(o, month + 1, str(month + 1)),
    )


MADE_OF = {
    "Accelerators": ("usage_cost", "commitment_cost"),
    "Bought elsewhere when wanted at once, or waited for": ("bridge_cost", "waiting_cost"),
    "Work lost to failures": ("failure_cost",),
    "Data out, at rest and between regions": ("egress_cost", "storage_cost", "transfer_cost"),
    "Support": ("support_cost",),
    "People who run it": ("people_cost",),
    "Set-up, monitoring, debugging, control plane": (
        "setup_cost", "observability_cost", "debugging_cost", "control_plane_cost"),
}  # fmt: skip
"""The parts of the total as a reader knows them."""


def parts(decision: "Decision") -> "great_tables.GT":
    """What the mean cost is made of: the answer beside the best of the other kind."""
    found = kinds.closest(decision.study)
    plans = [decision.answer, *([found.rival] if found else [])]
    rows: list[list[Any]] = []
    for name, names in MADE_OF.items():
        sums = [sum(o.parts[n] for n in names) for o in plans]
        if any(sums):
            rows.append([name, *(prose.spent(o, value) for o, value in zip(plans, sums, strict=True))])
    rows.append(["Together", *(prose.spent(o, o.mean) for o in plans)])
    width = f"{56 / len(plans):.0f}%"
    columns = [Column("", "44%"), *(Column(prose.heading(o), width, right=True) for o in plans)]
    return _table("parts", Page("What the cost is made of"), columns, rows)


def asked(decision: "Decision") -> "great_tables.GT":
    """What the scenario states, each number with the line on which it stands."""
    inputs = {n: q for leg in decision.answer.plan.legs for n, q in leg.inputs.items()}
    stated = [q for q in inputs.values() if q.evidence is Evidence.YOURS and q.rows]
    rows = [[Name(words(q.name)), _short(q), prose.spread(q) if q.uncertain else ""] for q in stated]
    columns = [Column("Your figure", "46%"), Column("value", "30%", right=True), Column("range", "24%", right=True)]
    return _table("asked", Page("What is asked"), columns, rows or [["No figure of your own.", "", ""]])


def _short(quantity: Quantity) -> Cited:
    """A figure with its large numbers in words."""
    for size, word in LARGE:
        if abs(quantity.value) >= size:
            what, per, span = quantity.unit.partition("/")
            unit = (f"{what}s" if what.islower() else what) + per + span
            return of(quantity, text=f"{plain(quantity.value / size, '')} {word} {unit}")
    return of(quantity)


LARGE = ((10**9, "billion"), (10**6, "million"))


# --- what flips it


def flips(decision: "Decision") -> "great_tables.GT":
    """The inputs that flip the answer within their range, those first that need the least of it."""
    found = prose.nearest_flips(decision)
    rows = [
        [prose.input_words(f.quantity), of(f.quantity, f.start), of(f.quantity, f.to), prose.spread(f.quantity),
         prose.best_name(decision, f.new_best)] for f in found[:FEW]
    ]  # fmt: skip
    rest = tuple(r for f in found[FEW:] for r in f.quantity.rows)
    more = Cited(len(found) - FEW, "", rest, Evidence.MEASURED)
    note = say("Others that flip it, nearer to an end of their range: {more}.", more=more) if rest else ""
    columns = [Column("If this changes", "42%"), Column("from", "13%", right=True), Column("to", "13%", right=True),
               Column("its range", "12%", right=True), Column("then the cheapest is", "20%")]  # fmt: skip
    nothing = ["No single input flips the answer within its range.", "", "", "", ""]
    return _table("flips", Page("What else would flip it", note=note), columns, rows or [nothing])


# --- what is excluded and why


def excluded(decision: "Decision") -> "great_tables.GT":
    """The excluded offers by reason, the commonest first: an example of each, its sellers, how many offers."""
    ranked = _groups(decision)
    rows = [_reason(decision, group) for group in ranked[:FEW]]
    rest = [option for group in ranked[FEW:] for *_, option in group]
    note = say("Excluded for other reasons: {more}; workbench decide --json lists each.",
               more=_excluded_count(decision, rest)) if rest else ""  # fmt: skip
    columns = [Column("Why not, for example", "86%"), Column("offers", "14%", right=True)]
    return _table(
        "excluded", Page("What is left out, and why", note=note), columns, rows or [["No offer is excluded.", ""]]
    )


def _groups(decision: "Decision") -> list[list[tuple[str, str, Option]]]:
    """The excluded offers with their first reason and its row, like reasons together, the commonest first."""
    groups: dict[str, list[tuple[str, str, Option]]] = defaultdict(list)
    for option in decision.study.excluded:
        reason, row = option.reasons[0]
        groups[pattern(reason, option)].append((reason, row, option))
    return sorted(groups.values(), key=lambda g: (-len(g), g[0][0]))


def _reason(decision: "Decision", group: list[tuple[str, str, Option]]) -> list[Any]:
    reason, row, _ = group[0]
    sellers = list(dict.fromkeys(o.provider for *_, o in group))
    more = f", and {len(sellers) - FEW} more" if len(sellers) > FEW else ""
    whose = Prose((" ", Name(", ".join(sellers[:FEW]) + more)), tag="small")
    words = Prose((numerals(reason, (row,) if row else (), Evidence.MEASURED), whose))
    return [words, _excluded_count(decision, [o for *_, o in group])]


# --- where it is weak


def weak(decision: "Decision") -> "great_tables.GT":
    """Old prices, estimates that matter and do not stand among the flips already, and sources that disagree."""
    rows = [
        *_nowhere(decision),
        *_guessed(decision),
        *_stale(decision),
        *_estimates(decision),
        *_contradictions(decision),
    ]
    columns = [Column("Weak point", "56%"), Column("value", "22%", right=True), Column("range", "22%", right=True)]
    page = Page("Where this is weak", text=prose.evidence(decision))
    return _table("weak", page, columns, rows or [["No price is old, no sources disagree.", "", ""]])


def compared(decision: "Decision") -> list[Outcome]:
    """The outcomes that the page speaks of: the answer, the best of the other kind, the runner-up."""
    found = kinds.closest(decision.study)
    rivals = [o for o in (found.rival if found else None, decision.rival) if o is not None]
    return list({id(o): o for o in (decision.answer, *rivals)}.values())


def _legs(decision: "Decision") -> list[Option]:
    return list({leg.id: leg for o in compared(decision) for leg in o.plan.legs}.values())


def _nowhere(decision: "Decision") -> list[list[Any]]:
    """Sellers of the answer that do not say where the accelerators stand."""
    silent = dict.fromkeys(leg.provider for leg in decision.answer.plan.legs if leg.price.region in NOWHERE)
    return [[say("{seller} does not say in which region this runs", seller=Name(s)), "", ""] for s in silent]


def _guessed(decision: "Decision") -> list[list[Any]]:
    """Prices of the answer that nobody lists: the headline rests on them."""
    prices = [(leg, leg.price.usd_per_gpu_hour) for leg in decision.answer.plan.legs]
    return [
        [say("{price} is an estimate", price=Name(f"price of {leg.id}")), of(price), prose.spread(price)]
        for leg, price in prices if price.evidence is Evidence.ESTIMATED and price.uncertain
    ]  # fmt: skip


def _stale(decision: "Decision") -> list[list[Any]]:
    rows = []
    for leg in _legs(decision):
        price = leg.price.usd_per_gpu_hour
        if leg.stale and price.as_of:
            days = (decision.scenario.as_of - price.as_of).days
            age = say(
                "{offer} is old: seen {days} before the decision",
                offer=Name(f"price of {leg.id}"),
                days=cite.counted(of(price, days, str(days)), "day"),
            )
            rows.append([age, of(price), prose.spread(price) if price.uncertain else ""])
    return rows


def _estimates(decision: "Decision") -> list[list[Any]]:
    inputs = {q.text: q for leg in _legs(decision) for q in leg.inputs.values()}
    found = [
        inputs[name] for name, _ in decision.drivers if name in inputs and inputs[name].evidence is Evidence.ESTIMATED
    ]
    shown = {f.quantity.text for f in prose.nearest_flips(decision)[:FEW]}
    return [[prose.input_words(q), of(q), prose.spread(q)] for q in found if q.text not in shown][:2]


def _contradictions(decision: "Decision") -> list[list[Any]]:
    rows = []
    for leg in _legs(decision):
        price = leg.price.usd_per_gpu_hour
        if leg.price.contradictions:
            other = Name(", ".join(leg.price.contradictions[:2]))
            text = say(
                "Sources disagree on {offer}: {other}; both are kept", other=other, offer=Name(f"the price of {leg.id}")
            )
            rows.append([text, of(price), prose.spread(price) if price.uncertain else ""])
    return rows


# --- the sources


def sources(decision: "Decision", more: Iterable[str] = ()) -> "great_tables.GT":
    """Each source behind the page's numbers, with its day, its address and the rows that were read from it; `more` rows
    are those of what the page says beside the decision."""
    facts = decision.study.facts
    cited = list(dict.fromkeys([*cited_rows(decision), *more]))
    found = cite.sources(cited, facts)
    rows = [[Name(title), Name(day), Name(address), Name(_addresses(rows))] for title, day, address, rows in found]
    own = [r for r in cited if r not in facts.row_sources]
    if own:
        rows.append(
            [
                Name("Your scenario"),
                Name(decision.scenario.as_of.isoformat()),
                Name("the scenario's file"),
                Name(_addresses(own)),
            ]
        )
    columns = [Column("Source", "32%"), Column("day", "9%"), Column("address", "31%"), Column("rows", "28%")]
    return _table("sources", Page("Sources"), columns, rows)


def cited_rows(decision: "Decision") -> list[str]:
    """Every row that a number of the page rests on."""
    listed = [leg.price.usd_per_gpu_hour for o in kinds.shortlist(decision.study, MOST) for leg in o.plan.legs]
    quantities: list[Quantity] = [
        *listed,
        *(f.quantity for f in [*decision.flips[:1], *prose.nearest_flips(decision)[:FEW]]),
    ]
    lever = decision.study.lever
    quantities += [] if lever is None else [lever.low, lever.high, *lever.reach]
    rows = [*(r for o in compared(decision) for r in o.rows), *(r for q in quantities for r in q.rows)]
    rows += [group[0][1] for group in _groups(decision)[: FEW + 1] if group[0][1]]
    return list(dict.fromkeys(rows))


def _addresses(rows: Iterable[str]) -> str:
    """Addresses with the lines of one file together: `prices/gcp.csv:42, 57-58; services.csv:3`."""
    lines: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        file, _, line = row.rpartition(":")
        lines[file].append(int(line))
    return "; ".join(f"{file}:{', '.join(_runs(sorted(set(found))))}" for file, found in sorted(lines.items()))


def _runs(lines: list[int]) -> list[str]:
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][-1] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    return [str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs]
