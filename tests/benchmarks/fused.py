"""The same formulas as one compiled loop: their own text, laid out in order in a loop over months and draws.

What takes arrays apart, or calls a library that cannot take several draws at once, has a scalar twin here.
"""

import ast
import inspect
from functools import cache

import numba
import numpy as np
from engine import TARGET, TIERS
from llvmlite import binding

from workbench import formula
from workbench.models import cost

binding.set_option("", "-runtime-memory-check-threshold=1000")  # or LLVM does not vectorise over so many arrays
compiled = numba.njit(error_model="numpy")
KNOWN = formula.formulas(cost)


@compiled
def larger(a, b):
    return a if a > b else b


@compiled
def smaller(a, b):
    return a if a < b else b


@compiled
def exponential(x):
    """exp(x / 64) by its series, squared six times: to 1e-14 where |x| < 10."""
    y = x / 64
    p = 1 + y * (1 + y / 2 * (1 + y / 3 * (1 + y / 4 * (1 + y / 5 * (1 + y / 6 * (1 + y / 7 * (1 + y / 8)))))))
    for _ in range(6):
        p *= p
    return p


TWINS = {"np.maximum": "larger", "np.minimum": "smaller", "np.exp": "exponential"}
SCOPE = {"np": np, "larger": larger, "smaller": smaller, "exponential": exponential}


class _Scalar(ast.NodeTransformer):
    """A formula's statements for scalars: its local names told apart by its own, its result under its own name."""

    def __init__(self, name, tiers):
        self.name, self.tiers, self.kept = name, tiers, {*KNOWN[name].arguments, "np", "_total", "_graduated"}

    def visit_Name(self, node):
        return ast.Name(node.id if node.id in self.kept else f"{self.name}_{node.id}", node.ctx)

    def visit_Return(self, node):
        return ast.Assign([ast.Name(self.name, ast.Store())], self.visit(node.value), lineno=0)

    def visit_Call(self, node):
        called, texts = ast.unparse(node.func), [ast.unparse(self.visit(a)) for a in node.args]
        text = f"{TWINS.get(called, called)}({', '.join(texts)})"
        if called == "_total":
            text = " + ".join(texts)
        if called == "_graduated":
            of, edges, rates = texts
            steps = range(self.tiers[edges])
            tiers = [f"larger({of} - {edges}_{i}, 0) * ({rates}_{i + 1} - {rates}_{i})" for i in steps]
            text = " + ".join([f"({of}) * {rates}_0", *tiers])
        return ast.parse(text, mode="eval").body


def _axes(value) -> str:
    """Along which axes a value changes: month, draw, both or none."""
    months, draws = np.atleast_2d(value).shape
    return "m" * (months > 1) + "d" * (draws > 1)


def _text(shapes, tiers) -> str:
    """The loop; what does not change with the draw is outside the innermost."""
    over = shapes | {table: "".join({shapes[n] for n in shapes if n.startswith(table)}) for table in tiers}
    lines = {"": [], "m": [], "d": [], "md": []}
    for name, axis in shapes.items():
        lines[axis] += [f"{name} = all_{name}[{', '.join(axis)}]"] * bool(axis)
    for name in formula.needed(cost, TARGET, frozenset(over)):
        over[name] = "".join(a for a in "md" if any(a in over[x] for x in KNOWN[name].arguments))
        body = ast.parse(inspect.getsource(KNOWN[name].function)).body[0].body[1:]
        lines[over[name]] += [ast.unparse(_Scalar(name, tiers).visit(s)) for s in body]
    inner = [*lines["d"], *lines["md"], f"out[m, d] = {TARGET[0]}"]
    by_month = [*lines["m"], "for d in range(np.uintp(out.shape[1])):", *(" " + line for line in inner)]
    body = [*lines[""], "for m in range(out.shape[0]):", *(" " + line for line in by_month)]
    parameters = ", ".join(f"all_{n}" if a else n for n, a in shapes.items())
    return "\n".join([f"def loop(out, {parameters}):", *(" " + line for line in body)])


@cache
def _kernel(text):
    exec(text, SCOPE)
    return compiled(SCOPE["loop"])


def loop(inputs, size):
    """A function without arguments that gives the monthly cost (month, draw) of one option's inputs."""
    names = formula.leaves(cost, TARGET, frozenset(inputs))
    tiers = {n: len(inputs[n]) for n in names if n in TIERS}
    flat = {n: inputs[n] for n in names if n not in tiers}
    flat |= {f"{table}_{i}": v for table in tiers for i, v in enumerate(inputs[table])}
    flat = {
        n: np.ascontiguousarray(np.squeeze(v), float) if _axes(v) else float(np.squeeze(v)) for n, v in flat.items()
    }
    shapes = {n: _axes(inputs.get(n, v)) for n, v in flat.items()}
    kernel, out = _kernel(_text(shapes, tiers)), np.empty(size)
    return lambda: kernel(out, *flat.values()) or out
