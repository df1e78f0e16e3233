"""What a choice is worth under uncertainty: regret, and the most that knowing more could be worth."""

from typing import Any

import numpy as np

from workbench.checks import numbers
from workbench.records import WorkbenchError


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


def perfect_information(costs: Any, probabilities: Any = None) -> float:
    """Expected saving if the state were known before choosing. `costs`: (options, states or draws), money.

    min over options of the mean, less the mean of the minimum. Raises WorkbenchError on bad costs or probabilities.
    """
    table, weights = _table("decision.value.perfect_information", costs, probabilities)
    return float((table @ weights).min() - table.min(axis=0) @ weights)


def expected_regret(costs: Any, probabilities: Any = None) -> Any:
    """Expected excess of each option over the best in each state: an array of money, one for each option.

    Its least entry equals the value of perfect information. Raises WorkbenchError on bad costs or probabilities.
    """
    table, weights = _table("decision.value.expected_regret", costs, probabilities)
    return (table - table.min(axis=0)) @ weights


def best_probability(costs: Any) -> Any:
    """Share of draws in which each option is the cheapest; ties in a draw share it. `costs`: (options, draws)."""
    best = costs == costs.min(axis=0)
    return (best / best.sum(axis=0)).mean(axis=1)
