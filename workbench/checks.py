"""The one helper by which functions that outsiders call refuse bad arguments."""

from typing import Any

import numpy as np

from workbench.records import WorkbenchError


def numbers(
    where: str, /, *, low: float = 0.0, strict: bool = False, endless: bool = False, **arguments: Any
) -> list[Any]:
    """The arguments as floats or arrays, after a check that each is finite and at least `low` (above it if `strict`).

    With `endless` infinity is a number too: a cost that nobody pays.

    Raises WorkbenchError naming the function, the argument and the allowed range.
    """
    top = np.inf if endless else np.finfo(float).max
    return [_number(where, name, value, (low, top), strict=strict) for name, value in arguments.items()]


def shares(where: str, /, *, low: float = 0.0, **arguments: Any) -> list[Any]:
    """The arguments as floats or arrays, each from `low` to 1: shares, probabilities, correlations from -1.

    Raises WorkbenchError naming the function, the argument and the allowed range.
    """
    found = numbers(where, low=low, **arguments)
    for (name, given), value in zip(arguments.items(), found, strict=True):
        if np.max(value) > 1:
            raise WorkbenchError(where, f"{name}={given!r} is out of range", f"give a number from {low:g} to 1")
    return found


def fitting(where: str, /, *arrays: Any) -> list[Any]:
    """The arrays in one shape. Raises WorkbenchError where they do not fit each other."""
    try:
        return list(np.broadcast_arrays(*arrays))
    except ValueError as error:
        raise WorkbenchError(
            where, f"arrays that do not fit: {error}", "give numbers, or arrays of one shape"
        ) from error


def _number(where: str, name: str, value: Any, ends: tuple[float, float], *, strict: bool) -> Any:
    low, top = ends
    bound = f"give a finite number {'above' if strict else 'of at least'} {low:g}"
    try:
        array = np.asarray(value)
        if array.dtype.kind in "bSU":  # NumPy would read true as 1 and '5' as 5
            raise TypeError(array.dtype.name)
        array = array.astype(float, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise WorkbenchError(where, f"{name}={value!r} is not a number", bound) from error
    if array.size == 0:
        raise WorkbenchError(where, f"{name} is empty", bound)
    least, most = array.min(), array.max()
    if not (-top <= least and most <= top):  # what is no number is not below anything
        raise WorkbenchError(where, f"{name}={value!r} is not finite", bound)
    if least < low or (strict and least == low):
        raise WorkbenchError(where, f"{name}={value!r} is out of range", bound)
    return float(array) if array.ndim == 0 else array
