"""What a table in a file holds, cell by cell, and on which line: CSV and JSON lines as text, parquet as typed.

Nothing in a file is trusted: what is broken raises WorkbenchError with the file, its line where it has one, and the way
out.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.records import WorkbenchError

if TYPE_CHECKING:
    from polars import DataFrame

KINDS = {".csv": "csv", ".csv.gz": "csv", ".jsonl": "jsonl", ".jsonl.gz": "jsonl", ".parquet": "parquet"}


class File(NamedTuple):
    """A file's content, unpacked, and how to read it."""

    path: Path
    kind: str
    content: bytes


def opened(path: Path) -> File:
    """The file, of a kind in KINDS by its suffix; text is UTF-8, here without a byte-order mark or a blank end."""
    kind = KINDS.get("".join(path.suffixes[-2:]).lower()) or KINDS.get(path.suffix.lower())
    try:
        what = "" if path.is_file() else "a folder" if path.is_dir() else "no such file"
    except OSError as error:  # a name that is too long
        what = f"no such file ({error.strerror})"
    if what:
        raise WorkbenchError(str(path), what, "name a file that is there")
    if kind is None:
        raise WorkbenchError(str(path), f"the suffix {path.suffix!r} is not known", f"use one of {', '.join(KINDS)}")
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix.lower() == ".gz" else content
        if kind != "parquet":
            content = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
            content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise WorkbenchError(f"{path}:{line}", "not UTF-8", "save the file as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise WorkbenchError(str(path), f"cannot be read ({error})", "check it, or copy it again") from error
    if not content.strip():
        raise WorkbenchError(str(path), "the file is empty", "give a header and rows")
    return File(path, kind, content)


def header(file: File) -> list[str]:
    """The names of the columns: of JSON lines, those of the first object."""
    import polars as pl

    with _readable(file):
        if file.kind == "parquet":
            return list(pl.read_parquet_schema(io.BytesIO(file.content)))
        if file.kind == "csv":
            return pl.read_csv(file.content, n_rows=0, infer_schema=False).columns
        return list(_object(next((text for _, text in _records(file)), b"")))


def frame(file: File, columns: Mapping[str, str]) -> "DataFrame":
    """The columns named {new name: name in the file}; those of text files hold text, null where there is none."""
    import polars as pl

    names = list(dict.fromkeys(columns.values()))
    with _readable(file):
        if file.kind == "parquet":
            found = pl.read_parquet(io.BytesIO(file.content), columns=names)
        elif file.kind == "csv":
            found = pl.read_csv(file.content, columns=names, infer_schema=False)
        else:
            found = pl.read_ndjson(io.BytesIO(file.content), schema=dict.fromkeys(names, pl.String()))
        return found.select(pl.col(theirs).alias(ours) for ours, theirs in columns.items())


def place(file: File, row: int) -> str:
    """FILE:LINE of a row of the frame, -1 for the header; in parquet, which has no lines, the row."""
    if file.kind == "parquet":
        return f"{file.path} row {row + 1}" if row >= 0 else str(file.path)
    line = next(islice(_records(file), max(row + (file.kind == "csv"), 0), None), (1, None))[0]
    return f"{file.path}:{line}"


def _records(file: File) -> Iterator[tuple[int, Any]]:
    """Each record of a text file with its first line; that of CSV begins with the header, and None is no record."""
    if file.kind == "jsonl":
        yield from ((line, text) for line, text in enumerate(file.content.split(b"\n"), 1) if text.strip())
        return
    reader, line = csv.reader(io.StringIO(file.content.decode(), newline=""), strict=True), 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error:
        yield line, None


def _object(text: bytes) -> dict[str, Any]:
    found = json.loads(text, parse_constant=int)  # NaN is no JSON, and no int: ValueError
    if not isinstance(found, dict):
        raise ValueError(f"a {type(found).__name__} where an object should be")
    return found


@contextmanager
def _readable(file: File) -> Iterator[None]:
    """Says on which line a file is none of its kind, where its reader fails."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, RecursionError) as error:
        said = str(error).partition("\n")[0]
        remedy = "write it again" if file.kind == "parquet" else "give a row a line, each like the first"
        raise WorkbenchError(_broken(file), f"not read as {file.kind}: {said:.100}", remedy) from error


def _broken(file: File) -> str:
    """FILE:LINE of the first record that is none, or longer than the header; the file where there is no such."""
    width = 0
    for line, record in _records(file) if file.kind != "parquet" else ():
        try:
            if record is None or (file.kind == "csv" and len(record) > (width := width or len(record))):
                raise ValueError
            if file.kind == "jsonl":
                _object(record)
        except (ValueError, RecursionError):
            return f"{file.path}:{line}"
    return str(file.path)
