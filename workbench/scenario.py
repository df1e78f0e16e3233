"""A scenario file (TOML) becomes a Scenario, and every mistake in it is reported at once: place, reason, way out."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from workbench.records import Facts, InputProblems, Range, Scenario, WorkbenchError


def shipped(folder: Path) -> list[str]:
    """Names of the scenarios that come with the datasets."""
    return sorted(p.stem for p in (folder / "scenarios").glob("*.toml"))


def find(scenario: str | Path, folder: Path) -> Path:
    """The file of a scenario that is named by path or by the name of a shipped one.

    Raises WorkbenchError naming the nearest shipped name.
    """
    text = str(scenario)
    names = shipped(folder)
    if text in names:
        return folder / "scenarios" / f"{text}.toml"
    if "\0" not in text and Path(text).is_file():
        return Path(text)
    near = difflib.get_close_matches(text, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise WorkbenchError(text, "no such scenario", f"{hint}give a path, or one of {', '.join(names)}")


def load(path: Path, facts_names: Mapping[str, Iterable[str]] | None = None) -> Scenario:
    """The scenario of a TOML file.

    Raises InputProblems with every mistake of the file: its place (FILE:LINE where the key can be found), the reason,
    and the nearest valid name. `facts_names` holds the known names of providers, accelerators, assumptions and so on.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise WorkbenchError(str(path), f"cannot be read ({error})", "give a TOML file in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{place.group(1)}" if place else str(path)
        raise WorkbenchError(where, f"not TOML: {error}", "correct the line; see datasets/scenarios/chat.toml") from error
    return parse(table, str(path), _lines(text), facts_names)


def parse(
    table: Mapping[str, Any], name: str, lines: Mapping[str, int] | None = None, known: Mapping[str, Iterable[str]] | None = None
) -> Scenario:
    """The scenario of a table as TOML gives it; see `load`."""
    from pydantic import TypeAdapter, ValidationError  # only here, at the door

    lines = lines or {}
    places = {key: f"{_short(name)}:{line}" for key, line in lines.items()}
    found = list(_unknown_keys(table, Scenario, "", name, lines)) + list(_booleans(table, "", name, lines))
    scenario = None
    try:
        scenario = TypeAdapter(Scenario).validate_python(_pruned(table, Scenario))
    except ValidationError as error:
        found += [_problem(e, name, lines) for e in error.errors()]
    if scenario is not None:
        found += list(_meaning(scenario, name, lines, known or {}))
    if found:
        unique = {(p.where, p.what): p for p in found}
        raise InputProblems(list(unique.values()))
    assert scenario is not None
    return replace(scenario, places=places)


def _short(name: str) -> str:
    parts = Path(name).parts
    return "/".join(parts[-2:]) if len(parts) > 1 and parts[-2] == "scenarios" else parts[-1]


def _lines(text: str) -> dict[str, int]:
    """Dotted key -> line, by reading table headers and the keys below them."""
    found: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line)
        key = re.match(r"\s*([A-Za-z0-9_.\-\"' ]+?)\s*=", line)
        if header:
            prefix = header.group(1).replace('"', "") + "."
            found[prefix[:-1]] = number
        elif key:
            found.setdefault(prefix + key.group(1).replace('"', "").replace("'", ""), number)
    return found


def _where(name: str, key: str, lines: Mapping[str, int]) -> str:
    line = lines.get(key) or lines.get(key.rpartition(".")[0])
    return f"{name}:{line} {key}" if line else f"{name}: {key}"


def _nested(kind: Any, key: str) -> Any:
    """The dataclass of a field that is a table of fixed keys, else None."""
    annotation = next((f.type for f in fields(kind) if f.name == key), None)
    return annotation if is_dataclass(annotation) and annotation is not Range else None


def _unknown_keys(table: Mapping[str, Any], kind: Any, prefix: str, name: str, lines: Mapping[str, int]) -> Iterator[WorkbenchError]:
    known = [f.name for f in fields(kind) if f.name != "places"]
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            yield WorkbenchError(_where(name, prefix + key, lines), "unknown key", f"{hint}use one of {', '.join(known)}")
        elif (inner := _nested(kind, key)) is not None:
            if isinstance(value, Mapping):
                yield from _unknown_keys(value, inner, f"{prefix}{key}.", name, lines)
            else:
                yield WorkbenchError(_where(name, prefix + key, lines), f"{value!r} is not a table", f"write [{prefix}{key}]")


def _booleans(table: Mapping[str, Any], prefix: str, name: str, lines: Mapping[str, int]) -> Iterator[WorkbenchError]:
    """true and false where a number belongs: Python would read them as 1 and 0."""
    switches = ("confidential_computing", "managed_kubernetes", "spot_allowed", "marketplace_allowed")
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _booleans(value, f"{prefix}{key}.", name, lines)
        elif isinstance(value, bool) and key not in switches:
            yield WorkbenchError(_where(name, prefix + key, lines), f"{str(value).lower()} is not a number", "write a number")


def _pruned(table: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """The table without unknown keys, so that the other mistakes are found in the same run."""
    known = {f.name for f in fields(kind)} - {"places"}
    pruned = {}
    for key, value in table.items():
        inner = _nested(kind, key) if key in known else None
        if key in known and (inner is None or isinstance(value, Mapping)):
            pruned[key] = _pruned(value, inner) if inner is not None else value
    return pruned


def _problem(error: Any, name: str, lines: Mapping[str, int]) -> WorkbenchError:
    key = ".".join(str(part) for part in error["loc"] if not str(part).startswith(("constrained", "float", "Range", "function", "int")))
    reason, remedy = error["msg"], "see datasets/scenarios/chat.toml"
    if error["type"] == "missing":
        return WorkbenchError(_where(name, key, lines), f"{key.rpartition('.')[2]} is missing", f"add {key} = ...")
    if error["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        near = difflib.get_close_matches(str(error["input"]), allowed, n=1)
        remedy = (f"did you mean {near[0]!r}? " if near else "") + f"use one of {', '.join(allowed)}"
    limits = {k: v for k, v in error.get("ctx", {}).items() if k in ("ge", "gt", "le", "lt", "min_length", "max_length")}
    if limits:
        words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "min_length": "at least", "max_length": "at most"}
        remedy = "give " + " and ".join(f"{words[k]} {v}" for k, v in limits.items())
    shown = repr(error["input"])
    return WorkbenchError(_where(name, key, lines), f"{shown[:80]}: {reason}", remedy)


def _numbers(value: Any, key: str) -> Iterator[tuple[str, float | Range]]:
    if isinstance(value, Range) or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield key, value
    elif isinstance(value, Mapping):
        for inner, item in value.items():
            yield from _numbers(item, f"{key}.{inner}" if key else str(inner))
    elif is_dataclass(value) and not isinstance(value, type):
        for f in fields(value):
            if f.name != "places":
                yield from _numbers(getattr(value, f.name), f"{key}.{f.name}" if key else f.name)


def _meaning(scenario: Scenario, name: str, lines: Mapping[str, int], known: Mapping[str, Iterable[str]]) -> Iterator[WorkbenchError]:
    """What is well formed but means nothing: not finite, ranges in disorder, a demand without work, unknown names."""
    for key, number in _numbers(scenario, ""):
        ends = (number.low, number.value, number.high) if isinstance(number, Range) else (number,)
        if not all(abs(e) < float("inf") for e in ends):
            yield WorkbenchError(_where(name, key, lines), f"{number} is not finite", "give a finite number")
        elif isinstance(number, Range) and not number.low <= number.value <= number.high:
            yield WorkbenchError(_where(name, key, lines), "low, value, high are not in order", "give low <= value <= high")
        elif isinstance(number, Range) and number.low < 0 and key.startswith(("demand.", "data.")) and not key.endswith("growth_per_month"):
            yield WorkbenchError(_where(name, key, lines), f"low {number.low:g} is negative", "give at least 0")
    demand = scenario.demand
    stated = {
        "serving": demand.tokens_in_per_month is not None and demand.tokens_out_per_month is not None,
        "training": any(v is not None for v in (demand.gpu_hours_per_month, demand.runs_per_month, demand.gpus)),
        "image": demand.requests_per_month is not None and demand.gpu_hours_per_request is not None,
    }
    ways = {"serving": "tokens_in_per_month and tokens_out_per_month", "training": "gpu_hours_per_month, or runs_per_month and gpu_hours_per_run",
            "image": "requests_per_month and gpu_hours_per_request"}  # fmt: skip
    if not stated[demand.work]:
        yield WorkbenchError(_where(name, "demand", lines), f"{demand.work} states no work", f"give {ways[demand.work]}")
    if (demand.runs_per_month is None) != (demand.gpu_hours_per_run is None):
        yield WorkbenchError(_where(name, "demand", lines), "runs without hours, or hours without runs", ways["training"])
    yield from _names(scenario, name, lines, known)


def _names(scenario: Scenario, name: str, lines: Mapping[str, int], known: Mapping[str, Iterable[str]]) -> Iterator[WorkbenchError]:
    wanted = scenario.constraints
    used = [
        *(("constraints.providers", "providers", p) for p in wanted.providers),
        *(("constraints.exclude_providers", "providers", p) for p in wanted.exclude_providers),
        *(("constraints.accelerators", "accelerators", a) for a in wanted.accelerators),
        *(("constraints.residency", "jurisdictions", j) for j in wanted.residency),
        *(("constraints.sovereignty", "jurisdictions", j) for j in wanted.sovereignty),
        *(("constraints.certifications", "certifications", c) for c in wanted.certifications),
        *((f"terms.negotiated_discount.{p}", "providers", p) for p in scenario.terms.negotiated_discount),
        *((f"assumptions.{a}", "assumptions", a) for a in scenario.assumptions),
    ]
    if scenario.incumbent.provider != "none":
        used.append(("incumbent.provider", "providers", scenario.incumbent.provider))
    if wanted.market is not None:
        used.append(("constraints.market", "markets", wanted.market))
    used.append(("currency", "currencies", scenario.currency))
    for key, kind, value in used:
        names = sorted(known.get(kind, [value]))
        if value not in names:
            near = difflib.get_close_matches(value, names, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            yield WorkbenchError(_where(name, key, lines), f"{value!r} is not known", f"{hint}use one of {', '.join(names)[:400]}")


def names(facts: Facts) -> dict[str, set[str]]:
    """The names that a scenario may use, by kind."""
    return {
        "providers": set(facts.provider_kinds), "accelerators": {p.gpu for p in facts.prices},
        "jurisdictions": {r["jurisdiction"] for r in facts.regions.values()}, "markets": {r["market"] for r in facts.regions.values()},
        "certifications": {v for (_, a), values in facts.capabilities.items() if a == "certification" for v, *_ in values},
        "assumptions": {s.quantity.name for s in facts.assumptions}, "currencies": {"USD", *facts.currencies},
    }  # fmt: skip
