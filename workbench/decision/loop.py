"""The formulas of one option as one compiled loop: their own text, laid out in order over months and draws.

Where a million draws are asked for, arrays of every formula cost several times the arithmetic. Nothing is written
twice: the loop is made from the source of `models.price` and `models.cost`. What calls NumPy has a scalar twin in the
kernel.
"""

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from workbench import formula
from workbench.decision.draws import Array
from workbench.models import cost, price

TARGET = "monthly_cost"
TABLES = ("egress", "storage", "support")
TIERS = tuple(f"{table}_{part}" for table in TABLES for part in ("edges", "rates"))
TWINS = {"np.maximum": "larger", "np.minimum": "smaller", "np.exp": "exponential", "np.abs": "abs"}
KNOWN = {**formula.formulas(price), **formula.formulas(cost)}
"""Prices first: the cost rests on them."""
Bound = Mapping[str, Any]
_HELPERS = {"np", "_total", "_graduated"}


def totals(bound: Sequence[Bound]) -> list[Callable[[Bound, Array], None]]:
    """For each option a function of its inputs, as `outcome.inputs` binds them, that adds its cost over all months to
    an array of (draw,).

    An option keeps its function as long as the same names are bound with as many tiers. The first call compiles, a
    second or so; the machine code is kept on disk.
    """
    return [_total(_text(b, _spread(bound), _tiers(b)), _tiers(b), _spread(bound)) for b in bound]


def _spread(bound: Sequence[Bound]) -> frozenset[str]:
    """Names that some option knows by draw: given by draw for all, so that more options are the same loop."""
    return frozenset(n for b in bound for n, v in b.items() if n not in TIERS and "d" in _axes(v))


def _tiers(bound: Bound) -> tuple[tuple[str, int], ...]:
    return tuple((n, len(np.atleast_1d(bound[n]))) for n in TIERS if n in bound)


def _axes(value: Any) -> str:
    """Along which axes a value changes: month, draw, both or none."""
    months, draws = np.atleast_2d(value).shape
    return "m" * (months > 1) + "d" * (draws > 1)


def _flat(bound: Bound, names: Sequence[str], tiers: Bound, spread: frozenset[str], size: int) -> list[Any]:
    """The inputs in the order of `names`, as the loop takes them."""
    values = {n: bound[n] for n in names if n in bound}
    values |= {f"{table}_{i}": v for table in tiers for i, v in enumerate(np.atleast_1d(bound[table]))}
    made = []
    for name in names:
        value = np.squeeze(np.asarray(values[name], float))
        wide = name in spread and value.ndim == 0
        made.append(np.full(size, value) if wide else np.ascontiguousarray(value) if value.ndim else float(value))
    return made


def _total(text: tuple[str, tuple[str, ...]], tiers: Any, spread: frozenset[str]) -> Callable[[Bound, Array], None]:
    kernel, names, tables = _kernel(text[0]), text[1], dict(tiers)

    def add(bound: Bound, out: Array) -> None:
        months = int(np.size(bound["month"]))
        kernel(out, months, *_flat(bound, names, tables, spread, len(out)))

    return add


def _text(bound: Bound, spread: frozenset[str], counted: Any) -> tuple[str, tuple[str, ...]]:
    """The loop, and its arguments; what does not change with the draw is outside the innermost."""
    tiers = dict(counted)
    wanted = _needed(frozenset(bound))
    leaves = dict.fromkeys(a for n in wanted for a in KNOWN[n].arguments if a in bound)
    shapes = {n: _axes(bound[n]) or "d" * (n in spread) for n in leaves if n not in tiers}
    shapes |= {f"{t}_{i}": _axes(v) for t in tiers if t in leaves for i, v in enumerate(np.atleast_1d(bound[t]))}
    over = shapes | {t: "".join(sorted({shapes[n] for n in shapes if n.startswith(t)})) for t in tiers if t in leaves}
    lines: dict[str, list[str]] = {"": [], "m": [], "d": [], "md": []}
    for name, axis in shapes.items():
        lines[axis] += [f"{name} = all_{name}[{', '.join(axis)}]"] * bool(axis)
    for name in wanted:
        over[name] = "".join(a for a in "md" if any(a in over[x] for x in KNOWN[name].arguments))
        lines[over[name]] += _scalar(name, tiers)
    inner = [*lines["d"], *lines["md"], f"out[d] += {TARGET}"]
    by_month = [*lines["m"], "for d in range(np.uintp(out.shape[0])):", *(" " + line for line in inner)]
    body = [*lines[""], "for m in range(np.uintp(months)):", *(" " + line for line in by_month)]
    parameters = ", ".join(f"all_{n}" if a else n for n, a in shapes.items())
    return "\n".join([f"def loop(out, months, {parameters}):", *(" " + line for line in body)]), tuple(shapes)


def _needed(bound: frozenset[str]) -> tuple[str, ...]:
    """The formulas behind the total that are not bound, each after its inputs."""
    wanted, stack = set[str](), [TARGET]
    while stack:
        name = stack.pop()
        if name in KNOWN and name not in wanted and name not in bound:
            wanted.add(name)
            stack.extend(KNOWN[name].arguments)
    return tuple(name for name in KNOWN if name in wanted)


def definition(name: str) -> ast.FunctionDef:
    """A formula's own text."""
    (found,) = ast.parse(inspect.getsource(KNOWN[name].function)).body
    assert isinstance(found, ast.FunctionDef)
    return found


def _scalar(name: str, tiers: Mapping[str, int]) -> list[str]:
    """A formula's statements without its docstring, for one month and one draw."""
    return [ast.unparse(_Scalar(name, tiers).visit(statement)) for statement in definition(name).body[1:]]


class _Scalar(ast.NodeTransformer):
    """A formula's statements for scalars: its local names told apart by its own, its result under its own name."""

    def __init__(self, name: str, tiers: Mapping[str, int]) -> None:
        self.name, self.tiers, self.kept = name, tiers, {*KNOWN[name].arguments, *_HELPERS}

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(node.id if node.id in self.kept else f"{self.name}_{node.id}", node.ctx)

    def visit_Return(self, node: ast.Return) -> ast.AST:
        assert node.value is not None
        return ast.Assign([ast.Name(self.name, ast.Store())], self.visit(node.value), lineno=0)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called, texts = ast.unparse(node.func), [ast.unparse(self.visit(a)) for a in node.args]
        text = f"{TWINS.get(called, called)}({', '.join(texts)})"
        if called == "_total":
            text = " + ".join(texts)
        if called == "np.where":
            text = f"({texts[1]}) if ({texts[0]}) else ({texts[2]})"
        if called == "_graduated":
            text = self._graduated(*texts)
        return ast.parse(text, mode="eval").body

    def _graduated(self, of: str, edges: str, rates: str) -> str:
        steps = [
            f"larger({of} - {edges}_{i}, 0) * ({rates}_{i + 1} - {rates}_{i})" for i in range(self.tiers.get(edges, 0))
        ]
        return " + ".join([f"({of}) * {rates}_0", *steps])


@cache
def _kernel(text: str) -> Any:
    """Compiled, and kept beside the formulas that it is made of."""
    from workbench.models import kernel  # numba: what asks for few draws does without

    scope: dict[str, Any] = {
        "__name__": cost.__name__,
        "np": np,
        "larger": kernel.larger,
        "smaller": kernel.smaller,
        "exponential": kernel.exponential,
    }
    exec(compile(text, cost.__file__, "exec"), scope)
    return kernel.compiled(scope["loop"])
