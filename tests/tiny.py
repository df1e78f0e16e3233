"""Datasets of a few rows: the shipped schema, one seller of each kind, and what a test adds."""

import csv
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

DATASETS = Path(__file__).parents[1] / "datasets"
DAY = "2026-06-01"
Row = Mapping[str, object]


def columns(table: str) -> list[str]:
    """As schema.sql names them."""
    text = (DATASETS / "schema.sql").read_text(encoding="utf-8")
    body = re.search(rf"CREATE TABLE {table} \((.*?)\n\);", text, re.DOTALL)[1]
    return re.findall(r"^ {4}([a-z_]\w*) ", body, re.MULTILINE)


SEEN = {"as_of": DAY, "recorded": DAY, "source": "list", "evidence": "listed"}
SURE = SEEN | {"confidence": "high"}
BASE: dict[str, list[Row]] = {
    "sources": [
        {"source": s, "title": f"The {s}", "address": f"https://example.org/{s}", "kind": "provider", "as_of": DAY}
        for s in ("list", "press", "api")
    ],
    "providers": [
        SEEN | {"provider": "Acme", "kind": "neocloud", "country": "US"},
        SEEN | {"provider": "Bigco", "kind": "hyperscaler", "country": "US"},
    ],
    "regions": [
        SEEN | {"provider": p, "region": r, "country": "US", "market": "North America", "jurisdiction": "US"}
        for p in ("Acme", "Bigco")
        for r in ("east", "west")
    ],
    "hardware": [SURE | {"gpu": "H100", "attribute": "memory", "value": 80, "unit": "GB"}],
    "assumptions": [SURE | {"name": "per_node_price_ratio", "value": 4, "unit": "x"}],
}


def price(**changes: object) -> Row:
    return SURE | {
        "provider": "Acme", "product": "cloud", "sku": "box", "gpu": "H100", "gpu_count": 8, "region": "east",
        "basis": "on_demand", "upfront": "none", "kind": "offer", "value": 3, "unit": "USD/GPU-hour", "currency": "USD",
    } | changes  # fmt: skip


def service(**changes: object) -> Row:
    return SURE | {"provider": "Acme", "category": "storage", "plan": "object", "value": 0.02, "unit": "USD/GB-month",
                   "currency": "USD"} | changes  # fmt: skip


def assumption(**changes: object) -> Row:
    return SURE | {"name": "utilisation", "value": 0.4, "unit": "share"} | changes


def write(folder: Path, **tables: Sequence[Row]) -> Path:
    """A folder of datasets: the base rows, and after them those of each table; prices by their seller."""
    (folder / "prices").mkdir(parents=True)
    tables = {"services": [service()]} | tables
    shutil.copy(DATASETS / "schema.sql", folder)
    for path in DATASETS.glob("*.csv"):
        fill(folder / path.name, path.stem, [*BASE.get(path.stem, ()), *tables.get(path.stem, ())])
    sellers: dict[str, list[Row]] = {}
    for row in tables.get("prices", [price()]):
        sellers.setdefault(str(row["provider"]).lower(), []).append(row)
    for seller, rows in (sellers or {"acme": []}).items():
        fill(folder / "prices" / f"{seller}.csv", "prices", rows)
    return folder


def fill(path: Path, table: str, rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns(table), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)
