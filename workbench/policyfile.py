"""One policy for a recorded trace, from a TOML file: every mistake in it at once, with its place and the way out."""

import difflib
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from workbench.models import policies
from workbench.records import InputProblems, Serving, WorkbenchError
from workbench.traffic import LONGEST_S

KINDS = {
    "keep_alive": policies.KeepAlive, "fixed": policies.Fixed, "knative": policies.Knative, "keda": policies.Keda,
    "ray_serve": policies.RayServe, "modal": policies.Modal, "sagemaker": policies.SageMaker,
    "hybrid_histogram": policies.HybridHistogram,
}  # fmt: skip
NUMBERS = ("p", "limit_s", "usd_per_replica_hour", "cold_start_s", "service_s")
NEEDED = ("policy", "p", "limit_s", "usd_per_replica_hour")
KEYS = ("policy", *NUMBERS, "as_of", "constants", "serving")
MOST = 1e300
"""More than a float holds is no number."""
LONGEST = ("cold_start_s", "service_s")
"""What lasts at most as long as a trace."""
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
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise WorkbenchError(str(path), f"cannot be read ({error.strerror})", "give the path of a TOML file") from error
    except UnicodeDecodeError as error:
        raise WorkbenchError(str(path), f"not UTF-8 ({error.reason})", "save the file as UTF-8") from error
    except ValueError as error:
        raise WorkbenchError(str(path), f"cannot be read ({error})", "give the path of a TOML file") from error
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        place = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{place.group(1)}" if place else str(path)
        raise WorkbenchError(where, f"not TOML: {error}", "see datasets/policies/keep_alive.toml") from error
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
        if key in table and (way_out := _number(key, table[key])):
            yield WorkbenchError(f"{place}: {key}", f"{table[key]!r:.40} means nothing", way_out)
    if "policy" in table:
        yield from _policy(table["policy"], table.get("constants", {}), place)
    yield from _served(table, place)
    if "as_of" in table and type(table["as_of"]) is not date:
        yield WorkbenchError(f"{place}: as_of", f"{table['as_of']} is not a day", "write 2026-11-24, without quotes")


def _number(key: str, value: Any) -> str:
    """The way out where a number means nothing; empty where it does not."""
    if type(value) not in (int, float) or not 0 <= value <= MOST:
        return "give a number of at least 0"
    if key == "p" and not 0 < value < 1:
        return "give a share of requests between 0 and 1"
    if key in LONGEST and value > LONGEST_S:
        return f"give seconds, at most {LONGEST_S:.3g}"
    return "give a number above 0" if key == "limit_s" and value == 0 else ""


def _policy(kind: Any, constants: Any, place: str) -> Iterator[WorkbenchError]:
    if not isinstance(kind, str) or kind not in KINDS:
        yield WorkbenchError(f"{place}: policy", f"{kind!r} is not known", _nearest(str(kind), KINDS))
        return
    if not isinstance(constants, Mapping):
        yield WorkbenchError(f"{place}: constants", f"{constants!r} is not a table", "write [constants]")
        return
    known = {f.name: f for f in fields(KINDS[kind]) if f.name != "cold_start_s"}
    wrong = list(_unknown(constants, known, f"{place}: constants"))
    for name, field in known.items():
        given = constants.get(name, field.default)
        if given is MISSING:
            wrong.append(WorkbenchError(f"{place}: constants", f"{kind} needs {name}", f"add {name} = ..."))
        elif name in constants and type(given) not in (int, float, str):
            what = f"{given!r} is not a number or a word"
            wrong.append(WorkbenchError(f"{place}: constants.{name}", what, "give one"))
    yield from wrong
    try:
        if not wrong:
            KINDS[kind](cold_start_s=0.0, **constants).vector()
    except WorkbenchError as error:
        yield WorkbenchError(f"{place}: constants", error.what, error.remedy)


def _served(table: Mapping[str, Any], place: str) -> Iterator[WorkbenchError]:
    served = table.get("serving")
    if served is None:
        if "cold_start_s" not in table:
            yield WorkbenchError(place, "no cold start", "add cold_start_s, or [serving] with where the model wakes")
        return
    if not isinstance(served, Mapping):
        yield WorkbenchError(f"{place}: serving", f"{served!r} is not a table", "write [serving]")
        return
    yield from _unknown(served, SERVED, f"{place}: serving")
    for key in SERVED[:4]:
        if key not in served:
            yield WorkbenchError(f"{place}: serving", f"{key} is missing", f"add {key} = ...")
    for key, value in served.items():
        right = type(value) is int and 0 < value <= MOST if key == "gpus" else type(value) is str
        if key in SERVED and not right:
            way_out = "give a whole number above 0" if key == "gpus" else "give a name"
            yield WorkbenchError(f"{place}: serving.{key}", f"{value!r} is not one", way_out)
    if "as_of" not in table:
        yield WorkbenchError(place, "rows of [serving] need a day", "add as_of = 2026-11-24")


def _unknown(table: Mapping[str, Any], known: Collection[str], place: str) -> Iterator[WorkbenchError]:
    for key in table:
        if key not in known:
            yield WorkbenchError(place, f"{key!r} is not known", _nearest(key, known))


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"use one of {', '.join(sorted(known))}"
