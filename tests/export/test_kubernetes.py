"""A policy as a Kubernetes object: only fields that exist, only values that are admitted, and the policy back from it.

The names and rules below are those of the real systems, read from the sources that each names, and written here a
second time: what the product writes is held against them.
"""

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.export import kubernetes, manifest
from workbench.models.policies import Keda, Knative
from workbench.records import Infeasible, Serving, WorkbenchError

ROOT = Path(__file__).parents[2]
ASKED = Serving(model="Llama-3.1-70B", gpu="H100-SXM", gpus=4, platform="kubernetes", p=0.99, limit_s=40)
START_S = 104.0
LAWS = settings(derandomize=True, deadline=None)

# knative/serving pkg/apis/autoscaling/register.go, in the spelling of knative/docs docs/serving/autoscaling/*.md
KNATIVE_ANNOTATIONS = {
    "class", "metric", "target", "target-utilization-percentage", "min-scale", "max-scale", "initial-scale",
    "activation-scale", "scale-down-delay", "window", "panic-window-percentage", "panic-threshold-percentage",
    "scale-to-zero-pod-retention-period", "target-burst-capacity", "metric-aggregation-algorithm",
}  # fmt: skip
# knative/serving pkg/apis/serving/v1/revision_types.go; pkg/apis/serving/fieldmask.go
REVISION_FIELDS = {"containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds",
                   "containers", "volumes", "serviceAccountName", "imagePullSecrets", "enableServiceLinks"}  # fmt: skip
CONTAINER_FIELDS = {"name", "args", "command", "env", "envFrom", "image", "imagePullPolicy", "livenessProbe", "ports",
                    "readinessProbe", "resources", "securityContext", "startupProbe", "terminationMessagePath",
                    "terminationMessagePolicy", "volumeMounts", "workingDir"}  # fmt: skip
RESERVED_PATHS = {"/", "/dev", "/dev/log", "/tmp", "/var", "/var/log"}  # knative/serving k8s_validation.go
# kedacore/keda apis/keda/v1alpha1/scaledobject_types.go
SCALED_OBJECT = {"scaleTargetRef", "pollingInterval", "initialCooldownPeriod", "cooldownPeriod", "idleReplicaCount",
                 "minReplicaCount", "maxReplicaCount", "advanced", "triggers", "fallback"}  # fmt: skip
TRIGGER = {"type", "name", "metricType", "useCachedMetrics", "metadata", "authenticationRef"}  # scaletriggers_types.go
# kedacore/keda pkg/scalers/prometheus_scaler.go
PROMETHEUS = {"serverAddress", "query", "queryParameters", "threshold", "activationThreshold", "namespace",
              "customHeaders", "ignoreNullValues", "unsafeSsl", "awsRegion", "timeout", "identityOwner",
              "authModes"}  # fmt: skip
BEHAVIOUR = {"stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance"}  # kubernetes api/autoscaling/v2
INT32 = 2**31 - 1


def seconds(text: str) -> float:
    """A Go duration of whole seconds."""
    assert re.fullmatch(r"\d+s", text), text
    return float(text[:-1])


def refused_by_knative(annotations: Mapping[str, str]) -> Iterator[str]:
    """pkg/apis/autoscaling/annotation_validation.go, rule by rule."""
    found = {n.removeprefix("autoscaling.knative.dev/"): v for n, v in annotations.items() if "autoscaling" in n}
    assert all(isinstance(v, str) for v in annotations.values())
    counts = ("min-scale", "max-scale", "initial-scale", "activation-scale")
    least, most, first, woken = (int(found[n]) if n in found else None for n in counts)
    yield from ("negative" for n in (least, most, first) if not 0 <= n <= INT32)
    if most and most < least:
        yield "max-scale"
    if woken is not None and (woken < 2 or woken < least or 0 < most < woken):
        yield "activation-scale"
    ranges = {"panic-window-percentage": (1, 100), "panic-threshold-percentage": (110, 1000),
              "target": (0.01, math.inf), "target-utilization-percentage": (1, 100)}  # fmt: skip
    yield from (n for n, (low, high) in ranges.items() if not low <= float(found[n]) <= high)
    if (burst := float(found["target-burst-capacity"])) < 0 and burst != -1:
        yield "target-burst-capacity"
    durations = {"window": (6, 3600), "scale-down-delay": (0, 3600), "scale-to-zero-pod-retention-period": (0, 3600)}
    yield from (n for n, (low, high) in durations.items() if not low <= seconds(found[n]) <= high)
    if found["class"] != "kpa.autoscaling.knative.dev" or found["metric"] not in ("concurrency", "rps"):
        yield "class"


def refused_by_keda(document: Mapping[str, Any]) -> Iterator[str]:
    """apis/keda/v1alpha1/scaledobject_webhook.go; kubernetes pkg/apis/autoscaling/validation/validation.go."""
    spec = document["spec"]
    if len("keda-hpa-" + document["metadata"]["name"]) > 63:
        yield "name"
    counts = [spec[n] for n in ("pollingInterval", "cooldownPeriod", "minReplicaCount", "maxReplicaCount")]
    yield from ("int32" for n in counts if type(n) is not int or not 0 <= n <= INT32)
    if max(spec["minReplicaCount"], 1) > spec["maxReplicaCount"]:
        yield "minReplicaCount"
    for rules in spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"].values():
        if set(rules) - BEHAVIOUR or not 0 <= rules["stabilizationWindowSeconds"] <= 3600 or not rules["policies"]:
            yield "behaviour"
        if rules["selectPolicy"] not in ("Max", "Min", "Disabled"):
            yield "selectPolicy"
        for step in rules["policies"]:
            if set(step) != {"type", "value", "periodSeconds"} or step["type"] not in ("Pods", "Percent"):
                yield "policy"
            if not 0 < step["periodSeconds"] <= 1800 or not 0 < step["value"] <= INT32:
                yield "policy value"
    for trigger in spec["triggers"]:
        assert all(isinstance(v, str) for v in trigger["metadata"].values())
        if (
            set(trigger) - TRIGGER
            or set(trigger["metadata"]) - PROMETHEUS
            or float(trigger["metadata"]["threshold"]) <= 0
        ):
            yield "trigger"


def knative(**constants: Any) -> manifest.Manifest:
    return kubernetes.knative("chat", Knative(START_S, **constants), ASKED, START_S)


def keda(**constants: Any) -> manifest.Manifest:
    return kubernetes.keda("chat", Keda(START_S, **{"target": 31, **constants}), ASKED, START_S)


def template(made: manifest.Manifest) -> dict[str, Any]:
    return made.document["spec"]["template"]


def annotation(made: manifest.Manifest, name: str) -> str:
    return template(made)["metadata"]["annotations"][f"autoscaling.knative.dev/{name}"]


counts = st.integers(0, 50)
knatives = st.fixed_dictionaries(
    {
        "concurrency": st.integers(1, 1200),
        "target_utilization": st.floats(0.009, 1.01),
        "min_replicas": counts,
        "max_replicas": st.none() | st.integers(50, 5000),
        "initial_replicas": counts,
        "stable_window_s": st.floats(1, 4000),
        "panic_window_share": st.floats(0.001, 1),
        "panic_threshold": st.floats(1.09, 10.1),
        "scale_down_delay_s": st.floats(0, 4000),
        "pod_retention_s": st.floats(0, 4000),
        "target_burst_capacity": st.sampled_from([-1, 0, 211, 0.5]) | st.floats(-1, 1e4),
        "activation_scale": st.integers(1, 80),
    }
)
kedas = st.fixed_dictionaries(
    {
        "target": st.floats(1e-4, 1e6),
        "min_replicas": counts,
        "max_replicas": st.none() | st.integers(50, 5000),
        "polling_interval_s": st.floats(0.4, 1e4),
        "cooldown_s": st.floats(0, 1e5),
        "sync_s": st.floats(0.4, 1900),
        "scale_down_window_s": st.floats(0, 4000),
        "scale_up_pods": st.floats(0, 20),
        "scale_up_share": st.floats(0, 5),
    }
)


# --- what is written is admitted, or refused here with the field's name


@LAWS
@given(knatives)
def test_knative_admits_what_is_written(constants):
    try:
        made = knative(**constants)
    except Infeasible as refused:
        assert refused.where.removeprefix("Knative: ") in KNATIVE_ANNOTATIONS | {"containerConcurrency"}
        return
    assert list(refused_by_knative(template(made)["metadata"]["annotations"])) == []
    assert 0 <= template(made)["spec"]["containerConcurrency"] <= 1000


@LAWS
@given(kedas)
def test_keda_and_kubernetes_admit_what_is_written(constants):
    try:
        made = keda(**constants)
    except Infeasible as refused:
        assert refused.where.startswith("KEDA: ")
        return
    assert list(refused_by_keda(made.document)) == []


REFUSED = {
    "target-utilization-percentage": {"target_utilization": 0.009},
    "window": {"stable_window_s": 5},
    "panic-window-percentage": {"panic_window_share": 1.01},
    "panic-threshold-percentage": {"panic_threshold": 1.09},
    "scale-down-delay": {"scale_down_delay_s": 3601},
    "scale-to-zero-pod-retention-period": {"pod_retention_s": 3601},
    "target-burst-capacity": {"target_burst_capacity": -0.5},
    "activation-scale": {"activation_scale": 3, "max_replicas": 2},
    "containerConcurrency": {"concurrency": 1001},
}


@pytest.mark.parametrize("field", REFUSED)
def test_a_value_that_knative_refuses_is_refused_by_the_fields_name(field):
    with pytest.raises(Infeasible) as refused:
        knative(**REFUSED[field])
    assert refused.value.where == f"Knative: {field}"
    assert refused.value.status == 1


@pytest.mark.parametrize(
    ("field", "constants"),
    [("threshold", {"target": 0.0004}), ("pollingInterval", {"polling_interval_s": 0.4}),
     ("stabilizationWindowSeconds", {"scale_down_window_s": 3601}), ("periodSeconds", {"sync_s": 1801}),
     ("Pods", {"scale_up_pods": 0, "scale_up_share": 0}), ("cooldownPeriod", {"cooldown_s": 2**31})],
)  # fmt: skip
def test_a_value_that_keda_refuses_is_refused_by_the_fields_name(field, constants):
    with pytest.raises(Infeasible) as refused:
        keda(**constants)
    assert refused.value.where == f"KEDA: {field}"


@pytest.mark.parametrize("made", [knative, keda])
def test_a_policy_that_means_nothing_is_bad_input(made):
    with pytest.raises(WorkbenchError) as refused:
        made(min_replicas=5, max_replicas=4)
    assert refused.value.status == 2


def test_the_limits_are_those_of_the_rows():
    with (ROOT / "datasets" / "parameters.csv").open(encoding="utf-8", newline="") as file:
        rows = {r["name"]: float(r["value"]) for r in csv.DictReader(file) if r["subject"] == "knative"}
    window, panic = kubernetes.KNATIVE["window"], kubernetes.KNATIVE["panic-threshold-percentage"]
    assert (window.low, window.high) == (rows["stable_window_min_s"], rows["stable_window_max_s"])
    assert (panic.low, panic.high) == pytest.approx(
        (100 * rows["panic_threshold_min"], 100 * rows["panic_threshold_max"])
    )
    assert kubernetes.KNATIVE["scale-down-delay"].high == rows["scale_down_delay_max_s"]
    assert kubernetes.KNATIVE["target"].low == rows["target_min"]


# --- only fields that exist


@pytest.mark.parametrize("constants", [{}, {"activation_scale": 3}, {"min_replicas": 4, "initial_replicas": 0}])
def test_knatives_fields_exist(constants):
    made = knative(**constants)
    assert (made.document["apiVersion"], made.document["kind"]) == ("serving.knative.dev/v1", "Service")
    assert {
        n.removeprefix("autoscaling.knative.dev/") for n in template(made)["metadata"]["annotations"]
    } <= KNATIVE_ANNOTATIONS
    assert set(template(made)["spec"]) <= REVISION_FIELDS
    (container,) = template(made)["spec"]["containers"]
    assert set(container) <= CONTAINER_FIELDS
    assert not {m["mountPath"] for m in container["volumeMounts"]} & RESERVED_PATHS
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in template(made)["spec"]["volumes"]}


def test_kedas_fields_exist():
    document = keda().document
    assert (document["apiVersion"], document["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    assert set(document["spec"]) <= SCALED_OBJECT
    assert set(document["spec"]["scaleTargetRef"]) <= {"name", "apiVersion", "kind", "envSourceContainerName"}


def test_a_replica_has_the_accelerators_that_were_simulated():
    (container,) = template(knative())["spec"]["containers"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "4"}
    assert "--tensor-parallel-size=4" in container["args"]
    assert any("nvidia.com/gpu: 4" in line for line in keda().elsewhere)
    asked = Serving(model="m", gpu="MI300X", gpus=1, platform="kubernetes", p=0.9, limit_s=1)
    alone = kubernetes.knative("a", Knative(START_S), asked, START_S).document["spec"]["template"]["spec"]
    assert alone["containers"][0]["resources"]["limits"] == {"amd.com/gpu": "1"}
    assert "volumes" not in alone


# --- the policy comes back from the file


@LAWS
@given(knatives)
def test_knatives_numbers_are_the_policys(constants):
    """Where nothing is rounded, the policy that the file states is the one that was simulated, to the kernel's eye."""
    whole = ("stable_window_s", "scale_down_delay_s", "pod_retention_s")
    constants |= {n: float(round(constants[n])) for n in whole}
    try:
        made = knative(**constants)
    except Infeasible:
        return
    said = Knative(
        START_S, concurrency=template(made)["spec"]["containerConcurrency"],
        target_utilization=float(annotation(made, "target-utilization-percentage")) / 100,
        min_replicas=int(annotation(made, "min-scale")), max_replicas=int(annotation(made, "max-scale")) or None,
        initial_replicas=int(annotation(made, "initial-scale")), stable_window_s=seconds(annotation(made, "window")),
        panic_window_share=float(annotation(made, "panic-window-percentage")) / 100,
        panic_threshold=float(annotation(made, "panic-threshold-percentage")) / 100,
        scale_down_delay_s=seconds(annotation(made, "scale-down-delay")),
        pod_retention_s=seconds(annotation(made, "scale-to-zero-pod-retention-period")),
        target_burst_capacity=float(annotation(made, "target-burst-capacity")),
        activation_scale=constants["activation_scale"],
    )  # fmt: skip
    assert np.allclose(said.vector(), Knative(START_S, **constants).vector(), rtol=1e-8, atol=1e-8)
    asked = "autoscaling.knative.dev/activation-scale" in template(made)["metadata"]["annotations"]
    assert asked == (constants["activation_scale"] > max(1, constants["min_replicas"]))
    assert annotation(made, "target") == str(constants["concurrency"])


@LAWS
@given(kedas)
def test_kedas_numbers_are_the_policys(constants):
    constants = {n: v if v is None or n in ("target", "scale_up_share") else round(v) for n, v in constants.items()}
    constants |= {"target": round(constants["target"], 3), "scale_up_share": round(constants["scale_up_share"], 2)}
    try:
        made = keda(**constants)
    except WorkbenchError:
        return
    assert made.rounded == ()
    spec = made.document["spec"]
    rules = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    steps = {s["type"]: s["value"] for s in rules["scaleUp"]["policies"]}
    said = Keda(
        START_S, target=float(spec["triggers"][0]["metadata"]["threshold"]), min_replicas=spec["minReplicaCount"],
        max_replicas=None if spec["maxReplicaCount"] == INT32 else spec["maxReplicaCount"],
        polling_interval_s=spec["pollingInterval"], cooldown_s=spec["cooldownPeriod"],
        sync_s=rules["scaleUp"]["policies"][0]["periodSeconds"], scale_up_pods=steps.get("Pods", 0),
        scale_up_share=steps.get("Percent", 0) / 100,
        scale_down_window_s=rules["scaleDown"]["stabilizationWindowSeconds"],
    )  # fmt: skip
    assert np.allclose(said.vector(), Keda(START_S, **constants).vector())


@pytest.mark.parametrize(
    ("made", "field"),
    [(knative(stable_window_s=90.4), "window is 90s where 90.4"),
     (knative(scale_down_delay_s=0.4), "scale-down-delay is 0s where 0.4"),
     (keda(target=7.0004), "threshold is 7 where 7.0004"),
     (keda(cooldown_s=299.6), "cooldownPeriod is 300 where 299.6"),
     (keda(scale_up_share=0.333), "Percent is 33 where 33.3")],
)  # fmt: skip
def test_what_a_field_cannot_hold_is_rounded_and_told(made, field):
    assert any(line.startswith(field) for line in made.rounded)


def test_a_decimal_that_a_field_holds_is_not_called_rounded():
    made = knative(concurrency=257, target_utilization=8 / 257)
    assert made.rounded == ()
    assert 257 * float(annotation(made, "target-utilization-percentage")) / 100 == pytest.approx(8, rel=1e-9)


# --- what the object cannot say


def test_what_is_set_for_the_cluster_is_told_with_its_place():
    told = " ".join(knative(max_scale_up_rate=10, scale_to_zero_grace_s=45, initial_replicas=0).elsewhere)
    for part in ("config-autoscaler", "scale-to-zero-grace-period 45s", "max-scale-up-rate 10", "max-scale-down-rate 2",
                 "allow-zero-initial-scale"):  # fmt: skip
        assert part in told
    told = " ".join(keda(sync_s=20, tolerance=0.2).elsewhere)
    assert "--horizontal-pod-autoscaler-sync-period=20s" in told
    assert "--horizontal-pod-autoscaler-tolerance=0.2" in told


def test_only_a_fleet_that_may_go_to_nothing_needs_something_to_wake_it():
    """With no replica vLLM reports nothing, so its own metrics would never bring the first one."""
    (requests,) = keda(min_replicas=1).document["spec"]["triggers"]
    assert "vllm:num_requests_running" in requests["metadata"]["query"]
    assert "vllm:num_requests_waiting" in requests["metadata"]["query"]
    assert requests["metricType"] == "AverageValue"
    made = keda(min_replicas=0)
    _, arrivals = made.document["spec"]["triggers"]
    assert "vllm:num_incoming_requests_total" in arrivals["metadata"]["query"]
    assert any("wakes the first one" in line for line in made.yours)


def test_a_slow_start_is_given_the_time_that_it_takes():
    name = "serving.knative.dev/progress-deadline"
    quick, slow = (kubernetes.knative("a", Knative(START_S), ASKED, s) for s in (599.0, 1125.0))
    assert name not in template(quick)["metadata"]["annotations"]
    assert seconds(template(slow)["metadata"]["annotations"][name]) == 1140


@pytest.mark.parametrize("slowest_s, timeout_s", [(200.0, None), (400.0, 430), (1125.0, 600)])
def test_a_request_may_wait_for_a_start_as_long_as_the_cluster_allows(slowest_s, timeout_s):
    made = kubernetes.knative("a", Knative(START_S), replace(ASKED, limit_s=30.0), slowest_s)
    assert template(made)["spec"].get("timeoutSeconds") == timeout_s
    assert any("timeoutSeconds to 1155" in line for line in made.elsewhere) == (slowest_s > 600)


# --- names


@LAWS
@given(st.text(max_size=200))
def test_every_name_becomes_a_label(text):
    """A Knative Service's name is that of a Kubernetes Service: DNS-1035, so from a letter on."""
    made = manifest.label(text)
    assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", made)
    assert len(f"keda-hpa-{made}") <= 63
    assert manifest.label(made) == made


@pytest.mark.parametrize(
    ("text", "name"),
    [("chat", "chat"), ("Our Chat (EU)", "our-chat-eu"), ("Über", "uber"), ("70B", "workload-70b"), ("😀", "workload"),
     ("a\nkind: Secret", "a-kind-secret"), ("../..", "workload"), ("a" * 99, "a" * 54)],
)  # fmt: skip
def test_a_name_keeps_what_can_be_kept(text, name):
    assert manifest.label(text) == name


@pytest.mark.parametrize("model", ['x"} or vector(9)', "a\\b", "a\nb"])
def test_a_hostile_model_stays_within_its_quotes(model):
    asked = Serving(model=model, gpu="H100-SXM", gpus=1, platform="kubernetes", p=0.9, limit_s=1)
    query = kubernetes.keda("a", Keda(1.0, target=2), asked, START_S).document["spec"]["triggers"][0]["metadata"][
        "query"
    ]
    quoted = r'"(?:[^"\\\n]|\\.)*"'
    sums = [rf"sum\(vllm:num_requests_{s}\{{model_name={quoted}\}}\)" for s in ("running", "waiting")]
    assert re.fullmatch(r" \+ ".join(sums), query)
