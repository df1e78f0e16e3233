"""The datasets: CSV rows are the truth, DuckDB in memory is the engine, and nothing loads unchecked.

`connect` builds the database and refuses bad rows with file, line and the way out; `problems` lists them all;
`load` gives what the datasets say at a day, as plain records.
"""

import csv
import difflib
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from workbench.records import (
    Basis,
    Evidence,
    Facts,
    InputProblems,
    Price,
    Quantity,
    Scoped,
    Service,
    Source,
    WorkbenchError,
)
from workbench.units import CONVERTED, TEXTS

TABLES = ("sources", "prices", "services", "assumptions", "hardware", "providers", "capabilities", "conformance",
          "regions", "availability", "discounts", "supply", "people", "claims", "currencies")  # fmt: skip
NOWHERE = ("unstated", "global")
SCOPES = ("provider", "provider_kind", "product", "gpu", "basis", "workload")


def folder() -> Path:
    """The datasets of this installation; the environment variable WORKBENCH_DATASETS names others."""
    return Path(os.environ.get("WORKBENCH_DATASETS") or Path(__file__).parent.parent / "datasets")


def digest(datasets: Path | None = None) -> str:
    """A hash over every row and the schema: what a stamp carries."""
    datasets = datasets or folder()
    total = hashlib.sha256()
    for path in sorted([datasets / "schema.sql", *datasets.glob("*.csv"), *datasets.glob("prices/*.csv")]):
        total.update(path.relative_to(datasets).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def connect(datasets: Path | None = None) -> duckdb.DuckDBPyConnection:
    """The datasets as an in-memory database, every table with a column `place` (FILE:LINE).

    Raises InputProblems naming each bad row.
    """
    datasets = datasets or folder()
    con, found = _build(datasets)
    if found:
        raise InputProblems(found)
    return con


def problems(datasets: Path | None = None) -> tuple[list[WorkbenchError], list[WorkbenchError]]:
    """(problems, warnings) of the datasets: what does not load, and what loads but looks odd."""
    con, found = _build(datasets or folder())
    return found, [] if found else list(_warnings(con))


def _build(datasets: Path) -> tuple[duckdb.DuckDBPyConnection, list[WorkbenchError]]:
    schema = datasets / "schema.sql"
    if not schema.is_file():
        raise WorkbenchError(str(datasets), "no datasets here (schema.sql is missing)", "set WORKBENCH_DATASETS")
    con = duckdb.connect(config={"threads": 2})
    con.execute("CREATE TYPE unit AS ENUM (" + ", ".join(_quoted(t) for t in TEXTS) + ")")
    con.execute(schema.read_text(encoding="utf-8"))
    found: list[WorkbenchError] = []
    for table in TABLES:
        con.execute(f"ALTER TABLE {table} ADD COLUMN place VARCHAR")
        paths = sorted(datasets.glob("prices/*.csv")) if table == "prices" else [datasets / f"{table}.csv"]
        found += _fill(con, datasets, table, paths)
    return con, found or list(_contradictions_of_reference(con))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = con.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [table]).fetchall()
    return {name: kind for name, kind in rows if name != "place"}


def _fill(con: duckdb.DuckDBPyConnection, datasets: Path, table: str, paths: list[Path]) -> list[WorkbenchError]:
    columns = _columns(con, table)
    found = [p for path in paths for p in _shape(datasets, path, list(columns))]
    if not paths:
        found.append(WorkbenchError(f"{table}/", "no price file", "add prices/<provider>.csv"))
    if found:
        return found
    files = "[" + ", ".join(_quoted(str(p)) for p in paths) + "]"
    prefix = len(str(datasets)) + 2
    varchar = "{" + ", ".join(f"{_quoted(c)}: 'VARCHAR'" for c in columns) + "}"
    con.execute(
        f"CREATE TEMP TABLE raw_{table} AS SELECT * EXCLUDE (filename), replace(substr(filename, {prefix}), '\\', '/') || ':' ||"
        f" (row_number() OVER (PARTITION BY filename) + 1) AS place FROM read_csv({files}, columns = {varchar},"
        " auto_detect = false, header = true, filename = true, delim = ',', quote = '\"', escape = '\"', nullstr = '', comment = '')"
    )
    chosen = ", ".join(f'CAST("{c}" AS {kind}) AS "{c}"' for c, kind in columns.items())
    try:
        con.execute(f"INSERT INTO {table} BY NAME SELECT {chosen}, place FROM raw_{table}")
    except duckdb.Error as error:
        found = list(_offenders(con, table, columns))
        return found or [WorkbenchError(f"{table}.csv", str(error).splitlines()[0], "compare with schema.sql")]
    return list(_repeated(con, table, table))


def _shape(datasets: Path, path: Path, columns: list[str]) -> Iterator[WorkbenchError]:
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
            yield WorkbenchError(f"{place}:{number}", f"{len(cells)} cells for {len(columns)} columns", "quote cells that hold a comma")


def _offenders(con: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str]) -> Iterator[WorkbenchError]:
    """Why a table did not load, row by row: bad types, blanks, broken rules, repeated keys."""
    for column, kind in columns.items():
        bad = f'"{column}" IS NOT NULL AND TRY_CAST("{column}" AS {kind}) IS NULL'
        for place, value in con.execute(f'SELECT place, "{column}" FROM raw_{table} WHERE {bad}').fetchall():
            yield WorkbenchError(place, f"{column} {value!r} is not known or not a {kind.split('(')[0]}",
                                 _allowed(con, kind, value))  # fmt: skip
    rules = con.execute(
        "SELECT constraint_type, constraint_column_names, expression FROM duckdb_constraints() WHERE table_name = ?", [table]
    ).fetchall()
    typed = ", ".join(f'TRY_CAST("{c}" AS {kind}) AS "{c}"' for c, kind in columns.items())
    con.execute(f"CREATE OR REPLACE TEMP VIEW typed AS SELECT {typed}, place FROM raw_{table}")
    for kind, names, expression in rules:
        if kind == "NOT NULL":
            blank = f'SELECT place FROM raw_{table} WHERE "{names[0]}" IS NULL'
            for (place,) in con.execute(blank).fetchall():
                yield WorkbenchError(place, f"{names[0]} is blank", "fill it; an unknown number is an estimated row")
        elif kind == "CHECK":
            for (place,) in con.execute(f"SELECT place FROM typed WHERE NOT ({expression})").fetchall():
                yield WorkbenchError(place, f"breaks the rule {expression}", "see the rule in schema.sql")
    yield from _repeated(con, table, "typed")


def _allowed(con: duckdb.DuckDBPyConnection, kind: str, value: str) -> str:
    if not kind.startswith("ENUM"):
        return f"write a {kind}"
    values = [v for (v,) in con.execute(f"SELECT unnest(enum_range(NULL::{kind}))").fetchall()]
    near = difflib.get_close_matches(value, values, n=1, cutoff=0.3)
    return (f"did you mean {near[0]!r}? " if near else "") + f"use one of {', '.join(values)}"


def _repeated(con: duckdb.DuckDBPyConnection, table: str, relation: str) -> Iterator[WorkbenchError]:
    # UNIQUE treats blanks as different, so the key is grouped here, where blanks are equal.
    rules = con.execute(
        "SELECT constraint_column_names FROM duckdb_constraints() WHERE table_name = ? AND constraint_type = 'UNIQUE'", [table]
    ).fetchall()
    for (names,) in rules:
        key = ", ".join(f'"{n}"' for n in names)
        again = f"SELECT list(place ORDER BY length(place), place) FROM {relation} GROUP BY {key} HAVING count(*) > 1"
        for (placees,) in con.execute(again).fetchall():
            for place in placees[1:]:
                yield WorkbenchError(place, f"repeats the key of {placees[0]} ({', '.join(names)})",
                                     "a newer observation has another day or source; a correction fills supersedes")  # fmt: skip


def _contradictions_of_reference(con: duckdb.DuckDBPyConnection) -> Iterator[WorkbenchError]:
    """What only shows across tables: unknown names, phantom places, prices of a whole node taken for one accelerator."""
    for table in TABLES[1:]:
        has = _columns(con, table)
        if "source" in has:
            for place, source in con.execute(
                f"SELECT place, source FROM {table} WHERE source NOT IN (SELECT source FROM sources)"
            ).fetchall():
                yield WorkbenchError(place, f"source {source!r} is not in sources.csv", "add a row to sources.csv")
        if "provider" in has and table in ("prices", "services", "regions"):
            yield from _unknown(con, table, "provider", "providers", "provider", extra=("any",))
        if "gpu" in has and table in ("prices", "assumptions"):
            yield from _unknown(con, table, "gpu", "hardware", "gpu")
        if "supersedes" in has:
            yield from _superseding(con, table)
        if "derived_from" in has:
            for place, text in con.execute(
                f"SELECT place, derived_from FROM {table} WHERE evidence = 'estimated' AND NOT contains(derived_from, ';')"
            ).fetchall():
                yield WorkbenchError(place, f"the estimate is derived from one thing ({text})", "name two, with '; '")
        if "currency" in has and table != "currencies":
            for place, currency in con.execute(
                f"SELECT place, currency FROM {table} WHERE currency <> 'USD' AND currency NOT IN (SELECT currency FROM currencies)"
            ).fetchall():
                yield WorkbenchError(place, f"currency {currency} has no rate", "add a rate row to currencies.csv")
    yield from _phantoms(con)
    yield from _per_node(con)


def _unknown(
    con: duckdb.DuckDBPyConnection, table: str, column: str, other: str, key: str, *, extra: tuple[str, ...] = ()
) -> Iterator[WorkbenchError]:
    known = [k for (k,) in con.execute(f"SELECT DISTINCT {key} FROM {other}").fetchall()] + list(extra)
    rows = con.execute(f"SELECT place, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
    for place, value in rows:
        if value not in known:
            near = difflib.get_close_matches(value, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            yield WorkbenchError(place, f"{column} {value!r} is not in {other}.csv", f"{hint}add a row to {other}.csv")


def _superseding(con: duckdb.DuckDBPyConnection, table: str) -> Iterator[WorkbenchError]:
    rows = con.execute(
        f"SELECT n.place, n.supersedes, o.place FROM {table} n LEFT JOIN {table} o ON o.place = n.supersedes"
        " WHERE n.supersedes IS NOT NULL"
    ).fetchall()
    for place, old, exists in rows:
        if exists is None:
            yield WorkbenchError(place, f"supersedes {old}, which is no row", "give FILE:LINE of the row it corrects")
        elif old.rpartition(":")[0] == place.rpartition(":")[0] and int(old.rpartition(":")[2]) >= int(place.rpartition(":")[2]):
            yield WorkbenchError(place, f"supersedes {old}, which is not an earlier row", "append the correction")


def _phantoms(con: duckdb.DuckDBPyConnection) -> Iterator[WorkbenchError]:
    rows = con.execute(
        "SELECT p.place, p.gpu, p.region FROM prices p WHERE p.kind = 'offer' AND p.region NOT IN ('unstated', 'global')"
        " AND (p.provider, p.gpu) IN (SELECT (provider, gpu) FROM availability)"
        " AND (p.provider, p.gpu, p.region) NOT IN (SELECT (provider, gpu, region) FROM availability)"
    ).fetchall()
    for place, gpu, region in rows:
        yield WorkbenchError(place, f"a price for {gpu} in {region}, where the seller has none",
                             "make it a reference row, or add the place to availability.csv with its source")  # fmt: skip
    unknown = con.execute(
        "SELECT place, provider, region FROM prices WHERE kind = 'offer' AND region NOT IN ('unstated', 'global')"
        " AND (provider, region) NOT IN (SELECT (provider, region) FROM regions)"
    ).fetchall()
    for place, provider, region in unknown:
        yield WorkbenchError(place, f"region {region!r} of {provider} is not in regions.csv", "add it with its country")


def _per_node(con: duckdb.DuckDBPyConnection) -> Iterator[WorkbenchError]:
    limit = con.execute("SELECT value FROM assumptions WHERE name = 'per_node_price_ratio'").fetchall()
    if not limit:
        yield WorkbenchError("assumptions.csv", "per_node_price_ratio is missing", "add the row")
        return
    by_thing: dict[tuple[str, str], dict[str, list[tuple[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for place, provider, gpu, basis, value in con.execute(
        "SELECT place, provider, gpu, basis, CASE unit WHEN 'USD/instance-hour' THEN value / gpu_count ELSE value END"
        " FROM prices WHERE kind = 'offer' AND currency = 'USD'"
    ).fetchall():
        by_thing[gpu, basis][provider].append((place, value))
    for (gpu, basis), sellers in by_thing.items():
        for provider, rows in sellers.items():
            others = [value for other, theirs in sellers.items() if other != provider for _, value in theirs]
            for place, value in rows if others else ():
                if value > limit[0][0] * median(others):
                    yield WorkbenchError(
                        place, f"{value:g} USD for an hour of one {gpu} ({basis}); other sellers' median is {median(others):g}",
                        "is it the price of a whole node? give unit USD/instance-hour, or make it a reference row",
                    )  # fmt: skip


def _warnings(con: duckdb.DuckDBPyConnection) -> Iterator[WorkbenchError]:
    facts = "SELECT provider, product, sku, region, basis, gpu, gpu_count, value, place, as_of FROM prices WHERE kind = 'offer'"
    rows = con.execute(
        f"SELECT s.place, s.value, o.value, o.place FROM ({facts}) s JOIN ({facts}) o USING"
        " (provider, product, sku, region, gpu, gpu_count) WHERE s.basis = 'spot' AND o.basis = 'on_demand' AND s.value > o.value"
    ).fetchall()
    for place, spot, on_demand, other in rows:
        yield WorkbenchError(place, f"spot at {spot:g} is dearer than on demand at {on_demand:g} ({other})",
                             "shown, not refused: the market does that")  # fmt: skip


# --- what the datasets say at a day


@cache
def load(as_of: date, datasets: Path | None = None) -> Facts:
    """All visible rows at a day as records. A row is visible when it was seen and recorded at or before the day.

    Raises InputProblems for bad datasets, WorkbenchError where nothing is visible yet.
    """
    datasets = datasets or folder()
    con = connect(datasets)
    newest = sorted(_visible(con, "currencies", as_of), key=lambda r: r["seen_first"])
    rates = {"USD": 1.0} | {str(r["currency"]): float(r["value"]) for r in newest}
    prices = [_normal(r, rates) for r in _visible(con, "prices", as_of) if r["kind"] == "offer"]
    if not prices:
        first = con.execute("SELECT min(recorded) FROM prices").fetchall()[0][0]
        raise WorkbenchError(f"as_of {as_of}", "no price had been recorded by that day", f"ask for a day from {first} on")
    services = [_normal(r, rates) for r in _visible(con, "services", as_of)]
    assumptions = _things([_normal(r, rates) for r in _visible(con, "assumptions", as_of)], ("name", *SCOPES))
    hardware = _things([_normal(r, rates) for r in _visible(con, "hardware", as_of)], ("gpu", "attribute"))
    capabilities: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    for r in _visible(con, "capabilities", as_of):
        capabilities[r["provider"], r["attribute"]].append((r["value"], r["place"], r["confidence"]))
    return Facts(
        as_of=as_of,
        digest=digest(datasets),
        prices=tuple(_price(rows) for rows in _things(prices, _PRICE_THING)),
        services=tuple(_services(services)),
        assumptions=tuple(
            Scoped(_quantity(rows, str(rows[0]["name"])), {s: rows[0][s] for s in SCOPES if rows[0][s]}) for rows in assumptions
        ),
        hardware={(str(r[0]["gpu"]), str(r[0]["attribute"])): _quantity(r, str(r[0]["attribute"])) for r in hardware},
        provider_kinds={r["provider"]: (r["kind"], r["place"]) for r in _records(con, "SELECT * FROM providers")},
        provider_countries=dict(con.execute("SELECT provider, country FROM providers").fetchall()),
        regions={(r["provider"], r["region"]): r for r in _records(con, "SELECT * FROM regions")},
        capabilities={key: tuple(values) for key, values in capabilities.items()},
        currencies=rates,
        sources={r["source"]: Source(r["source"], r["title"], r["address"], r["kind"], r["as_of"])
                 for r in _records(con, "SELECT * FROM sources")},
        row_sources={
            place: (source, as_of) for table in TABLES[1:]
            for place, source, as_of in con.execute(f"SELECT place, source, as_of FROM {table}").fetchall()
        },
    )  # fmt: skip


_PRICE_THING = ("provider", "product", "sku", "gpu", "gpu_count", "gpu_memory_gb", "region", "basis", "term_months", "upfront")


def _normal(row: dict[str, Any], rates: dict[str, float]) -> dict[str, Any]:
    """The row in the units that formulas take: converted, in USD, an instance's price for one accelerator."""
    text, factor = CONVERTED.get(row["unit"], (row["unit"], 1.0))
    factor *= rates[row.get("currency") or "USD"]
    if text == "USD/instance-hour":
        text, factor = "USD/GPU-hour", factor / row["gpu_count"]
    scaled = {k: row[k] * factor for k in ("value", "low", "high") if row[k] is not None}
    return {**row, **scaled, "unit": text}


def _records(con: duckdb.DuckDBPyConnection, query: str, parameters: Iterable[Any] = ()) -> list[dict[str, Any]]:
    result = con.execute(query, list(parameters))
    names = [d[0] for d in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _visible(con: duckdb.DuckDBPyConnection, table: str, as_of: date) -> list[dict[str, Any]]:
    """Rows of a table that count at a day: seen, recorded, in force, not withdrawn, not superseded by a visible row."""
    columns = _columns(con, table)
    valid = " AND (valid_from IS NULL OR valid_from <= $day)" if "valid_from" in columns else ""
    seen = f"SELECT * FROM {table} WHERE least(last_day_of(as_of), recorded) <= $day AND recorded <= $day{valid}"
    if "supersedes" in columns:
        seen = f"WITH seen AS ({seen}) SELECT * FROM seen WHERE place NOT IN (SELECT supersedes FROM seen WHERE supersedes IS NOT NULL)"
    if "withdrawn" in columns:
        seen += " AND (withdrawn IS NULL OR withdrawn > $day)"
    result = con.execute(f"SELECT *, first_day(as_of) AS seen_first FROM ({seen}) ORDER BY place", {"day": as_of})
    names = [d[0] for d in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _things(rows: list[dict[str, Any]], key: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    """Rows grouped by what they describe, the row to use first: the best evidence, then the newest, then the last added."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[k] for k in key)].append(row)
    for group in groups.values():
        group.sort(key=lambda r: (-Evidence(r["evidence"]).rank, r["seen_first"], r["recorded"], _line(r)), reverse=True)
    return list(groups.values())


def _line(row: dict[str, Any]) -> int:
    return int(row["place"].rpartition(":")[2])


def _disagreeing(group: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of other sources with another value. An older row of the same source is history, not a contradiction."""
    best = group[0]
    seen, others = {best["source"]}, []
    for row in group[1:]:
        if row["source"] not in seen and row["value"] != best["value"]:
            others.append(row)
        seen.add(row["source"])
    return others


def _quantity(group: list[dict[str, Any]], name: str) -> Quantity:
    best, others = group[0], _disagreeing(group)
    ends = [e for r in [best, *others] for e in (r["low"], r["value"], r["high"]) if e is not None]
    return Quantity(
        name=name, value=best["value"], unit=best["unit"], low=min(ends), high=max(ends), rows=tuple(r["place"] for r in [best, *others]), evidence=Evidence(best["evidence"]),
        as_of=best["seen_first"], note=best["note"] or "",
    )  # fmt: skip


def _price(group: list[dict[str, Any]]) -> Price:
    best = group[0]
    count = best["gpu_count"]
    return Price(
        provider=best["provider"], product=best["product"], sku=best["sku"], gpu=best["gpu"], gpu_count=count,
        max_gpus=best["max_gpus"] or count, region=best["region"], basis=Basis(best["basis"]), term_months=best["term_months"],
        upfront=best["upfront"], usd_per_gpu_hour=_quantity(group, "list_price"), currency=best["currency"],
        vcpus_per_gpu=best["vcpu"] and best["vcpu"] / count, ram_gib_per_gpu=best["ram_gib"] and best["ram_gib"] / count,
        gpu_memory_gb=best["gpu_memory_gb"], quantum_s=best["quantum_s"], minimum_s=best["minimum_s"],
        contradictions=tuple(r["place"] for r in _disagreeing(group)),
    )  # fmt: skip


def _services(rows: list[dict[str, Any]]) -> Iterator[Service]:
    """One record for each tier table: of each tier the best row, tiers in rising order."""
    tables: dict[tuple[Any, ...], list[list[dict[str, Any]]]] = defaultdict(list)
    for group in _things(rows, ("provider", "product", "category", "plan", "region", "unit", "tier_from")):
        head = group[0]
        tables[head["provider"], head["product"], head["category"], head["plan"], head["region"], head["unit"]].append(group)
    for (provider, product, category, plan, region, unit), tiers in tables.items():
        tiers.sort(key=lambda g: g[0]["tier_from"] or 0.0)
        edges = [g[0]["tier_from"] * CONVERTED.get(g[0]["tier_unit"], ("", 1.0))[1] for g in tiers[1:]]
        ends = [[e for e in (g[0]["low"], g[0]["value"], g[0]["high"]) if e is not None] for g in tiers]
        yield Service(
            provider=provider, product=product, category=category, plan=plan, region=region, edges=tuple(edges),
            rates=tuple(g[0]["value"] for g in tiers), low=tuple(map(min, ends)), high=tuple(map(max, ends)), unit=unit,
            minimum=max(g[0]["minimum"] or 0.0 for g in tiers), rows=tuple(g[0]["place"] for g in tiers),
            evidence=max((Evidence(g[0]["evidence"]) for g in tiers), key=lambda e: e.rank), note=tiers[0][0]["note"] or "",
        )  # fmt: skip
