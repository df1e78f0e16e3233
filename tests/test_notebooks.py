"""The notebooks: small, run, and stored with results that a changed number would contradict."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_CELLS, MOST_LINES, MOST_BYTES = 12, 13, 400_000
DIGITS = 7
SPEC = "application/vnd.vegalite.v6+json"
SILENT = {"charts.enable"}
"""Calls that show nothing though they stand last in a cell."""

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path):
    return [c for c in read(path)["cells"] if c["cell_type"] == "code"]


def source(cell):
    return "".join(cell["source"])


def shows(cell):
    """Whether a reader sees something below the cell: it ends with a value, or prints."""
    tree = ast.parse(source(cell))
    calls = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    last = tree.body[-1]
    ends = isinstance(last, ast.Expr) and not (
        isinstance(last.value, ast.Call) and ast.unparse(last.value.func) in SILENT
    )
    return ends or bool(calls & {"print", "display"})


def test_there_is_a_notebook():
    assert NOTEBOOKS


@each
def test_every_cell_was_run_once_in_order_and_stores_what_it_shows(path):
    cells = code_cells(path)
    assert [c["execution_count"] for c in cells] == list(range(1, len(cells) + 1))
    assert [source(c) for c in cells if shows(c) and not c["outputs"]] == []


@each
def test_no_error_and_no_warning_is_stored(path):
    outputs = [o for c in code_cells(path) for o in c["outputs"]]
    assert [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"] == []


@each
def test_a_notebook_defines_nothing(path):
    trees = [ast.parse(source(c)) for c in code_cells(path)]
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    assert [ast.unparse(n) for t in trees for n in ast.walk(t) if isinstance(n, kinds)] == []


@each
def test_cells_are_few_and_small(path):
    cells = code_cells(path)
    assert len(cells) <= MOST_CELLS
    assert [source(c) for c in cells if len(source(c).splitlines()) > MOST_LINES] == []


@each
def test_a_notebook_stores_results_and_nothing_of_the_machine_that_made_them(path):
    book = read(path)
    assert "widgets" not in book["metadata"]
    assert [c["metadata"] for c in book["cells"] if "execution" in c["metadata"]] == []
    assert path.stat().st_size <= MOST_BYTES


@each
def test_stored_charts_hold_rounded_numbers(path):
    """Another processor gives other last digits; a comparison to the last bit would fail there for no reason."""
    specs = [o["data"][SPEC] for c in code_cells(path) for o in c["outputs"] if SPEC in o.get("data", {})]
    numbers = [v for s in specs for row in s["data"]["values"] for v in row.values() if isinstance(v, float)]
    assert specs
    assert [v for v in numbers if float(f"{v:.{DIGITS}g}") != v] == []


@each
def test_the_last_cell_is_a_digest_of_the_results(path):
    last = code_cells(path)[-1]
    assert "sha256" in source(last)
    assert len("".join(last["outputs"][0]["data"]["text/plain"]).strip("'")) == 16


def test_a_changed_number_in_a_stored_chart_is_caught(tmp_path):
    """The comparison bites: one number differs by a thousandth, and of all cells that hold it that one fails."""
    book = read(NOTEBOOKS[0])
    end = next(i for i, c in enumerate(book["cells"]) if source(c).startswith("charts.ranges"))
    book["cells"] = book["cells"][: end + 1]
    book["cells"][end]["outputs"][0]["data"][SPEC]["data"]["values"][0]["p50"] *= 1.001
    (tmp_path / "changed.ipynb").write_text(json.dumps(book), encoding="utf-8")
    nbval = ("--nbval", "--nbval-current-env", "--nbval-cell-timeout=60", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-q", *nbval, f"--rootdir={tmp_path}", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    cells = sum(c["cell_type"] == "code" for c in book["cells"])
    assert f"1 failed, {cells - 1} passed" in ran.stdout.splitlines()[-1], ran.stdout
    assert f"mismatch '{SPEC}'" in ran.stdout
