"""Correlated inputs: the ranks follow the rows, and what an input may be stays what it was."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import workbench as wb
from tests.decision.test_draws import SIZE, option, quantity, same
from tests.narrow import narrow
from workbench import face
from workbench.decision.copula import Block, Tie, blocks, components, nearest, normal_correlation, ties
from workbench.decision.draws import MARKET, draw, key, shock_key
from workbench.decision.drivers import importance
from workbench.decision.offers import Option
from workbench.records import Facts, WorkbenchError

LAW = settings(max_examples=100, deadline=None, derandomize=True)
ERROR = 4 / np.sqrt(SIZE)
"""Four standard errors of a rank correlation of nothing."""


def offer(number: int, **inputs: float) -> Option:
    made = {n: quantity(n, row=f"{n}.csv:{number}") for n in inputs}
    return option(list_price=quantity("list_price", row=f"prices/a.csv:{number}"), **made)


TWO = (offer(2, utilisation=1, batch_fill=1), offer(3, utilisation=1))
FILL = key(TWO[0].inputs["batch_fill"])
USES = [key(o.inputs["utilisation"]) for o in TWO]


def tie(one: str, other: str, value: float, within: str = "") -> Tie:
    row = replace(quantity("rank_correlation", row=f"parameters.csv:{one}"), value=value, low=value, high=value)
    return Tie(one, other, within, row)


def tied(*rows: Tie, options: Sequence[Option] = TWO) -> dict:
    return dict(draw(options, SIZE, 7, blocks(options, rows)).values)


def ranks(values: dict, one: tuple, other: tuple) -> float:
    return float(stats.spearmanr(values[one][:, 0], values[other][:, 0]).statistic)


# --- what the rows ask for is what the draws have


@settings(LAW, max_examples=25)
@given(value=st.floats(-0.95, 0.95))
def test_the_rank_correlation_of_a_row_is_reached(value):
    made = tied(tie("utilisation", "batch_fill", value), options=TWO[:1])
    assert ranks(made, USES[0], FILL) == pytest.approx(value, abs=ERROR)


def test_prices_of_one_seller_move_together():
    made = tied(tie("movement of price", "movement of price", 0.6, "seller"))
    one, other = (shock_key(o.inputs["list_price"]) for o in TWO)
    assert ranks(made, one, other) == pytest.approx(0.6, abs=ERROR)


def test_prices_of_two_sellers_do_not_share_what_one_seller_shares():
    apart = (TWO[0], replace(TWO[1], provider="Bigco"))
    made = tied(tie("movement of price", "movement of price", 0.6, "seller"), options=apart)
    assert same(made, dict(draw(apart, SIZE, 7).values))


def test_what_several_sellers_rest_on_is_no_ones():
    shared = replace(TWO[0], provider="Bigco"), TWO[0]
    assert blocks(shared, [tie("utilisation", "batch_fill", 0.5, "seller")]) == ()


def test_the_strongest_of_several_rows_holds():
    rows = [tie("utilisation", "batch_fill", 0.2), tie("batch_fill", "utilisation", -0.7)]
    assert ranks(tied(*rows, options=TWO[:1]), USES[0], FILL) == pytest.approx(-0.7, abs=ERROR)


# --- and all else stays


def test_every_input_keeps_its_distribution_to_the_last_value():
    made, alone = tied(tie("utilisation", "batch_fill", 0.8)), draw(TWO, SIZE, 7).values
    assert made.keys() == alone.keys()
    for k in made:
        assert np.array_equal(np.sort(made[k], axis=0), np.sort(alone[k], axis=0))


def test_an_input_without_a_row_stays_as_it_was_and_independent():
    made, alone = tied(tie("utilisation", "batch_fill", 0.8)), draw(TWO, SIZE, 7).values
    for k in made.keys() - {FILL, *USES}:
        assert np.array_equal(made[k], alone[k])
        assert abs(ranks(made, k, FILL)) < ERROR


def test_without_correlations_the_draws_are_those_without_rows():
    facts = face.facts(wb.load("chat").as_of)
    none = {k: replace(q, value=0.0) if k[0] == "draws" else q for k, q in facts.parameters.items()}
    assert ties(replace(facts, parameters=none)) == []
    assert blocks(TWO, []) == ()
    assert same(tied(), dict(draw(TWO, SIZE, 7).values))


# --- matrices


def random_matrix(seed: int, size: int) -> np.ndarray:
    made = np.random.default_rng(seed).uniform(-1, 1, (size, size))
    made = (made + made.T) / 2
    np.fill_diagonal(made, 1)
    return made


@LAW
@given(seed=st.integers(0, 2**32), size=st.integers(2, 8))
def test_the_nearest_matrix_is_a_correlation_and_nearer_than_any_tried(seed, size):
    asked = random_matrix(seed, size)
    made = nearest(asked)
    assert np.linalg.eigvalsh(made)[0] > 0
    assert (np.diag(made) == 1).all()
    far = np.linalg.norm(made - asked)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        moved = made + rng.normal(0, 1e-2, made.shape)
        moved = (moved + moved.T) / 2
        np.fill_diagonal(moved, 1)
        assert np.linalg.eigvalsh(moved)[0] < 0 or np.linalg.norm(moved - asked) >= far * (1 - 1e-3)


@LAW
@given(seed=st.integers(0, 2**32), size=st.integers(2, 8))
def test_a_correlation_matrix_is_left_as_it_is_and_its_components_give_it_back(seed, size):
    asked = nearest(random_matrix(seed, size))
    assert np.array_equal(nearest(asked), asked) or np.abs(nearest(asked) - asked).max() < 1e-6
    root = components(asked)
    assert root @ root.T == pytest.approx(asked, abs=1e-9)
    lengths = np.linalg.norm(root, axis=0)
    assert (np.diff(lengths) <= 1e-9).all()


def test_components_of_equal_size_are_the_same_whatever_the_library_says():
    """Any other base of the space of equal components leads to the same root."""
    matrix = np.full((6, 6), 0.4) + 0.6 * np.eye(6)
    turned = matrix[::-1, ::-1].copy()  # the same matrix: another order of the same sums
    assert components(matrix) == pytest.approx(components(turned), abs=1e-12)
    assert components(np.eye(4)) == pytest.approx(np.eye(4))
    assert components(matrix)[:, 0] == pytest.approx(np.full(6, np.sqrt(3 / 6)))


def test_rows_that_contradict_each_other_give_way_and_it_is_said():
    one = (offer(2, utilisation=1, batch_fill=1, restart_h=1),)
    pairs = (("utilisation", "batch_fill", 0.9), ("batch_fill", "restart_h", 0.9), ("restart_h", "utilisation", -0.9))
    (block,) = blocks(one, [tie(*p) for p in pairs])
    assert block.adjusted > 0.1
    assert np.linalg.eigvalsh(block.matrix)[0] > 0
    assert len(block.rows) == 3
    (agreeing,) = blocks(one, [tie(a, b, 0.6) for a, b, _ in pairs[:2]])
    assert agreeing.adjusted == 0


def test_a_matrix_that_is_none_is_refused():
    for bad in (np.ones((2, 3)), np.array([[1.0, 0.2], [0.3, 1.0]]), np.array([[2.0, 0.0], [0.0, 1.0]]), np.nan):
        with pytest.raises(WorkbenchError):
            nearest(bad)


def test_normals_with_that_correlation_have_that_rank_correlation():
    rng = np.random.default_rng(0)
    for rank in (-0.8, 0.1, 0.5):
        r = normal_correlation(rank)
        pair = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], 200_000)
        assert stats.spearmanr(*pair.T).statistic == pytest.approx(rank, abs=0.01)


# --- the shipped rows


@pytest.fixture(scope="module")
def facts() -> Facts:
    return face.facts(wb.load("chat").as_of)


def test_the_shipped_rows_fit_together_and_are_reached(facts):
    study = wb.decide(narrow("chat")).study
    assert study.together
    for block in study.together:
        assert block.adjusted == 0
        wanted = 6 / np.pi * np.arcsin(block.matrix / 2)
        columns = np.hstack([study.draws.values[k] for k in block.keys])
        assert np.corrcoef(np.argsort(np.argsort(columns, axis=0), axis=0).T) == pytest.approx(wanted, abs=0.07)


def test_a_subject_that_names_no_two_inputs_is_refused_with_its_row(facts):
    (wrong,) = (replace(q, rows=("parameters.csv:9",)) for k, q in list(facts.parameters.items())[:1])
    subject = ("draws", "utilisation; batch_fill; postcode", "rank_correlation")
    with pytest.raises(WorkbenchError, match=r"parameters.csv:9.*postcode"):
        ties(replace(facts, parameters={subject: replace(wrong, value=0.5)}))


def test_correlated_inputs_are_one_group_of_the_indices():
    decision = wb.decide(face.changed(narrow("chat"), draws=512))
    found = importance(decision.study)
    assert sum("(together)" in name for name in found.names) >= 2
    assert not {"growth_per_month", "market price"} & set(found.names)
    prices = importance(decision.study, groups={"prices": [MARKET]})
    assert "growth_per_month" not in "".join(prices.names)


def test_the_json_names_what_moves_together_with_its_rows():
    told = wb.decide(face.changed(narrow("chat"), draws=64)).as_dict()["correlated"]
    assert {"market price", "growth_per_month"} in [set(block["inputs"]) for block in told]
    assert all(block["rows"] and block["adjusted"] == 0 for block in told)


def test_a_block_is_said_by_its_keys():
    block = Block((MARKET,), np.eye(1), 0.0, ())
    assert block.components.tolist() == [[1.0]]
