"""One re-evaluation of twelve options: option by option as the product does it, all at once, and as a compiled loop."""

import numpy as np
from timing import Row, cpu

from workbench import formula
from workbench.decision import loop, outcome
from workbench.decision.draws import key
from workbench.models import cost

HALF, LIMIT_MS, AGREE = 6, 16.0, 1e-9
TARGET = ("monthly_cost",)
TIERS = tuple(f"{table}_{part}" for table in ("egress", "storage", "support") for part in ("edges", "rates"))
SLIDERS = (("utilisation",), ("egress_gb_per_month",), ("committed_list_price", "list_price"))


def chosen(study):
    """The six best without a commitment and the six best with one, of the plans that are one option."""
    alone = [o.plan for o in study.outcomes if len(o.plan.legs) == 1]
    free = [p for p in alone if not p.head.term_months]
    return free[:HALF] + [p for p in alone if p.head.term_months][:HALF]


def benchmark(study):
    plans, draws, months = chosen(study), study.draws, study.scenario.months
    legs = [p.head for p in plans]

    def whole():
        known = outcome.shared(legs, draws, months)
        return [outcome.monthly(p, draws, months, known) for p in plans]

    bound = [outcome.arrays(p.head, draws, months, p.committed_gpus[0]) for p in plans]
    used = {n for b in bound for n in formula.needed(cost, TARGET, frozenset(b))}
    leaves = {n for b in bound for n in formula.leaves(cost, TARGET, frozenset(b))}
    size = f"{len(plans)} options x {draws.size} draws x {months} months, {len(used)} formulas, {len(leaves)} inputs; "
    rest = "not in a monthly cost: " + ", ".join(sorted(set(formula.formulas(cost)) - used))
    full = Row("all: binding, goodput, what is shared, every option", cpu(whole), "ms", LIMIT_MS, size + rest)
    yield full
    base = [outcome.values_of(p, draws, months) for p in plans]
    for names in SLIDERS:
        moved = [next((p.head.inputs[n] for n in names if n in p.head.inputs), None) for p in plans]
        calls = [(p, v, key(q), q.value * 1.01) for p, v, q in zip(plans, base, moved, strict=True) if q]
        samples = cpu(lambda calls=calls: [outcome.held(*c) for c in calls])
        share = min(samples) / min(full.samples)
        yield Row(f"slider: {names[-1]}", samples, note=f"{share:.2f} of all; {len(calls)} options have it")
    known = outcome.shared(legs, draws, months)
    yield from _forms([b | known for b in bound])


def _forms(inputs):
    """The same formulas in three forms: inputs are bound and what options share is known."""

    def by_option():
        return [formula.results(cost, v, TARGET)["monthly_cost"] for v in inputs]

    ours, expected, together = cpu(by_option), by_option(), _at_once(inputs)
    yield Row("formulas only, option by option", ours)
    np.testing.assert_allclose(together(), np.stack(np.broadcast_arrays(*expected)), rtol=AGREE)
    samples = cpu(together)
    yield Row("formulas only, all options at once", samples, note=f"ours is {min(ours) / min(samples):.2f} of it")
    months = np.shape(expected[0])[0]
    loops, out = loop.totals(inputs), np.zeros((len(inputs), np.shape(expected[0])[1]))
    for run, v, row, e in zip(loops, inputs, out, expected, strict=True):
        run(v, row)
        np.testing.assert_allclose(row, np.broadcast_to(e, (months, len(row))).sum(axis=0), rtol=AGREE)
    samples = cpu(lambda: [run(v, row) for run, v, row in zip(loops, inputs, out, strict=True)])
    note = f"ours is {min(ours) / min(samples):.2f} of it; they agree to {AGREE:g}"
    yield Row("formulas only, compiled loop over totals", samples, note=note)


def _stacked(name, values):
    """One array (option, month, draw) of every option's value; one value where all have the same."""
    if all(np.array_equal(v, values[0]) for v in values):
        return values[0]
    if name not in TIERS:
        return np.stack(np.broadcast_arrays(*[np.atleast_2d(v) for v in values]))
    fill = {"mode": "constant", "constant_values": np.inf} if name.endswith("edges") else {"mode": "edge"}
    flat, most = [np.reshape(v, (len(v), -1)) for v in values], max(map(len, values))
    rows = [np.pad(v, ((0, most - len(v)), (0, 0)), **fill) for v in flat]  # with tiers that change nothing
    return np.stack(np.broadcast_arrays(*rows), axis=1)[:, :, None, :]


def _at_once(inputs):
    """A name that only some options bind is computed for all, and the constant put in where it is bound."""
    everywhere = frozenset.intersection(*map(frozenset, inputs))
    leaves = formula.leaves(cost, TARGET, everywhere)
    bound = {n: _stacked(n, [v.get(n, 1.0) for v in inputs]) for n in leaves}

    def run():
        values = dict(bound)
        for name in formula.needed(cost, TARGET, everywhere):
            function, arguments = formula.formulas(cost)[name]
            value = function(*[values[a] for a in arguments])
            if any(name in v for v in inputs):
                value = np.array(np.broadcast_to(value, (len(inputs), *np.shape(value)[-2:])))
                for i, v in enumerate(inputs):
                    value[i] = v.get(name, value[i])
            values[name] = value
        return values["monthly_cost"]

    return run
