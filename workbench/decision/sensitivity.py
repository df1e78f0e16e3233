"""Which inputs explain the answer: from the draws that were made already, or by asking again with some exchanged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.checks import numbers
from workbench.decision.draws import Array
from workbench.records import WorkbenchError

MOST_BINS = 32
FEWEST_IN_A_BIN = 8


def first_order(inputs: Array, output: Array) -> Array:
    """Share of the output's variance that each input explains on its own, V(E[Y|X])/V(Y).

    `inputs` is (draws, inputs), `output` (draws,). Estimated from given data (Plischke 2010): the variance of the means
    in bins of equal size, less what noise alone would give. Of independent inputs the shares add to at most 1; each of
    several correlated ones also takes what it tells of the others.
    """
    total, bins = output.var(), min(MOST_BINS, len(output) // FEWEST_IN_A_BIN)
    if total <= 0 or bins < 2:
        return np.zeros(inputs.shape[1])
    width = len(output) // bins
    order = np.argsort(inputs, axis=0, kind="stable")[: width * bins]
    groups = output[order].reshape(bins, width, -1)
    between = groups.mean(axis=1).var(axis=0)
    noise = groups.var(axis=1, ddof=1).mean(axis=0) / width * (bins - 1) / bins
    return np.clip((between - noise) / total, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Indices:
    """Shares of the output's variance, one for each input or group, and the standard error of each.

    `first` is explained by the input on its own, `total` together with all that it acts with; the difference is
    interaction. Where `total` is 0 the input may be fixed. Both hold for independent inputs only: correlated ones
    belong in one group.
    """

    first: Array
    total: Array
    first_error: Array
    total_error: Array
    evaluations: int


def sobol_indices(
    evaluate: Callable[[Array], Array], one: Array, other: Array, *, groups: Sequence[Sequence[int]] | None = None
) -> Indices:
    """First-order and total indices of a function of the draws (Sobol, 1993), by input or by `groups` of columns.

    `one` and `other` are (draws, inputs), two independent sets of draws of the same inputs; `evaluate` takes such a
    matrix to an output of (draws,), and is asked once for each set and once for each group: estimators of Saltelli et
    al. (2010) for the first order and Jansen (1999) for the total. Raises WorkbenchError on sets or groups that do not
    fit, or an output that is not finite.
    """
    where = "decision.sensitivity.sobol_indices"
    one, other = numbers(where, low=-np.inf, one=one, other=other)
    if np.ndim(one) != 2 or np.shape(one) != np.shape(other):
        raise WorkbenchError(where, f"draws of shapes {np.shape(one)} and {np.shape(other)}",
                             "give two sets of (draws, inputs)")  # fmt: skip
    wanted = [[i] for i in range(one.shape[1])] if groups is None else [list(g) for g in groups]
    if not all(g and all(0 <= i < one.shape[1] for i in g) for g in wanted):
        raise WorkbenchError(where, f"groups {wanted} of {one.shape[1]} inputs", "name columns that are there")
    base, again = (_output(where, evaluate, draws) for draws in (one, other))
    middle = (base.mean() + again.mean()) / 2
    base, again = base - middle, again - middle  # or a large mean drowns the small products
    mixed = np.array([_output(where, evaluate, _exchanged(one, other, g)) - middle for g in wanted])
    return _indices(base, again, mixed)


def _output(where: str, evaluate: Callable[[Array], Array], draws: Array) -> Array:
    (output,) = numbers(where, low=-np.inf, output=evaluate(draws))
    if np.shape(output) != (len(draws),):
        raise WorkbenchError(where, f"an output of shape {np.shape(output)} for {len(draws)} draws", "return (draws,)")
    return np.asarray(output)


def _exchanged(one: Array, other: Array, columns: Sequence[int]) -> Array:
    """The first set, with the given columns of the second."""
    mixed = one.copy()
    mixed[:, columns] = other[:, columns]
    return mixed


def _indices(base: Array, again: Array, mixed: Array) -> Indices:
    """From centred outputs of both sets (draws,) and of the mixed ones (groups, draws)."""
    variance = np.concatenate([base, again]).var()
    if variance <= 0:
        nothing = np.zeros(len(mixed))
        return Indices(first=nothing, total=nothing, first_error=nothing, total_error=nothing,
                       evaluations=len(mixed) + 2)  # fmt: skip
    first, total = again * (mixed - base) / variance, (base - mixed) ** 2 / (2 * variance)
    error = np.sqrt(len(base))
    return Indices(first=np.clip(first.mean(axis=1), 0, 1), total=np.clip(total.mean(axis=1), 0, None),
                   first_error=first.std(axis=1) / error, total_error=total.std(axis=1) / error,
                   evaluations=len(mixed) + 2)  # fmt: skip
