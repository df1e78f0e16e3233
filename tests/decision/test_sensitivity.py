"""First-order and total indices, held against functions whose indices are known exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.decision.sensitivity import Indices, first_order, sobol_indices
from workbench.records import WorkbenchError

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


# --- first-order and total indices by asking the function again

INDEX_ERROR, TYPICAL_ERROR = 0.06, 0.025
"""Of an index at the product's own number of draws and kind of draws: the largest over all seeds, and the root mean
square of the worst index."""
INTERACTING = B**2 * np.pi**8 * (1 / 18 - 1 / 50)
WHOLE = A**2 / 8 + B * np.pi**4 / 5 + B**2 * np.pi**8 / 18 + 1 / 2
STIFFNESS = np.array([0, 1, 4.5, 9, 99, 99, 99, 99])


def hypercube(seed: int, inputs: int) -> np.ndarray:
    """A Latin hypercube, as the draws of a study are."""
    generator = np.random.default_rng(seed)
    orders = np.column_stack([generator.permutation(POINTS) for _ in range(inputs)])
    return (orders + generator.random(orders.shape)) / POINTS


def asked_again(seed: int, **groups: object) -> Indices:
    x = (2 * hypercube(seed, 6) - 1) * np.pi
    return sobol_indices(ishigami, x[:, :3], x[:, 3:], **groups)


def sobol_g(x: np.ndarray) -> np.ndarray:
    """Sobol's G function: a product of tents, the stiffer the less an input matters."""
    return np.prod((np.abs(4 * x - 2) + STIFFNESS) / (1 + STIFFNESS), axis=1)


@pytest.mark.parametrize("seed", range(8))
def test_ishigamis_first_and_total_indices_come_out_within_the_stated_error(seed):
    found = asked_again(seed)
    total = [exact()[0] + INTERACTING / WHOLE, exact()[1], INTERACTING / WHOLE]
    assert found.first == pytest.approx(exact(), abs=INDEX_ERROR)
    assert found.total == pytest.approx(total, abs=INDEX_ERROR)
    assert found.evaluations == 5


@pytest.mark.parametrize("seed", range(8))
def test_sobols_g_function_comes_out_within_the_stated_error(seed):
    u = hypercube(seed, 16)
    found = sobol_indices(sobol_g, u[:, :8], u[:, 8:])
    parts = 1 / (3 * (1 + STIFFNESS) ** 2)
    whole = np.prod(1 + parts) - 1
    assert found.first == pytest.approx(parts / whole, abs=INDEX_ERROR)
    assert found.total == pytest.approx(parts / (1 + parts) * (1 + whole) / whole, abs=INDEX_ERROR)


def test_the_typical_error_is_half_of_the_largest():
    total = [exact()[0] + INTERACTING / WHOLE, exact()[1], INTERACTING / WHOLE]
    found = [asked_again(seed) for seed in range(24)]
    for got, want in (([f.first for f in found], exact()), ([f.total for f in found], total)):
        assert np.sqrt(np.mean((np.array(got) - want) ** 2, axis=0)).max() < TYPICAL_ERROR


def test_the_stated_standard_errors_cover_what_the_estimates_miss():
    misses = []
    for seed in range(40):
        found = asked_again(seed)
        misses += list(np.abs(found.first - exact()) / found.first_error)
    assert np.mean(np.array(misses) > 2) < 0.05


def test_from_the_same_outputs_the_estimates_are_scipys():
    x = (2 * hypercube(0, 6) - 1) * np.pi
    one, other = x[:, :3], x[:, 3:]
    mixed = [np.column_stack([other[:, j] if j == i else one[:, j] for j in range(3)]) for i in range(3)]
    outputs = {"f_A": ishigami(one)[None], "f_B": ishigami(other)[None],
               "f_AB": np.array([ishigami(m) for m in mixed])[:, None]}  # fmt: skip
    oracle = stats.sobol_indices(func=outputs, n=POINTS)
    found = sobol_indices(ishigami, one, other)
    assert found.first == pytest.approx(oracle.first_order.ravel(), rel=1e-9, abs=1e-12)
    assert found.total == pytest.approx(oracle.total_order.ravel(), rel=1e-9, abs=1e-12)


def test_inputs_that_only_act_together_belong_to_one_group():
    """The first and third input interact: as one group they have no interaction left, and the shares add to one."""
    found = asked_again(1, groups=[[0, 2], [1]])
    assert found.first == pytest.approx([1 - exact()[1], exact()[1]], abs=INDEX_ERROR)
    assert found.total == pytest.approx([1 - exact()[1], exact()[1]], abs=INDEX_ERROR)


def test_a_group_stays_right_where_its_inputs_are_correlated():
    """y = a + b + c with corr(a, b) = 1/2: the pair explains 3 parts of 4, whatever the two share."""
    generator = np.random.default_rng(5)
    draws = [generator.multivariate_normal([0, 0, 0], [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]], POINTS) for _ in range(2)]
    found = sobol_indices(lambda x: x.sum(axis=1), *draws, groups=[[0, 1], [2]])
    assert found.first == pytest.approx([3 / 4, 1 / 4], abs=INDEX_ERROR)
    assert found.total == pytest.approx([3 / 4, 1 / 4], abs=INDEX_ERROR)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_a_large_mean_does_not_drown_the_indices(shift):
    x = (2 * hypercube(2, 6) - 1) * np.pi
    found = sobol_indices(lambda d: ishigami(d) + shift, x[:, :3], x[:, 3:])
    assert found.first == pytest.approx(asked_again(2).first, abs=1e-6)


def test_an_output_that_never_moves_has_no_indices():
    x = points(3)
    found = sobol_indices(lambda d: np.full(len(d), 5.0), x, points(4))
    assert (found.first.tolist(), found.total.tolist()) == ([0, 0, 0], [0, 0, 0])


@pytest.mark.parametrize(
    ("function", "one", "other", "groups"),
    [
        (ishigami, points(1), points(1)[:-1], None), (ishigami, points(1)[:, 0], points(1)[:, 0], None),
        (ishigami, points(1), points(2), [[3]]), (ishigami, points(1), points(2), [[]]),
        (lambda x: x, points(1), points(2), None), (lambda x: x[:, 0] / 0, points(1), points(2), None),
    ],
    ids=["sizes", "one axis", "no such column", "empty group", "output of two axes", "infinite output"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_cannot_be_decomposed_is_refused(function, one, other, groups):
    with pytest.raises(WorkbenchError, match="sobol_indices"):
        sobol_indices(function, one, other, groups=groups)
