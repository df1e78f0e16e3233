"""Every formula by hand and by its units, with each `*` and `/` swapped in turn; and the engine that orders them."""

import ast
import csv
import inspect
import operator
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import pint
import pytest

from tests.quantities import UREG
from workbench import formula
from workbench.models import coldstart, cost, exit_cost, goodput, price, serving
from workbench.records import WorkbenchError
from workbench.units import Share, Usd

MODULES = (cost, price, goodput, coldstart, serving, exit_cost)
FORMULAS = {(m, name): f.function for m in MODULES for name, f in formula.formulas(m).items()}
SWAPS = {ast.Mult: operator.truediv, ast.Div: operator.mul}
KEPT = {ast.Mult: operator.mul, ast.Div: operator.truediv}


# --- worked rows: one formula, its inputs, its result, and the sum by hand


class Case(NamedTuple):
    formula: str
    inputs: dict[str, Any]
    result: Any
    why: str


def number(text: str) -> Any:
    """`3`, a row `1|2|3`, or a matrix `1|0;0|1`."""
    rows = [[float(cell) for cell in row.split("|")] for row in text.split(";")]
    if len(rows) > 1:
        return np.array(rows)
    return np.array(rows[0]) if len(rows[0]) > 1 else rows[0][0]


@cache
def cases() -> tuple[Case, ...]:
    with (Path(__file__).parent / "cases" / "formulas.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Case(r["formula"], {n: number(v) for n, v in (p.split("=") for p in r["inputs"].split())},
                 number(r["result"]), r["by hand"])
            for r in csv.DictReader(file)
        )  # fmt: skip


def cases_of(name: str) -> list[Case]:
    return [c for c in cases() if c.formula == name]


def case_id(case: Case) -> str:
    return f"{case.formula}: {case.why}"


def of_name(name: str) -> FunctionType:
    return next(f for (_, n), f in FORMULAS.items() if n == name)


def plain(function: FunctionType, case: Case) -> Any:
    return function(**{n: np.atleast_1d(v) if is_table(n) else v for n, v in case.inputs.items()})


def is_table(name: str) -> bool:
    """Tier tables are arrays even where they have one entry."""
    return name.endswith(("_edges", "_rates"))


def with_units(function: FunctionType, case: Case, declared: FunctionType) -> Any:
    """The magnitude of the result in the declared unit; pint raises DimensionalityError where units do not fit."""
    # One draw of each: pint takes an array of truths for 0 and 1, a single bool it refuses.
    inputs = {
        n: UREG.Quantity(np.atleast_1d(v), formula.unit_of(declared, n).expression) for n, v in case.inputs.items()
    }
    return UREG.Quantity(function(**inputs)).m_as(formula.unit_of(declared, "return").expression)


@pytest.mark.parametrize("name", [n for _, n in FORMULAS])
def test_every_formula_has_a_worked_row(name):
    assert cases_of(name), f"add a row for {name} to tests/cases/formulas.csv"


def test_every_worked_row_is_of_a_formula():
    assert {c.formula for c in cases()} <= {n for _, n in FORMULAS}


@pytest.mark.parametrize("case", cases(), ids=case_id)
def test_a_formula_gives_what_the_row_says(case):
    assert plain(of_name(case.formula), case) == pytest.approx(case.result, rel=1e-12)


@pytest.mark.parametrize("case", cases(), ids=case_id)
def test_units_of_the_inputs_make_the_unit_of_the_result(case):
    function = of_name(case.formula)
    assert with_units(function, case, function) == pytest.approx(case.result, rel=1e-12)


SCALAR = [c for c in cases() if not any(np.ndim(v) or is_table(n) for n, v in c.inputs.items())]


@pytest.mark.parametrize("case", SCALAR, ids=case_id)
def test_a_formula_takes_arrays_of_draws_like_floats(case):
    function = of_name(case.formula)
    stacked = function(**{n: np.full((3, 1), v) for n, v in case.inputs.items()})
    assert np.shape(stacked) == (3, 1)
    assert stacked == pytest.approx(case.result, rel=1e-12)


# --- mutants: each multiplication becomes a division, and each division a multiplication, one at a time


class Swap(NamedTuple):
    """One operator of one function, and the formulas that run through it."""

    module: ModuleType
    function: str
    index: int
    text: str
    formulas: tuple[str, ...]


def definitions(module: ModuleType) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def operators(function: ast.FunctionDef) -> list[ast.BinOp]:
    return [n for n in ast.walk(function) if isinstance(n, ast.BinOp) and type(n.op) in SWAPS]


def callers(module: ModuleType, helper: str) -> tuple[str, ...]:
    """The formulas that call a helper; a formula stands for itself."""
    known = formula.formulas(module)
    if helper in known:
        return (helper,)
    calls = {n: {x.id for x in ast.walk(d) if isinstance(x, ast.Name)} for n, d in definitions(module).items()}
    return tuple(n for n in known if helper in calls[n])


@cache
def swaps() -> tuple[Swap, ...]:
    return tuple(
        Swap(module, name, i, ast.unparse(node), callers(module, name))
        for module in MODULES for name, definition in definitions(module).items()
        for i, node in enumerate(operators(definition))
    )  # fmt: skip


def swap_id(swap: Swap) -> str:
    return f"{swap.function}: {swap.text}"


class Replace(ast.NodeTransformer):
    """One operator becomes a call of `_operator(left, right)`."""

    def __init__(self, target: ast.BinOp) -> None:
        self.target = target

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        inside = self.generic_visit(node)
        if node is not self.target:
            return inside
        return ast.Call(ast.Name("_operator", ast.Load()), [node.left, node.right], [])


def mutant(swap: Swap, kind: dict[type, Any], rights: list[Any]) -> dict[str, FunctionType]:
    """The formulas with one operator replaced; `rights` collects its right operands."""
    definition = definitions(swap.module)[swap.function]
    target = operators(definition)[swap.index]
    act = kind[type(target.op)]

    def apply(left: Any, right: Any) -> Any:
        rights.append(right)
        return act(left, right)

    names = {**vars(swap.module), "_operator": apply}
    tree = ast.fix_missing_locations(ast.Module([Replace(target).visit(definition)], []))
    exec(compile(tree, swap.function, "exec"), names)
    return {n: FunctionType(names[n].__code__, names, n) for n in swap.formulas}


def invisible(swap: Swap) -> bool:
    """Whether units cannot see the swap: what stands right of the operator never has a dimension."""
    rights: list[Any] = []
    for name, function in mutant(swap, KEPT, rights).items():
        for case in cases_of(name):
            with suppress(pint.DimensionalityError):  # a formula whose units are wrong fails its own test
                with_units(function, case, of_name(name))
    return bool(rights) and all(UREG.Quantity(r).dimensionless for r in rights)


def complaints(swap: Swap) -> Iterator[str]:
    """What the unit check says of a mutant."""
    for name, function in mutant(swap, SWAPS, []).items():
        for case in cases_of(name):
            try:
                with np.errstate(all="ignore"):
                    with_units(function, case, of_name(name))
            except pint.DimensionalityError as error:
                yield str(error)


def wrong_results(swap: Swap) -> Iterator[str]:
    """The worked rows that a mutant does not give."""
    for name, function in mutant(swap, SWAPS, []).items():
        for case in cases_of(name):
            with np.errstate(all="ignore"):
                got = plain(function, case)
            if got != pytest.approx(case.result, rel=1e-9):
                yield case_id(case)


SEEN = [s for s in swaps() if not invisible(s)]
UNSEEN = [s for s in swaps() if invisible(s)]


@pytest.mark.parametrize("swap", SEEN, ids=swap_id)
def test_a_swapped_operator_fails_the_unit_check(swap):
    assert list(complaints(swap))


@pytest.mark.parametrize("swap", UNSEEN, ids=swap_id)
def test_a_swap_that_units_cannot_see_fails_a_worked_row(swap):
    """Shares, ratios and counts have no dimension: here the numbers must tell."""
    assert not list(complaints(swap))
    assert list(wrong_results(swap))


def test_the_generator_finds_the_operators():
    assert len(swaps()) >= len(FORMULAS)
    assert any(s.function.startswith("_") for s in swaps())
    assert any("USD" in text for s in SEEN for text in complaints(s))


# --- the engine, on a module of three lines


def toy(text: str) -> ModuleType:
    module = ModuleType("toy")
    exec(text, {"Usd": Usd, "Share": Share}, vars(module))
    for function in vars(module).values():
        if isinstance(function, FunctionType):
            function.__module__ = "toy"
    return module


SHOP = """
def total(net: Usd, tax: Usd) -> Usd:
    'What is paid.'
    return net + tax
def tax(net: Usd, tax_rate: Share) -> Usd:
    'What the state takes.'
    return net * tax_rate
def helper(net):
    return net
"""


def test_a_formula_follows_its_inputs():
    assert list(formula.formulas(toy(SHOP))) == ["tax", "total"]


def test_a_function_without_units_is_no_formula():
    assert "helper" not in formula.formulas(toy(SHOP))


def test_evaluate_returns_inputs_and_results():
    values = formula.evaluate(toy(SHOP), {"net": 100.0, "tax_rate": 0.2}, ("total",))
    assert values == {"net": 100.0, "tax_rate": 0.2, "tax": 20.0, "total": 120.0}


def test_a_bound_name_is_not_computed():
    assert formula.evaluate(toy(SHOP), {"net": 100.0, "tax": 7.0}, ("total",))["total"] == 107.0
    assert formula.needed(toy(SHOP), ("total",), frozenset({"tax"})) == ("total",)


def test_an_input_that_is_not_bound_is_named():
    with pytest.raises(WorkbenchError, match=r"tax_rate.*not bound"):
        formula.evaluate(toy(SHOP), {"net": 100.0}, ("total",))


def test_formulas_in_a_circle_are_refused():
    circle = toy("def one(two: Usd) -> Usd:\n return two\ndef two(one: Usd) -> Usd:\n return one\n")
    with pytest.raises(WorkbenchError, match="circle"):
        formula.formulas(circle)


def test_leaves_are_the_names_that_no_formula_makes():
    assert set(formula.leaves(toy(SHOP), ("total",))) == {"net", "tax_rate"}
    assert set(formula.leaves(toy(SHOP), ("total",), frozenset({"tax"}))) == {"net", "tax"}


def test_only_what_depends_on_a_name_is_affected():
    assert formula.affected(toy(SHOP), frozenset({"tax_rate"})) == {"tax", "total"}
    assert formula.affected(toy(SHOP), frozenset({"total"})) == {"total"}


@pytest.mark.parametrize("leaf", formula.leaves(cost, ("monthly_cost",)))
def test_a_moved_input_recomputes_to_the_same_as_from_scratch(leaf):
    """What `affected` names is all that a slider has to compute again."""
    rng = np.random.default_rng(1)
    inputs = {n: rng.uniform(0.2, 0.9) for n in formula.leaves(cost, ("monthly_cost",))}
    inputs |= {n: np.array([0.0, 2.0]) if n.endswith("edges") else np.array([0.1, 0.2, 0.3])
               for n in inputs if n.endswith(("_edges", "_rates"))}  # fmt: skip
    before = formula.evaluate(cost, inputs, ("monthly_cost",))
    moved = {**inputs, leaf: inputs[leaf] * 1.5}
    stale = formula.affected(cost, frozenset({leaf}))
    kept = {n: v for n, v in before.items() if n not in stale}
    again = formula.evaluate(cost, {**kept, **moved}, ("monthly_cost",))["monthly_cost"]
    assert again == formula.evaluate(cost, moved, ("monthly_cost",))["monthly_cost"]


def test_settled_formulas_rest_on_the_shared_inputs_alone():
    assert formula.settled(toy(SHOP), frozenset({"net", "tax_rate"})) == ("tax", "total")
    assert formula.settled(toy(SHOP), frozenset({"tax_rate"})) == ()


def test_explain_names_every_formula_on_the_way():
    text = formula.explain(cost, "monthly_cost")
    assert {line.split("(")[0] for line in text.splitlines()} == set(formula.needed(cost, ("monthly_cost",)))
    assert all(line.split(": ", 1)[1] for line in text.splitlines())
