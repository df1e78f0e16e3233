"""The one helper by which functions that outsiders call refuse bad arguments."""

from typing import Any

import numpy as np

from workbench.records import WorkbenchError


def numbers(where: str, /, *, low: float = 0.0, strict: bool = False, **arguments: Any) -> list[Any]:
    """The arguments as floats or arrays, after a check that each is finite and at least `low` (above it if `strict`).

    Raises WorkbenchError naming the function, the argument and the allowed range.
    """
    return [_number(where, name, value, low, strict=strict) for name, value in arguments.items()]


def _number(where: str, name: str, value: Any, low: float, *, strict: bool) -> Any:
    bound = f"give a finite number {'above' if strict else 'of at least'} {low:g}"
    try:
        array = np.asarray(value)
        if array.dtype.kind in "bSU":  # NumPy would read true as 1 and '5' as 5
            raise TypeError(array.dtype.name)
        array = array.astype(float)
    except (TypeError, ValueError, OverflowError) as error:
        raise WorkbenchError(where, f"{name}={value!r} is not a number", bound) from error
    if array.size == 0:
        raise WorkbenchError(where, f"{name} is empty", bound)
    if not np.isfinite(array).all():
        raise WorkbenchError(where, f"{name}={value!r} is not finite", bound)
    if (array <= low).any() if strict else (array < low).any():
        raise WorkbenchError(where, f"{name}={value!r} is out of range", bound)
    return float(array) if array.ndim == 0 else array
