"""A million draws: the compiled loops say what the formulas say, and sums over chunks what all draws at once would."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.narrow import narrow
from workbench import face
from workbench.decision import loop, tally, value
from workbench.decision.draws import MARKET
from workbench.decision.outcome import inputs, monthly
from workbench.decision.study import Study, study
from workbench.models import kernel
from workbench.records import Basis

MONTHS = 36
SCENARIOS = ("chat", "training")


def studied(name: str, draws: int = 256) -> Study:
    scenario = narrow(name)
    return study(face.facts(scenario.as_of), replace(scenario, draws=draws, months=MONTHS))


@pytest.fixture(scope="module")
def chat() -> Study:
    return studied("chat", 4096)


def plans(made: Study, each: int = 1) -> list:
    """The first of every basis from every kind of seller, and a split."""
    found = {}
    for o in made.outcomes:
        kind = made.facts.provider_kinds[o.plan.head.provider][0]
        found.setdefault((o.plan.head.basis, kind, len(o.plan.legs)), []).append(o.plan)
    return [p for same in found.values() for p in same[:each]]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_loop_gives_what_the_formulas_give(name):
    made = studied(name)
    chosen = plans(made)
    assert len(chosen) >= 3
    legs = [(leg, c) for p in chosen for leg, c in zip(p.legs, p.committed_gpus, strict=True)]
    bound = [inputs(leg, made.draws, MONTHS, c) for leg, c in legs]
    costs, loops = np.zeros((len(chosen), made.draws.size)), iter(loop.totals(bound))
    values = iter(bound)
    for plan, row in zip(chosen, costs, strict=True):
        for _ in plan.legs:
            next(loops)(next(values), row)
        assert row == pytest.approx(monthly(plan, made.draws, MONTHS).sum(axis=1), rel=1e-11)


def test_every_formula_of_the_total_is_in_some_loop(chat):
    texts = [
        loop._text(inputs(p.head, chat.draws, MONTHS, p.committed_gpus[0]), frozenset(), ())[0] for p in plans(chat)
    ]
    missing = {n for n in loop._needed(frozenset()) if not any(f"{n} = " in text for text in texts)}
    assert missing <= {"batch_gpu_hours", "transfer_cost", "extra_price"}  # of other scenarios, which are tried above


@settings(max_examples=200, deadline=None, derandomize=True)
@given(x=st.floats(-10, 10))
def test_the_kernels_exponential_is_the_exponential(x):
    assert kernel.exponential.py_func(x) == pytest.approx(np.exp(x), rel=1e-14 if abs(x) < 3 else 2e-11)


def test_a_tally_is_what_all_draws_at_once_say(chat, monkeypatch):
    """Three chunks, put side by side and judged as the study judges."""
    monkeypatch.setattr(tally, "CHUNK", 512)
    chosen = plans(chat, 2)
    found = tally.tally(chat, chosen, 3 * 512 - 1)
    assert found.draws == 3 * 512
    asked = captured(chat, chosen)
    costs = np.hstack([tally._chunk(asked, number) for number in range(3)])
    assert found.means == pytest.approx(costs.mean(axis=1))
    assert found.best_probability == pytest.approx(value.best_probability(costs))
    assert found.expected_regret == pytest.approx(value.expected_regret(costs), abs=1e-6 * costs.mean())
    assert found.perfect_information == pytest.approx(value.perfect_information(costs), rel=1e-6, abs=1)
    for share in (0.1, 0.5, 0.9):
        assert found.quantile(share) == pytest.approx(
            np.quantile(costs, share, axis=1, method="inverted_cdf"), rel=1e-3
        )


def captured(made: Study, chosen: list) -> tally._Asked:
    quantities, shocks = tally.uncertain([leg for p in chosen for leg in p.legs])
    together = tally.copula.blocks([leg for p in chosen for leg in p.legs], tally.copula.ties(made.facts))
    asked = tally._Asked(study=made, plans=chosen, quantities=quantities, shocks=shocks, together=together)
    return replace(asked, loops=tally.loop.totals([v for bound in tally._bound(asked, 0) for v in bound]))


def test_one_thread_or_two_say_the_same(chat, monkeypatch):
    monkeypatch.setattr(tally, "CHUNK", 256)
    one, two = (tally.tally(chat, plans(chat), 1024, threads=n) for n in (1, 2))
    assert one.means == pytest.approx(two.means, rel=1e-12)
    assert np.array_equal(one.bins, two.bins)


def test_many_draws_agree_with_the_study_within_its_sampling_error(chat):
    chosen = plans(chat, 2)
    found = tally.tally(chat, chosen, 50_000)
    for plan, mean in zip(chosen, found.means, strict=True):
        known = next(o for o in chat.outcomes if o.plan is plan)
        assert mean == pytest.approx(known.mean, abs=4 * known.total.std() / np.sqrt(4096))


def test_drawn_chunks_have_the_laws_and_correlations_of_the_study(chat):
    asked = captured(chat, plans(chat, 2))
    drawn = tally._drawn(asked, 5)
    for k, column in drawn.values.items():
        assert column.mean() == pytest.approx(chat.draws.values[k].mean(), abs=5 * column.std() / np.sqrt(len(column)))
    growth = next(k for k, q in drawn.quantities.items() if q.name == "growth_per_month")
    assert np.corrcoef(drawn.values[growth][:, 0], drawn.values[MARKET][:, 0])[0, 1] == pytest.approx(0.26, abs=0.06)


def test_memory_does_not_grow_with_the_draws(chat):
    chosen = [p for p in plans(chat) if p.head.basis is not Basis.COMMITTED]
    tally.tally(chat, chosen, 1)
    peaks = []
    sizes = (20_000, 400_000)
    for draws in sizes:
        tracemalloc.start()
        tally.tally(chat, chosen, draws, threads=1)  # two may have a chunk each, or not
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    stored = np.zeros((len(chosen), sizes[1] - sizes[0])).nbytes
    assert peaks[1] - peaks[0] < stored / 4
