"""One policy for a recorded trace, from a TOML file: every mistake in it at once, with its place and the way out."""

import difflib
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from workbench.models import policies
from workbench.records import InputProblems, Serving, WorkbenchError

KINDS = {
    "keep_alive": policies.KeepAlive, "fixed": policies.Fixed, "knative": policies.Knative, "keda": policies.Keda,
    "ray_serve": policies.RayServe, "modal": policies.Modal, "sagemaker": policies.SageMaker,
    "hybrid_histogram": policies.HybridHistogram,
}  # fmt: skip
NUMBERS = ("p", "limit_s", "usd_per_replica_hour", "cold_start_s", "service_s")
NEEDED = ("policy", "p", "limit_s", "usd_per_replica_hour")
KEYS = ("policy", *NUMBERS, "as_of", "constants", "serving")
SERVED = ("model", "gpu", "gpus", "platform", "mitigation", "storage")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the file asks: a policy with its constants, the objective, and what a replica costs and does."""

    kind: str
    constants: Mapping[str, Any]
    p: float
    limit_s: float
    usd_per_replica_hour: float
    cold_start_s: float | None = None
    service_s: float | None = None
    as_of: date | None = None
    serving: Serving | None = None

    def policy(self, cold_start_s: Any, slots: int | None = None) -> policies.Policy:
        """The policy, with a cold start, and the requests that a replica holds unless the file says how many."""
        held = {} if slots is None else {"concurrency": slots}
        made: policies.Policy = KINDS[self.kind](**{"cold_start_s": cold_start_s, **held, **self.constants})
        made.vector()
        return made


def read(path: Path) -> Asked:
    """The policy of a TOML file. Raises InputProblems with every mistake."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkbenchError(str(path), f"cannot be read ({error.strerror})", "give the path of a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WorkbenchError(str(path), f"not TOML ({error})", "see datasets/policies/keep_alive.toml") from error
    if found := list(_mistakes(table, str(path))):
        raise InputProblems(found)
    served = table.get("serving")
    own = {key: float(table[key]) for key in NUMBERS if key in table}
    serving = Serving(**served, p=own["p"], limit_s=own["limit_s"]) if served else None
    return Asked(kind=table["policy"], constants=table.get("constants", {}), as_of=table.get("as_of"), serving=serving,
                 **own)  # fmt: skip


def _mistakes(table: Mapping[str, Any], place: str) -> Iterator[WorkbenchError]:
    yield from _unknown(table, KEYS, place)
    for key in NEEDED:
        if key not in table:
            yield WorkbenchError(place, f"{key} is missing", f"add {key} = ...")
    for key in NUMBERS:
        value = table.get(key, 1.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            yield WorkbenchError(f"{place}: {key}", f"{value!r} is not a number of at least 0", "give such a number")
        elif key == "p" and not 0 < value < 1 and key in table:
            yield WorkbenchError(f"{place}: p", f"{value} is no share of requests", "give one between 0 and 1")
    kind = table.get("policy", "keep_alive")
    if not isinstance(kind, str) or kind not in KINDS:
        yield WorkbenchError(f"{place}: policy", f"{kind!r} is not known", f"use one of {', '.join(KINDS)}")
        return
    constants = table.get("constants", {})
    known = {f.name: f for f in fields(KINDS[kind]) if f.name != "cold_start_s"}
    yield from _unknown(constants, known, f"{place}: constants")
    for name, field in known.items():
        given = constants.get(name, field.default)
        if given is MISSING:
            yield WorkbenchError(f"{place}: constants", f"{kind} needs {name}", f"add {name} = ...")
        elif name in constants and isinstance(given, bool | dict | list):
            yield WorkbenchError(f"{place}: constants.{name}", f"{given!r} is not a number or a word", "give one")
    yield from _served(table, place)


def _served(table: Mapping[str, Any], place: str) -> Iterator[WorkbenchError]:
    served = table.get("serving")
    if served is None:
        if "cold_start_s" not in table:
            yield WorkbenchError(place, "no cold start", "add cold_start_s, or [serving] with where the model wakes")
        return
    if not isinstance(served, Mapping):
        yield WorkbenchError(f"{place}: serving", "not a table", "write [serving]")
        return
    yield from _unknown(served, SERVED, f"{place}: serving")
    for key in SERVED[:4]:
        if key not in served:
            yield WorkbenchError(f"{place}: serving", f"{key} is missing", f"add {key} = ...")
    for key, value in served.items():
        right = type(value) is int and value > 0 if key == "gpus" else type(value) is str
        if key in SERVED and not right:
            yield WorkbenchError(f"{place}: serving.{key}", f"{value!r} is not one", "give a name, or a whole number")
    if not isinstance(table.get("as_of"), date):
        yield WorkbenchError(place, "rows of [serving] need a day", "add as_of = 2026-11-24")


def _unknown(table: Mapping[str, Any], known: Collection[str], place: str) -> Iterator[WorkbenchError]:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            yield WorkbenchError(place, f"{key!r} is not known", f"{hint}use one of {', '.join(sorted(known))}")
