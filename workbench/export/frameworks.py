"""A policy as what a serving framework reads: a Ray Serve configuration, or a Modal app.

As in kubernetes.py a field holds what the simulation used, and what no field holds is told.

Sources: ray-project/ray python/ray/serve/config.py (AutoscalingConfig) and ray.serve.llm.LLMConfig; Modal's reference
of App.function (gpu, min_containers, buffer_containers, max_containers, scaledown_window), concurrent and web_server.
"""

import json
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from workbench.export.manifest import FINE, INT32, PORT, Field, Manifest, fields_of, label
from workbench.models.policies import Modal, RayServe
from workbench.records import Infeasible, Serving

RAY = {
    "min_replicas": Field(0, INT32),
    "max_replicas": Field(1, INT32),
    "target_ongoing_requests": Field(1e-9, inf, FINE),
    "look_back_period_s": Field(1e-9, inf, FINE),
    "upscale_delay_s": Field(0, inf, FINE),
    "downscale_delay_s": Field(0, inf, FINE),
    "upscaling_factor": Field(1e-9, inf, FINE),
    "downscaling_factor": Field(1e-9, inf, FINE),
    "max_ongoing_requests": Field(1, INT32),
}
"""AutoscalingConfig, and the deployment's own limit."""
MODAL = {
    "min_containers": Field(0, INT32),
    "buffer_containers": Field(0, INT32),
    "max_containers": Field(1, INT32),
    "scaledown_window": Field(2, 1200),
    "max_inputs": Field(1, 1000),
    "target_inputs": Field(1, 1000),
}
"""Keywords of App.function and concurrent; the window is 2 seconds to 20 minutes."""
MODAL_GPUS = {
    "T4": "T4", "L4": "L4", "A10G": "A10G", "A100-SXM": "A100-80GB", "L40S": "L40S", "H100-SXM": "H100!",
    "H200-SXM": "H200", "B200-SXM": "B200",
}  # fmt: skip
"""Modal's names; the exclamation mark keeps an H100 from becoming an H200."""
MODAL_MOST = 8
"""Accelerators of one container."""
RAY_GPUS = {
    "L4": "L4", "A10G": "A10G", "A100-SXM": "A100", "A100-PCIe": "A100", "L40S": "L40S", "H100-SXM": "H100",
    "H100-PCIe": "H100", "H200-SXM": "H200", "B200-SXM": "B200", "MI300X": "AMD-Instinct-MI300X-OAM",
}  # fmt: skip
"""Ray's names of accelerator types."""
MODAL_FILE = """\
import subprocess

import modal

app = modal.App({app})
image = modal.Image.debian_slim(python_version="3.12").pip_install("vllm").env({{"HF_HUB_CACHE": "/weights"}})
weights = modal.Volume.from_name("weights", create_if_missing=True)


@app.function(
    image=image,
    volumes={{"/weights": weights}},
{function})
@modal.concurrent({concurrent})
@modal.web_server({port}, startup_timeout={startup})
def serve():
    subprocess.Popen([
{command}    ])
"""


def ray(name: str, policy: RayServe, asked: Serving, slowest_s: float) -> Manifest:
    """A configuration for `serve deploy` with one model of ray.serve.llm; `slowest_s` is the longest start expected.

    Raises Infeasible for an accelerator that Ray has no name for, or a field that cannot hold its value.
    """
    policy.vector()
    exact = {
        "min_replicas": policy.min_replicas, "target_ongoing_requests": policy.target_ongoing,
        "max_replicas": INT32 if policy.max_replicas is None else policy.max_replicas,
        "look_back_period_s": policy.look_back_s, "upscale_delay_s": policy.upscale_delay_s,
        "downscale_delay_s": policy.downscale_delay_s, "upscaling_factor": policy.upscaling_factor,
        "downscaling_factor": policy.downscaling_factor,
    }  # fmt: skip
    values, rounded = fields_of("Ray Serve", RAY, {**exact, "max_ongoing_requests": policy.concurrency})
    model = {
        "model_loading_config": {"model_id": asked.model, "model_source": asked.model},
        "accelerator_type": _named("Ray", RAY_GPUS, asked.gpu),
        "engine_kwargs": {"tensor_parallel_size": asked.gpus, "max_num_seqs": values["max_ongoing_requests"]},
        "deployment_config": {
            "autoscaling_config": {n: values[n] for n in exact}, "max_ongoing_requests": values["max_ongoing_requests"],
        },
    }  # fmt: skip
    application = {"name": label(name), "route_prefix": "/", "import_path": "ray.serve.llm:build_openai_app",
                   "args": {"llm_configs": [model]}}  # fmt: skip
    return Manifest(document={"applications": [application]}, rounded=rounded,
                    elsewhere=tuple(_of_ray(policy, slowest_s)),
                    yours=(f"model and weights: {asked.model} stands for your own source",))  # fmt: skip


def _of_ray(policy: RayServe, slowest_s: float) -> Iterator[str]:
    yield f"the controller's loop of {policy.loop_s:g} s: RAY_SERVE_CONTROL_LOOP_INTERVAL_S"
    yield f"a start takes up to {slowest_s:.0f} s; nodes are the cluster's to add, by its own autoscaler"
    if policy.routing == "least_loaded":
        yield "simulated with each request going to the replica that has the fewest; Ray asks two of them"


def modal(name: str, policy: Modal, asked: Serving, slowest_s: float) -> Manifest:
    """An app for `modal deploy` that serves one model; `slowest_s` is the longest start that is expected.

    Raises Infeasible for an accelerator that Modal has no name for, or a keyword that cannot hold its value.
    """
    policy.vector()
    exact = {"min_containers": policy.min_replicas, "buffer_containers": policy.buffer_containers,
             "scaledown_window": policy.scaledown_window_s, "max_inputs": policy.concurrency}  # fmt: skip
    exact |= {} if policy.max_replicas is None else {"max_containers": policy.max_replicas}
    exact |= {} if policy.target_inputs is None else {"target_inputs": policy.target_inputs}
    values, rounded = fields_of("Modal", MODAL, exact)
    if asked.gpus > MODAL_MOST:
        raise Infeasible("Modal: gpu", f"{asked.gpus} accelerators in a container", f"give at most {MODAL_MOST}")
    inputs = {n: v for n, v in values.items() if n.endswith("_inputs")}
    function = {"gpu": f"{_named('Modal', MODAL_GPUS, asked.gpu)}:{asked.gpus}",
                **{n: v for n, v in values.items() if n not in inputs}}  # fmt: skip
    command = ["vllm", "serve", asked.model, "--host=0.0.0.0", f"--port={PORT}", f"--served-model-name={asked.model}",
               f"--tensor-parallel-size={asked.gpus}", f"--max-num-seqs={policy.concurrency}"]  # fmt: skip
    document = {"app": label(name), "function": function, "concurrent": inputs, "command": command,
                "startup_timeout": int(max(slowest_s * 2, 1))}  # fmt: skip
    return Manifest(document=document, rounded=rounded, elsewhere=tuple(_of_modal(policy, slowest_s)),
                    yours=("the image's versions, and a secret where the weights ask for one",
                           f"model and weights: {asked.model} stands for your own"))  # fmt: skip


def _of_modal(policy: Modal, slowest_s: float) -> Iterator[str]:
    yield f"a start takes up to {slowest_s:.0f} s; startup_timeout is twice that"
    yield "the autoscaler is simulated as documented: the seller's own rules are not public"
    if policy.surplus == "cancel":
        yield "simulated with starts that are no longer needed cancelled, of which Modal says nothing"


def modal_text(document: Mapping[str, Any]) -> str:
    """The app as Python; each value stands in it as a literal, of ASCII."""
    return MODAL_FILE.format(
        app=json.dumps(document["app"]), port=PORT, startup=document["startup_timeout"],
        command="".join(f"        {json.dumps(word)},\n" for word in document["command"]),
        function="".join(f"    {n}={json.dumps(v)},\n" for n, v in document["function"].items()),
        concurrent=", ".join(f"{n}={json.dumps(v)}" for n, v in document["concurrent"].items()),
    )  # fmt: skip


def _named(system: str, names: Mapping[str, str], gpu: str) -> str:
    if gpu not in names:
        raise Infeasible(f"{system}: gpu", f"it has no name for {gpu}", f"use one of {', '.join(names)}")
    return names[gpu]
