"""The plan from cold, its relaxation, and what a price move costs from there; run by itself or with the others.

A unit is a node of eight accelerators. Every workload runs at its own speed on each offer, is kept from a quarter of
them, and pays egress to half: nothing can be added up. The last rows have workloads that every offer serves alike.
"""

import time
from dataclasses import replace
from statistics import median

import numpy as np
from timing import Row, cpu, show

from workbench.decision.portfolio.solver import Capacity, relaxed, repriced, solve

MONTHS, OFFERS, WORKLOADS, PROVIDERS = 12, 15, 20, 8
TERMS = {1: 1.0, 3: 0.85, 12: 0.65, 36: 0.45}
SIZE = f"{MONTHS} months x {OFFERS} offers x {len(TERMS)} terms x {WORKLOADS} workloads"
GAP, MOVE, MOVES, TIMES = 0.005, 0.02, 8, 3
PLAN_S, RELAXATION_S, SHARE = 5.0, 0.1, 1 / 4
NODES = {"0.2-2": 1, "2-20": 10, "20-200": 100}


def instance(seed, nodes, *, alike=False):
    """Demand (workloads, months), capacities and onboarding of a made-up market: on demand and three terms an offer."""
    draw = np.random.default_rng(seed)
    speed, discounts = draw.uniform(0.6, 1.6, OFFERS), tuple(TERMS.items())
    rates = draw.uniform(2, 4, OFFERS) * speed
    serves = speed * draw.uniform(0.8, 1.25, (WORKLOADS, OFFERS)) * (draw.random((WORKLOADS, OFFERS)) > 0.25)
    usage = draw.uniform(0, 0.4, (WORKLOADS, OFFERS)) * (draw.random((WORKLOADS, OFFERS)) < 0.5)
    if alike:
        serves, usage = np.ones_like(serves), np.zeros_like(usage)
    month, phase = np.arange(MONTHS), draw.uniform(0, 2 * np.pi, (WORKLOADS, 1))
    level, growth = draw.uniform(0.2, 2, (WORKLOADS, 1)) * nodes, draw.uniform(-0.02, 0.08, (WORKLOADS, 1))
    demand = level * np.exp(growth * month) * (1 + 0.3 * np.sin(2 * np.pi * month / MONTHS + phase))
    leads, caps = draw.integers(0, 4, OFFERS), draw.uniform(0.1, 0.5, OFFERS) * demand.sum(axis=0).mean()
    capped = draw.random(OFFERS) < 0.4
    capacities = [
        Capacity(f"offer {o}, {term} months", f"provider {o % PROVIDERS}", float(rates[o] * share),
                 "on_demand" if term == 1 else "reserved", cap=float(caps[o]) if term == 1 and capped[o] else None,
                 term_months=term, lead_months=0 if term == 1 else int(leads[o]), serves=tuple(serves[:, o]),
                 usage=tuple(usage[:, o]))
        for o in range(OFFERS) for term, share in discounts
    ]  # fmt: skip
    return demand, capacities, {f"provider {p}": float(draw.uniform(0.5, 5) * nodes) for p in range(PROVIDERS)}


def benchmark():
    for alike in (False, True):
        for size, nodes in NODES.items():
            what = f"workloads of {size} nodes" + ", served alike" * alike
            yield from _measured(what, [instance(seed, nodes, alike=alike) for seed in range(2)])


def _measured(what, instances):
    """Rows of the slowest instance, and of the price moves of all."""
    cold = [cpu(lambda i=i: relaxed(*i), TIMES) for i in instances]
    yield Row(f"relaxation and shadow prices, {what}", _seconds(max(cold, key=min)), "s", RELAXATION_S)
    plans = [solve(*i, GAP) for i in instances]
    cold = [cpu(lambda i=i: solve(*i, GAP), TIMES) for i in instances]
    gaps = ", ".join(f"{p.gap:.2%} (relaxation {1 - p.relaxed / p.cost:.2%})" for p in plans)
    yield Row(f"plan from cold, {what}", _seconds(max(cold, key=min)), "s", PLAN_S, f"gaps {gaps}")
    shares = [share for i, plan in zip(instances, plans, strict=True) for share in _followed(i, plan)]
    faster = sorted(1 / s for s in shares)
    note = f"of {len(shares)} moves the median; {faster[0]:.1f} to {faster[-1]:.0f} times faster than from cold"
    yield Row(f"after a price move of {MOVE:.0%}, {what}", [median(shares)], "of cold", SHARE, note)


def _followed(market, plan):
    """For each of some moves of all rates, up or down by chance: the time to follow it as a share of that from cold."""
    demand, capacities, onboarding = market
    for seed in range(MOVES):
        moves = np.random.default_rng(seed).choice([-MOVE, MOVE], len(capacities))
        moved = [replace(c, rate=c.rate * (1 + m)) for c, m in zip(capacities, moves, strict=True)]
        warm, warm_s = _timed(lambda moved=moved: repriced(plan, moved, GAP))
        cold, cold_s = _timed(lambda moved=moved: solve(demand, moved, onboarding, GAP))
        assert max(warm.gap, cold.gap) <= GAP
        assert max(warm.bound, cold.bound) <= min(warm.cost, cold.cost) * (1 + 1e-9)
        yield warm_s / cold_s


def _timed(function):
    start = time.process_time()
    return function(), time.process_time() - start


def _seconds(milliseconds):
    return [m / 1000 for m in milliseconds]


if __name__ == "__main__":
    show(f"The plan: {SIZE}, to a gap of {GAP:.1%}, CPU time", list(benchmark()))
