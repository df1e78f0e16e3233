"""Recorded traffic: a trace of requests from CSV, JSON lines or parquet, checked, sorted, and what was found in it.

Nothing in a file is trusted. What cannot be read is refused with its line; what is only odd (out of order, many at one
moment, silence, a coarse clock) is kept and reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from workbench import files
from workbench.records import WorkbenchError

if TYPE_CHECKING:
    from polars import DataFrame, Series

Array = NDArray[np.float64]
Form = Mapping[str, str]
FORMS: dict[str, Form] = {
    "Azure": {
        "arrival": "TIMESTAMP",
        "tokens_in": "ContextTokens",
        "tokens_out": "GeneratedTokens",
        "unit": "datetime",
    },
    "Mooncake": {"arrival": "timestamp", "tokens_in": "input_length", "tokens_out": "output_length", "unit": "ms"},
    "BurstGPT": {"arrival": "Timestamp", "tokens_in": "Request tokens", "tokens_out": "Response tokens", "unit": "s"},
}
"""Public traces, known by their columns: our name -> theirs, and the unit of the arrivals."""
SIZES = ("tokens_in", "tokens_out", "service_s")
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
UTC = ("Z", "UTC", "+00:00", "+0000", "+00")
LONG_GAP = 20.0  # in mean gaps: a Poisson trace of a million requests has none
LONGEST_S = 100 * 365.25 * 86400.0  # a century, more than since 1970: whoever has more has mistaken the unit
LARGEST = 2.0**53  # whole numbers above are not told apart


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a trace: numbers of requests and gaps; seconds, moments from the first request on."""

    rows: int
    span_s: float
    unit: str  # of the arrivals in the file
    step_s: float  # the clock's tick: nearly all gaps are multiples of it
    duplicates: int  # at the moment of the request before
    out_of_order: int  # below a later one in the file
    first_out_of_order: str  # FILE:LINE
    long_gaps: int  # longer than LONG_GAP times the mean
    longest_gap_s: float
    longest_gap_at_s: float

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each oddity; empty where there is none."""
        longest = f"the longest of {self.longest_gap_s:g} s after {self.longest_gap_at_s:g} s"
        found = (
            ("requests out of order, now sorted", self.out_of_order, f"the first at {self.first_out_of_order}"),
            ("requests at the moment of another", self.duplicates, f"the clock ticks each {self.step_s:g} s"),
            (f"gaps longer than {LONG_GAP:g} times the mean", self.long_gaps, longest),
        )
        return tuple(f"{what}: {count:,}, {more}" for what, count, more in found if count)


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Requests by arrival, in seconds from the first; arrays of one length, None where the file does not say."""

    arrivals_s: Array
    tokens_in: Array | None
    tokens_out: Array | None
    service_s: Array | None
    report: Report


class _Raw(NamedTuple):
    """The columns that are wanted, by our names, as they stand in the file."""

    file: files.File
    form: Form
    frame: "DataFrame"

    def refuse(self, row: int, what: str, remedy: str) -> NoReturn:
        raise WorkbenchError(files.place(self.file, row), what, remedy)


def read(path: str | Path, *, columns: Form | None = None) -> Trace:
    """The trace in a .csv, .jsonl (also .gz) or .parquet file, in a form of FORMS or with `columns`.

    `columns` names the file's columns of `arrival`, and of `tokens_in` and `tokens_out`, or `service_s` (seconds), or
    all; its `unit` is that of the arrivals: s, ms, us or datetime (left out: s for numbers, else datetime). A time of
    day is UTC, said (Z, +00:00) or not, but the same in all rows. Another zone is refused: only who recorded it can say
    whether it is right, and what happened when the clocks changed.

    Raises WorkbenchError naming FILE:LINE (in parquet the row), what is wrong and the way out.
    """
    file = files.opened(Path(path))
    form = _form(file, columns)
    raw = _Raw(file, form, files.frame(file, _named(form)))
    if len(raw.frame) < 2:
        raw.refuse(len(raw.frame) - 1, f"too few requests ({len(raw.frame)})", "give at least two")
    seconds, unit = _arrivals(raw)
    late = np.flatnonzero(seconds < np.maximum.accumulate(seconds))
    order = np.argsort(seconds, kind="stable") if len(late) else slice(None)
    most = {"service_s": LONGEST_S}
    sizes = {name: _numbers(raw, name, most.get(name, LARGEST))[order] for name in SIZES if name in form}
    times = seconds[order]
    if not 0 < times[-1] <= LONGEST_S:
        what = f"all {len(times):,} requests span {times[-1]:g} s"
        raw.refuse(1, what, "check the column and the unit of the arrivals")
    report = _report(times, unit, len(late), files.place(file, int(late[0])) if len(late) else "")
    return Trace(times, sizes.get("tokens_in"), sizes.get("tokens_out"), sizes.get("service_s"), report)


def _report(times: Array, unit: str, out_of_order: int, first: str) -> Report:
    gaps = np.diff(times)
    longest = int(gaps.argmax())
    return Report(
        rows=len(times), span_s=float(times[-1]), unit=unit, step_s=_step(gaps[gaps > 0]),
        duplicates=int((gaps == 0).sum()), out_of_order=out_of_order, first_out_of_order=first,
        long_gaps=int((gaps > LONG_GAP * gaps.mean()).sum()), longest_gap_s=float(gaps[longest]),
        longest_gap_at_s=float(times[longest]),
    )  # fmt: skip


def _step(gaps: Array) -> float:
    """The tick of the clock, even if it jitters (Mooncake's 3 s come as 2.997 to 3.003); at least a microsecond."""
    ticks = gaps / np.quantile(gaps, 0.1)
    if (np.abs(ticks - np.rint(ticks)) < 0.01).mean() > 0.95:
        return float(np.median(gaps / np.maximum(np.rint(ticks), 1)))
    return float(np.gcd.reduce(np.rint(gaps / UNITS["us"]).astype(np.int64)) * UNITS["us"])


# --- which columns


def _named(form: Form) -> Form:
    return {ours: theirs for ours, theirs in form.items() if ours != "unit"}


def _form(file: files.File, columns: Form | None) -> Form:
    """The columns to read: those that are asked for, or the form that the header has."""
    header = files.header(file)
    form = next((f for f in FORMS.values() if {*_named(f).values()} <= {*header}), None) if columns is None else columns
    if form is None:
        known = "; ".join(f"{name}: {', '.join(_named(f).values())}" for name, f in FORMS.items())
        what = f"the columns {', '.join(header):.200} are of no known form"
        raise WorkbenchError(
            files.place(file, -1), what, f"name them (--column arrival=...; `columns` in Python), or as one of {known}"
        )
    if not _sized(form):  # columns that bear our own names need no other
        form = {name: name for name in SIZES if name in header} | {**form}
    if not _sized(form) or not {"arrival"} <= {*form} <= {"arrival", *SIZES, "unit"}:
        remedy = (f"name arrival, and tokens_in and tokens_out, or service_s, among {', '.join(header):.200}; unit is "
                  "that of the arrivals")  # fmt: skip
        raise WorkbenchError("traffic.read", f"columns={dict(form)} are not all that is needed", remedy)
    if (unit := form.get("unit", "s")) not in (*UNITS, "datetime"):
        raise WorkbenchError("traffic.read", f"the unit {unit!r} is not known", f"use {', '.join(UNITS)} or datetime")
    for column in _named(form).values():
        if column not in header or f"{column}_duplicated_0" in header:
            what = f"the column {column!r} is {'twice' if column in header else 'not'} in the file"
            raise WorkbenchError(files.place(file, -1), what, f"use one of {', '.join(header):.200}")
    return form


def _sized(form: Form) -> bool:
    return {"tokens_in", "tokens_out"} <= {*form} or "service_s" in form


# --- what is in their cells


def _arrivals(raw: _Raw) -> tuple[Array, str]:
    """Seconds from the earliest request, in the order of the file, and the unit in which it has them."""
    import polars as pl

    cells = raw.frame["arrival"]
    unit = raw.form.get("unit") or _unit(cells)
    if unit in UNITS:
        values = _numbers(raw, "arrival", LONGEST_S / UNITS[unit])
        return (values - values.min()) * UNITS[unit], unit
    if cells.dtype == pl.String:
        cells = _moments(raw, cells.str.strip_chars())
    elif not isinstance(cells.dtype, pl.Datetime) or (cells.dtype.time_zone or "UTC") not in UTC:
        raw.refuse(0, f"{raw.form['arrival']} holds {cells.dtype}, no time in UTC", "convert it, or say its unit")
    _refuse(raw, "arrival", cells.is_null(), "is no time", "write it as 2023-11-16 18:15:46.68")
    ticks = cells.dt.epoch("us").to_numpy()  # whole: a float of the seconds since 1970 has no room for microseconds
    return (ticks - ticks.min()) * UNITS["us"], unit


def _unit(cells: "Series") -> str:
    """What an arrival is in where nobody says: a number is of seconds."""
    try:
        float(cells[0] or 0)
    except (TypeError, ValueError):
        return "datetime"
    return "s"


def _moments(raw: _Raw, text: "Series") -> "Series":
    """Text as moments, null where it is none."""
    zone = text.str.extract(r":\d\d(?:\.\d*)?\s*([A-Za-z+-].*)$")
    _refuse(raw, "arrival", ~zone.is_in(UTC), "is not in UTC", "write all times in UTC")
    for name in zone.unique().drop_nulls():
        text = text.str.strip_suffix(name)
    text = text.str.strip_chars_end().str.replace("T", " ", literal=True)
    moments = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    mixed = (zone.is_null() != zone.is_null()[0]) & moments.is_not_null()
    _refuse(raw, "arrival", mixed, "has a zone or none, unlike the first", "write Z after all times, or after none")
    return moments


def _numbers(raw: _Raw, name: str, most: float) -> Array:
    """A column as numbers from 0 to `most`, tokens as whole ones."""
    import polars as pl

    cells, kind = raw.frame[name], "whole number" if name.startswith("tokens") else "number"
    if cells.dtype == pl.String:
        cells = cells.str.strip_chars().cast(pl.Float64, strict=False)
    elif not cells.dtype.is_numeric():
        raw.refuse(0, f"{raw.form[name]} holds {cells.dtype}", "name a column of numbers")
    values = cells.cast(pl.Float64).fill_null(np.nan).to_numpy()
    good = (values >= 0) & ((kind == "number") | (values == np.rint(values)))
    _refuse(raw, name, ~good, f"is no {kind} of at least 0", "correct the row, or leave it out")
    remedy = "correct it, or say the unit of the arrivals (unit=ms)" if name == "arrival" else "correct the row"
    _refuse(raw, name, values > most, f"is above {most:.3g}, the most that is read", remedy)
    return values


def _refuse(raw: _Raw, name: str, bad: Any, why: str, remedy: str) -> None:
    """Raise at the first bad row, where there is one."""
    rows = np.flatnonzero(bad)
    if len(rows):
        cell, more = raw.frame[name][int(rows[0])], f" (and {len(rows) - 1:,} more)" if len(rows) > 1 else ""
        what = f"{raw.form[name]} is missing" if cell is None else f"{raw.form[name]} {cell!r:.60} {why}"
        raw.refuse(int(rows[0]), what + more, remedy)
