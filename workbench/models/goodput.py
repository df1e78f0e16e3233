"""Goodput: the share of paid time that moves the work forward, after failures, restarts and checkpoints.

Failures are a Poisson process; a failed stretch is repeated from the last checkpoint (Daly, 2006).
"""

from typing import Any

import numpy as np

from workbench.checks import fitting, numbers
from workbench.units import GpuHours, Gpus, Hours, PerHour, Ratio, Share


def wall_per_useful_hour(mtbf_h: Any, restart_h: Any, checkpoint_h: Any, interval_h: Any) -> Any:
    """Wall-clock hours for an hour of useful work, M e^(R/M) (e^((tau + C)/M) - 1)/tau, as a ratio of at least 1.

    Hours between failures M, to restart R, to write a checkpoint C, and of work between checkpoints tau.
    Raises WorkbenchError on a bad argument, or where failures come so fast that no work gets done.
    """
    where = "models.goodput.wall_per_useful_hour"
    mtbf_h, interval_h = numbers(where, strict=True, mtbf_h=mtbf_h, interval_h=interval_h)
    restart_h, checkpoint_h = numbers(where, restart_h=restart_h, checkpoint_h=checkpoint_h)
    fitting(where, mtbf_h, restart_h, checkpoint_h, interval_h)
    with np.errstate(over="ignore"):
        ratio = _wall(mtbf_h, restart_h, checkpoint_h, interval_h)
    return numbers(where, ratio=np.maximum(ratio, 1))[0]


def _wall(mtbf: Any, restart: Any, checkpoint: Any, interval: Any) -> Any:
    return np.exp(restart / mtbf) * np.expm1((interval + checkpoint) / mtbf) * mtbf / interval


def job_mtbf(
    job_gpus: Gpus, gpu_hours_between_failures: GpuHours, interruptions_per_hour: PerHour, job_instances: Ratio
) -> Hours:
    """Hours between failures of a job that any one of its accelerators, or of its spot instances, can stop."""
    return 1 / (job_gpus / gpu_hours_between_failures + job_instances * interruptions_per_hour)


def checkpoint_interval(checkpoint_h: Hours, job_mtbf: Hours) -> Hours:
    """Hours between checkpoints that lose the least time, to first order: sqrt(2 C M) (Young, 1974)."""
    return np.sqrt(2 * checkpoint_h * job_mtbf)


def training_loss(job_mtbf: Hours, restart_h: Hours, checkpoint_h: Hours, checkpoint_interval: Hours) -> Share:
    """Extra share of useful hours that a training job pays: repeated work, restarts and checkpoints."""
    return _wall(job_mtbf, restart_h, checkpoint_h, checkpoint_interval) - 1


def serving_loss(job_mtbf: Hours, restart_h: Hours) -> Share:
    """Extra share that a replica pays: it restarts and holds no work to repeat (the limit without checkpoints)."""
    return np.exp(restart_h / job_mtbf) - 1


def goodput(goodput_loss: Share) -> Share:
    """Share of billed time that is useful."""
    return 1 / (1 + goodput_loss)
