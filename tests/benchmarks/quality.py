"""How much the answer moves with the seed: our Latin hypercube, plain random draws, scrambled Sobol points."""

import sys

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc
from timing import Row, child, cpu

from workbench.decision import outcome, value
from workbench.decision.draws import Draws, draw, uncertain
from workbench.decision.laws import quantile

SEEDS, SIZES, BEST = 24, (512, 4096), 10
FIGURES = ("mean", "mean difference to the rival", "P10", "P90", "perfect information")


def _from(points, legs):
    """A column of points for each uncertain thing: the shocks first, then the quantities as options name them."""
    quantities, shocks = uncertain(legs)
    columns = dict(zip([*shocks, *quantities], points.T[:, :, None], strict=True))
    made = {k: quantile(columns[k], q) for k, q in quantities.items()}
    return Draws(made | {k: ndtri(columns[k]) for k in shocks}, quantities)


def _width(legs):
    return sum(map(len, uncertain(legs)))


METHODS = {
    "plain random": lambda legs, size, seed: _from(np.random.default_rng(seed).random((size, _width(legs))), legs),
    "Latin hypercube": draw,
    "scrambled Sobol": lambda legs, size, seed: _from(qmc.Sobol(_width(legs), rng=seed).random(size), legs),
}


def benchmark(study, env):
    plans = [o.plan for o in study.outcomes if len(o.plan.legs) == 1][:BEST]
    legs, months = [p.head for p in plans], study.scenario.months

    def figures(draws):
        known = outcome.shared(legs, draws, months)
        costs = np.array([outcome.monthly(p, draws, months, known).sum(axis=1) for p in plans])
        means = costs.mean(axis=1)
        return means[0], means[1] - means[0], *np.quantile(costs[0], (0.1, 0.9)), value.perfect_information(costs)

    for size in SIZES:
        spread = {
            m: np.std([figures(make(legs, size, s)) for s in range(SEEDS)], axis=0) for m, make in METHODS.items()
        }
        for method, make in METHODS.items():
            shares = spread[method] / spread["plain random"]
            note = ", ".join(f"{f} {s:,.0f} ({r:.2f})" for f, s, r in zip(FIGURES, spread[method], shares, strict=True))
            made = cpu(lambda make=make, size=size: make(legs, size, 0), SEEDS)
            yield Row(f"{size} draws of {_width(legs)} columns, {method}", made, note=note)
    for module in ("numpy", "scipy.stats"):
        samples = [child((sys.executable, "-c", f"import {module}"), env)[0] for _ in range(4)][1:]
        yield Row(f"import {module}", samples, "s CPU")
