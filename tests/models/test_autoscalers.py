"""The autoscalers' rules: Knative's own test vectors and trajectories, and every default held against its row."""

import json
from dataclasses import fields
from datetime import date
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import facts
from workbench.models.autoscalers import Kpa, KpaState, hpa_desired, hybrid_window, ray_desired
from workbench.models.policies import HybridHistogram, Keda, Knative, Modal, RayServe, SageMaker
from workbench.records import WorkbenchError

CASES = json.loads((Path(__file__).parents[1] / "cases" / "queueing_and_autoscaling.json").read_text(encoding="utf-8"))
KPA = CASES["kpa"]
LAW = settings(max_examples=200, deadline=None, derandomize=True)
NOW = 1000.0


@pytest.mark.parametrize("case", KPA["vectors"])
def test_knatives_own_vectors(case):
    kw, pre = case["kw"], case["pre"]
    kpa = Kpa(
        kw["target"], kw["target"] / 0.75, kw["tbc"], max_scale_up_rate=kw.get("up", 10),
        max_scale_down_rate=kw.get("down", 10),
    )  # fmt: skip
    state = KpaState(NOW - pre[0], pre[1]) if pre else KpaState()
    assert kpa.step(state, NOW, case["ready"], case["stable"], case["panic"])[0] == case["want"]


LOADS = {
    "step0to50_at60_cc10": (lambda t: 2.0 if t < 60 else 50.0, 0),
    "pulse20s": (lambda t: 100.0 if 60 <= t < 80 else 3.0, 10),
}


@pytest.mark.parametrize("name", LOADS)
def test_knatives_trajectories_step_by_step(name):
    """Samples of 1 s, a tick each 2 s; scale-up is ready after the delay, scale-down at once."""
    load, delay = LOADS[name]
    kpa, seen, coming, ready = Kpa(7, 10), [], [], 1
    state = kpa.start(1, 0.0)
    for t in range(0, 200, 2):
        samples = [load(s) for s in range(t + 1)]
        ready = max([ready, *(d for then, d in coming if then <= t)])
        stable, panic = (sum(samples[-w:]) / len(samples[-w:]) for w in (60, 6))
        desired, burst, state = kpa.step(state, float(t), ready, stable, panic)
        left = min(ready, desired)
        seen.append((t, round(stable, 6), round(panic, 6), left, desired, burst, state.panic_since_s is not None))
        coming = [(then, d) for then, d in coming if then > t]
        if desired < ready:
            ready, coming = desired, []
        else:
            coming.append((t + delay, desired))
    changes = [now for before, now in zip([(None,) * 7, *seen], seen, strict=False) if before[4::2] != now[4::2]]
    names = ("t", "stable", "panicavg", "ready", "desired", "ebc", "panic")
    assert changes == [tuple(case[n] for n in names) for case in KPA["traj"][name]]


@LAW
@given(
    ready=st.integers(0, 50), stable=st.floats(0, 1e4), panic=st.floats(0, 1e4), delay=st.sampled_from([0, 10]),
    up=st.floats(1.1, 10), down=st.floats(1.1, 10),
)  # fmt: skip
def test_a_step_changes_the_fleet_by_no_more_than_its_rates(ready, stable, panic, delay, up, down):
    kpa = Kpa(7, max_scale_up_rate=up, max_scale_down_rate=down, scale_down_delay_s=delay)
    desired, _, state = kpa.step(kpa.start(ready, 0.0), 2.0, ready, stable, panic)
    assert desired <= max(ceil(up * max(ready, 1)), ready)
    assert desired >= max(ready, 1) // down
    assert (state.panic_since_s is None) == (state.max_panic_pods == 0)


def test_nothing_is_scaled_down_in_panic():
    kpa, state, desired = Kpa(1), KpaState(), []
    for tick, load in enumerate([0, 50, 10, 5, 1, 0]):
        wanted, _, state = kpa.step(state, 2.0 * tick, max([1, *desired]), 1.0, float(load))
        desired.append(wanted)
    assert desired == sorted(desired)


def test_scale_down_is_delayed_to_the_highest_of_the_window():
    kpa, state, seen = Kpa(1, scale_down_delay_s=10, max_scale_down_rate=100), KpaState(), []
    for tick, load in enumerate([5, 1, 1, 1, 1, 1, 1]):
        wanted, _, state = kpa.step(state, 2.0 * tick, 5, float(load), 0.0)
        seen.append(wanted)
    assert seen == [5, 5, 5, 5, 5, 1, 1]


@pytest.mark.parametrize(("capacity", "burst"), [(-1, -1), (0, 0), (211, -191), (10, 10)])
def test_the_burst_capacity_says_when_the_activator_is_in_the_path(capacity, burst):
    assert Kpa(7, 10, capacity).step(KpaState(), 0.0, 2, 0.0, 0.0)[1] == burst


HPA = [  # replicas, total, target, wanted
    (1, 10, 5, 2), (4, 21, 5, 4), (4, 21.9, 5, 4), (4, 22.1, 5, 5), (4, 18.1, 5, 4),
    (0, 3, 5, 1), (3, 0, 5, 0), (0, 0, 5, 0),
]  # fmt: skip


@pytest.mark.parametrize(("ready", "total", "target", "want"), HPA)
def test_the_kubernetes_autoscaler_keeps_within_its_tolerance_and_shares_out_beyond(ready, total, target, want):
    assert hpa_desired(ready, total, target) == want


RAY = [  # replicas, ongoing, target, up, down, least, most, wanted
    (2, 10, 2, 1, 1, 1, 100, 5), (2, 10, 2, 0.5, 1, 1, 100, 4),
    (5, 2, 2, 1, 1, 1, 100, 1), (5, 2, 2, 1, 0.5, 1, 100, 3),
    (5, 9.9, 2, 1, 0.1, 1, 100, 5), (5, 7.9, 2, 1, 0.1, 1, 100, 4),
    (3, 0, 2, 1, 1, 0, 100, 1), (1, 0, 2, 1, 1, 0, 100, 0),
    (0, 3, 2, 1, 1, 0, 100, 1), (0, 0, 2, 1, 1, 0, 100, 0), (2, 90, 2, 1, 1, 1, 8, 8), (0, 0, 2, 1, 1, 2, 8, 2),
]  # fmt: skip


@pytest.mark.parametrize(("replicas", "ongoing", "target", "up", "down", "least", "most", "want"), RAY)
def test_ray_serve_smooths_towards_the_load_and_goes_below_one_from_one_only(
    replicas, ongoing, target, up, down, least, most, want
):
    assert ray_desired(replicas, ongoing, target, up, down, least, most) == want


# --- the hybrid histogram

RULE = (0.05, 0.99, 0.1, 2.0, 0.5, 0.85, 0.3)
HISTOGRAMS = [  # counts by minute, outside, their mean, loaded again after, kept for
    ([0.0] * 240, 0, 0.0, 0.0, 14400.0),  # nothing learnt: kept over the whole range
    ([5.0] * 240, 0, 0.0, 0.0, 14400.0),  # no pattern
    ([0.0] * 10 + [100.0] + [0.0] * 229, 0, 0.0, 540.0, 186.0),  # always ten minutes: from 9 to 12.1
    ([1.0] + [0.0] * 239, 1, 20000.0, 17000.0, 6000.0),  # mostly beyond the range: a forecast
]


@pytest.mark.parametrize(("counts", "outside", "mean", "early", "kept"), HISTOGRAMS)
def test_the_hybrid_histogram_loads_before_the_next_request_is_likely(counts, outside, mean, early, kept):
    window = [0.0, 0.0]
    hybrid_window(counts, outside, mean, 60.0, RULE, window)
    assert window == pytest.approx([early, kept])


# --- every default is a row

NAMES = {
    Kpa: ("knative", {}),
    Knative: ("knative", {"initial_replicas": "initial_scale", "min_replicas": "min_scale",
                          "concurrency": "container_concurrency", "target_utilization": "target_utilisation"}),
    Keda: ("keda", {"sync_s": "hpa/sync_s", "tolerance": "hpa/tolerance", "scale_up_pods": "hpa/scale_up_pods",
                    "scale_down_window_s": "hpa/scale_down_window_s", "scale_up_share": "hpa/scale_up_share"}),
    RayServe: ("ray_serve", {"concurrency": "max_ongoing", "upscaling_factor": "up", "downscaling_factor": "down",
                             "max_replicas": "max_replicas_auto"}),
    Modal: ("modal", {"buffer_containers": "buffer", "scaledown_window_s": "idle_s"}),
    SageMaker: ("sagemaker", {"period_s": "concurrency_period_s"}),
    HybridHistogram: ("hybrid_histogram", {
        "head_share": "prewarm_percentile", "tail_share": "keep_alive_percentile", "margin": "prewarm_margin",
        "least_spread": "cv_threshold", "outside_share": "out_of_range_share", "early_share": "forecast_prewarm_share",
        "kept_share": "forecast_keep_alive_share"}),
}  # fmt: skip
"""The rows' subject of a policy, and the row of a field where its name is another: the system's own, or ours."""
OURS = {
    Knative: {"max_replicas"}, Keda: {"concurrency"}, Modal: {"max_replicas"},
    HybridHistogram: {"max_replicas", "concurrency"}, Kpa: {"reachable"},
    SageMaker: {"max_replicas", "min_replicas", "concurrency", "step"},
}  # fmt: skip
"""Fields that no system has a default for: no limit, or a model's own."""
TEXTS = {"routing", "surplus"}


@pytest.mark.parametrize("policy", NAMES)
def test_every_default_is_the_systems_own_row(policy):
    subject, names = NAMES[policy]
    rows = facts(date(2026, 11, 24)).parameters
    defaults = {f.name: f.default for f in fields(policy) if isinstance(f.default, int | float) and f.init}
    for name in set(defaults) - OURS.get(policy, set()) - TEXTS:
        owner, _, row = names.get(name, name).rpartition("/")
        assert rows["autoscaler", owner or subject, row].value == defaults[name], name


BAD = [
    (lambda: Kpa(0), "target"), (lambda: Kpa(1, max_scale_down_rate=0), "max_scale_down_rate"),
    (lambda: Kpa(1).step(KpaState(), 0, -1, 0, 0), "ready"),
    (lambda: Kpa(1).step(KpaState(), 0, 1, float("nan"), 0), "stable"),
    (lambda: hpa_desired(1, 1, 0), "target_average"), (lambda: hpa_desired(1, -1, 1), "metric_total"),
    (lambda: ray_desired(1, 1, 0), "target_ongoing"),
    (lambda: ray_desired(1, 1, 1, min_replicas=5, max_replicas=2), "above"),
    (lambda: hpa_desired(1, 1e308, 1e-300), "replicas_for_the_total=inf is not finite"),
    (lambda: ray_desired(1, 9, 1, up=1e308), "replicas_asked_for=inf is not finite"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "told"), BAD, ids=[t for _, t in BAD])
def test_bad_input_is_refused_by_name(call, told):
    with pytest.raises(WorkbenchError, match=told):
        call()
