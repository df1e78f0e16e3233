"""Which inputs explain the answer: first-order indices from the draws that were made already."""

import numpy as np

from workbench.decision.draws import Array

MOST_BINS = 32
FEWEST_IN_A_BIN = 8


def first_order(inputs: Array, output: Array) -> Array:
    """Share of the output's variance that each input explains on its own, V(E[Y|X])/V(Y).

    `inputs` is (draws, inputs), `output` (draws,). Estimated from given data (Plischke 2010): the variance of the means
    in bins of equal size, less what noise alone would give. Inputs are independent, so the shares add to at most 1.
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
