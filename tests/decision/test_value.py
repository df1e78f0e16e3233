"""Regret and the value of information: a published table, and the identities between them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workbench.decision.value import best_probability, expected_regret, perfect_information
from workbench.records import WorkbenchError

CASE = json.loads((Path(__file__).parents[1] / "cases" / "decision.json").read_text(encoding="utf-8"))[
    "perfect_information"
]
LAW = settings(max_examples=60, deadline=None, derandomize=True)
TABLES = arrays.arrays(float, arrays.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.floats(-1e6, 1e6))
NAN, INF = float("nan"), float("inf")


def test_the_worked_table_gives_its_value_of_perfect_information():
    assert perfect_information(CASE["costs"], CASE["probabilities"]) == pytest.approx(CASE["value"])


def test_the_worked_table_gives_its_expected_regrets():
    assert expected_regret(CASE["costs"], CASE["probabilities"]) == pytest.approx(CASE["expected_regret"])


def test_the_worked_table_picks_the_option_of_least_expected_cost():
    regret = expected_regret(CASE["costs"], CASE["probabilities"])
    assert int(np.argmin(regret)) == int(np.argmin(CASE["expected"]))


@LAW
@given(costs=TABLES)
def test_the_least_expected_regret_is_the_value_of_perfect_information(costs):
    assert expected_regret(costs).min() == pytest.approx(perfect_information(costs), rel=1e-9, abs=1e-6)


@LAW
@given(costs=TABLES, data=st.data())
def test_the_identity_holds_under_any_probabilities(costs, data):
    states = costs.shape[1]
    weights = np.array(data.draw(st.lists(st.floats(0.01, 1), min_size=states, max_size=states)))
    weights /= weights.sum()
    assert expected_regret(costs, weights).min() == pytest.approx(
        perfect_information(costs, weights), rel=1e-9, abs=1e-6
    )


@LAW
@given(costs=TABLES)
def test_knowing_is_never_worth_less_than_nothing(costs):
    assert perfect_information(costs) >= -1e-6
    assert (expected_regret(costs) >= -1e-6).all()


@LAW
@given(costs=TABLES)
def test_knowing_is_worth_nothing_where_one_option_is_always_best(costs):
    dominated = np.vstack([costs, costs.min(axis=0) - 1])
    assert perfect_information(dominated) == pytest.approx(0, abs=1e-6)
    assert best_probability(dominated)[-1] == 1


@LAW
@given(costs=TABLES, shift=st.floats(-1e6, 1e6))
def test_what_all_options_cost_alike_changes_no_regret(costs, shift):
    assert expected_regret(costs + shift) == pytest.approx(expected_regret(costs), rel=1e-6, abs=1e-3)


@LAW
@given(costs=TABLES)
def test_chances_of_being_the_cheapest_add_up_to_one(costs):
    assert best_probability(costs).sum() == pytest.approx(1)


def test_ties_in_a_draw_share_the_chance():
    costs = np.array([[1.0, 5.0, 3.0, 2.0], [1.0, 4.0, 3.0, 9.0], [2.0, 4.0, 3.0, 9.0]])
    assert best_probability(costs) == pytest.approx([(1 / 2 + 1 / 3 + 1) / 4, (1 / 2 + 1 / 2 + 1 / 3) / 4,
                                                     (1 / 2 + 1 / 3) / 4])  # fmt: skip


def test_one_option_leaves_nothing_to_regret():
    assert perfect_information([[3.0, 4.0]]) == 0
    assert expected_regret([[3.0, 4.0]]).tolist() == [0]


@pytest.mark.parametrize("function", [perfect_information, expected_regret])
@pytest.mark.parametrize(
    ("costs", "probabilities"),
    [
        ([[1, NAN]], None), ([[1, INF]], None), ([[1, -INF]], None), ([], None), ([[]], None), (None, None),
        ("dear", None), ([[1, 2], [3]], None),
        ([[1, 2]], [0.5]), ([[1, 2]], [0.5, 0.6]), ([[1, 2]], [1.5, -0.5]), ([[1, 2]], [NAN, 1]), ([[1, 2]], []),
        ([[1, 2]], [[0.5, 0.5]]), ([[1, 2]], ["a", "b"]), ([[1, 2]], [0.2, 0.3, 0.5]),
        pytest.param(np.zeros((2, 2, 2)), None, id="three axes"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_tables_are_refused(function, costs, probabilities):
    with pytest.raises(WorkbenchError) as refused:
        function(costs, probabilities)
    assert function.__name__ in refused.value.where
    assert refused.value.remedy
