"""Why a row does not load, and what only shows when the tables are held against each other.

Every problem names file and line, the reason, and the way out. The store asks; files are only read.
"""

import csv
import difflib
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from workbench.records import WorkbenchError
from workbench.units import CONVERTED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES = ("sources", "prices", "services", "assumptions", "hardware", "parameters", "providers",
          "capabilities", "conformance", "regions", "availability", "discounts", "supply", "people",
          "dependences", "lockin", "claims", "currencies")  # fmt: skip

NEEDED = ("services", "assumptions", "hardware", "providers", "regions")
"""Tables without whose rows no decision can be given."""


class Schema(NamedTuple):
    """The database with what its own catalogue says: columns and rules of each table, read once."""

    con: "DuckDBPyConnection"
    columns: dict[str, dict[str, str]]
    rules: dict[str, list[tuple[str, list[str], str]]]


def shape(datasets: Path, path: Path, columns: list[str]) -> Iterator[WorkbenchError]:
    """What is wrong with a file as text: missing, not UTF-8, another header, a row that is no line."""
    place = path.relative_to(datasets).as_posix()
    if not path.is_file():
        yield WorkbenchError(place, "the file is missing", "restore it")
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        yield WorkbenchError(place, f"not UTF-8 ({error.reason} at byte {error.start})", "save it as UTF-8")
        return
    if not lines or lines[0].split(",") != columns:
        yield WorkbenchError(f"{place}:1", "the header does not match schema.sql", f"use {','.join(columns)}")
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip() or line.count('"') % 2:
            yield WorkbenchError(f"{place}:{number}", "a blank line or a line break inside a cell", "one row a line")
        elif len(cells := next(csv.reader([line]))) != len(columns):
            yield WorkbenchError(
                f"{place}:{number}", f"{len(cells)} cells for {len(columns)} columns", "quote cells that hold a comma"
            )


def offenders(schema: Schema, table: str) -> Iterator[WorkbenchError]:
    """Why a table did not load, row by row: bad types, blanks, broken rules, repeated keys."""
    con, columns = schema.con, schema.columns[table]
    for column, kind in columns.items():
        bad = f'"{column}" IS NOT NULL AND TRY_CAST("{column}" AS {kind}) IS NULL'
        for place, value in con.execute(f'SELECT place, "{column}" FROM raw_{table} WHERE {bad}').fetchall():
            yield WorkbenchError(
                place, f"{column} {value!r} is not known or not a {kind.split('(')[0]}", _allowed(con, kind, value)
            )
    typed = ", ".join(f'TRY_CAST("{c}" AS {kind}) AS "{c}"' for c, kind in columns.items())
    con.execute(f"CREATE OR REPLACE TEMP VIEW typed AS SELECT {typed}, place FROM raw_{table}")
    for kind, names, expression in schema.rules[table]:
        if kind == "NOT NULL":
            for (place,) in con.execute(f'SELECT place FROM raw_{table} WHERE "{names[0]}" IS NULL').fetchall():
                yield WorkbenchError(place, f"{names[0]} is blank", "fill it; an unknown number is an estimated row")
        elif kind == "CHECK":
            for (place,) in con.execute(f"SELECT place FROM typed WHERE NOT ({expression})").fetchall():
                yield WorkbenchError(place, f"breaks the rule {expression}", "see the rule in schema.sql")
    yield from repeated(schema, table, "typed")


def _allowed(con: "DuckDBPyConnection", kind: str, value: str) -> str:
    if not kind.startswith("ENUM"):
        return f"write a {kind}"
    values = [v for (v,) in con.execute(f"SELECT unnest(enum_range(NULL::{kind}))").fetchall()]
    near = difflib.get_close_matches(value, values, n=1, cutoff=0.3)
    return (f"did you mean {near[0]!r}? " if near else "") + f"use one of {', '.join(values)}"


def repeated(schema: Schema, table: str, relation: str) -> Iterator[WorkbenchError]:
    """Rows whose key stands there already."""
    # UNIQUE treats blanks as different, so the key is grouped here, where blanks are equal.
    for names in (names for kind, names, _ in schema.rules[table] if kind == "UNIQUE"):
        key = ", ".join(f'"{n}"' for n in names)
        again = f"SELECT list(place) FROM {relation} GROUP BY {key} HAVING count(*) > 1"
        for (places,) in schema.con.execute(again).fetchall():
            first, *rest = sorted(places, key=lambda p: (p.rpartition(":")[0], int(p.rpartition(":")[2])))
            for place in rest:
                way_out = "a newer observation has another day or source; a correction fills supersedes"
                yield WorkbenchError(place, f"repeats the key of {first} ({', '.join(names)})", way_out)


def across(schema: Schema) -> Iterator[WorkbenchError]:
    """What only shows across tables: unknown names, phantom places, a whole node's price taken for one accelerator."""
    con = schema.con
    for table in TABLES[1:]:
        has = schema.columns[table]
        if table in NEEDED and con.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None:
            yield WorkbenchError(f"{table}.csv", "no row", "restore its rows")
        if "source" in has:
            for place, source in con.execute(
                f"SELECT place, source FROM {table} WHERE source NOT IN (SELECT source FROM sources)"
            ).fetchall():
                yield WorkbenchError(place, f"source {source!r} is not in sources.csv", "add a row to sources.csv")
        if "provider" in has and table in ("prices", "services", "regions", "assumptions", "dependences"):
            yield from _unknown(con, table, "provider", "providers")
        if "gpu" in has and table in ("prices", "assumptions"):
            yield from _unknown(con, table, "gpu", "hardware")
        if "supersedes" in has:
            yield from _superseding(con, table)
        if "derived_from" in has:
            for place, text in con.execute(
                f"SELECT place, derived_from FROM {table}"
                " WHERE evidence = 'estimated' AND NOT contains(derived_from, ';')"
            ).fetchall():
                yield WorkbenchError(place, f"the estimate is derived from one thing ({text})", "name two, with '; '")
        if "currency" in has and table != "currencies":
            for place, currency in con.execute(
                f"SELECT place, currency FROM {table}"
                " WHERE currency <> 'USD' AND currency NOT IN (SELECT currency FROM currencies)"
            ).fetchall():
                yield WorkbenchError(place, f"currency {currency} has no rate", "add a rate row to currencies.csv")
    yield from _broken_tiers(con)
    yield from _phantoms(con)
    yield from _per_node(con)


def _unknown(con: "DuckDBPyConnection", table: str, column: str, other: str) -> Iterator[WorkbenchError]:
    known = [k for (k,) in con.execute(f"SELECT DISTINCT {column} FROM {other}").fetchall()] + ["any"]
    rows = con.execute(f"SELECT place, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
    for place, value in rows:
        if value not in known:
            near = difflib.get_close_matches(value, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            yield WorkbenchError(place, f"{column} {value!r} is not in {other}.csv", f"{hint}add a row to {other}.csv")


def _superseding(con: "DuckDBPyConnection", table: str) -> Iterator[WorkbenchError]:
    rows = con.execute(
        f"SELECT n.place, n.supersedes, o.place FROM {table} n LEFT JOIN {table} o ON o.place = n.supersedes"
        " WHERE n.supersedes IS NOT NULL"
    ).fetchall()
    for place, old, exists in rows:
        if exists is None:
            yield WorkbenchError(place, f"supersedes {old}, which is no row", "give FILE:LINE of the row it corrects")
        elif old.rpartition(":")[0] == place.rpartition(":")[0] and int(old.rpartition(":")[2]) >= int(
            place.rpartition(":")[2]
        ):
            yield WorkbenchError(place, f"supersedes {old}, which is not an earlier row", "append the correction")


def _broken_tiers(con: "DuckDBPyConnection") -> Iterator[WorkbenchError]:
    """Tier tables with a hole: each tier starts where the one before ends, the first at nothing."""
    rows = con.execute(
        "SELECT place, provider, product, category, plan, region, tier_from, tier_to, tier_unit FROM services"
        " WHERE tier_from IS NOT NULL AND withdrawn IS NULL"
    ).fetchall()
    starts: dict[tuple[str, ...], dict[float, tuple[str, float | None]]] = defaultdict(dict)
    for place, *thing, low, high, unit in rows:
        factor = CONVERTED.get(unit, ("", 1.0))[1]
        starts[tuple(map(str, thing))][low * factor] = (place, None if high is None else high * factor)
    for tiers in starts.values():
        for low, (place, _) in tiers.items():
            ends = {end for _, end in tiers.values()}
            if low and low not in ends:
                yield WorkbenchError(
                    place, f"the tier starts at {low:g}, where no other ends", "add the tier before it"
                )


def _phantoms(con: "DuckDBPyConnection") -> Iterator[WorkbenchError]:
    rows = con.execute(
        "SELECT p.place, p.gpu, p.region FROM prices p WHERE p.kind = 'offer'"
        " AND p.region NOT IN ('unstated', 'global')"
        " AND (p.provider, p.gpu) IN (SELECT (provider, gpu) FROM availability)"
        " AND (p.provider, p.gpu, p.region) NOT IN (SELECT (provider, gpu, region) FROM availability)"
    ).fetchall()
    for place, gpu, region in rows:
        yield WorkbenchError(place, f"a price for {gpu} in {region}, where the seller has none",
                             "make it a reference row, or add the place to availability.csv")  # fmt: skip
    unknown = con.execute(
        "SELECT place, provider, region FROM prices WHERE kind = 'offer' AND region NOT IN ('unstated', 'global')"
        " AND (provider, region) NOT IN (SELECT (provider, region) FROM regions)"
    ).fetchall()
    for place, provider, region in unknown:
        yield WorkbenchError(place, f"region {region!r} of {provider} is not in regions.csv", "add it with its country")


def _per_node(con: "DuckDBPyConnection") -> Iterator[WorkbenchError]:
    limit = con.execute("SELECT value FROM assumptions WHERE name = 'per_node_price_ratio'").fetchall()
    if not limit:
        yield WorkbenchError("assumptions.csv", "per_node_price_ratio is missing", "add the row")
        return
    by_thing: dict[tuple[str, str], dict[str, list[tuple[str, float, date]]]] = defaultdict(lambda: defaultdict(list))
    for place, provider, gpu, basis, value, day in con.execute(
        "SELECT place, provider, gpu, basis, CASE unit WHEN 'USD/instance-hour' THEN value / gpu_count ELSE value END,"
        " first_day(as_of) FROM prices WHERE kind = 'offer' AND currency = 'USD'"
    ).fetchall():
        by_thing[gpu, basis][provider].append((place, value, day))
    for (gpu, basis), sellers in by_thing.items():
        for provider, rows in sellers.items():
            others = [value for other, theirs in sellers.items() if other != provider for _, value, _ in theirs]
            for place, value, day in rows if others else ():
                own = [earlier for _, earlier, then in rows if then < day]  # what the seller asked before is no node's
                if value > limit[0][0] * max(median(others), median(own or [0])):
                    what = f"{value:g} USD for an hour of one {gpu} ({basis}); the others' median is {median(others):g}"
                    node = "is it the price of a whole node? give unit USD/instance-hour, or make it a reference row"
                    yield WorkbenchError(place, what, node)


def warnings(con: "DuckDBPyConnection") -> Iterator[WorkbenchError]:
    """What loads but looks odd."""
    facts = (
        "SELECT provider, product, sku, region, basis, gpu, gpu_count, value, place FROM prices WHERE kind = 'offer'"
    )
    rows = con.execute(
        f"SELECT s.place, s.value, o.value, o.place FROM ({facts}) s JOIN ({facts}) o USING"
        " (provider, product, sku, region, gpu, gpu_count)"
        " WHERE s.basis = 'spot' AND o.basis = 'on_demand' AND s.value > o.value"
    ).fetchall()
    for place, spot, on_demand, other in rows:
        yield WorkbenchError(place, f"spot at {spot:g} is dearer than on demand at {on_demand:g} ({other})",
                             "shown, not refused: the market does that")  # fmt: skip
