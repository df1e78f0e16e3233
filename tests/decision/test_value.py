"""Regret and the value of information: a published table, and the identities between them."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workbench.decision.value import (
    best_probability,
    cvar,
    exceeding_probability,
    expected_regret,
    maximum_regret,
    partial_information,
    perfect_information,
    perfect_information_normal,
    sample_information_normal,
)
from workbench.records import WorkbenchError

CASES = json.loads((Path(__file__).parents[1] / "cases" / "decision.json").read_text(encoding="utf-8"))
CASE, PILOT = CASES["perfect_information"], CASES["sample_information_normal"]
LAW = settings(max_examples=60, deadline=None, derandomize=True)
TABLES = arrays.arrays(float, arrays.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.floats(-1e6, 1e6))
NAN, INF = float("nan"), float("inf")


def test_the_worked_table_gives_its_value_of_perfect_information():
    assert perfect_information(CASE["costs"], CASE["probabilities"]) == pytest.approx(CASE["value"])


def test_the_worked_table_gives_its_expected_regrets():
    assert expected_regret(CASE["costs"], CASE["probabilities"]) == pytest.approx(CASE["expected_regret"])


def test_the_worked_table_gives_its_maximum_regrets():
    assert maximum_regret(CASE["costs"]).tolist() == CASE["max_regret"]


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


# --- a sample


def belief(**changes):
    return {k: PILOT[k] for k in ("mean", "sd", "observation_sd")} | changes


def test_the_worked_pilot_has_its_worth():
    assert perfect_information_normal(PILOT["mean"], PILOT["sd"]) == pytest.approx(PILOT["perfect"], abs=1e-6)
    assert sample_information_normal(**belief(n=1)) == pytest.approx(PILOT["n_1"], abs=1e-6)
    assert sample_information_normal(**belief(n=16)) == pytest.approx(PILOT["n_16"], abs=1e-6)


MEANS, SPREADS, COUNTS = st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(0, 10_000)


@LAW
@given(mean=MEANS, sd=SPREADS, noise=SPREADS, n=COUNTS, more=COUNTS)
def test_a_larger_sample_is_worth_no_less_and_never_more_than_certainty(mean, sd, noise, n, more):
    few, many = (sample_information_normal(mean, sd, noise, count) for count in (n, n + more))
    perfect = perfect_information_normal(mean, sd)
    assert 0 <= few <= many * (1 + 1e-12) + 1e-9
    assert many <= perfect * (1 + 1e-12) + 1e-9


@LAW
@given(mean=MEANS, sd=SPREADS, noise=SPREADS)
def test_a_sample_without_end_is_worth_as_much_as_certainty(mean, sd, noise):
    endless = sample_information_normal(mean, sd, noise, 1e30)
    assert endless == pytest.approx(perfect_information_normal(mean, sd), rel=1e-6, abs=1e-6)


@LAW
@given(mean=MEANS, sd=SPREADS, noise=SPREADS, n=COUNTS)
def test_a_gain_and_a_loss_of_one_size_are_worth_the_same_look(mean, sd, noise, n):
    assert sample_information_normal(mean, sd, noise, n) == sample_information_normal(-mean, sd, noise, n)


def test_no_sample_is_worth_nothing_even_without_noise():
    assert sample_information_normal(**belief(n=0)) == 0
    assert sample_information_normal(**belief(n=0, observation_sd=0)) == 0
    assert sample_information_normal(**belief(n=1, observation_sd=0)) == pytest.approx(PILOT["perfect"])
    assert sample_information_normal(**belief(n=9, sd=0)) == 0


def test_many_pilots_are_judged_at_once():
    weeks = np.array([1, 16])
    assert sample_information_normal(**belief(n=weeks)) == pytest.approx([PILOT["n_1"], PILOT["n_16"]])


def test_the_closed_form_is_that_of_a_table_of_draws():
    gain = np.random.default_rng(1).normal(PILOT["mean"], PILOT["sd"], 400_000)
    assert perfect_information([np.zeros_like(gain), -gain]) == pytest.approx(PILOT["perfect"], rel=0.01)


@pytest.mark.parametrize(
    "bad",
    [{"mean": NAN}, {"sd": -1}, {"observation_sd": INF}, {"n": -1}, {"n": "ten"}, {"mean": [1, 2], "sd": [1, 2, 3]}],
    ids=str,
)
def test_a_bad_pilot_is_refused(bad):
    with pytest.raises(WorkbenchError, match="sample_information_normal"):
        sample_information_normal(**belief(n=4) | bad)


# --- one input

DRAWS = 4096
SLOPES = np.array([3.0, 1.0, 0.0])
STATED_ERROR = 0.06
"""Of the value of perfect information, at the product's own number of draws."""


def take_or_leave(seed):
    """Costs of staying and of a change whose gain is linear in three normal inputs; the third does nothing."""
    inputs = np.random.default_rng(seed).normal(size=(DRAWS, 3))
    return np.array([np.zeros(DRAWS), -(1 + inputs @ SLOPES)]), inputs


@pytest.mark.parametrize("seed", range(8))
def test_each_input_is_worth_what_the_closed_form_says(seed):
    costs, inputs = take_or_leave(seed)
    slack = STATED_ERROR * perfect_information(costs)
    assert partial_information(costs, inputs) == pytest.approx(perfect_information_normal(1, SLOPES), abs=slack)


@pytest.mark.parametrize("seed", range(4))
def test_inputs_known_together_are_worth_what_the_closed_form_says(seed):
    costs, inputs = take_or_leave(seed)
    both = perfect_information_normal(1, np.sqrt((SLOPES**2).sum()))
    assert partial_information(costs, inputs, [[0, 1]]) == pytest.approx([both], abs=STATED_ERROR * both)


@pytest.mark.parametrize("seed", range(4))
def test_a_simulated_pilot_is_worth_what_the_closed_form_says(seed):
    costs, _ = take_or_leave(seed)
    weeks, noise = 4, 5.0
    gain = -costs[1]
    seen = gain + np.random.default_rng(seed + 100).normal(0, noise / np.sqrt(weeks), DRAWS)
    want = sample_information_normal(1, np.linalg.norm(SLOPES), noise, weeks)
    assert partial_information(costs, seen[:, None]) == pytest.approx(
        [want], abs=STATED_ERROR * perfect_information(costs)
    )


def test_chance_finds_no_value_in_an_input_that_does_nothing():
    for seed in range(8):
        costs, inputs = take_or_leave(seed)
        assert partial_information(costs, inputs)[2] <= 0.01 * perfect_information(costs)


@LAW
@given(costs=arrays.arrays(float, st.tuples(st.integers(1, 5), st.just(40)), elements=st.floats(-1e6, 1e6)),
       inputs=arrays.arrays(float, (40, 3), elements=st.floats(-1e6, 1e6)))  # fmt: skip
def test_knowing_a_part_is_worth_no_more_than_knowing_all(costs, inputs):
    parts = partial_information(costs, inputs, [[0], [1], [2], [0, 1, 2]])
    assert (parts >= 0).all()
    assert (parts <= perfect_information(costs) * (1 + 1e-9) + 1e-6).all()


def test_the_unit_of_an_input_does_not_matter():
    costs, inputs = take_or_leave(3)
    assert partial_information(costs, np.exp(inputs / 2)) == pytest.approx(partial_information(costs, inputs))


@pytest.mark.parametrize(
    ("inputs", "groups"),
    [([[1.0]], None), ([1.0, 2.0], None), ([[1.0], [NAN]], None), ([[1.0], [2.0]], [[1]]), ([[1.0], [2.0]], [[]]),
     ([[1.0], [2.0]], [[-1]])],
    ids=str,
)  # fmt: skip
def test_bad_inputs_are_refused(inputs, groups):
    with pytest.raises(WorkbenchError, match="partial_information"):
        partial_information([[1.0, 2.0], [2.0, 1.0]], inputs, groups)


# --- money at risk

LOSSES = arrays.arrays(float, st.integers(1, 40), elements=st.floats(-1e6, 1e6))
LEVELS = st.floats(0, 0.999)


def test_the_worst_part_of_a_draw_counts_in_part():
    assert cvar([1.0, 2.0, 3.0, 4.0], 0.5) == pytest.approx(3.5)
    assert cvar([4.0, 1.0, 3.0, 2.0], 0.6) == pytest.approx((4 + 0.6 * 3) / 1.6)
    assert cvar([4.0, 1.0], 0.5, [0.25, 0.75]) == pytest.approx((0.25 * 4 + 0.25 * 1) / 0.5)


@LAW
@given(losses=LOSSES, low=LEVELS, high=LEVELS)
def test_the_money_at_risk_grows_with_the_level_from_the_mean_to_the_worst(losses, low, high):
    low, high = sorted((low, high))
    slack = 1e-6
    assert cvar(losses, 0) == pytest.approx(losses.mean(), abs=slack)
    assert losses.mean() - slack <= cvar(losses, low) <= cvar(losses, high) + slack
    assert cvar(losses, high) <= losses.max() + slack


@LAW
@given(losses=LOSSES, level=LEVELS)
def test_it_is_the_least_of_rockafellar_and_uryasevs_function(losses, level):
    least = min(eta + np.maximum(losses - eta, 0).mean() / (1 - level) for eta in losses)
    assert cvar(losses, level) == pytest.approx(least, rel=1e-9, abs=1e-3)


@LAW
@given(table=arrays.arrays(float, (2, 12), elements=st.floats(-1e6, 1e6)), level=LEVELS)
def test_spreading_money_over_two_risks_is_never_riskier(table, level):
    assert cvar(table.sum(axis=0), level) <= cvar(table, level).sum() + 1e-6


@pytest.mark.parametrize("level", [1, 1.5, -0.1, NAN, "high", [0.5, 0.9]], ids=str)
def test_a_bad_level_is_refused(level):
    with pytest.raises(WorkbenchError, match="cvar"):
        cvar([1.0, 2.0], level)


def test_a_budget_is_exceeded_in_a_share_of_draws():
    assert exceeding_probability([1.0, 2.0, 3.0, 4.0], 3) == 0.25
    assert exceeding_probability([[1.0, 2.0], [3.0, 4.0]], 2).tolist() == [0, 1]
    assert exceeding_probability([1.0, 9.0], 3, [0.9, 0.1]) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "function",
    [partial(cvar, level=0.5), partial(exceeding_probability, budget=1.0), maximum_regret],
    ids=["cvar", "exceeding_probability", "maximum_regret"],
)
@pytest.mark.parametrize("costs", [[], [1.0, NAN], None, [[[1.0]]]], ids=str)
def test_bad_losses_are_refused(function, costs):
    with pytest.raises(WorkbenchError):
        function(costs)
