"""The engine: a formula is a function, its argument names are its inputs.

`order` reads a module of plain functions as a graph; `evaluate` runs it. A name that is bound as an input is never
computed, so an option switches a formula off by binding its name, and a slider's move recomputes only `affected` names.
"""

import inspect
from collections.abc import Mapping
from functools import cache, lru_cache
from graphlib import CycleError, TopologicalSorter
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, get_type_hints

from workbench.records import WorkbenchError
from workbench.units import Unit


class Formula(NamedTuple):
    """A function, its arguments in order, and the unit of what it returns."""

    function: FunctionType
    arguments: tuple[str, ...]


@cache
def formulas(module: ModuleType) -> dict[str, Formula]:
    """The formulas of a module: its own public functions, in an order in which each follows its inputs.

    A function whose arguments have no unit in their types (`graduated`) is a helper, not a formula.
    """
    found = {
        name: Formula(function, tuple(inspect.signature(function).parameters))
        for name, function in vars(module).items()
        if isinstance(function, FunctionType) and function.__module__ == module.__name__ and not name.startswith("_")
        and unit_of(function, "return") is not None
    }  # fmt: skip
    graph = {name: [a for a in formula.arguments if a in found] for name, formula in found.items()}
    try:
        return {name: found[name] for name in TopologicalSorter(graph).static_order()}
    except CycleError as error:
        raise WorkbenchError(module.__name__, f"formulas in a circle: {error.args[1]}", "break the circle") from error


def unit_of(function: FunctionType, name: str) -> Unit | None:
    """The unit in the type of an argument (or of `return`); None where it has none."""
    hint = get_type_hints(function, include_extras=True).get(name)
    return next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Unit)), None)


@lru_cache(maxsize=4096)
def needed(module: ModuleType, targets: tuple[str, ...], bound: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The formulas that `targets` need, in order, given the names that are bound already."""
    known = formulas(module)
    wanted: set[str] = set()
    stack = [t for t in targets if t not in bound]
    while stack:
        name = stack.pop()
        if name in known and name not in wanted:
            wanted.add(name)
            stack.extend(a for a in known[name].arguments if a not in bound)
    return tuple(name for name in known if name in wanted)


@lru_cache(maxsize=4096)
def leaves(module: ModuleType, targets: tuple[str, ...], bound: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The inputs that `targets` rest on: argument names that no formula makes, or that are bound."""
    known = formulas(module)
    names = dict.fromkeys(a for name in needed(module, targets, bound) for a in known[name].arguments)
    names.update(dict.fromkeys(t for t in targets if t in bound))
    return tuple(a for a in names if a in bound or a not in known)


def evaluate(module: ModuleType, inputs: Mapping[str, Any], targets: tuple[str, ...]) -> dict[str, Any]:
    """All values that `targets` need, inputs included: {name: float or array}.

    Raises WorkbenchError for an input that is not bound.
    """
    values = dict(inputs)
    known = formulas(module)
    for name in needed(module, targets, frozenset(inputs)):
        function, arguments = known[name]
        try:
            values[name] = function(*[values[a] for a in arguments])
        except KeyError as error:
            raise WorkbenchError(
                f"{module.__name__}.{name}", f"input {error.args[0]!r} is not bound", "bind it in decision/offers.py"
            ) from error
    return values


@lru_cache(maxsize=4096)
def _schedule(
    module: ModuleType, targets: tuple[str, ...], bound: frozenset[str]
) -> tuple[tuple[str, Formula, tuple[str, ...]], ...]:
    """Each formula with the names that nothing after it uses."""
    names, known = needed(module, targets, bound), formulas(module)
    last = {a: name for name in names for a in known[name].arguments}
    last |= {name: name for name in names if name not in last}
    spent: dict[str, list[str]] = {name: [] for name in names}
    for used, name in last.items():
        if used in names and used not in targets:
            spent[name].append(used)
    return tuple((name, known[name], tuple(spent[name])) for name in names)


def results(module: ModuleType, inputs: Mapping[str, Any], targets: tuple[str, ...]) -> dict[str, Any]:
    """The values of `targets` and the inputs: every other value is dropped after its last use, so that its memory is
    used again while it is warm.

    Raises KeyError for an input that is not bound; `evaluate` says which.
    """
    values = dict(inputs)
    for name, (function, arguments), spent in _schedule(module, targets, frozenset(inputs)):
        values[name] = function(*[values[a] for a in arguments])
        for used in spent:
            del values[used]
    return values


def settled(module: ModuleType, inputs: frozenset[str]) -> tuple[str, ...]:
    """The formulas that rest on nothing but `inputs`, in order: what options that share them need only once."""
    have = set(inputs)
    for name, formula in formulas(module).items():
        if have.issuperset(formula.arguments):
            have.add(name)
    return tuple(name for name in formulas(module) if name in have - inputs)


@lru_cache(maxsize=4096)
def affected(module: ModuleType, names: frozenset[str]) -> frozenset[str]:
    """The formulas that depend on any of `names`: all that a slider's move makes stale."""
    stale = set(names)
    for name, formula in formulas(module).items():
        if stale.intersection(formula.arguments):
            stale.add(name)
    return frozenset(stale.intersection(formulas(module)))


def explain(module: ModuleType, target: str) -> str:
    """The trail of a number in words: each formula with its arguments and what it means."""
    known = formulas(module)
    return "\n".join(
        f"{name}({', '.join(known[name].arguments)}): {(inspect.getdoc(known[name].function) or '').splitlines()[0]}"
        for name in needed(module, (target,))
    )
