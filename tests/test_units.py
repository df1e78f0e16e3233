"""The vocabulary of units: said once, closed, and the same for rows, formulas and people."""

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.quantities import UREG, expression
from workbench import formula, units
from workbench.models import coldstart, cost, exit_cost, goodput, price, serving

DATASETS = Path(__file__).parents[1] / "datasets"
MODULES = (cost, price, goodput, coldstart, serving, exit_cost)


def typed_columns() -> list[tuple[str, str]]:
    """(table, column) of every column whose type is the closed vocabulary."""
    found, table = [], ""
    for line in (DATASETS / "schema.sql").read_text(encoding="utf-8").splitlines():
        if head := re.match(r"CREATE TABLE (\w+)", line):
            table = head[1]
        elif column := re.match(r"\s+(\w+) unit\b", line):
            found.append((table, column[1]))
    return found


def files(table: str) -> list[Path]:
    return sorted(DATASETS.glob("prices/*.csv")) if table == "prices" else [DATASETS / f"{table}.csv"]


def arguments() -> dict[str, set[str]]:
    """Every name that a formula takes or returns -> the texts of the units in its types."""
    found = defaultdict(set)
    for module in MODULES:
        for name, made in formula.formulas(module).items():
            for argument in made.arguments:
                unit = formula.unit_of(made.function, argument)
                found[argument].add(unit.text if unit else "none")
            found[name].add(formula.unit_of(made.function, "return").text)
    return found


def test_the_schema_types_units_by_the_vocabulary():
    assert {table for table, _ in typed_columns()} >= {"prices", "services", "assumptions", "supply", "people"}


@pytest.mark.parametrize(("table", "column"), typed_columns(), ids="-".join)
def test_every_unit_of_a_row_is_in_the_vocabulary(table, column):
    for path in files(table):
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                assert not row[column] or row[column] in units.TEXTS, f"{path.name}:{number} {row[column]}"


@pytest.mark.parametrize("text", units.BY_TEXT)
def test_text_and_expression_say_the_same_unit(text):
    assert UREG.Quantity(1.0, expression(text)).to(units.BY_TEXT[text].expression).magnitude == pytest.approx(1.0)


def test_every_alias_has_a_text_of_its_own():
    aliases = [a for a in vars(units).values() if getattr(a, "__metadata__", None)]
    assert len(aliases) == len(units.BY_TEXT)


def test_no_text_stands_for_two_things():
    assert not set(units.BY_TEXT) & set(units.CONVERTED)
    assert not set(units.BY_TEXT) & set(units.RECORDED)
    assert not set(units.CONVERTED) & set(units.RECORDED)


@pytest.mark.parametrize("text", units.CONVERTED)
def test_conversion_on_load_keeps_the_quantity(text):
    to, factor = units.CONVERTED[text]
    assert to in units.TEXTS
    assert UREG.Quantity(1.0, expression(text)).to(expression(to)).magnitude == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("name", sorted(arguments()))
def test_a_name_has_one_unit_in_all_formulas(name):
    assert len(arguments()[name]) == 1, arguments()[name]


def test_an_assumption_has_the_unit_of_the_argument_it_is_named_for():
    known = arguments()
    with (DATASETS / "assumptions.csv").open(encoding="utf-8", newline="") as file:
        rows = [(n, r) for n, r in enumerate(csv.DictReader(file), start=2) if r["name"] in known]
    assert rows
    for number, row in rows:
        text = units.CONVERTED.get(row["unit"], (row["unit"], 1.0))[0]
        assert {text} == known[row["name"]], f"assumptions.csv:{number} {row['name']} is in {row['unit']}"


def test_a_parameter_has_the_unit_of_the_argument_it_is_named_for():
    known = arguments()
    with (DATASETS / "parameters.csv").open(encoding="utf-8", newline="") as file:
        rows = [(n, r) for n, r in enumerate(csv.DictReader(file), start=2) if r["model"] in ("coldstart", "serving")]
    named = [(number, row) for number, row in rows if row["name"] in known]
    assert len(named) > len(rows) / 2
    for number, row in named:
        text = units.CONVERTED.get(row["unit"], (row["unit"], 1.0))[0]
        assert {text} == known[row["name"]], f"parameters.csv:{number} {row['name']} is in {row['unit']}"
