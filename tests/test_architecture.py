"""The rules of the house, read from the source: which way imports point, what is small, what is named and explained."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "workbench"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 400, 40


def name_of(path: Path) -> str:
    """`models.cost` for workbench/models/cost.py; the package itself is the empty name."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


TREES = {name_of(p): ast.parse(p.read_text(encoding="utf-8")) for p in SOURCES}
MODULES = [name for name in TREES if name]


def running(tree: ast.AST, *, at_once: bool) -> Iterator[ast.AST]:
    """Every node but those that only the type checker reads, and those that wait for a call."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if at_once and isinstance(node, ast.FunctionDef | ast.Lambda):
            continue
        yield node
        yield from running(node, at_once=at_once)


@cache
def imported(name: str, *, at_once: bool = False) -> frozenset[str]:
    """The dotted names that a module imports: anywhere in it, or as it is imported itself."""
    found = set()
    for node in running(TREES[name], at_once=at_once):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {node.module or ""} | {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return frozenset(found)


def inside(name: str, *, at_once: bool = False) -> set[str]:
    """The modules of the package that a module imports."""
    dotted = {i.removeprefix("workbench.") for i in imported(name, at_once=at_once) if i.startswith("workbench.")}
    return dotted & set(MODULES) - {name}


def outside(name: str) -> set[str]:
    """The libraries that a module imports, by their first name."""
    return {i.partition(".")[0] for i in imported(name)} - {"workbench"}


def in_room(room: str) -> list[str]:
    return [m for m in MODULES if m == room or m.startswith(room + ".")]


# --- which way the arrows point

MAY_IMPORT = {
    "units": set(),
    "stated": set(),
    "records": {"units", "stated"},
    "checks": {"units", "records"},
    "formula": {"units", "records"},
    "cite": {"units", "records"},
    "scenario": {"units", "records", "checks", "stated"},
    "soundness": {"units", "records", "checks"},
    "store": {"units", "records", "checks", "soundness"},
    "bills": {"units", "records", "checks", "soundness", "store"},
    "models": {"units", "records", "checks", "formula", "cite"},
    "decision": {"units", "records", "stated", "checks", "formula", "cite", "models", "decision"},
}
"""units <- records <- formula, cite <- models <- decision; records <- store <- bills."""
_LINKS = ("autoscalers", "policies", "kernel", "control", "replicas", "fleet", "simulation")
CHAIN = {f"models.{m}": {f"models.{before}" for before in _LINKS[:k]} for k, m in enumerate(_LINKS)}
"""The one chain inside the models: rules, policies, compiled loops, runs."""
SHOWS = {"decision.answer": {"tables", "prose"}}
"""A result shows itself in Jupyter through words and a table that are imported only then."""


@pytest.mark.parametrize("module", [m for m in MODULES if m.partition(".")[0] in MAY_IMPORT])
def test_imports_point_along_the_arrows(module):
    chain = {*CHAIN[module], "models"} if module in CHAIN else set()
    rooms = {m.partition(".")[0] for m in inside(module) - chain - SHOWS.get(module, set())}
    assert rooms - {module} <= MAY_IMPORT[module.partition(".")[0]]


@pytest.mark.parametrize("module", in_room("models"))
def test_models_do_not_import_each_other(module):
    assert {m for m in inside(module) if m.startswith("models.")} <= CHAIN.get(module, set())


EXIT = ("sides", "owned", "bill", "failure", "leaving", "timing", "deadlines", "multicloud")
"""What staying, going and owning cost, the bill for leaving, and what it means: money of two plans and of the move."""


@pytest.mark.parametrize("module", in_room("decision"))
def test_models_are_composed_in_few_places(module):
    """Money in outcome, with what stands beside it and its compiled loop; a replica and its traffic in waking, on which
    latency, frontier, pool and replay rest."""
    money, waking = ("outcome", "beside", "loop"), ("waking", "latency", "frontier", "pool", "replay", "fed")
    composing = {f"decision.{m}" for m in money}
    composing |= {f"decision.coldstart.{m}" for m in waking} | {f"decision.lockin.{m}" for m in EXIT}
    assert module in composing or not {m for m in inside(module) if m.startswith("models.")}


def test_imports_make_no_circle():
    graph = {m: inside(m, at_once=True) for m in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_the_store_is_called_by_the_face_and_the_glue_only():
    callers = {m for m in MODULES if "store" in inside(m)}
    assert {"face", "checkup"} <= callers
    assert callers <= {"face", "cli", "checkup", "bills", "report"}


@pytest.mark.parametrize("module", [m for m in in_room("models") if m != "models"])
def test_models_touch_no_files_no_clock_and_no_frames(module):
    assert not outside(module) & {
        "pathlib",
        "os",
        "io",
        "csv",
        "json",
        "time",
        "datetime",
        "polars",
        "pandas",
        "duckdb",
    }


def test_the_command_line_is_thin():
    """It reads arguments and prints; what it calls is the face, the check, the terminal and the report."""
    assert {m for m in inside("cli") if m.startswith(("models", "decision"))} == set()
    assert "numpy" not in outside("cli")


# --- one door for each heavy library

DOORS = {
    "duckdb": {"store", "bills"},
    "altair": {"charts.canvas"},
    "great_tables": {"tables"},
    "ipywidgets": {"forms.parts", "forms.choice", "forms.exits", "forms.plan", "forms.waking"},  # one a notebook
    "anywidget": {"forms.parts"},
    "papermill": {"report"},
    "nbconvert": {"report"},
    "numba": {"models.kernel"},
    "highspy": {"decision.portfolio.solver"},
    "pydantic": {"scenario"},
    "rich": {"terminal", "terminal_plan"},
    "yaml": {"export.formats"},
    "pint": set(),
    "scipy": set(),
    "SALib": set(),
    "simpy": set(),
    "pandas": set(),
    "matplotlib": set(),
}


@pytest.mark.parametrize("library", DOORS)
def test_a_heavy_library_has_one_door(library):
    assert {m for m in TREES if library in outside(m)} <= DOORS[library]


def test_importing_the_package_pulls_no_library():
    """`import workbench` is quick because it imports nothing but the standard library."""
    code = "import sys; before = set(sys.modules); import workbench; print(*sorted(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    pulled = {m.partition(".")[0] for m in out.split()} - {"workbench"}
    assert pulled <= set(sys.stdlib_module_names)
    assert not [m for m in out.split() if m.startswith("workbench.")]


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_asking_for_help_pulls_no_heavy_library(command):
    run = f"try: main([{command!r}])\nexcept SystemExit: pass"
    code = f"import sys\nfrom workbench.cli import main\n{run}\nprint(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    heavy = {*DOORS, "numpy", "scipy", "polars", "IPython"}
    assert not heavy & set(out.splitlines()[-1].split())


def test_every_public_name_of_the_package_is_there():
    import workbench

    for name in workbench.__all__:
        assert getattr(workbench, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        workbench.nothing  # noqa: B018


# --- small, named, explained


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: name_of(p) or "workbench")
def test_a_file_is_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


LOOPS = {"models.kernel": {"pool"}, "models.fleet": {"fleet"}}
"""Event loops are one flat function each: what is called in them costs twice."""


@pytest.mark.parametrize("module", TREES)
def test_a_function_is_short(module):
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions(TREES[module])}
    assert {n for n, lines in long.items() if lines > LONGEST_FUNCTION} == LOOPS.get(module, set())


@pytest.mark.parametrize("module", TREES)
def test_what_is_public_is_explained(module):
    tree = TREES[module]
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    assert ast.get_docstring(tree), "the module"
    assert [n.name for n in public if not ast.get_docstring(n)] == []


def test_names_say_what_things_are():
    stems = {part for p in SOURCES for part in p.relative_to(PACKAGE).with_suffix("").parts}
    assert not stems & {"util" + "s", "helper" + "s", "common", "misc", "tools"}
    classes = [n.name for tree in TREES.values() for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    assert [c for c in classes if re.search("Manager|Helper|Util", c)] == []


def test_no_class_inherits_from_another_of_ours_but_errors_do():
    ours = {n.name for tree in TREES.values() for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}
    errors = {"WorkbenchError", "InputProblems", "Infeasible"}
    bases = {
        (n.name, ast.unparse(b))
        for tree in TREES.values()
        for n in ast.walk(tree)
        if isinstance(n, ast.ClassDef)
        for b in n.bases
    }
    assert {(name, base) for name, base in bases if base in ours - errors} == set()


@pytest.mark.parametrize("module", TREES)
def test_nothing_but_the_command_line_reads_the_clock(module):
    """`--as-of today` is the user's choice; a duration that is told is no result."""
    calls = {ast.unparse(n.func) for n in ast.walk(TREES[module]) if isinstance(n, ast.Call)}
    clock = {c for c in calls if c.endswith((".today", ".now", ".utcnow", "time.time"))}
    assert clock <= ({"date.today"} if module == "cli" else set())


# --- no number in code but 0, 1, 2 and named constants


def numerals(node: ast.AST, *, quiet: bool = False) -> Iterator[ast.Constant]:
    """Numbers other than 0, 1, 2, but for named constants of a module and defaults of arguments and fields."""
    for child in ast.iter_child_nodes(node):
        named = isinstance(node, ast.Module) and isinstance(child, ast.Assign | ast.AnnAssign) and constant_names(child)
        default = isinstance(node, ast.arguments) and child in [*node.defaults, *node.kw_defaults]
        default |= isinstance(node, ast.ClassDef) and isinstance(child, ast.AnnAssign)
        decorator = isinstance(node, ast.FunctionDef) and child in node.decorator_list
        hushed = quiet or bool(named) or default or decorator
        if isinstance(child, ast.Constant) and type(child.value) in (int, float) and child.value not in (0, 1, 2):
            if not hushed:
                yield child
        else:
            yield from numerals(child, quiet=hushed)


def constant_names(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = [n for t in targets for n in (t.elts if isinstance(t, ast.Tuple) else [t])]
    return all(isinstance(n, ast.Name) and n.id.lstrip("_").isupper() for n in names)


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith(("models", "decision"))])
def test_no_number_is_written_into_the_models(module):
    """Prices, shares and thresholds are rows; what is left is 0, 1, 2 and constants with a name."""
    assert [(n.lineno, n.value) for n in numerals(TREES[module])] == []


def test_the_scan_for_numbers_finds_a_planted_one():
    planted = "A = 5\ndef f(x, n=7):\n    return x * 3 + A + 1 - 0.5\n"
    assert [n.value for n in numerals(ast.parse(planted))] == [3, 0.5]


# --- what is tracked


@pytest.fixture(scope="module")
def tracked() -> dict[str, str]:
    """The text of every file that git tracks or would track."""
    if not (ROOT / ".git").exists():
        pytest.skip("NOT CHECKED: this is no git clone, so the tracked files are not known")
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
                            capture_output=True, text=True, check=True, cwd=ROOT).stdout  # fmt: skip
    found = {}
    for name in filter(None, listed.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in content:
            found[name] = content.decode("utf-8", errors="replace")
    return found


REGISTRIES = [f"{name}.{end}" for name, end in (
    ("pypi", "org"), ("pythonhosted", "org"), ("anaconda", "org"), ("npmjs", "org"), ("npmjs", "com"),
    ("yarnpkg", "com"), ("crates", "io"), ("proxy.golang", "org"), ("rubygems", "org"),
)]  # fmt: skip


def test_no_file_names_a_package_registry(tracked):
    host = re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, REGISTRIES)) + r")(?![\w-])")
    assert [name for name, text in tracked.items() if host.search(text)] == []


def test_no_file_names_a_home_folder(tracked):
    home = re.compile(
        r"(?<![\w.$}])/(?:" + "home" + r"|Users)/(?!\.\.\.)[\w.-]+/|(?<![\w.])/" + r"root/|[A-Z]:\\+Users\\"
    )
    assert [name for name, text in tracked.items() if home.search(text)] == []


def test_nothing_is_left_to_do_in_the_source(tracked):
    left = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
    source = {
        n: t for n, t in tracked.items() if n.endswith((".py", ".sql", ".toml", ".ipynb")) or n.startswith("scripts/")
    }
    assert [name for name, text in source.items() if left.search(text)] == []


def test_the_locks_hold_hashes_and_no_address(tracked):
    for name in ("requirements.lock", "requirements-dev.lock"):
        assert "--hash=sha256:" in tracked[name]
        assert "://" not in tracked[name]


def test_no_database_file_is_tracked(tracked):
    assert [n for n in tracked if n.endswith((".duckdb", ".parquet", ".sqlite", ".db"))] == []


# --- shipped scenarios and notebooks


def first_number(table: dict[str, object], prefix: str = "") -> str | None:
    """The key of the first number, in the order of the file."""
    for key, value in table.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            return prefix + key
        if isinstance(value, dict) and (found := first_number(value, f"{prefix}{key}.")):
            return found
    return None


@pytest.mark.parametrize("path", sorted((ROOT / "datasets" / "scenarios").glob("*.toml")), ids=lambda p: p.stem)
def test_the_first_number_of_a_scenario_is_its_months(path):
    assert first_number(tomllib.loads(path.read_text(encoding="utf-8"))) == "months"
