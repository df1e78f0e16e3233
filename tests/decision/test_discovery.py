"""Scenario discovery finds a box that was planted, says it in words, and makes up none."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workbench.decision.discovery import Limit, contains, discover, peels
from workbench.records import WorkbenchError

LAW = settings(max_examples=60, deadline=None, derandomize=True)
NAMES = ["utilisation", "egress_tb", "engineers", "growth", "discount", "drift"]
DRAWS = 4096
UTILISATION, EGRESS = 0.31, 400.0
STATED_ERROR = 0.05
"""Of an input's range: the width of one peel."""
NOISE = 0.05


def planted(seed, noise=0.0):
    """A plan that loses where utilisation is low and egress high, but for some luck."""
    generator = np.random.default_rng(seed)
    inputs = generator.random((DRAWS, len(NAMES))) * [1, 1000, 1, 1, 1, 1]
    loses = (inputs[:, 0] < UTILISATION) & (inputs[:, 1] > EGRESS)
    return inputs, loses ^ (generator.random(DRAWS) < noise)


@pytest.mark.parametrize("noise", [0.0, NOISE])
@pytest.mark.parametrize("seed", range(4))
def test_a_planted_box_is_found_within_a_peel_and_nothing_else_is_named(seed, noise):
    inputs, loses = planted(seed, noise)
    utilisation, egress = discover(inputs, loses, NAMES).limits
    assert utilisation == Limit(input="utilisation", low=None, high=pytest.approx(UTILISATION, abs=STATED_ERROR))
    assert egress == Limit(input="egress_tb", low=pytest.approx(EGRESS, abs=STATED_ERROR * 1000), high=None)


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_box_is_covered_and_dense(seed):
    box = discover(*planted(seed), NAMES)
    assert box.coverage > 0.95
    assert box.density > 0.95
    assert box.mass == pytest.approx(UTILISATION * (1 - EGRESS / 1000), abs=0.02)


def test_a_denser_box_may_be_asked_for_and_covers_less():
    inputs, loses = planted(1, NOISE)
    free, dense = discover(inputs, loses, NAMES), discover(inputs, loses, NAMES, least_density=0.97)
    assert dense.coverage < free.coverage


def test_the_same_draws_give_the_same_box():
    assert discover(*planted(2, NOISE), NAMES) == discover(*planted(2, NOISE), NAMES)


def test_a_plan_that_always_loses_needs_no_condition():
    inputs, _ = planted(3)
    box = discover(inputs, np.ones(DRAWS, bool), NAMES)
    assert (box.limits, box.coverage, box.density) == ((), 1, 1)


TABLES = arrays.arrays(float, (60, 3), elements=st.floats(-1e6, 1e6))
CASES = arrays.arrays(bool, 60).filter(lambda c: c.any())


@LAW
@given(inputs=TABLES, cases=CASES)
def test_a_box_is_what_it_says(inputs, cases):
    for box in [*peels(inputs, cases, NAMES[:3]), discover(inputs, cases, NAMES[:3])]:
        inside = contains(box, inputs, NAMES[:3])
        assert box.mass == pytest.approx(inside.mean())
        assert box.density == pytest.approx(cases[inside].mean())
        assert box.coverage == pytest.approx(cases[inside].sum() / cases.sum())


@LAW
@given(inputs=TABLES, cases=CASES)
def test_each_peel_makes_the_box_smaller_and_none_makes_it_an_anecdote(inputs, cases):
    masses = [box.mass for box in peels(inputs, cases, NAMES[:3])]
    assert all(after < before for before, after in pairwise(masses))
    assert masses[-1] >= 0.05


@LAW
@given(inputs=TABLES, cases=CASES)
def test_the_chosen_box_is_no_worse_than_no_condition_at_all(inputs, cases):
    assert discover(inputs, cases, NAMES[:3]).merit >= peels(inputs, cases, NAMES[:3])[0].merit - 1e-12


@pytest.mark.parametrize(
    ("inputs", "cases", "names"),
    [
        ([[1.0], [2.0]], [False, False], ["a"]), ([[1.0], [2.0]], [True], ["a"]), ([[1.0], [2.0]], [1, 0], ["a"]),
        ([[1.0], [2.0]], [True, False], ["a", "b"]), ([1.0, 2.0], [True, False], ["a"]),
        ([[float("nan")], [2.0]], [True, False], ["a"]),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_searched_is_refused(inputs, cases, names):
    with pytest.raises(WorkbenchError, match=r"decision\.discovery"):
        discover(inputs, np.array(cases), names)


def test_a_density_is_a_share():
    with pytest.raises(WorkbenchError, match="least_density"):
        discover(*planted(1), NAMES, least_density=5)


def test_a_box_asks_for_its_inputs():
    inputs, loses = planted(1)
    with pytest.raises(WorkbenchError, match="egress_tb"):
        contains(discover(inputs, loses, NAMES), inputs[:, :1], ["utilisation"])
