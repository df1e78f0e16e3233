"""What a configuration is made of: an object, the fields that hold what was simulated, and what they cannot hold."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose
from typing import Any, NamedTuple
from unicodedata import normalize

from workbench.records import Infeasible

INT32 = (1 << 31) - 1
LONGEST_NAME = 63 - len("keda-hpa-")
"""A DNS label has 63 characters; KEDA puts its own word before the name."""
PORT = 8000
"""Where vLLM listens."""
EXACT = 1e-9
"""A difference that no rounding makes: of a decimal to the float next to it."""
FINE = 9
"""Decimals of a field that is read as a float."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """An object for a cluster, and what it does not say."""

    document: Mapping[str, Any]
    rounded: tuple[str, ...]
    """What its fields cannot hold exactly."""
    elsewhere: tuple[str, ...]
    """What the simulation assumed and the object cannot set."""
    yours: tuple[str, ...]
    """What only the user knows."""


class Field(NamedTuple):
    """What a field may hold: its range, the decimals that it is read with, and the unit written after it."""

    low: float
    high: float
    places: int = 0
    unit: str = ""


def label(text: str) -> str:
    """A name as Kubernetes takes it for a Service: DNS-1123, from a letter on; `workload` where nothing is left."""
    plain = normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not made[:1].isalpha():
        made = f"workload-{made}"
    return made[:LONGEST_NAME].strip("-")


def fields_of(
    kind: str, fields: Mapping[str, Field], exact: Mapping[str, float]
) -> tuple[dict[str, Any], tuple[str, ...]]:  # fmt: skip
    """The values as their fields hold them, and what that rounds. Raises Infeasible for what the cluster refuses."""
    held: dict[str, Any] = {}
    rounded = []
    for name, value in exact.items():
        field = fields[name]
        near = round(value, field.places)
        if not field.low <= near <= field.high:
            most = f"{field.low:g} to {field.high:g}" if field.high < INT32 else f"at least {field.low:g}"
            raise Infeasible(f"{kind}: {name}", f"{value:g} cannot be written: the field takes {most}",
                             "another policy, gpu or number of gpus in [serving] has another value")  # fmt: skip
        held[name] = near if field.places else int(near)
        if not isclose(near, value, rel_tol=EXACT):
            rounded.append(f"{name} is {written(field, near)} where {value:.10g} was simulated")
    return held, tuple(rounded)


def written(field: Field, held: float) -> str:
    """Decimals with no exponent: what reads `1e3` as a number and as a text differs between parsers."""
    written = f"{held:.{field.places}f}"
    return (written.rstrip("0").rstrip(".") if field.places else written) + field.unit
