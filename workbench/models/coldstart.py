"""How long a replica takes from the wish to have it to its first token, stage by stage.

The rows are in datasets/parameters.csv, model `coldstart`. Their subjects:
  PLATFORM/MITIGATION       a stage's seconds, or the rates that a stage follows from, named as the arguments here
  any/none                  what holds where nothing more is known; any/MITIGATION where the platform does not matter
  STORAGE                   stream_gb_per_s and link_gb_per_s of gp3, io2, s3, nvme, ram, peer, ...
  PLATFORM/tiers            shares of the tiers that a cold start meets (warm_host, local_disk, remote, new_node)
  PLATFORM/MITIGATION/CASE  published_s: what somebody measured from end to end; held against the model, never its input
GB is 2**30 bytes. `decision.coldstart.wakeup.stages` picks the rows of a platform and its mitigations.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.checks import numbers
from workbench.records import WorkbenchError
from workbench.units import Count, Gb, GbPerGpuSecond, GbPerSecond, Gpus, Seconds, Share

PATH = ("detect_s", "provision_s", "image_pull_s", "container_start_s", "runtime_init_s", "load_wait_s",
        "engine_init_s", "first_token_s")  # fmt: skip
"""The critical path, in the order of time; `cold_start_s` is their sum in this order."""


# --- loading


def load_seconds(size_gb: Any, streams: Any, stream_gb_per_s: Any, link_gb_per_s: Any) -> Any:
    """Seconds to read `size_gb` by parallel streams over one link: the slower of the streams together and the link.

    Floats or arrays that broadcast; at least one stream. Raises WorkbenchError on a bad argument.
    """
    where = "models.coldstart.load_seconds"
    (size_gb,) = numbers(where, size_gb=size_gb)
    (streams,) = numbers(where, low=1, streams=streams)
    stream_gb_per_s, link_gb_per_s = numbers(
        where, strict=True, stream_gb_per_s=stream_gb_per_s, link_gb_per_s=link_gb_per_s
    )
    try:
        np.broadcast_shapes(*map(np.shape, (size_gb, streams, stream_gb_per_s, link_gb_per_s)))
    except ValueError as error:
        raise WorkbenchError(
            where, f"arrays that do not fit: {error}", "give numbers, or arrays of one shape"
        ) from error
    with np.errstate(over="ignore"):
        return numbers(where, seconds=_load(size_gb, streams, stream_gb_per_s, link_gb_per_s))[0]


def _load(size: Any, streams: Any, stream_rate: Any, link_rate: Any) -> Any:
    return np.maximum(size / (streams * stream_rate), size / link_rate)


def image_pull_s(image_gb: Gb, image_gb_per_s: GbPerSecond) -> Seconds:
    """To fetch and unpack the container image where the node does not hold it; bound to 0 where it does."""
    return image_gb / image_gb_per_s


def weights_s(weights_gb: Gb, streams: Count, stream_gb_per_s: GbPerSecond, link_gb_per_s: GbPerSecond) -> Seconds:
    """To bring the weights from storage into the host's memory."""
    return _load(weights_gb, streams, stream_gb_per_s, link_gb_per_s)


def host_to_gpu_s(weights_gb: Gb, gpus: Gpus, gpu_link_gb_per_s: GbPerGpuSecond) -> Seconds:
    """To copy the weights to the accelerators, each over its own link."""
    return weights_gb / (gpus * gpu_link_gb_per_s)


def load_s(weights_s: Seconds, host_to_gpu_s: Seconds) -> Seconds:
    """Both together: a part is copied while the next is read, so the slower sets the pace."""
    return np.maximum(weights_s, host_to_gpu_s)


# --- the critical path


def load_wait_s(load_s: Seconds, image_pull_s: Seconds, side_by_side: Share) -> Seconds:
    """What is left of loading when the image is there: all of it, or the excess where they run side by side."""
    return load_s - side_by_side * np.minimum(image_pull_s, load_s)


def placed_s(detect_s: Seconds, provision_s: Seconds) -> Seconds:
    """Until there is a machine: the need is seen, and a node with accelerators joins."""
    return detect_s + provision_s


def started_s(placed_s: Seconds, image_pull_s: Seconds, container_start_s: Seconds) -> Seconds:
    """Until the server's process runs."""
    return placed_s + image_pull_s + container_start_s


def loaded_s(started_s: Seconds, runtime_init_s: Seconds, load_wait_s: Seconds) -> Seconds:
    """Until libraries are up and the weights are on the accelerators."""
    return started_s + runtime_init_s + load_wait_s


def cold_start_s(loaded_s: Seconds, engine_init_s: Seconds, first_token_s: Seconds) -> Seconds:
    """Until the first token: the engine profiles, compiles and captures its graphs, then reads the prompt."""
    return loaded_s + engine_init_s + first_token_s


def waterfall(values: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(stage, seconds) along the critical path, without those that take no time, from what `formula.evaluate` returns.

    Added in order they are `cold_start_s` to the last bit. Loading is named for what sets its pace, `weights` or
    `host_to_gpu`. Raises WorkbenchError where a value is missing, no number, or an array of draws.
    """
    where = "models.coldstart.waterfall"
    missing = [name for name in (*PATH, "weights_s", "host_to_gpu_s") if name not in values]
    if missing:
        raise WorkbenchError(where, f"no {', '.join(missing)}", "evaluate cold_start_s first")
    seconds = dict(zip(PATH, numbers(where, **{name: values[name] for name in PATH}), strict=True))
    if any(np.ndim(s) for s in seconds.values()):
        raise WorkbenchError(where, "an array of draws", "give one draw, or the medians")
    slower = "weights_s" if values["weights_s"] >= values["host_to_gpu_s"] else "host_to_gpu_s"
    named = {slower if name == "load_wait_s" else name: s for name, s in seconds.items()}
    return [(name.removesuffix("_s"), s) for name, s in named.items() if s > 0]
