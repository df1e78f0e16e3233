"""A pint registry in which everything that the formulas count is a base unit of its own."""

from typing import Any

import numpy as np
import pint

DEFINITIONS = (
    "USD = [money]", "GPU = [accelerator]", "vCPU = [processor]", "token = [token]", "megatoken = 1e6 * token",
    "kilotoken = 1000 * token", "byte = GB / 1073741824",
    "request = [request]", "run = [run]", "GB = [data]", "engineer = [engineer]", "provider = [provider]",
    "instance = [instance]", "month = [month]", "hour = [time]", "second = hour / 3600",
    "millisecond = second / 1000", "minute = hour / 60", "day = 24 * hour", "Gbit = 1e9 / 8 / 2**30 * GB",
    "kW = [power]", "kWh = kW * hour",
    "year = 8760 * hour", "GiB = GB", "TB = 1024 * GB", "chip = GPU", "share = 1", "x = 1", "count = 1", "months = 1",
)  # fmt: skip
"""GB is 2**30 bytes wherever a seller bills by it; a month is a unit of its own, so that no hour passes for one."""


def registry() -> pint.UnitRegistry[Any]:
    made: pint.UnitRegistry[Any] = pint.UnitRegistry(None)
    for line in DEFINITIONS:
        made.define(line)
    return made


UREG = registry()


def expression(text: str) -> str:
    """What a unit's text means: the hyphen after the stroke joins what it divides by (`USD/GPU-hour`).

    The models count months, so a share a month is a share a step and has no dimension.
    """
    text = text.replace("million tokens", "megatoken").replace("share/month", "share/months")
    above, _, below = text.partition("/")
    return f"({above.replace('-', '*')})/({below.replace('-', '*')})" if below else above.replace("-", "*")


def quantity(value: float | np.ndarray, unit: str) -> Any:
    return UREG.Quantity(value, unit)
