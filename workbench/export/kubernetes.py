"""A policy as the object that a Kubernetes cluster reads: a Knative Service, or a KEDA ScaledObject.

Fields hold what the simulation used. What a field cannot hold exactly is rounded and told, what the cluster's admission
checks would refuse is refused here, and what is set for a whole cluster, or by hand, is told and not set.

Sources: knative/serving pkg/apis/autoscaling (register.go, annotation_validation.go), pkg/apis/serving and
pkg/reconciler/autoscaling/resources/target.go; kedacore/keda apis/keda/v1alpha1 (scaledobject_types.go,
scaledobject_webhook.go) and pkg/scalers/prometheus_scaler.go; kubernetes pkg/apis/autoscaling/validation.
"""

import json
import re
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from workbench.export.manifest import FINE, INT32, PORT, Field, Manifest, fields_of, label, written
from workbench.models.policies import Keda, Knative
from workbench.records import Infeasible, Serving

PERCENT = 100
IMAGE = "vllm/vllm-openai:latest"
PROMETHEUS = "http://prometheus-operated.monitoring.svc:9090"
"""Where the Prometheus operator puts it."""
WAKING_S = 60
"""Requests of so long keep a fleet that may go to nothing awake: rates need several scrapes."""
TIMEOUT_S, LONGEST_TIMEOUT_S = 300, 600
"""Of a request, its wait included: Knative's default, and the most that ConfigMap config-defaults allows as shipped."""
DEADLINE_S = 600
"""How long a revision may take to become ready where it does not say: progress-deadline of config-deployment."""
MINUTE_S = 60
MILLI = 3
KNATIVE = {
    "target": Field(0.01, inf, FINE),
    "target-utilization-percentage": Field(1, PERCENT, FINE),
    "min-scale": Field(0, INT32),
    "max-scale": Field(0, INT32),
    "initial-scale": Field(0, INT32),
    "window": Field(6, 3600, 0, "s"),
    "panic-window-percentage": Field(1, PERCENT, FINE),
    "panic-threshold-percentage": Field(110, 1000, FINE),
    "scale-down-delay": Field(0, 3600, 0, "s"),
    "activation-scale": Field(2, INT32),
    "scale-to-zero-pod-retention-period": Field(0, 3600, 0, "s"),
    "target-burst-capacity": Field(-1, inf, FINE),
    "containerConcurrency": Field(0, 1000),
}
"""The annotations of autoscaling.knative.dev, and the limit of the revision (config-defaults may raise the 1000)."""
KEDA = {
    "pollingInterval": Field(1, INT32),
    "cooldownPeriod": Field(0, INT32),
    "minReplicaCount": Field(0, INT32),
    "maxReplicaCount": Field(1, INT32),
    "threshold": Field(0.001, inf, MILLI),
    "stabilizationWindowSeconds": Field(0, 3600),
    "periodSeconds": Field(1, 1800),
    "Pods": Field(1, INT32),
    "Percent": Field(1, INT32),
}
"""Fields of the ScaledObject, and of the Kubernetes autoscaler's behaviour within it."""


# --- Knative


def knative(name: str, policy: Knative, asked: Serving, slowest_s: float) -> Manifest:
    """A Service of serving.knative.dev/v1; `slowest_s` is the longest start that is expected.

    Raises Infeasible naming the field where the cluster would refuse a value.
    """
    policy.vector()
    values: dict[str, float] = {
        "target": policy.concurrency, "target-utilization-percentage": PERCENT * policy.target_utilization,
        "min-scale": policy.min_replicas, "max-scale": policy.max_replicas or 0,
        "initial-scale": policy.initial_replicas, "window": policy.stable_window_s,
        "panic-window-percentage": PERCENT * policy.panic_window_share,
        "panic-threshold-percentage": PERCENT * policy.panic_threshold, "scale-down-delay": policy.scale_down_delay_s,
        "scale-to-zero-pod-retention-period": policy.pod_retention_s,
        "target-burst-capacity": policy.target_burst_capacity,
    }  # fmt: skip
    if policy.activation_scale > max(1, policy.min_replicas):  # it would say nothing, and below the minimum is refused
        values["activation-scale"] = policy.activation_scale
    held, rounded = fields_of("Knative", KNATIVE, {**values, "containerConcurrency": policy.concurrency})
    _refuse_gap(policy, values)
    annotations = {"class": "kpa.autoscaling.knative.dev", "metric": "concurrency"}
    annotations |= {n: written(KNATIVE[n], held[n]) for n in values}
    annotations = {f"autoscaling.knative.dev/{n}": v for n, v in annotations.items()}
    if slowest_s >= DEADLINE_S:  # or a revision that is still starting is given up
        annotations["serving.knative.dev/progress-deadline"] = f"{(slowest_s // MINUTE_S + 1) * MINUTE_S:.0f}s"
    waits: dict[str, Any] = {}
    if slowest_s + asked.limit_s > TIMEOUT_S:  # or a request that waits for a start is cut off
        waits["timeoutSeconds"] = int(min(slowest_s + asked.limit_s, LONGEST_TIMEOUT_S))
    document = {
        "apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": label(name)},
        "spec": {"template": {
            "metadata": {"annotations": annotations},
            "spec": {"containerConcurrency": held["containerConcurrency"], **waits, **_pod(asked, policy.concurrency)},
        }},
    }  # fmt: skip
    return Manifest(document=document, rounded=rounded, elsewhere=tuple(_of_the_cluster(policy, asked, slowest_s)),
                    yours=(f"image, model and weights: {IMAGE} and {asked.model} stand for your own",))  # fmt: skip


def _refuse_gap(policy: Knative, values: Mapping[str, float]) -> None:
    """What the admission check asks of two fields together, and of the one value between two ranges."""
    if -1 < values["target-burst-capacity"] < 0:
        raise Infeasible("Knative: target-burst-capacity", f"{values['target-burst-capacity']:g} cannot be written",
                         "use -1, 0 or more")  # fmt: skip
    if policy.max_replicas and values.get("activation-scale", 0) > policy.max_replicas:
        raise Infeasible("Knative: activation-scale", f"{policy.activation_scale} is above max-scale",
                         "use at most the maximum")  # fmt: skip


def _pod(asked: Serving, slots: float) -> dict[str, Any]:
    """The container, with the accelerators of one replica; several of them talk through shared memory."""
    container: dict[str, Any] = {
        "name": "vllm", "image": IMAGE, "command": ["vllm", "serve"], "args": [asked.model, *_flags(asked, slots)],
        "ports": [{"containerPort": PORT}], "readinessProbe": {"httpGet": {"path": "/health", "port": PORT}},
        "resources": {"limits": {_resource(asked.gpu): str(asked.gpus)}},
    }  # fmt: skip
    if asked.gpus == 1:
        return {"containers": [container]}
    container["volumeMounts"] = [{"name": "shared-memory", "mountPath": "/dev/shm"}]
    return {"containers": [container], "volumes": [{"name": "shared-memory", "emptyDir": {"medium": "Memory"}}]}


def _flags(asked: Serving, slots: float) -> list[str]:
    """What vLLM has to be told so that a replica is the one that was simulated."""
    return [f"--served-model-name={asked.model}", f"--tensor-parallel-size={asked.gpus}",
            f"--max-num-seqs={int(slots)}"]  # fmt: skip


def _resource(gpu: str) -> str:
    """The device plugin's name for an accelerator: AMD's are called MI and a number."""
    return "amd.com/gpu" if re.match(r"MI\d", gpu) else "nvidia.com/gpu"


def _of_the_cluster(policy: Knative, asked: Serving, slowest_s: float) -> Iterator[str]:
    """What a revision cannot say of itself."""
    yield (f"ConfigMap config-autoscaler: scale-to-zero-grace-period {policy.scale_to_zero_grace_s:g}s, "
           f"max-scale-up-rate {policy.max_scale_up_rate:g}, max-scale-down-rate {policy.max_scale_down_rate:g}"
           + (", enable-scale-to-zero true" if policy.min_replicas == 0 else "")
           + (", allow-zero-initial-scale true" if policy.initial_replicas == 0 else ""))  # fmt: skip
    yield f"the autoscaler's tick of {policy.tick_s:g} s is fixed in its source"
    if policy.max_replicas is None:
        yield "max-scale 0 sets no limit, as simulated: set one as a cap on what may be spent"
    if slowest_s + asked.limit_s > LONGEST_TIMEOUT_S:
        yield (f"a start takes up to {slowest_s:.0f} s, and a request may wait for it: timeoutSeconds cuts off what "
               f"takes longer, which the simulation does not. Raise max-revision-timeout-seconds of ConfigMap "
               f"config-defaults ({LONGEST_TIMEOUT_S} as shipped) and timeoutSeconds to "
               f"{slowest_s + asked.limit_s:.0f}")  # fmt: skip
    if policy.routing == "least_loaded":
        yield ("simulated with each request going to the replica that has the fewest; the activator, while it is in "
               "the path, takes turns instead above a containerConcurrency of 3")  # fmt: skip
    if asked.gpus > 1:
        yield "ConfigMap config-features: kubernetes.podspec-volumes-emptydir, for the shared memory (on as shipped)"


# --- KEDA


def keda(name: str, policy: Keda, asked: Serving, slowest_s: float) -> Manifest:
    """A ScaledObject of keda.sh/v1alpha1 for a Deployment of the same name; `slowest_s` as for `knative`.

    Raises Infeasible naming the field where the cluster would refuse a value.
    """
    policy.vector()
    exact = {
        "pollingInterval": policy.polling_interval_s, "cooldownPeriod": policy.cooldown_s,
        "minReplicaCount": policy.min_replicas, "threshold": policy.target,
        "maxReplicaCount": INT32 if policy.max_replicas is None else policy.max_replicas,
        "stabilizationWindowSeconds": policy.scale_down_window_s, "periodSeconds": policy.sync_s,
    }  # fmt: skip
    steps = {"Pods": policy.scale_up_pods, "Percent": PERCENT * policy.scale_up_share}
    steps = {n: v for n, v in steps.items() if v > 0} or steps  # one that adds nothing is left out
    held, rounded = fields_of("KEDA", KEDA, {**exact, **steps})
    top = ("pollingInterval", "cooldownPeriod", "minReplicaCount", "maxReplicaCount")
    document = {
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": label(name)},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": label(name)},
            **{n: held[n] for n in top},
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behaviour(held, tuple(steps))}},
            "triggers": list(_triggers(policy, asked, written(KEDA["threshold"], held["threshold"]))),
        },
    }  # fmt: skip
    return Manifest(document=document, rounded=rounded, elsewhere=tuple(_of_the_controller(policy, asked, slowest_s)),
                    yours=tuple(_of_the_user(policy, label(name))))  # fmt: skip


def _behaviour(held: Mapping[str, float], steps: tuple[str, ...]) -> dict[str, Any]:
    period = held["periodSeconds"]
    up = [{"type": kind, "value": held[kind], "periodSeconds": period} for kind in steps]
    down = [{"type": "Percent", "value": PERCENT, "periodSeconds": period}]
    return {
        "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": up},
        "scaleDown": {"stabilizationWindowSeconds": held["stabilizationWindowSeconds"], "selectPolicy": "Max",
                      "policies": down},
    }  # fmt: skip


def _triggers(policy: Keda, asked: Serving, threshold: str) -> Iterator[dict[str, Any]]:
    """Requests in the system over replicas; and what wakes a fleet that has none, where vLLM itself cannot tell."""
    served = json.dumps(asked.model, ensure_ascii=False)  # PromQL quotes as Go does, which JSON's quotes are part of
    running, waiting = (f"sum(vllm:num_requests_{s}{{model_name={served}}})" for s in ("running", "waiting"))
    yield _trigger("requests", f"{running} + {waiting}", threshold)
    if policy.min_replicas == 0:
        arriving = f"vllm:num_incoming_requests_total{{model={served}}}"
        yield _trigger("arrivals", f"max(rate({arriving}[{WAKING_S}s]) > bool 0)", "1")


def _trigger(name: str, query: str, threshold: str) -> dict[str, Any]:
    return {"type": "prometheus", "name": name, "metricType": "AverageValue",
            "metadata": {"serverAddress": PROMETHEUS, "query": query, "threshold": threshold}}  # fmt: skip


def _of_the_controller(policy: Keda, asked: Serving, slowest_s: float) -> Iterator[str]:
    """What the object cannot say."""
    yield (f"kube-controller-manager: --horizontal-pod-autoscaler-sync-period={policy.sync_s:g}s and "
           f"--horizontal-pod-autoscaler-tolerance={policy.tolerance:g}")  # fmt: skip
    flags = " ".join(_flags(asked, policy.concurrency))
    yield f"in the Deployment: {_resource(asked.gpu)}: {asked.gpus} as limit, and vllm serve ... {flags}"
    yield f"in the Deployment: a start takes up to {slowest_s:.0f} s, progressDeadlineSeconds (600) has to be above it"
    yield (f"simulated with requests counted at each sync: Prometheus answers with its last scrape, so scrape at least "
           f"each {policy.sync_s:g} s")  # fmt: skip
    if policy.routing == "least_loaded":
        yield "simulated with each request going to the replica that has the fewest: your gateway's rule is to be that"


def _of_the_user(policy: Keda, name: str) -> Iterator[str]:
    yield f"the Deployment {name}, which has to be there, and the address of Prometheus"
    if policy.min_replicas == 0:
        yield ("with no replica vLLM counts nothing: the second trigger wakes the first one by the router's count of "
               "arrivals (vllm:num_incoming_requests_total of the vLLM production stack; with another gateway, its "
               f"own), for {WAKING_S} s after the last, and the cooldown runs from there")  # fmt: skip
