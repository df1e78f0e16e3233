"""First-order indices, held against a function whose indices are known exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.decision.sensitivity import first_order

A, B = 7.0, 0.1
POINTS = 4096
STATED_ERROR = 0.03
"""Of an index, at the product's own number of draws."""


def ishigami(x: np.ndarray) -> np.ndarray:
    """Ishigami and Homma (1990): strong, additive in the second input, blind to the third on its own."""
    return np.sin(x[:, 0]) + A * np.sin(x[:, 1]) ** 2 + B * x[:, 2] ** 4 * np.sin(x[:, 0])


def exact() -> list[float]:
    first = (1 + B * np.pi**4 / 5) ** 2 / 2
    second = A**2 / 8
    whole = second + B * np.pi**4 / 5 + B**2 * np.pi**8 / 18 + 1 / 2
    return [first / whole, second / whole, 0.0]


def points(seed: int, inputs: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, (POINTS, inputs))


@pytest.mark.parametrize("seed", range(5))
def test_ishigamis_indices_come_out_within_the_stated_error(seed):
    x = points(seed)
    assert first_order(x, ishigami(x)) == pytest.approx(exact(), abs=STATED_ERROR)


def test_the_exact_indices_are_the_published_ones():
    assert exact() == pytest.approx([0.3139, 0.4424, 0.0], abs=1e-4)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), weights=st.lists(st.floats(-10, 10), min_size=4, max_size=4))
def test_shares_add_to_at_most_one(seed, weights):
    x = points(seed, 4)
    y = x @ np.array(weights) + x[:, 0] * x[:, 1]
    shares = first_order(x, y)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert shares.sum() <= 1 + 4 * STATED_ERROR


def test_a_linear_output_is_shared_by_variance():
    x = points(1)
    assert first_order(x, x @ np.array([3.0, 4.0, 0.0])) == pytest.approx([9 / 25, 16 / 25, 0], abs=STATED_ERROR)


def test_an_input_that_does_nothing_explains_nothing():
    x = points(2)
    assert first_order(x, x[:, 0] ** 3)[1:] == pytest.approx([0, 0], abs=0.01)


def test_an_output_that_never_moves_has_no_drivers():
    assert first_order(points(3), np.full(POINTS, 5.0)).tolist() == [0, 0, 0]


def test_the_unit_of_the_output_does_not_matter():
    x = points(4)
    assert first_order(x, ishigami(x) * 1e6 + 1e3) == pytest.approx(first_order(x, ishigami(x)))
