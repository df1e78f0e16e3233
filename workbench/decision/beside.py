"""What stands beside the cost of an option: work that failures lose, and how far prices have moved.

Models of their own (`models.goodput`, `models.price`), run before the cost and bound to the names that it takes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from workbench import formula
from workbench.decision.laws import below
from workbench.decision.offers import Option
from workbench.models import goodput, price

FAILURES = ("gpu_hours_between_failures", "restart_h", "checkpoint_h", "interruptions_per_hour")
MOVED = ("price_factor", "committed_price_factor")
"""How far prices have moved."""
BUFFER = 512
"""Elements of NumPy's buffer, the least that a common number of draws exceeds."""


@contextmanager
def narrow() -> Iterator[None]:
    """NumPy copies broadcast operands whose rows are shorter than its buffer: one shorter than a row of draws spares
    that. The setting is undone with the error state."""
    with np.errstate():
        np.setbufsize(BUFFER)
        yield


def wait(option: Option, shock: Any) -> Any:
    """Until a list price steps, counted in mean waits: exponential, as late as the offer's own movement is high."""
    return -np.log1p(-below(shock)) if "step_rate" in option.inputs else 0.0


def moved_prices(option: Option, values: Mapping[str, Any]) -> dict[str, Any]:
    """How far the option's prices have moved, (month, draw), from its inputs; a signed price does not."""
    wanted = tuple(name for name in MOVED[: 2 if option.term_months else 1] if name not in option.inputs)
    with narrow():
        made = formula.results(price, {n: v for n, v in values.items() if n not in wanted}, wanted)
    return {name: made[name] for name in wanted}


def goodput_loss(option: Option, values: Mapping[str, Any]) -> Any:
    """Extra share of useful hours lost to failures: with checkpoints for a job, without for a replica."""
    target = "training_loss" if option.inputs["checkpoint_h"].high else "serving_loss"
    with np.errstate(over="ignore"):
        return formula.evaluate(goodput, values, (target,))[target]
