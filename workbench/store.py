"""The datasets: CSV rows are the truth, DuckDB in memory is the engine, and nothing loads unchecked.

`connect` builds the database and refuses bad rows with file, line and the way out; `problems` lists them all;
`load` gives what the datasets say at a day, as plain records.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from workbench import soundness
from workbench.records import (
    Basis,
    Dependence,
    Evidence,
    Facts,
    InputProblems,
    Price,
    Quantity,
    Rule,
    Scoped,
    Service,
    Source,
    WorkbenchError,
)
from workbench.soundness import TABLES, Schema
from workbench.units import CONVERTED, TEXTS

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
    return _sound(datasets or folder()).con


def _sound(datasets: Path) -> Schema:
    schema, found = _build(datasets)
    if found:
        raise InputProblems(found)
    return schema


def problems(datasets: Path | None = None) -> tuple[list[WorkbenchError], list[WorkbenchError]]:
    """(problems, warnings) of the datasets: what does not load, and what loads but looks odd."""
    schema, found = _build(datasets or folder())
    return found, [] if found else list(soundness.warnings(schema.con))


def _schema(datasets: Path) -> Schema:
    path = datasets / "schema.sql"
    if not path.is_file():
        raise WorkbenchError(str(datasets), "no datasets here (schema.sql is missing)", "set WORKBENCH_DATASETS")
    con = duckdb.connect(config={"threads": 1})  # tables of some hundred rows: a second thread costs more than it gives
    con.execute("CREATE TYPE unit AS ENUM (" + ", ".join(_quoted(t) for t in TEXTS) + ")")
    con.execute(path.read_text(encoding="utf-8"))
    columns: dict[str, dict[str, str]] = {table: {} for table in TABLES}
    for table, column, kind in con.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
    ).fetchall():
        columns[table][column] = kind
    rules: dict[str, list[tuple[str, list[str], str]]] = {table: [] for table in TABLES}
    query = "SELECT table_name, constraint_type, constraint_column_names, expression FROM duckdb_constraints()"
    for table, kind, names, expression in con.execute(query).fetchall():
        rules[table].append((kind, names, expression))
    return Schema(con, columns, rules)


def _build(datasets: Path) -> tuple[Schema, list[WorkbenchError]]:
    schema = _schema(datasets)
    found: list[WorkbenchError] = []
    for table in TABLES:
        schema.con.execute(f"ALTER TABLE {table} ADD COLUMN place VARCHAR")
        paths = sorted(datasets.glob("prices/*.csv")) if table == "prices" else [datasets / f"{table}.csv"]
        found += _fill(schema, datasets, table, paths)
    return schema, found or list(soundness.across(schema))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _fill(schema: Schema, datasets: Path, table: str, paths: list[Path]) -> list[WorkbenchError]:
    columns = schema.columns[table]
    found = [p for path in paths for p in soundness.shape(datasets, path, list(columns))]
    if not paths:
        found.append(WorkbenchError(f"{table}/", "no price file", "add prices/<provider>.csv"))
    if found:
        return found
    varchar = "{" + ", ".join(f"{_quoted(c)}: 'VARCHAR'" for c in columns) + "}"
    # A running number without a partition streams in the file's order; over a partition it need not.
    raw = " UNION ALL ".join(
        f"SELECT *, {_quoted(path.relative_to(datasets).as_posix())} || ':' || (row_number() OVER () + 1) AS place"
        f" FROM read_csv({_quoted(str(path))}, columns = {varchar}, auto_detect = false, header = true,"
        " delim = ',', quote = '\"', escape = '\"', nullstr = '', comment = '')"
        for path in paths
    )
    chosen = ", ".join(f'CAST("{c}" AS {kind}) AS "{c}"' for c, kind in columns.items())
    try:
        schema.con.execute(f"INSERT INTO {table} BY NAME SELECT {chosen}, place FROM ({raw})")
    except duckdb.Error as error:
        schema.con.execute(f"CREATE TEMP TABLE raw_{table} AS {raw}")
        found = list(soundness.offenders(schema, table))
        return found or [WorkbenchError(f"{table}.csv", str(error).splitlines()[0], "compare with schema.sql")]
    return list(soundness.repeated(schema, table, table))


# --- what the datasets say at a day


PRICED = (
    "provider",
    "product",
    "sku",
    "gpu",
    "gpu_count",
    "gpu_memory_gb",
    "region",
    "basis",
    "term_months",
    "upfront",
)
SCOPED = ("name", *SCOPES)
TIERED = ("provider", "product", "category", "plan", "region", "unit", "tier_from")
RULED = ("name", "subject", "jurisdiction", "valid_from")
"""What the rows of a table describe: rows that share these columns are of one thing."""


def load(as_of: date, datasets: Path | None = None) -> Facts:
    """All visible rows at a day as records. A row is visible when it was seen and recorded at or before the day.

    Raises InputProblems for bad datasets, WorkbenchError where nothing is visible yet.
    """
    datasets = datasets or folder()
    return _facts(as_of, datasets, digest(datasets) if (datasets / "schema.sql").is_file() else "")


@cache
def _facts(as_of: date, datasets: Path, key: str) -> Facts:
    """Kept for as long as no row changes: `key` is the hash of them all."""
    schema = _sound(datasets)
    rates = _rates(schema, as_of)
    prices = [r for r in _visible(schema, "prices", as_of, rates) if r["kind"] == "offer"]
    if not prices:
        raise _nothing_yet(schema, as_of)
    assumptions = _things(_visible(schema, "assumptions", as_of, rates), SCOPED)
    hardware = _things(_visible(schema, "hardware", as_of, rates), ("gpu", "attribute"))
    constants = _things(_visible(schema, "parameters", as_of, rates), ("model", "subject", "name"))
    dependences = _things(_visible(schema, "dependences", as_of, rates), ("service",))
    rules = _things(_visible(schema, "lockin", as_of, rates, in_force_by=date.max), RULED)
    sellers, places, sources = (_records(schema.con, f"SELECT * FROM {t}") for t in ("providers", "regions", "sources"))
    return Facts(
        as_of=as_of,
        digest=key,
        prices=tuple(map(_price, _things(prices, PRICED))),
        services=tuple(_services(_things(_visible(schema, "services", as_of, rates), TIERED))),
        assumptions=tuple(
            Scoped(_quantity(g, g[0]["name"]), {s: g[0][s] for s in SCOPES if g[0][s]}) for g in assumptions
        ),
        hardware={(g[0]["gpu"], g[0]["attribute"]): _quantity(g, g[0]["attribute"]) for g in hardware},
        parameters={(g[0]["model"], g[0]["subject"], g[0]["name"]): _quantity(g, g[0]["name"]) for g in constants},
        dependences={g[0]["service"]: _dependence(g) for g in dependences},
        rules=tuple(map(_rule, rules)),
        provider_kinds={r["provider"]: (r["kind"], r["place"]) for r in sellers},
        provider_countries={r["provider"]: r["country"] for r in sellers},
        regions={(r["provider"], r["region"]): r for r in places},
        capabilities=_capabilities(schema, as_of),
        currencies=rates,
        sources={r["source"]: Source(r["source"], r["title"], r["address"], r["kind"], r["as_of"]) for r in sources},
        row_sources=_row_sources(schema),
    )


def _nothing_yet(schema: Schema, as_of: date) -> WorkbenchError:
    ((first,),) = schema.con.execute("SELECT min(recorded) FROM prices WHERE kind = 'offer'").fetchall()
    if first is None:
        return WorkbenchError("prices/", "no price is on offer in the datasets", "add a row of kind offer")
    return WorkbenchError(f"as_of {as_of}", "no price had been recorded by that day", f"ask for a day from {first} on")


def _rates(schema: Schema, as_of: date) -> dict[str, float]:
    """USD for one unit of each currency that has a rate."""
    newest = sorted(_visible(schema, "currencies", as_of), key=lambda r: r["seen_first"])
    return {"USD": 1.0} | {str(r["currency"]): float(r["value"]) for r in newest}


def _capabilities(schema: Schema, as_of: date) -> dict[tuple[str, str], tuple[tuple[str, str, str], ...]]:
    found: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    for r in _visible(schema, "capabilities", as_of):
        if not r["gone"]:
            found[r["provider"], r["attribute"]].append((r["value"], r["place"], r["confidence"]))
    return {key: tuple(rows) for key, rows in found.items()}


def _row_sources(schema: Schema) -> dict[str, tuple[str, str]]:
    tables = " UNION ALL ".join(f"SELECT place, source, as_of FROM {table}" for table in TABLES[1:])
    return {place: (source, day) for place, source, day in schema.con.execute(tables).fetchall()}


def _normal(row: dict[str, Any], rates: dict[str, float]) -> dict[str, Any]:
    """The row in the units that formulas take: converted, in USD, an instance's price for one accelerator."""
    text, factor = CONVERTED.get(row["unit"], (row["unit"], 1.0))
    currency = row.get("currency") or "USD"
    if currency not in rates:
        raise WorkbenchError(row["place"], f"no rate of {currency} by that day", "add an earlier row to currencies.csv")
    factor *= rates[currency]
    if text == "USD/instance-hour":
        text, factor = "USD/GPU-hour", factor / row["gpu_count"]
    scaled = {k: row[k] * factor for k in ("value", "low", "high") if row[k] is not None}
    return {**row, **scaled, "unit": text}


def _records(
    con: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    result = con.execute(query, parameters or {})
    names = [d[0] for d in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _visible(
    schema: Schema, table: str, as_of: date, rates: dict[str, float] | None = None, in_force_by: date | None = None
) -> list[dict[str, Any]]:
    """Rows of a table at a day: seen, recorded, in force, not superseded by a visible row; `gone` says withdrawn.

    With `rates`, in the units that formulas take. `in_force_by` a later day shows what is known to come.
    """
    columns = schema.columns[table]
    valid = " AND (valid_from IS NULL OR valid_from <= $in_force)" if "valid_from" in columns else ""
    seen = f"SELECT * FROM {table} WHERE least(last_day_of(as_of), recorded) <= $day AND recorded <= $day{valid}"
    if "supersedes" in columns:
        corrected = "SELECT supersedes FROM seen WHERE supersedes IS NOT NULL"
        seen = f"WITH seen AS ({seen}) SELECT * FROM seen WHERE place NOT IN ({corrected})"
    gone = "coalesce(withdrawn <= $day, false)" if "withdrawn" in columns else "false"
    query = f"SELECT *, first_day(as_of) AS seen_first, {gone} AS gone FROM ({seen}) ORDER BY place"
    days = {"day": as_of} | ({"in_force": in_force_by or as_of} if valid else {})
    rows = _records(schema.con, query, days)
    return rows if rates is None else [_normal(r, rates) for r in rows]


def _things(rows: list[dict[str, Any]], key: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    """Rows grouped by what they describe, the one to use first: best evidence, then newest, then last added.

    A withdrawn row ends the thing: only what was seen after it counts.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[k] for k in key)].append(row)
    return [kept for group in groups.values() if (kept := _in_force(group))]


def _in_force(group: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ended = max((r["seen_first"] for r in group if r["gone"]), default=None)
    kept = [r for r in group if not r["gone"] and (ended is None or r["seen_first"] > ended)]
    return sorted(kept, key=lambda r: (Evidence(r["evidence"]).rank, -r["seen_first"].toordinal(),
                                       -r["recorded"].toordinal(), -_line(r)))  # fmt: skip


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
        name=name, value=best["value"], unit=best["unit"], low=min(ends), high=max(ends),
        rows=tuple(r["place"] for r in [best, *others]), evidence=Evidence(best["evidence"]),
        as_of=best["seen_first"], note=best["note"] or "",
    )  # fmt: skip


def _dependence(group: list[dict[str, Any]]) -> Dependence:
    best = group[0]
    shares = [{**r, "value": r["rewrite_share"], "low": r["rewrite_low"], "high": r["rewrite_high"], "unit": "share"}
              for r in group]  # fmt: skip
    return Dependence(
        service=best["service"], provider=best["provider"], portable=best["portable"],
        build_days=_quantity(group, "build_days"), rewrite_share=_quantity(shares, "rewrite_share"),
    )  # fmt: skip


def _rule(group: list[dict[str, Any]]) -> Rule:
    """A figure that is only a range has its middle as value; one that is only an end has none."""
    best = group[0]
    figures = [r for r in group if r["unit"]]
    for row in figures:
        if row["value"] is None and None not in (row["low"], row["high"]):
            row["value"] = (row["low"] + row["high"]) / 2
    return Rule(
        name=best["name"], subject=best["subject"], jurisdiction=best["jurisdiction"], valid_from=best["valid_from"],
        state=best["state"], quantity=_quantity(figures, best["name"]) if figures else None, row=best["place"],
    )  # fmt: skip


def _price(group: list[dict[str, Any]]) -> Price:
    best = group[0]
    count = best["gpu_count"]
    return Price(
        provider=best["provider"], product=best["product"], sku=best["sku"], gpu=best["gpu"], gpu_count=count,
        max_gpus=best["max_gpus"] or count, region=best["region"], basis=Basis(best["basis"]),
        term_months=best["term_months"], upfront=best["upfront"], usd_per_gpu_hour=_quantity(group, "list_price"),
        gpu_memory_gb=best["gpu_memory_gb"], quantum_s=best["quantum_s"], minimum_s=best["minimum_s"],
        contradictions=tuple(r["place"] for r in _disagreeing(group)),
    )  # fmt: skip


def _tier_start(group: list[dict[str, Any]]) -> float:
    """The lower end of a tier, in the unit that formulas take."""
    row = group[0]
    return float(row["tier_from"] or 0.0) * CONVERTED.get(row["tier_unit"], ("", 1.0))[1]


def _services(groups: list[list[dict[str, Any]]]) -> Iterator[Service]:
    """One record for each tier table: of each tier the best row, tiers in rising order."""
    tables: dict[tuple[Any, ...], list[list[dict[str, Any]]]] = defaultdict(list)
    for group in groups:
        head = group[0]
        tables[head["provider"], head["product"], head["category"], head["plan"], head["region"], head["unit"]].append(
            group
        )
    for (provider, product, category, plan, region, unit), tiers in tables.items():
        tiers.sort(key=_tier_start)
        edges = [_tier_start(g) for g in tiers[1:]]
        ends = [[e for e in (g[0]["low"], g[0]["value"], g[0]["high"]) if e is not None] for g in tiers]
        yield Service(
            provider=provider, product=product, category=category, plan=plan, region=region, edges=tuple(edges),
            rates=tuple(g[0]["value"] for g in tiers), low=tuple(map(min, ends)), high=tuple(map(max, ends)), unit=unit,
            minimum=max(g[0]["minimum"] or 0.0 for g in tiers), rows=tuple(g[0]["place"] for g in tiers),
            evidence=max((Evidence(g[0]["evidence"]) for g in tiers), key=lambda e: e.rank),
            note=tiers[0][0]["note"] or "",
        )  # fmt: skip
