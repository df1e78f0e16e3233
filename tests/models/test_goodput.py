"""Goodput: what failures, restarts and checkpoints take of the time that is paid."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import formula
from workbench.models import cost, goodput
from workbench.records import WorkbenchError

CASES = Path(__file__).parents[1] / "cases"
SPOT = json.loads((CASES / "decision.json").read_text(encoding="utf-8"))["spot_with_checkpoints"]
LAW = settings(max_examples=200, deadline=None, derandomize=True)
HOURS = st.floats(1e-3, 1e3, allow_subnormal=False)
NAN, INF = float("nan"), float("inf")


def job(mtbf_h: float, restart_h: float, checkpoint_h: float) -> dict[str, float]:
    inputs = {"job_mtbf": mtbf_h, "restart_h": restart_h, "checkpoint_h": checkpoint_h}
    return formula.evaluate(goodput, inputs, ("training_loss", "serving_loss"))


def test_the_interval_of_the_spot_case_is_youngs():
    assert goodput.checkpoint_interval(SPOT["checkpoint_min"] / 60, SPOT["mtbf_h"]) == pytest.approx(
        SPOT["interval_h"], abs=1e-6
    )


def test_the_spot_case_costs_what_it_should_per_useful_hour():
    wall = goodput.wall_per_useful_hour(
        SPOT["mtbf_h"], SPOT["restart_min"] / 60, SPOT["checkpoint_min"] / 60, SPOT["interval_h"]
    )
    assert SPOT["price"] * wall == pytest.approx(SPOT["price_per_useful_hour"], abs=1e-6)


def test_the_spot_case_comes_out_of_the_formulas_that_an_option_runs():
    """Interruptions of one instance, no failures of the hardware: the loss that the cost model is given."""
    inputs = {
        "job_gpus": 8.0, "gpu_hours_between_failures": 1e30, "job_instances": 1.0,
        "interruptions_per_hour": 1 / SPOT["mtbf_h"], "restart_h": SPOT["restart_min"] / 60,
        "checkpoint_h": SPOT["checkpoint_min"] / 60,
    }  # fmt: skip
    loss = formula.evaluate(goodput, inputs, ("training_loss",))["training_loss"]
    billed = 1000.0
    paid = billed * SPOT["price"] + cost.failure_cost(cost.lost_gpu_hours(billed, loss), SPOT["price"])
    assert paid / billed == pytest.approx(SPOT["price_per_useful_hour"], abs=1e-6)
    assert 1 / goodput.goodput(loss) * SPOT["price"] == pytest.approx(SPOT["price_per_useful_hour"], abs=1e-6)


@LAW
@given(mtbf=HOURS, restart=st.floats(0, 10), checkpoint=st.floats(0, 10), interval=HOURS)
def test_useful_time_never_takes_less_than_its_own_time(mtbf, restart, checkpoint, interval):
    try:
        assert goodput.wall_per_useful_hour(mtbf, restart, checkpoint, interval) >= 1
    except WorkbenchError as error:
        assert "ratio" in error.what  # failures come so fast that the number has no end


@LAW
@given(
    mtbf=st.floats(1, 1e3), restart=st.floats(0, 1), checkpoint=st.floats(0, 1), interval=st.floats(0.1, 10),
    more=st.floats(1, 3),
)  # fmt: skip
def test_each_hardship_makes_it_longer(mtbf, restart, checkpoint, interval, more):
    wall = goodput.wall_per_useful_hour(mtbf, restart, checkpoint, interval) * (1 - 1e-12)
    assert goodput.wall_per_useful_hour(mtbf / more, restart, checkpoint, interval) >= wall
    assert goodput.wall_per_useful_hour(mtbf, restart * more, checkpoint, interval) >= wall
    assert goodput.wall_per_useful_hour(mtbf, restart, checkpoint * more, interval) >= wall


def test_without_failures_only_the_checkpoints_take_time():
    assert goodput.wall_per_useful_hour(1e9, 0.5, 0.1, 1.0) == pytest.approx(1.1, rel=1e-6)


def test_without_failures_and_checkpoints_all_time_is_useful():
    assert goodput.wall_per_useful_hour(1e9, 0.5, 0.0, 1.0) == pytest.approx(1.0, rel=1e-6)


@LAW
@given(mtbf=st.floats(0.5, 1e4), restart=st.floats(0, 1))
def test_a_replica_without_state_is_the_limit_of_short_intervals(mtbf, restart):
    """A replica holds no work to repeat: what a job would lose if it wrote free checkpoints all the time."""
    limit = goodput.wall_per_useful_hour(mtbf, restart, 0.0, mtbf * 1e-9)
    assert 1 + job(mtbf, restart, 1e-6)["serving_loss"] == pytest.approx(limit, rel=1e-6)


@LAW
@given(mtbf=st.floats(2, 1e4), restart=st.floats(0, 1), checkpoint=st.floats(0.001, 0.02), away=st.floats(0.2, 5))
def test_youngs_interval_is_close_to_the_best(mtbf, restart, checkpoint, away):
    """To first order: no other interval beats it by more than the terms that Young leaves out."""
    best = 1 + job(mtbf, restart, checkpoint)["training_loss"]
    interval = goodput.checkpoint_interval(checkpoint, mtbf)
    other = goodput.wall_per_useful_hour(mtbf, restart, checkpoint, interval * away)
    assert other >= best * (1 - checkpoint / mtbf)


def test_failures_of_many_accelerators_add_up():
    one = goodput.job_mtbf(1.0, 50_000.0, 0.0, 1.0)
    assert goodput.job_mtbf(512.0, 50_000.0, 0.0, 64.0) == pytest.approx(one / 512)
    assert goodput.job_mtbf(8.0, 1e30, 0.01, 4.0) == pytest.approx(25.0)


def test_goodput_is_the_useful_share_of_paid_time():
    """Billed = useful / (utilisation x goodput): a loss of a quarter more hours leaves four fifths."""
    assert goodput.goodput(0.25) == 0.8
    assert goodput.goodput(0.0) == 1.0


def test_the_ratio_takes_arrays_of_draws():
    mtbf = np.array([[6.0], [12.0]])
    walls = goodput.wall_per_useful_hour(mtbf, 0.2, 0.05, np.array([0.5, 1.0, 2.0]))
    assert walls.shape == (2, 3)
    assert walls[1, 2] == goodput.wall_per_useful_hour(12.0, 0.2, 0.05, 2.0)


def test_the_ratio_is_the_formula_that_is_promised():
    m, r, c, tau = 5.0, 0.3, 0.1, 0.9
    by_hand = m * math.exp(r / m) * (math.exp((tau + c) / m) - 1) / tau
    assert goodput.wall_per_useful_hour(mtbf_h=m, restart_h=r, checkpoint_h=c, interval_h=tau) == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (n, v)
        for n in ("mtbf_h", "restart_h", "checkpoint_h", "interval_h")
        for v in (-1.0, NAN, INF, [], "long", None, "5", True)
    ]
    + [("mtbf_h", 0.0), ("interval_h", 0.0), ("mtbf_h", [1.0, -1.0])],
    ids=str,
)
def test_bad_arguments_are_refused_by_name(name, value):
    arguments = {"mtbf_h": 6.0, "restart_h": 0.2, "checkpoint_h": 0.05, "interval_h": 0.8, name: value}
    with pytest.raises(WorkbenchError) as refused:
        goodput.wall_per_useful_hour(**arguments)
    assert "wall_per_useful_hour" in refused.value.where
    assert name in refused.value.what
    assert refused.value.remedy


def test_arrays_of_two_lengths_are_refused():
    with pytest.raises(WorkbenchError, match="do not fit"):
        goodput.wall_per_useful_hour([6.0, 7.0], [0.2, 0.3, 0.4], 0.05, 0.8)


def test_failures_that_outrun_the_work_are_an_error_not_infinity():
    with pytest.raises(WorkbenchError, match="finite"):
        goodput.wall_per_useful_hour(1e-3, 10.0, 0.0, 1.0)


@LAW
@given(*[st.floats(allow_nan=True, allow_infinity=True)] * 4)
def test_the_ratio_is_finite_or_an_error(mtbf, restart, checkpoint, interval):
    try:
        got = goodput.wall_per_useful_hour(mtbf, restart, checkpoint, interval)
    except WorkbenchError:
        return
    assert np.isfinite(got)
    assert got >= 1 - 1e-9 or interval / mtbf < np.finfo(float).tiny  # below what a float can tell from nothing
