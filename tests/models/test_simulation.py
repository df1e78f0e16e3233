"""The simulator: equal to its readable twin to the last bit, and to theory within its own interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.twin import Twin
from workbench.models import autoscalers, control, fleet, kernel, queueing, replicas
from workbench.models.policies import (
    Batching,
    Fixed,
    HybridHistogram,
    Keda,
    KeepAlive,
    Knative,
    Modal,
    RayServe,
    SageMaker,
)  # fmt: skip
from workbench.models.simulation import Simulation, simulate
from workbench.records import WorkbenchError

LAW = settings(max_examples=150, deadline=None, derandomize=True)
SLOW = {"ray": 40}
"""Examples where the twin walks through ten ticks for each second."""
GRID = st.integers(0, 40).map(lambda k: k / 4)
"""Times on a grid of quarters, so that things happen at one moment often."""


@st.composite
def traces(draw):
    gaps = draw(st.lists(GRID, min_size=2, max_size=40))
    spread = draw(st.sampled_from([0.25, 1.0, 20.0, 0.1, 1 / 3]))  # the last two as no float holds them
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
    @settings(LAW, max_examples=SLOW.get(name, LAW.max_examples))
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

    @settings(LAW, max_examples=min(60, SLOW.get(name, 60)))
    @given(trace=traces(), policy=POLICIES[name], batching=batching, life=st.sampled_from([np.inf, 60.0]))
    def law(trace, policy, batching, life):
        assert_equal_to_the_twin(trace, policy, batching, life)

    law()


CROWDED = st.builds(
    KeepAlive, idle_s=st.sampled_from([0.0, 0.3, 10.0]), cold_start_s=st.sampled_from([0.0, 0.5, 30.0]),
    max_replicas=st.sampled_from([None, 20, 60]), routing=ROUTING,
)  # fmt: skip


@settings(LAW, max_examples=60)
@given(
    policy=CROWDED, busy=st.sampled_from([3.0, 15.0, 40.0]), seed=st.integers(0, 1000),
    spread=st.sampled_from([1, 4, 9]),
)  # fmt: skip
def test_a_crowded_pool_equals_its_twin_wherever_its_queue_keeps_who_is_busy(policy, busy, seed, spread):
    """Below and above the load from which there is a wheel, with services of which some outlast all of its slots."""
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.weibull(0.6, 300)) / busy
    assert_equal_to_the_twin((arrivals, random.exponential(1.0, 300) ** spread), policy)


@pytest.mark.parametrize("cold_start_s", [0.0, 2.0])
def test_a_pool_that_is_crowded_for_a_moment_equals_its_twin(cold_start_s):
    """Few are busy in the mean, and more at once than there was room for."""
    random = np.random.default_rng(5)
    arrivals = np.sort(np.concatenate([random.uniform(0, 1e5, 300), 5e4 + random.uniform(0, 1e-3, 1_500)]))
    assert_equal_to_the_twin((arrivals, random.exponential(1.0, arrivals.size)), KeepAlive(9.0, cold_start_s))


@pytest.mark.parametrize("module", [autoscalers, control, fleet, kernel, replicas], ids=lambda m: m.__name__)
def test_a_compiled_function_stands_below_those_that_it_calls(module):
    """What is not there yet cannot be part of its name, and the loop kept on disk under it would outlive a change."""
    line = {n: f.py_func.__code__.co_firstlineno for n, f in vars(module).items()
            if hasattr(f, "py_func") and f.py_func.__module__ == module.__name__}  # fmt: skip
    used = {n: vars(module)[n].py_func.__code__.co_names for n in line}
    assert [(n, u) for n in line for u in used[n] if u in line and line[u] > line[n]] == []


# --- theory


def poisson(rate: float, mean: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return np.cumsum(random.exponential(1 / rate, n)), random.exponential(mean, n)


POOLS = [(0.5, 2.0, 60.0), (2.0, 4.0, 30.0), (0.002, 10.0, 600.0), (0.9, 1.991, 600.0)]


@pytest.mark.parametrize(("rate", "mean", "idle_s"), POOLS)
def test_a_keep_alive_pool_is_within_its_own_interval_of_the_exact_theory(rate, mean, idle_s):
    arrivals, service = poisson(rate, mean, 400_000, seed=11)
    run = simulate(arrivals, service, KeepAlive(idle_s, 0.0), warm_up_s=20 * idle_s)
    exact = queueing.keep_alive(rate, mean, idle_s)
    low, high = run.interval("cold_share")
    assert low <= exact.cold_share <= high
    assert run.mean_replicas == pytest.approx(exact.mean_replicas, rel=0.01)


@pytest.mark.parametrize(("rate", "kept_s", "inputs", "least"), [(1.0, 5.0, 1, 2), (1.0, 5.0, 1, 4), (0.1, 30.0, 8, 0)])
def test_a_pool_with_a_minimum_or_room_for_all_is_within_its_own_interval_of_the_exact_theory(
    rate, kept_s, inputs, least
):
    arrivals, service = poisson(rate, 2.0, 400_000, seed=12)
    policy = Modal(0.0, scaledown_window_s=kept_s, concurrency=inputs, min_replicas=least)
    run = simulate(arrivals, service, policy, warm_up_s=20 * kept_s)
    exact = queueing.keep_alive(rate, 2.0, kept_s, concurrency=inputs, min_replicas=least)
    low, high = run.interval("cold_share")
    assert low <= exact.cold_share <= high
    assert run.mean_replicas == pytest.approx(exact.mean_replicas, rel=0.01)


@pytest.mark.parametrize(("mean", "kept_s", "inputs"), [(2.0, 5.0, 2), (2.0, 5.0, 4), (8.0, 20.0, 4)])
def test_requests_that_stay_where_they_are_hold_more_replicas_and_start_fewer(mean, kept_s, inputs):
    arrivals, service = poisson(1.0, mean, 400_000, seed=12)
    policy = Modal(0.0, scaledown_window_s=kept_s, concurrency=inputs)
    run = simulate(arrivals, service, policy, warm_up_s=20 * kept_s)
    packed = queueing.keep_alive(1.0, mean, kept_s, concurrency=inputs)
    assert packed.cold_share == pytest.approx(run.cold_share, rel=0.25)
    assert packed.cold_share > run.interval("cold_share")[1]
    assert 0.95 * run.mean_replicas < packed.mean_replicas < run.mean_replicas


@pytest.mark.parametrize(("rate", "mean", "servers"), [(0.5, 1.0, 1), (4.0, 2.0, 10), (90.0, 1.0, 100)])
def test_a_fixed_fleet_is_within_its_own_interval_of_erlang(rate, mean, servers):
    arrivals, service = poisson(rate, mean, 1_000_000, seed=5)
    run = simulate(arrivals, service, Fixed(servers), warm_up_s=1000 / rate)
    exact = queueing.mmc(rate, 1 / mean, servers)
    low, high = run.interval("wait_mean")
    assert low <= exact.wait_mean <= high
    if servers < 100:  # waits of a hundred servers are alike for so long that a run of three hours says little of P99
        assert run.wait_quantile(0.99) == pytest.approx(exact.wait_quantile(0.99), rel=0.08)


def set_up_queue(rate: float, servers: int, setups: float | np.ndarray, seed: int) -> Simulation:
    arrivals, service = poisson(rate, 1.0, 600_000, seed)
    policy = Modal(setups, max_replicas=servers, scaledown_window_s=0, surplus="cancel")
    return simulate(arrivals, service, policy, warm_up_s=1000 / rate)


@pytest.mark.parametrize(("rate", "servers"), [(0.5, 1), (3.0, 5), (7.0, 10), (14.0, 20)])
def test_a_set_up_queue_is_within_its_own_interval_of_theory(rate, servers):
    """Exponential set-up: every waiting request starts one, the newest is cancelled when it is no longer needed."""
    exponential = np.random.default_rng(2).exponential(10.0, 1 << 16)
    low, high = set_up_queue(rate, servers, exponential, seed=7).interval("wait_mean")
    assert low <= queueing.setup_mmk(rate, 1.0, servers, 10.0).response_mean - 1.0 <= high


def test_a_deterministic_set_up_differs_from_an_exponential_one_and_the_sign_changes_with_the_servers():
    """One server waits less with a known set-up; many wait more, as the first of many exponential ones is early."""
    exponential = np.random.default_rng(2).exponential(10.0, 1 << 16)
    waits = {
        k: [set_up_queue(rate, k, s, seed=7).wait_mean for s in (10.0, exponential)]
        for k, rate in ((1, 0.5), (20, 14.0))
    }
    assert waits[1][0] < waits[1][1]
    assert waits[20][0] > waits[20][1]
    low, high = set_up_queue(0.5, 1, 10.0, seed=7).interval("wait_mean")
    assert low <= queueing.setup_mg1(0.5, 1.0, 1.0, 10.0, 0.0).response_mean - 1.0 <= high


def test_processor_sharing_is_within_its_own_interval_of_theory():
    """One replica without a limit that shares its pace: M/G/1 processor sharing, mean latency S/(1 - load)."""
    arrivals, service = poisson(0.6, 1.0, 300_000, seed=3)
    run = simulate(arrivals, service, Fixed(1, concurrency=400), batching=Batching(step_s=0.0, step_per_request_s=1.0),
                   keep="requests")  # fmt: skip
    batches = run.latencies_s.reshape(20, -1).mean(axis=1)
    half = 2.861 * batches.std(ddof=1) / np.sqrt(20)
    assert abs(batches.mean() - 1 / (1 - 0.6)) < half


@LAW
@given(trace=traces(), replicas=st.integers(1, 4))
def test_more_replicas_never_wait_longer_in_a_fixed_warm_fleet(trace, replicas):
    arrivals, work = trace
    few, more = (simulate(arrivals, work, Fixed(k), keep="requests").waits_s for k in (replicas, replicas + 1))
    assert (more <= few + 1e-9).all()


def test_more_replicas_can_wait_longer_where_a_request_is_bound_to_the_one_that_it_started():
    """With a second replica allowed, the last request binds to a cold one that the first would have spared it."""
    arrivals, service = np.array([0.0, 65.0, 70.0]), np.array([1.0, 11.0, 1.0])
    one, two = (simulate(arrivals, service, KeepAlive(600, 60.0, max_replicas=k), keep="requests") for k in (1, 2))
    assert (one.waits_s[2], two.waits_s[2]) == (6.0, 60.0)


# --- the histogram, the warm-up, and what is refused


@pytest.mark.parametrize("p", [0.5, 0.9, 0.99, 0.999])
def test_a_quantile_of_the_histogram_is_within_half_a_per_cent(p):
    arrivals, service = poisson(4.0, 2.0, 200_000, seed=1)
    quick, exact = (simulate(arrivals, service, Fixed(9), keep=k) for k in ("summary", "requests"))
    assert quick.latency_quantile(p) == pytest.approx(exact.latency_quantile(p), rel=0.005)
    assert quick.wait_quantile(p) == pytest.approx(exact.wait_quantile(p), rel=0.005)


def test_the_warm_up_is_left_out_of_shares_and_replica_seconds():
    arrivals, service = np.arange(0.0, 100.0), np.full(100, 0.5)
    whole, later = (simulate(arrivals, service, KeepAlive(60, 5.0), warm_up_s=w) for w in (0, 50))
    assert whole.cold_share == 0.06
    assert later.cold_share == 0
    assert (later.requests, later.span_s, later.warm_up_s) == (50, 49.0, 50)


def test_the_same_seed_gives_the_same_run():
    arrivals, service = poisson(0.1, 2.0, 5_000, seed=1)
    policy = KeepAlive(10, np.array([1.0, 9.0]))
    again = [simulate(arrivals, service, policy, seed=s).wait_mean for s in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


BAD = [
    ({"arrivals_s": []}, "the trace is empty"),
    ({"arrivals_s": [1.0, 0.0]}, r"arrivals_s\[1\] is before the one ahead"),
    ({"arrivals_s": [0.0, float("nan")]}, "not finite"),
    ({"service_s": [1.0]}, "give one number, or one for each request"),
    ({"service_s": -1.0}, "out of range"),
    ({"arrivals_s": [0.0, 1e12]}, r"arrivals_s ends at 1e.12; give seconds"),
    ({"arrivals_s": [-1e12, 0.0]}, r"arrivals_s=.* is out of range"),
    ({"service_s": 1e10}, "a request takes over a century"),
    ({"policy": KeepAlive(1, 1e10)}, "a request takes over a century"),
    ({"policy": None}, "policy=None is no policy"),
    ({"policy": KeepAlive}, "is no policy"),
    ({"seed": -1}, "seed=-1 is out of range"),
    ({"seed": 1.5}, "seed=1.5 is out of range"),
    ({"seed": "x"}, "seed='x' is out of range"),
    ({"sampled_s": [0.0, float("nan")]}, "sampled_s=.* is not finite"),
    ({"sampled_s": [1.0, 0.0]}, r"sampled_s\[1\] is before"),
    ({"keep": "all"}, "use one of summary, requests"),
    ({"warm_up_s": 1e9}, "no request comes after the warm-up"),
    ({"limit_s": float("nan")}, "simulate limit_s"),
    ({"policy": KeepAlive(-1, 0)}, "idle_s"),
    ({"policy": KeepAlive(1, float("nan"))}, "cold_start_s"),
    ({"policy": KeepAlive(1, [[1.0, 2.0]])}, "cold_start_s has 2 axes"),
    ({"policy": KeepAlive(1, 1, max_replicas=0)}, "max_replicas"),
    ({"policy": KeepAlive(1, 1, concurrency=1.5)}, "whole number"),
    ({"policy": KeepAlive(1, 1, max_replicas=1, min_replicas=2)}, "above max_replicas"),
    ({"policy": KeepAlive(1, 1, routing="best")}, "use one of newest, oldest"),
    ({"policy": Knative(1, max_scale_down_rate=0.5)}, "max_scale_down_rate"),
    ({"policy": Modal(1, surplus="sell")}, "use keep or cancel"),
    ({"policy": Knative(1, concurrency="many")}, "Knative: concurrency='many' is not a number"),
    ({"policy": Knative(1, min_replicas="few")}, "Knative: min_replicas='few' is not a number"),
    ({"policy": Knative(1, activation_scale=2.5)}, "activation_scale=2.5 is not a whole number"),
    ({"policy": Modal(1, buffer_containers=0.5)}, "buffer_containers=0.5 is not a whole number"),
    ({"policy": SageMaker(1, 1, step=1.5)}, "step=1.5 is not a whole number"),
    ({"policy": HybridHistogram(1, head_share=7)}, "head_share=7 is out of range"),
    ({"policy": HybridHistogram(1, bin_s=1e-9)}, "HybridHistogram: 14400 s are .* ticks"),
    ({"policy": Knative(1, scale_down_delay_s=1e12)}, "Knative: 1e.12 s are 5e.11 ticks"),
    ({"policy": Keda(1, 1, polling_interval_s=1e300)}, "Keda: 1e.300 s are .* ticks of 15 s"),
    ({"policy": Keda(1, 1, sync_s=1e-9)}, "of at least 0.001"),
    ({"policy": RayServe(1, loop_s=1e-9)}, "of at least 0.001"),
    ({"policy": RayServe(1, look_back_s=1e300)}, "RayServe: 1e.300 s are .* ticks of 0.1 s"),
    ({"policy": SageMaker(1, 1, period_s=1e-9)}, "of at least 0.001"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), BAD, ids=[f"{n} {t}" for n, (_, t) in enumerate(BAD)])
def test_bad_input_is_refused_by_name(change, told):
    given = {"arrivals_s": [0.0, 1.0], "service_s": 1.0, "policy": KeepAlive(1, 1)} | change
    with pytest.raises(WorkbenchError, match=told):
        simulate(**given)


def test_a_saturated_fleet_says_so_instead_of_returning_a_number():
    arrivals, service = poisson(10.0, 1.0, 5_000, seed=1)
    with pytest.raises(WorkbenchError, match=r"saturated: 10.1 replicas are busy on average, and 9 are allowed"):
        simulate(arrivals, service, Fixed(9))


FIRST = [Fixed(3000), Knative(1.0, initial_replicas=3000), KeepAlive(9.0, 1.0, min_replicas=3000, concurrency=2)]


@pytest.mark.parametrize("policy", FIRST, ids=lambda p: type(p).__name__)
def test_a_fleet_that_begins_with_more_replicas_than_there_was_room_for_gets_more_room(policy):
    run = simulate([0.0, 1.0], 1.0, policy)
    assert run.cold_share == 0
    assert run.replica_seconds == 3000.0


@pytest.mark.parametrize("policy", [Fixed(10**9), Modal(1.0, concurrency=10**9), Knative(1.0, initial_replicas=10**9)])
def test_more_than_memory_holds_is_refused(policy):
    with pytest.raises(WorkbenchError, match="replicas at once"):
        simulate([0.0, 1.0], 1.0, policy)


def test_requests_that_nobody_will_serve_are_refused():
    with pytest.raises(WorkbenchError, match="no replica will ever serve them"):
        simulate([0.0, 1.0], 1.0, Modal(1.0, max_replicas=1), mean_life_s=1e-9)


def test_a_fleet_that_begins_with_more_replicas_than_there_is_room_for_at_first_is_given_more():
    arrivals, service = poisson(100.0, 1.0, 2_000, seed=1)
    assert simulate(arrivals, service, Fixed(1_500)).wait_quantile(0.999) == 0
