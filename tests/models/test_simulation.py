"""The simulator: equal to its readable twin to the last bit, and to theory within its own interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.twin import Twin
from workbench.models.policies import (
    Fixed,
    HybridHistogram,
    Keda,
    KeepAlive,
    Knative,
    Modal,
    RayServe,
    SageMaker,
)  # fmt: skip
from workbench.models.simulation import Batching, simulate

LAW = settings(max_examples=150, deadline=None, derandomize=True)
GRID = st.integers(0, 40).map(lambda k: k / 4)
"""Times on a grid of quarters, so that things happen at one moment often."""


@st.composite
def traces(draw):
    gaps = draw(st.lists(GRID, min_size=2, max_size=40))
    spread = draw(st.sampled_from([0.25, 1.0, 20.0]))
    work = draw(st.lists(GRID, min_size=len(gaps), max_size=len(gaps)))
    return np.cumsum(np.array(gaps) * spread), np.array(work)


COLD = st.sampled_from([0.0, 0.5, 3.0, 45.0])
MOST = st.sampled_from([None, 1, 2, 5])
LEAST = st.sampled_from([0, 0, 1])
SLOTS = st.sampled_from([1, 1, 2, 4])
ROUTING = st.sampled_from(["newest", "oldest", "least_loaded"])
common = {"max_replicas": MOST, "min_replicas": LEAST, "concurrency": SLOTS, "routing": ROUTING}
POLICIES = {
    "keep_alive": st.builds(KeepAlive, idle_s=st.sampled_from([0.0, 1.0, 10.0]), cold_start_s=COLD, **common),
    "fixed": st.builds(Fixed, replicas=st.integers(1, 4), concurrency=SLOTS, routing=ROUTING),
    "knative": st.builds(
        Knative, cold_start_s=COLD, initial_replicas=st.integers(0, 3), target_utilization=st.sampled_from([0.7, 1.0]),
        target_burst_capacity=st.sampled_from([-1, 0, 3, 211]), stable_window_s=st.sampled_from([6, 30, 60]),
        scale_down_delay_s=st.sampled_from([0, 7, 20]), activation_scale=st.sampled_from([1, 3]),
        scale_to_zero_grace_s=st.sampled_from([0, 30]), pod_retention_s=st.sampled_from([0, 9]), **common,
    ),
    "keda": st.builds(
        Keda, cold_start_s=COLD, target=st.sampled_from([1.0, 2.5]), cooldown_s=st.sampled_from([20, 300]),
        scale_down_window_s=st.sampled_from([0, 45, 300]), **common,
    ),
    "ray": st.builds(
        RayServe, cold_start_s=COLD, target_ongoing=st.sampled_from([1, 2]),
        upscale_delay_s=st.sampled_from([0, 3, 30]), downscale_delay_s=st.sampled_from([2, 60]),
        upscaling_factor=st.sampled_from([0.5, 1.0, 2.0]),
        **{**common, "max_replicas": st.sampled_from([1, 3, 100])},
    ),
    "modal": st.builds(
        Modal, cold_start_s=COLD, buffer_containers=st.integers(0, 2), scaledown_window_s=st.sampled_from([2, 60]),
        surplus=st.sampled_from(["keep", "cancel"]), **common,
    ),
    "set_up_queue": st.builds(
        Modal, cold_start_s=COLD, scaledown_window_s=st.just(0), surplus=st.just("cancel"), **common,
    ),
    "sagemaker": st.builds(
        SageMaker, cold_start_s=COLD, target=st.sampled_from([1.0, 3.0]), scale_out_cooldown_s=st.sampled_from([0, 60]),
        scale_in_cooldown_s=st.sampled_from([0, 60]), **common,
    ),
    "hybrid": st.builds(HybridHistogram, cold_start_s=COLD, bin_s=st.sampled_from([1.0, 60.0]),
                        range_s=st.sampled_from([60.0, 14400.0]), least_spread=st.sampled_from([0.5, 2.0]),
                        **{k: v for k, v in common.items() if k != "min_replicas"}),
}  # fmt: skip
NO_PROMPT, NO_END = 0.0, np.array([np.inf])


def assert_equal_to_the_twin(trace, policy, batching=None, mean_life_s=np.inf):
    arrivals, work = trace
    run = simulate(arrivals, work, policy, keep="requests", batching=batching, mean_life_s=mean_life_s, seed=3)
    random = np.random.default_rng(3)
    setups = np.atleast_1d(policy.cold_start_s)
    lives = NO_END if mean_life_s == np.inf else random.exponential(mean_life_s, 1 << 12)
    batching = batching or Batching(step_s=1.0)
    prompt = np.broadcast_to(batching.prompt_s, arrivals.shape)
    twin = Twin(arrivals, work, prompt, policy, setups, lives, batching.step_s, batching.step_per_request_s).run()
    np.testing.assert_array_equal(run.waits_s, twin.waits)
    np.testing.assert_array_equal(run.cold, twin.cold)
    np.testing.assert_array_equal(run.latencies_s, twin.latencies)
    assert run.replica_seconds == twin.replica_seconds


@pytest.mark.parametrize("name", POLICIES)
def test_the_kernel_equals_its_readable_twin_to_the_last_bit(name):
    @LAW
    @given(trace=traces(), policy=POLICIES[name])
    def law(trace, policy):
        assert_equal_to_the_twin(trace, policy)

    law()


@pytest.mark.parametrize("name", POLICIES)
def test_with_batching_and_failures_too(name):
    batching = st.builds(
        Batching, step_s=st.sampled_from([0.02, 1.0]), step_per_request_s=st.sampled_from([0.001, 0.3]),
        prompt_s=st.sampled_from([0.0, 0.25]),
    )  # fmt: skip

    @settings(LAW, max_examples=60)
    @given(trace=traces(), policy=POLICIES[name], batching=batching, life=st.sampled_from([np.inf, 60.0]))
    def law(trace, policy, batching, life):
        assert_equal_to_the_twin(trace, policy, batching, life)

    law()
