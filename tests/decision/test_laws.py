"""Laws of uncertain numbers, against other implementations of them, and what makes one of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import workbench as wb
from tests.decision.test_draws import quantity
from workbench import face
from workbench.decision.desk import Desk
from workbench.decision.draws import draw, key
from workbench.decision.laws import LAWS, below, laws, middle, quantile
from workbench.decision.study import study
from workbench.records import Quantity, WorkbenchError

LAW = settings(max_examples=200, deadline=None, derandomize=True)
ENDS = st.lists(st.floats(0.01, 1e3), min_size=3, max_size=3, unique=True).map(sorted)
SHARES = np.linspace(0, 1, 201)
NUMBERS = {
    "triangular": (), "pert": (4.0,), "lognormal": (0.8,), "switch": (0.2, 0.5, 0.3),
    "empirical": (0.0, 0.0, 0.5, 10.0, 1.0, 2000.0),
}  # fmt: skip


def of(law: str, ends: list[float], *numbers: float) -> Quantity:
    low, value, high = ends
    made = quantity("x", row="assumptions.csv:9", low=low, value=value, high=high)
    return Quantity(**{f: getattr(made, f) for f in ("name", "value", "unit", "low", "high", "rows")},
                    law=(law, numbers or NUMBERS[law]))  # fmt: skip


@pytest.mark.parametrize("law", LAWS)
@LAW
@given(ends=ENDS)
def test_every_law_rises_and_stays_between_its_ends(law, ends):
    made = quantile(SHARES, of(law, ends))
    assert made.shape == SHARES.shape
    assert (np.diff(made) >= -1e-9 * ends[2]).all()
    assert made.min() >= ends[0] * (1 - 1e-12)
    assert made.max() <= ends[2] * (1 + 1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_there_is_a_test_of_every_law(law):
    assert law in NUMBERS


@LAW
@given(ends=ENDS, weight=st.floats(1, 8))
def test_pert_is_the_beta_distribution_with_its_mode_at_the_value(ends, weight):
    low, mode, high = ends
    place = (mode - low) / (high - low)
    oracle = stats.beta(1 + weight * place, 1 + weight * (1 - place), loc=low, scale=high - low)
    assert quantile(SHARES, of("pert", ends, weight)) == pytest.approx(oracle.ppf(SHARES), abs=2e-3 * (high - low))


def test_pert_claims_more_than_the_triangle():
    ends = [0.0, 1.0, 3.0]
    assert np.std(quantile(SHARES, of("pert", ends))) < np.std(quantile(SHARES, of("triangular", ends)))


@LAW
@given(ends=ENDS, coverage=st.floats(0.5, 0.99))
def test_lognormal_is_the_lognormal_cut_at_its_ends(ends, coverage):
    low, value, high = ends
    if high / low < 1.01:
        return
    spread = np.log(high / low) / 2 / stats.norm.ppf((1 + coverage) / 2)
    whole = stats.norm(np.log(value), spread)
    inside = whole.cdf(np.log(low)) + SHARES * (whole.cdf(np.log(high)) - whole.cdf(np.log(low)))
    oracle = np.clip(np.exp(whole.ppf(inside)), low, high)
    assert quantile(SHARES, of("lognormal", ends, coverage)) == pytest.approx(oracle, rel=1e-3)


def test_what_was_observed_is_drawn_as_often_as_it_was_seen():
    seen = np.sort(np.random.default_rng(1).gamma(2.0, size=500))
    places = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]
    told = [n for p in places for n in (p, float(np.quantile(seen, p)))]
    made = quantile((np.arange(4096) + 0.5) / 4096, of("empirical", [seen[0], np.median(seen), seen[-1]], *told))
    assert np.quantile(made, places[1:-1]) == pytest.approx(np.quantile(seen, places[1:-1]), rel=1e-2)


@LAW
@given(weights=st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda w: sum(w) > 0.01))
def test_a_switch_is_one_of_three_as_often_as_its_weights_say(weights):
    shares = (np.arange(1000) + 0.5) / 1000
    made = quantile(shares, of("switch", [0.0, 1.0, 2.0], *weights))
    for end, weight in zip((0.0, 1.0, 2.0), weights, strict=True):
        assert (made == end).mean() == pytest.approx(weight / sum(weights), abs=2e-3)


def test_the_middle_of_a_switch_is_the_model_with_the_most_weight():
    assert middle(of("switch", [0.0, 1.0, 2.0], 0.4, 0.2, 0.4)) == 0
    assert middle(of("switch", [0.0, 1.0, 2.0], 0.1, 0.2, 0.7)) == 2
    assert middle(of("triangular", [0.0, 1.0, 2.0])) == pytest.approx(1.0)


def test_a_share_of_the_normal_is_exact_enough():
    at = np.linspace(-5, 5, 1001)
    assert below(at) == pytest.approx(stats.norm.cdf(at), abs=1e-6)


# --- rows make laws


def parameter(subject: str, name: str, value: float) -> dict:
    return {("draws", subject, name): quantity("x", row="parameters.csv:7", value=value, low=value, high=value)}


def test_rows_make_the_law_of_an_input():
    rows = parameter("a", "pert", 4.0) | parameter("b", "quantile_1", 9.0) | parameter("b", "quantile_0", 3.0)
    assert laws(rows) == {"a": ("pert", (4.0,)), "b": ("empirical", (0.0, 3.0, 1.0, 9.0))}
    assert laws(parameter("a; b", "rank_correlation", 0.5)) == {}


def test_rows_that_make_no_law_are_refused_with_their_place():
    for rows in (parameter("a", "gauss", 1.0), parameter("a", "pert", 4.0) | parameter("a", "lognormal", 0.8)):
        with pytest.raises(WorkbenchError, match=r"parameters.csv:7.*no law"):
            laws(rows)


def test_what_a_law_cannot_be_is_refused_with_the_row():
    for wrong in (of("lognormal", [0.0, 1.0, 2.0]), of("gauss", [0.0, 1.0, 2.0], 1.0),
                  of("switch", [0.0, 1.0, 2.0], 0.0, 0.0, 0.0)):  # fmt: skip
        with pytest.raises(WorkbenchError, match=r"assumptions.csv:9"):
            quantile(SHARES, wrong)


# --- and the shipped inputs have them


@pytest.fixture(scope="module")
def training():
    scenario = wb.load("training")
    return study(face.facts(scenario.as_of), face.changed(scenario, draws=1024))


def test_failure_rates_are_those_of_one_of_three_sources(training):
    """Which of them holds is a doubt of its own: its weights are rows, and a scenario may state others."""
    k, q = next((k, q) for k, q in training.draws.quantities.items() if q.name == "gpu_hours_between_failures")
    assert set(np.unique(training.draws.values[k])) == {q.low, q.value, q.high}
    desk = Desk(training.facts, training.scenario)
    weight = desk.assumption("gpu_hours_between_failures_weight_of_low").value
    assert (training.draws.values[k] == q.low).mean() == pytest.approx(weight, abs=2e-3)


def test_a_scenarios_own_weights_go_before_the_rows(training):
    from dataclasses import replace

    name = "gpu_hours_between_failures"
    sure = {f"{name}_weight_of_low": 0.0, f"{name}_weight_of_value": 1.0, f"{name}_weight_of_high": 0.0}
    own = Desk(training.facts, replace(training.scenario, assumptions=sure)).assumption(name)
    assert own.law == ("switch", (0.0, 1.0, 0.0))
    assert np.unique(quantile(SHARES[:-1], own)).tolist() == [own.value]


def test_every_law_that_a_row_names_is_drawn(training):
    """No row is written in vain: each law of the rows is that of some input that a shipped scenario draws."""
    named = set(laws(training.facts.parameters))
    drawn = {"gpu_hours_between_failures"}
    for name in ("chat", "training", "finetune", "images"):
        scenario = wb.load(name)
        found = study(face.facts(scenario.as_of), face.changed(scenario, draws=2))
        drawn |= {q.name for q in found.draws.quantities.values()}
    assert named <= drawn


def test_a_law_changes_no_other_column():
    one = (_Bound({"a": of("pert", [1.0, 2.0, 4.0])}),)
    other = (_Bound({"a": of("triangular", [1.0, 2.0, 4.0])}),)
    k = key(one[0].inputs["a"])
    made = [draw(o, 256, 3) for o in (one, other)]
    assert made[0].values.keys() == made[1].values.keys()
    assert np.array_equal(np.argsort(made[0].values[k][:, 0]), np.argsort(made[1].values[k][:, 0]))


class _Bound:
    def __init__(self, inputs):
        self.inputs = inputs
