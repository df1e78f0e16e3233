"""A scenario file (TOML) becomes a Scenario, and every mistake in it is reported at once: place, reason, way out."""

import difflib
import operator
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date
from functools import cache
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin, get_type_hints

from workbench.records import Basis, Facts, InputProblems, Quantity, Range, Scenario, WorkbenchError
from workbench.stated import misfits

if TYPE_CHECKING:
    from pydantic import TypeAdapter


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
    if _is_file(text):
        return Path(text)
    if not names:
        raise WorkbenchError(str(folder), "no scenarios here, so these are no datasets", "set WORKBENCH_DATASETS")
    raise WorkbenchError(text, "no such scenario", "give a path, or " + _nearest(text, names))


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL, is no file
        return False


FILLED = ("places", "origin")
"""Fields that the loader fills."""

Names = Mapping[str, Collection[str]]
"""Kind of name -> the names that are known; those of assumptions lead to what values they may have."""


class Limits(NamedTuple):
    """What an assumption may be: as its own rows are, above 0 or not below it, and a share not above 1."""

    positive: bool
    not_negative: bool
    share: bool

    def refuse(self, number: float) -> str:
        """The way out for a value that means nothing; empty for one that may be."""
        if self.positive and number <= 0:
            return "give a number above 0"
        if self.not_negative and number < 0:
            return "give a number of at least 0"
        return "give a share of at most 1" if self.share and abs(number) > 1 else ""


def load(path: Path, known: Callable[[date], Names] | None = None) -> Scenario:
    """The scenario of a TOML file.

    `known` gives the names of providers, accelerators, assumptions and so on at the scenario's day. Raises
    InputProblems with every mistake of the file: its place (FILE:LINE where the key can be found), the reason, and the
    nearest valid name.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise WorkbenchError(str(path), f"cannot be read ({error})", "give a TOML file in UTF-8") from error
    except (ValueError, RecursionError) as error:  # not TOML, a number of thousands of digits, or a thousand brackets
        place = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{place.group(1)}" if place else str(path)
        raise WorkbenchError(
            where, f"not TOML: {error}", "correct the line; see datasets/scenarios/chat.toml"
        ) from error
    return parse(table, str(path), _lines(text), known)


class _File(NamedTuple):
    """A file's name and the line of each dotted key: where a mistake stands."""

    name: str
    lines: Mapping[str, int]

    def at(self, key: str) -> str:
        parents = [key]
        while "." in parents[-1]:
            parents.append(parents[-1].rpartition(".")[0])
        line = next((self.lines[k] for k in parents if k in self.lines), None)
        return f"{self.name}:{line} {key}" if line else f"{self.name}: {key}"


def parse(
    table: Mapping[str, Any],
    name: str,
    lines: Mapping[str, int] | None = None,
    known: Callable[[date], Names] | None = None,
) -> Scenario:
    """The scenario of a table as TOML gives it, from a file of that name with its keys on those lines; see `load`."""
    from pydantic import ValidationError  # only here, at the door

    file = _File(name, lines or {})
    found = list(_unknown_keys(table, Scenario, "", file)) + list(_mistyped(table, Scenario, "", file))
    mistyped = {p.where for p in found}
    day = table.get("as_of")
    if type(day) is not date and "as_of" in table:
        found.append(
            WorkbenchError(file.at("as_of"), f"{day} is not a day", "write as_of = 2026-11-24, without quotes")
        )
    elif known is not None and day is not None:
        names_then = known(day)
        found += [*_names(table, file, names_then), *_limits(table, file, names_then["assumptions"])]
    try:
        scenario = _adapter().validate_python(_pruned(table, Scenario))
    except ValidationError as error:
        refused = [_problem(e, file) for e in error.errors() if not _other_form(e) and e["loc"] != ("as_of",)]
        found += [p for p in refused if p.where not in mistyped]
        found += [_problem(e, file) for e in error.errors() if e["loc"] == ("as_of",) and e["type"] == "missing"]
    else:
        found += list(_meaning(scenario, file))
        if not found:
            return replace(scenario, places={key: f"{_short(file.name)}:{line}" for key, line in file.lines.items()})
    raise InputProblems(list({(p.where, p.what): p for p in found}.values()))


@cache
def _adapter() -> "TypeAdapter[Scenario]":
    from pydantic import TypeAdapter

    return TypeAdapter(Scenario)


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


def _nested(kind: Any, key: str) -> Any:
    """The dataclass of a field that is a table of fixed keys, else None."""
    annotation = next((f.type for f in fields(kind) if f.name == key), None)
    forms = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return next((f for f in forms if is_dataclass(f) and f is not Range), None)


def _unknown_keys(table: Mapping[str, Any], kind: Any, prefix: str, file: _File) -> Iterator[WorkbenchError]:
    known = [f.name for f in fields(kind) if f.name not in FILLED]
    for key, value in table.items():
        if key not in known:
            yield WorkbenchError(file.at(prefix + key), "unknown key", _nearest(key, known))
        elif (inner := _nested(kind, key)) is not None:
            if isinstance(value, Mapping):
                yield from _unknown_keys(value, inner, f"{prefix}{key}.", file)
            elif value is not None:  # TOML has no null: a form leaves a table out so
                yield WorkbenchError(file.at(prefix + key), f"{value!r} is not a table", f"write [{prefix}{key}]")


def _forms(kind: Any) -> Iterator[Any]:
    """A type with all that stands within it: the members of a union, the words of a Literal."""
    yield kind
    for part in get_args(kind):
        yield from _forms(part)


def _mistyped(value: Any, kind: Any, key: str, file: _File) -> Iterator[WorkbenchError]:
    """A text, or true and false, where neither belongs: pydantic would read `"12"` as 12 and true as 1."""
    forms = tuple(_forms(kind))
    if isinstance(value, Mapping):
        by_name = get_args(kind)[-1] if get_origin(kind) is Mapping else None
        hints = next((get_type_hints(f) for f in forms if is_dataclass(f)), {}) if by_name is None else {}
        for name, item in value.items():
            if (inner := hints.get(name, by_name)) is not None:
                yield from _mistyped(item, inner, f"{key}.{name}" if key else name, file)
    elif isinstance(value, list):
        for item in value:
            yield from _mistyped(item, kind, key, file)
    elif isinstance(value, bool | str) and type(value) not in forms:
        wanted = "true or false" if bool in forms else "a number" if {int, float} & {*forms} else ""
        if wanted:
            shown = repr(value) if isinstance(value, str) else str(value).lower()
            yield WorkbenchError(file.at(key), f"{shown} is not {wanted}", f"write {wanted}, without quotes")


def _pruned(table: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """The table without unknown keys, so that the other mistakes are found in the same run."""
    known = {f.name for f in fields(kind)} - {*FILLED}
    pruned = {}
    for key, value in table.items():
        inner = _nested(kind, key) if key in known else None
        if key in known and (inner is None or isinstance(value, Mapping)):
            pruned[key] = _pruned(value, inner) if inner is not None else value
    return pruned


PLAIN = {
    "tuple_type": "not a list", "float_type": "not a number", "float_parsing": "not a number",
    "int_type": "not a number", "int_from_float": "not a whole number", "int_parsing": "not a whole number",
    "string_type": "not a text", "bool_type": "not true or false", "bool_parsing": "not true or false",
}  # fmt: skip
"""Pydantic's kinds of mistake in plain words."""


WORDS = {
    "ge": "at least", "gt": "above", "le": "at most", "lt": "below", "min_length": "at least", "max_length": "at most",
}  # fmt: skip


def _other_form(error: Any) -> bool:
    """A number may be a range as well: what is wrong with the form that was not written is no mistake."""
    return "Range" in map(str, error["loc"]) and error["type"] in ("dataclass_type", "dataclass_exact_type")


def _problem(error: Any, file: _File) -> WorkbenchError:
    key = ".".join(
        str(part)
        for part in error["loc"]
        if not str(part).startswith(("constrained", "float", "Range", "function", "int"))
    )
    reason, remedy = error["msg"], "see datasets/scenarios/chat.toml"
    if error["type"] == "missing":
        return WorkbenchError(file.at(key), f"{key.rpartition('.')[2]} is missing", f"add {key} = ...")
    if error["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        remedy = _nearest(str(error["input"]), allowed)
    limits = [f"{WORDS[k]} {v}" for k, v in error.get("ctx", {}).items() if k in WORDS]
    if limits:
        remedy = "give " + " and ".join(limits)
    reason = PLAIN.get(error["type"], reason)
    if isinstance(error["input"], float) and not isfinite(error["input"]):
        reason, remedy = "not finite", "give a finite number"
    shown = str(error["input"]) if isinstance(error["input"], date) else repr(error["input"])
    return WorkbenchError(file.at(key), f"{shown[:80]}: {reason}", remedy)


def _numbers(value: Any, key: str) -> Iterator[tuple[str, float | Range]]:
    if isinstance(value, Range) or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield key, value
    elif isinstance(value, Mapping):
        for inner, item in value.items():
            yield from _numbers(item, f"{key}.{inner}" if key else str(inner))
    elif isinstance(value, tuple):
        for item in value:
            yield from _numbers(item, key)
    elif is_dataclass(value) and not isinstance(value, type):
        for f in fields(value):
            if f.name not in FILLED:
                yield from _numbers(getattr(value, f.name), f"{key}.{f.name}" if key else f.name)


HOLDS = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}


def _beyond(key: str, number: Range) -> str:
    """The limit of a field that an end of a range breaks, in words; a range has the limits of the plain number."""
    kind: Any = Scenario
    for part in key.split("."):
        table = next((f for f in _forms(kind) if isinstance(f, type) and is_dataclass(f) and f is not Range), None)
        by_name = get_args(kind)[-1] if get_origin(kind) is Mapping else None
        kind = get_type_hints(table, include_extras=True).get(part) if table else by_name
    for form in getattr(kind, "__args__", ()):
        for limit in getattr(form, "__metadata__", ()):
            for name, holds in HOLDS.items():
                bound = getattr(limit, name, None)
                if bound is not None and not (holds(number.low, bound) and holds(number.high, bound)):
                    return f"{WORDS[name]} {bound:g}"
    return ""


def _meaning(scenario: Scenario, file: _File) -> Iterator[WorkbenchError]:
    """What is well formed but means nothing: not finite, ranges in disorder, a demand without work, unknown names."""
    for key, number in _numbers(scenario, ""):
        ends = (number.low, number.value, number.high) if isinstance(number, Range) else (number,)
        if not all(map(isfinite, ends)):
            yield WorkbenchError(file.at(key), f"{number} is not finite", "give a finite number")
        elif isinstance(number, Range) and not number.low <= number.value <= number.high:
            yield WorkbenchError(file.at(key), "low, value, high are not in order", "give low <= value <= high")
        elif isinstance(number, Range) and (limit := _beyond(key, number)):
            yield WorkbenchError(file.at(key), f"{number.low:g} to {number.high:g} is out of range", f"give {limit}")
    yield from (WorkbenchError(file.at(key), what, remedy) for key, what, remedy in misfits(scenario))


NAMED = {
    "constraints.providers": "providers", "constraints.exclude_providers": "providers",
    "constraints.accelerators": "accelerators", "constraints.residency": "jurisdictions",
    "constraints.sovereignty": "jurisdictions", "constraints.certifications": "certifications",
    "constraints.market": "markets", "incumbent.provider": "incumbents", "currency": "currencies",
    "terms.negotiated_discount": "providers", "assumptions": "assumptions", "quotes.provider": "providers",
    "quotes.gpu": "accelerators", "serving.model": "models", "serving.gpu": "accelerators",
    "serving.platform": "platforms", "serving.traffic": "traffic",
    "lockin.services": "services", "lockin.jurisdiction": "jurisdictions", "lockin.rival": "rivals",
    "plan.lead_time_months": "providers", "plan.max_provider_share": "providers", "plan.max_accelerators": "providers",
    "plan.data_at": "providers",
}  # fmt: skip
"""Key -> the kind of names that it, each of its entries or each of its keys must be one of."""


def _names(table: Mapping[str, Any], file: _File, known: Names) -> Iterator[WorkbenchError]:
    for key, kind in NAMED.items():
        value: Any = table
        for part in key.split("."):
            if isinstance(value, list):
                value = [item.get(part) for item in value if isinstance(item, Mapping)]
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
        keyed = isinstance(value, Mapping)
        for used in [value] if isinstance(value, str) else list(value) if isinstance(value, list | Mapping) else []:
            if isinstance(used, str) and used not in known[kind]:
                yield WorkbenchError(
                    file.at(f"{key}.{used}" if keyed else key), f"{used!r} is not known", _nearest(used, known[kind])
                )


def _limits(table: Mapping[str, Any], file: _File, known: Any) -> Iterator[WorkbenchError]:
    stated = table.get("assumptions")
    for name, value in stated.items() if isinstance(stated, Mapping) else ():
        ends = value.values() if isinstance(value, Mapping) else [value]
        for end in ends:
            plain = isinstance(end, int | float) and not isinstance(end, bool) and name in known
            if plain and (way_out := known[name].refuse(end)):
                yield WorkbenchError(file.at(f"assumptions.{name}"), f"{name} = {end} means nothing", way_out)
                break


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return (f"did you mean {near[0]!r}? " if near else "") + f"use one of {', '.join(sorted(known))}"


def names(facts: Facts) -> dict[str, Collection[str]]:
    """The names that a scenario may use, by kind."""
    certified = (rows for (_, attribute), rows in facts.capabilities.items() if attribute == "certification")
    return {
        "providers": set(facts.provider_kinds),
        "incumbents": {"none", *facts.provider_kinds},
        "rivals": {"best", str(Basis.OWNED), *facts.provider_kinds},
        "services": set(facts.dependences),
        "accelerators": {p.gpu for p in facts.prices},
        "jurisdictions": {r["jurisdiction"] for r in facts.regions.values()},
        "markets": {r["market"] for r in facts.regions.values()},
        "certifications": {value for rows in certified for value, *_ in rows},
        "assumptions": {name: _limits_of(rows) for name, rows in _by_name(facts).items()},
        "currencies": {"USD", *facts.currencies},
        "models": {s.split("/")[1] for m, s, _ in facts.parameters if m == "serving" and "/" in s},
        "platforms": {s.partition("/")[0] for m, s, _ in facts.parameters if m == "coldstart" and "/" in s},
        "traffic": {s for m, s, name in facts.parameters if (m, name) == ("traffic", "rate_cv_60s")},
    }


def _by_name(facts: Facts) -> dict[str, list[Quantity]]:
    found: dict[str, list[Quantity]] = {}
    for scoped in facts.assumptions:
        found.setdefault(scoped.quantity.name, []).append(scoped.quantity)
    return found


def _limits_of(rows: list[Quantity]) -> Limits:
    least, unit = min(q.low for q in rows), rows[0].unit
    return Limits(positive=least > 0, not_negative=least >= 0, share=unit.startswith("share"))
