"""What a choice is worth under uncertainty: regret, the worth of knowing more, and the money at risk.

Costs are (options, states or draws) in money. Information is never worth more than certainty, and never less than
nothing: who learns something may still choose as before.
"""

from collections.abc import Sequence
from itertools import combinations
from math import erfc, exp, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.checks import numbers
from workbench.records import WorkbenchError

KNOTS = 9
"""Of the piecewise linear regression on one input: few enough to tell a bend from noise."""
FOLDS = 4
"""A rule is judged on draws that it was not fitted to."""

Array = NDArray[np.float64]


def _table(where: str, costs: Any, probabilities: Any) -> tuple[Any, Any]:
    costs = np.atleast_2d(numbers(where, costs=costs, low=-np.inf)[0])
    if costs.ndim > 2:
        raise WorkbenchError(where, f"costs have {costs.ndim} axes", "give (options, states or draws)")
    if probabilities is None:
        return costs, np.full(costs.shape[1], 1 / costs.shape[1])
    weights = np.atleast_1d(numbers(where, probabilities=probabilities)[0])
    if weights.shape != (costs.shape[1],) or not np.isclose(weights.sum(), 1):
        raise WorkbenchError(where, f"probabilities of shape {weights.shape} that sum to {weights.sum():g}",
                             f"give {costs.shape[1]} that sum to 1")  # fmt: skip
    return costs, weights


# --- which option, and what a wrong choice costs


def expected_regret(costs: Any, probabilities: Any = None) -> Any:
    """Expected excess of each option over the best in each state: an array of money, one for each option.

    Its least entry equals the value of perfect information. Raises WorkbenchError on bad costs or probabilities.
    """
    table, weights = _table("decision.value.expected_regret", costs, probabilities)
    return (table - table.min(axis=0)) @ weights


def maximum_regret(costs: Any) -> Any:
    """Excess of each option over the best in the state that is worst for it: an array of money (Savage, 1951).

    Raises WorkbenchError on bad costs.
    """
    table, _ = _table("decision.value.maximum_regret", costs, None)
    return (table - table.min(axis=0)).max(axis=1)


def best_probability(costs: Any) -> Any:
    """Share of draws in which each option is the cheapest; ties in a draw share it. `costs`: (options, draws)."""
    best = costs == costs.min(axis=0)
    return (best / best.sum(axis=0)).mean(axis=1)


# --- what knowing more is worth


def perfect_information(costs: Any, probabilities: Any = None) -> float:
    """Expected saving if the state were known before choosing. `costs`: (options, states or draws), money.

    min over options of the mean, less the mean of the minimum. Raises WorkbenchError on bad costs or probabilities.
    """
    table, weights = _table("decision.value.perfect_information", costs, probabilities)
    return float((table @ weights).min() - table.min(axis=0) @ weights)


def partial_information(costs: Any, inputs: Any, groups: Sequence[Sequence[int]] | None = None) -> Any:
    """Expected saving if one input were known before choosing: an array of money, one for each input or group.

    `costs` is (options, draws), `inputs` (draws, inputs); `groups` are columns that become known together. The cost of
    each option is regressed on what becomes known (Strong, Oakley and Brennan, 2014): piecewise linear in the ranks,
    with products within a group. The rule "take the option of least fitted cost" is then charged what it really costs
    in draws that it was not fitted to, so chance finds no value and the result never exceeds that of perfect
    information. Costs in which noise drowns the input give a little too little.
    Give a pilot's simulated result as the input for the worth of that pilot. Raises WorkbenchError on bad arrays.
    """
    where = "decision.value.partial_information"
    table, _ = _table(where, costs, None)
    known = numbers(where, inputs=inputs, low=-np.inf)[0]
    if np.ndim(known) != 2 or len(known) != table.shape[1]:
        raise WorkbenchError(where, f"inputs of shape {np.shape(known)} for {table.shape[1]} draws",
                             "give (draws, inputs)")  # fmt: skip
    wanted = [[i] for i in range(known.shape[1])] if groups is None else [list(g) for g in groups]
    if not all(g and all(0 <= i < known.shape[1] for i in g) for g in wanted):
        raise WorkbenchError(where, f"groups {wanted} of {known.shape[1]} inputs", "name columns that are there")
    return np.array([_saving_by_rule(table, _features(known[:, g])) for g in wanted])


def _features(known: Array) -> Array:
    """A column for each bend of each input, and one for each product of two: (draws, features)."""
    ranks = np.column_stack([_ranks(column) for column in known.T])
    places = np.linspace(0, 1, KNOTS)
    bends = [np.maximum(1 - np.abs(column[:, None] - places) * (KNOTS - 1), 0) for column in ranks.T]
    products = [(ranks[:, i] * ranks[:, j])[:, None] for i, j in combinations(range(known.shape[1]), 2)]
    return np.hstack([*bends, *products])


def _ranks(column: Array) -> Array:
    """Share of draws below each, ties counted half."""
    ordered = np.sort(column)
    below, up_to = (np.searchsorted(ordered, column, side) for side in ("left", "right"))
    return (below + up_to) / (2 * len(column))


def _saving_by_rule(table: Array, features: Array) -> float:
    """What choosing by the fitted costs saves, on average, against the one option of least mean."""
    draws = table.shape[1]
    best = int(table.mean(axis=1).argmin())
    excess = (table - table[best]).T
    saving = np.zeros(draws)
    for fold in range(min(FOLDS, draws)):
        judged = np.arange(draws) % FOLDS == fold
        if judged.all():
            break
        fit = np.linalg.lstsq(features[~judged], excess[~judged], rcond=None)[0]
        saving[judged] = -excess[judged, (features[judged] @ fit).argmin(axis=1)]
    return max(float(saving.mean()), 0.0)


def perfect_information_normal(mean: Any, sd: Any) -> Any:
    """Expected saving if a normal net benefit were known before it is taken (if above 0) or left: money.

    sd phi(mean/sd) - |mean| Phi(-|mean|/sd): the unit normal loss (Raiffa and Schlaifer, 1961).
    Raises WorkbenchError on a bad number.
    """
    where = "decision.value.perfect_information_normal"
    (mean,), (sd,) = numbers(where, low=-np.inf, mean=mean), numbers(where, sd=sd)
    return _loss(where, mean, sd)


def sample_information_normal(mean: Any, sd: Any, observation_sd: Any, n: Any) -> Any:
    """Expected saving if `n` noisy observations of a normal net benefit come before it is taken or left: money.

    `mean` and `sd` are today's belief, `observation_sd` the spread of one observation. The mean that will be believed
    afterwards has the spread sd / sqrt(1 + observation_sd^2 / (n sd^2)); its unit normal loss is the worth (Raiffa and
    Schlaifer, 1961). It grows with n towards the value of perfect information. Raises WorkbenchError on a bad number.
    """
    where = "decision.value.sample_information_normal"
    mean = numbers(where, low=-np.inf, mean=mean)[0]
    sd, observation_sd, n = numbers(where, sd=sd, observation_sd=observation_sd, n=n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        noise = np.where(observation_sd == 0, np.where(n == 0, np.inf, 0), observation_sd / (np.sqrt(n) * sd))
        learnt = np.where(sd == 0, 0, sd / np.hypot(1, noise))
    return _loss(where, mean, learnt)


def _loss(where: str, mean: Any, sd: Any) -> Any:
    try:
        with np.errstate(over="ignore"):  # a mean of very many spreads: no look is worth anything
            loss = np.vectorize(_normal_loss, otypes=[float])(mean, sd)
    except ValueError as error:
        raise WorkbenchError(
            where, f"arrays that do not fit: {error}", "give numbers, or arrays of one shape"
        ) from error
    return float(loss) if loss.ndim == 0 else loss


def _normal_loss(mean: float, sd: float) -> float:
    """E max(-X, 0) of a normal X with the mean |mean|: what a free look at X is worth."""
    if sd == 0:
        return 0.0
    z = abs(mean) / sd
    return max(sd * exp(-z * z / 2) / sqrt(2 * pi) - abs(mean) * erfc(z / sqrt(2)) / 2, 0.0)


# --- money at risk


def cvar(losses: Any, level: Any, probabilities: Any = None) -> Any:
    """Mean loss in the worst 1 - `level` of draws (conditional value at risk; Rockafellar and Uryasev, 2000): money.

    `losses` is (draws,), or (options, draws) for one figure an option; a draw on the edge counts in part. At level 0 it
    is the mean. Raises WorkbenchError on bad losses or probabilities, or a level outside 0 <= level < 1.
    """
    where = "decision.value.cvar"
    table, weights = _table(where, losses, probabilities)
    (level,) = numbers(where, level=level)
    if np.ndim(level) or level >= 1:
        raise WorkbenchError(where, f"level={level!r} is out of range", "give one number of at least 0 and below 1")
    order = np.argsort(-table, axis=1, kind="stable")
    weight = weights[order]
    share = np.clip(1 - level - (np.cumsum(weight, axis=1) - weight), 0, weight)
    mean = (np.take_along_axis(table, order, axis=1) * share).sum(axis=1) / share.sum(axis=1)
    return float(mean[0]) if np.ndim(losses) < 2 else mean


def exceeding_probability(costs: Any, budget: float, probabilities: Any = None) -> Any:
    """Probability that the cost is above the budget: a float, or for (options, draws) an array of one for each option.

    Raises WorkbenchError on bad costs, budget or probabilities.
    """
    where = "decision.value.exceeding_probability"
    table, weights = _table(where, costs, probabilities)
    (budget,) = numbers(where, budget=budget, low=-np.inf)
    above = (table > budget) @ weights
    return float(above[0]) if np.ndim(costs) < 2 else above
