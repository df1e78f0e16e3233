"""Traces from files that nobody vouches for: what is read is right, and what is wrong is named with its line."""

import gzip
import json
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench import traffic
from workbench.records import WorkbenchError

LAW = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("WORKBENCH_SHARED") or ROOT.parent / "shared")
TRACES = SHARED / "data" / "traffic"
real_traces = pytest.mark.skipif(
    not TRACES.is_dir(), reason=f"the real traces are not at {TRACES}: set WORKBENCH_SHARED to read them"
)
AZURE, MAP = "TIMESTAMP,ContextTokens,GeneratedTokens", {"arrival": "t", "tokens_in": "i", "tokens_out": "o"}
COMING = "2023-11-16 18:15:4{}.68,374,44"


def put(folder: Path, content: str | bytes, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def azure(folder: Path, *rows: str) -> Path:
    return put(folder, "\n".join([AZURE, *rows]) + "\n")


def request(stamp: Any = 0, coming: Any = 6758, going: Any = 500) -> str:
    return json.dumps({"timestamp": stamp, "input_length": coming, "output_length": going, "hash_ids": [0, 1]})


def mooncake(folder: Path, *lines: str) -> Path:
    return put(folder, "\n".join(lines) + "\n", "trace.jsonl")


def parquet(folder: Path, **columns: Any) -> Path:
    pl.DataFrame(columns).write_parquet(folder / "trace.parquet")
    return folder / "trace.parquet"


def refused(path: Path, **options: Any) -> WorkbenchError:
    with pytest.raises(WorkbenchError) as caught:
        traffic.read(path, **options)
    assert caught.value.what
    assert caught.value.remedy
    return caught.value


# --- real traces


@real_traces
def test_azures_hour_has_its_published_figures():
    trace = traffic.read(TRACES / "AzureLLMInferenceTrace_conv.csv")
    gaps = np.diff(trace.arrivals_s)
    assert (trace.report.rows, len(trace.arrivals_s)) == (19_366, 19_366)
    assert trace.report.rows / trace.report.span_s == pytest.approx(5.53, abs=0.005)
    assert gaps.std() / gaps.mean() == pytest.approx(1.09, abs=0.005)
    assert (np.median(trace.tokens_in), np.median(trace.tokens_out)) == (1020, 129)
    assert trace.report.step_s == 1e-6
    assert trace.report.notes == ("gaps longer than 20 times the mean: 1, the longest of 4.31458 s after 0 s",)


@real_traces
def test_mooncakes_clock_is_found_to_tick_each_three_seconds():
    trace = traffic.read(TRACES / "mooncake_conversation_trace.jsonl")
    assert trace.report.rows == 12_031
    assert trace.report.step_s == pytest.approx(3, abs=0.001)
    assert trace.report.duplicates == 10_851
    assert "the clock ticks each 3 s" in trace.report.notes[0]


# --- forms


def test_each_public_form_is_known_by_its_columns(tmp_path):
    burst = (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n"
    )
    burst += "45,GPT-4,1087,0,1087,API log\n"
    for path, arrivals, unit in (
        (azure(tmp_path, COMING.format(0), COMING.format(2)), [0, 2], "datetime"),
        (mooncake(tmp_path, request(0), request(27)), [0, 0.027], "ms"),
        (put(tmp_path, burst, "burst.csv"), [0, 40], "s"),
    ):
        trace = traffic.read(path)
        assert trace.arrivals_s == pytest.approx(arrivals)
        assert trace.report.unit == unit
        assert trace.service_s is None
    assert trace.tokens_in.tolist() == [472, 1087]
    assert trace.tokens_out.tolist() == [18, 0]


@pytest.mark.parametrize("unit, seconds", [("s", 1.0), ("ms", 1e-3), ("us", 1e-6), (None, 1.0)])
def test_any_file_is_read_with_a_column_map(tmp_path, unit, seconds):
    path = put(tmp_path, "t,x,busy\n1700000000,a,0.5\n1700000500,b,2\n")
    columns = {"arrival": "t", "service_s": "busy"} | ({"unit": unit} if unit else {})
    trace = traffic.read(path, columns=columns)
    assert trace.arrivals_s == pytest.approx([0, 500 * seconds])
    assert trace.service_s.tolist() == [0.5, 2]
    assert trace.tokens_in is trace.tokens_out is None


def test_a_mapped_column_of_dates_needs_no_unit(tmp_path):
    path = put(tmp_path, "t,i,o\n2024-05-10 00:00:00.25+00:00,1,2\n2024-05-10 00:00:01+00:00,3,4\n")
    assert traffic.read(path, columns=MAP).arrivals_s == pytest.approx([0, 0.75])
    assert traffic.read(path, columns=MAP).report.unit == "datetime"


@pytest.mark.parametrize("end", ["", "Z", " UTC", "+00:00"])
@pytest.mark.parametrize("middle", [" ", "T"])
def test_a_time_in_utc_is_read_to_the_microsecond(tmp_path, middle, end):
    rows = [f"2023-11-16{middle}18:15:46.6805900{end},1,2", f"2023-11-16{middle}18:15:46.6805910{end},1,2"]
    assert traffic.read(azure(tmp_path, *rows)).arrivals_s == pytest.approx([0, 1e-6], rel=1e-9)


def test_packed_text_parquet_and_json_say_the_same(tmp_path):
    text = "t,i,o\n" + "".join(f"{k * 0.25},{k + 1},{2 * k}\n" for k in range(50))
    times, coming, going = np.arange(50) * 0.25, np.arange(50) + 1, np.arange(50) * 2
    lines = "".join(json.dumps({"t": k * 0.25, "i": k + 1, "o": 2 * k}) + "\n" for k in range(50))
    for path in (
        put(tmp_path, text), put(tmp_path, gzip.compress(text.encode()), "trace.csv.gz"),
        put(tmp_path, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n", "marked.CSV"),
        put(tmp_path, lines, "trace.jsonl"), put(tmp_path, gzip.compress(lines.encode()), "trace.jsonl.gz"),
        parquet(tmp_path, t=times, i=coming, o=going),
    ):  # fmt: skip
        trace = traffic.read(path, columns=MAP)
        assert trace.arrivals_s == pytest.approx(times)
        assert trace.tokens_in.tolist() == coming.tolist()
        assert trace.tokens_out.tolist() == going.tolist()


def test_parquet_in_utc_is_read(tmp_path):
    moments = [datetime(2024, 1, 1, second=s, tzinfo=UTC) for s in (0, 3)]
    for column in (moments, [m.replace(tzinfo=None) for m in moments]):
        assert traffic.read(parquet(tmp_path, t=column, i=[1, 2], o=[3, 4]), columns=MAP).arrivals_s.tolist() == [0, 3]


# --- what is odd is kept and said


def test_requests_out_of_order_are_sorted_with_their_sizes_and_reported(tmp_path):
    path = put(tmp_path, "t,i,o\n5,50,1\n1,10,1\n3,30,1\n9,90,1\n7,70,1\n")
    trace = traffic.read(path, columns=MAP)
    assert trace.arrivals_s.tolist() == [0, 2, 4, 6, 8]
    assert trace.tokens_in.tolist() == [10, 30, 50, 70, 90]
    assert trace.report.out_of_order == 3
    assert trace.report.first_out_of_order == f"{path}:3"
    assert trace.report.notes == (f"requests out of order, now sorted: 3, the first at {path}:3",)


def test_requests_at_one_moment_are_kept_in_their_order_and_counted(tmp_path):
    trace = traffic.read(put(tmp_path, "t,i,o\n6,4,1\n0,1,1\n0,2,1\n0,3,1\n"), columns=MAP)
    assert trace.arrivals_s.tolist() == [0, 0, 0, 6]
    assert trace.tokens_in.tolist() == [1, 2, 3, 4]
    assert trace.report.duplicates == 2


def test_silence_is_reported_with_its_place(tmp_path):
    times = [*range(50), *range(1000, 1050)]
    report = traffic.read(put(tmp_path, "t,i,o\n" + "".join(f"{t},1,1\n" for t in times)), columns=MAP).report
    assert (report.long_gaps, report.longest_gap_s, report.longest_gap_at_s) == (1, 951, 49)
    assert report.notes == ("gaps longer than 20 times the mean: 1, the longest of 951 s after 49 s",)


@LAW
@given(
    times=st.lists(st.integers(0, 10**9), min_size=2, max_size=40).filter(lambda t: len(set(t)) > 1),
    step=st.sampled_from([1e-6, 1e-3, 0.25, 1.0]),
)
def test_whatever_the_order_the_trace_is_that_of_the_sorted_file(tmp_path, times, step):
    rows = "".join(f"{t * step!r},{t},1\n" for t in times)
    trace = traffic.read(put(tmp_path, "t,i,o\n" + rows), columns=MAP)
    assert trace.arrivals_s == pytest.approx((np.sort(times) - min(times)) * step, rel=1e-9, abs=1e-6)
    assert trace.tokens_in.tolist() == sorted(times)
    assert trace.report.duplicates == len(times) - len(set(times))
    assert trace.report.rows == len(times)


# --- what is wrong is refused


@pytest.mark.parametrize(
    "row, said",
    [
        ("2023-11-16 18:15:42,,2", "ContextTokens is missing"), ("2023-11-16 18:15:42", "ContextTokens is missing"),
        (",1,2", "TIMESTAMP is missing"), ("", "TIMESTAMP is missing"), ("2023-11-16 18:15:42,-1,2", "'-1' is no"),
        ("2023-11-16 18:15:42,nan,2", "'nan' is no"), ("2023-11-16 18:15:42,1,inf", "'inf' is above"),
        ("2023-11-16 18:15:42,1,1e400", "'1e400' is above 9.01e"),
        ("2023-11-16 18:15:42,1,2.5", "'2.5' is no whole number"),
        ("2023-11-16 18:15:42,many,2", "'many' is no"), ("2023-11-16 18:15:42,1,0x10", "'0x10' is no"),
        ("2023-11-16 18:15:42,1,1e20", "'1e20' is above 9.01e"), ("16/11/2023 18:15:42,1,2", "is no time"),
        ("2023-02-30 18:15:42,1,2", "is no time"), ("1700158542,1,2", "is no time"), ("2023-11-16,1,2", "is no time"),
        ("2023-11-16 18:15:42+02:00,1,2", "is not in UTC"), ("2023-11-16 18:15:42 CET,1,2", "is not in UTC"),
        ("2023-11-16 18:15:42 PM,1,2", "is not in UTC"), ("2023-11-16 18:15:42Z,1,2", "unlike the first"),
        ("2023-11-16 18:15:42,1,2,3", "not read as csv"), ('"2023-11-16 18:15:42,1,2', "not read as csv"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_its_line(tmp_path, row, said):
    path = azure(tmp_path, COMING.format(0), COMING.format(1), row, COMING.format(3))
    error = refused(path)
    assert error.where == f"{path}:4"
    assert said in error.what


def test_the_line_is_right_after_a_cell_of_several_lines(tmp_path):
    path = put(tmp_path, 't,i,o,said\n0,1,1,"a\nb\n\nc"\n1,1,1,\n2,-4,1,\n')
    assert refused(path, columns=MAP).where == f"{path}:7"


def test_all_bad_rows_are_counted(tmp_path):
    assert "(and 2 more)" in refused(azure(tmp_path, COMING.format(0), *["2023-11-16 18:15:42,x,2"] * 3)).what


@pytest.mark.parametrize(
    "line, said",
    [
        (request(coming=None), "input_length is missing"), (request("x"), "'x' is no number"),
        ('{"timestamp": 5}', "input_length is missing"), (request(-5), "'-5' is no number"),
        (request(going=True), "'true' is no whole"), (request([1]), "'[1]' is no number"),
        (request(float("nan")), "not read as jsonl"), ('{"timestamp": 1,', "not read as jsonl"),
        ("[1, 2]", "not read as jsonl"), ("[" * 10_000, "not read as jsonl"), ("7", "not read as jsonl"),
    ],
)  # fmt: skip
def test_a_bad_object_is_named_with_its_line(tmp_path, line, said):
    path = mooncake(tmp_path, request(0), "", request(3000), line, request(6000))
    error = refused(path)
    assert error.where == f"{path}:4"
    assert said in error.what


@pytest.mark.parametrize(
    "columns, said",
    [
        ({"t": [0, -1, 2]}, "t -1 is no"), ({"t": [0, None, 2]}, "t is missing"), ({"i": [1, None, 3]}, "i is missing"),
        ({"o": [1.0, float("nan"), 2.0]}, "o nan is no"), ({"o": [1.0, float("inf"), 2.0]}, "o inf is above 9.01e"),
        ({"t": ["0", "x", "2"]}, "t 'x' is no"),
    ],
)  # fmt: skip
def test_a_bad_cell_of_parquet_is_named_with_its_row(tmp_path, columns, said):
    path = parquet(tmp_path, **{"t": [0, 1, 2], "i": [1, 2, 3], "o": [1, 2, 3]} | columns)
    error = refused(path, columns=MAP)
    assert error.where == f"{path} row 2"
    assert said in error.what


DAYS = pl.Series([datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2)])


@pytest.mark.parametrize(
    "column",
    [pl.Series([True, False]), pl.Series([[1], [2]]), DAYS.dt.date(), DAYS.dt.convert_time_zone("Europe/Berlin")],
)
def test_parquet_of_another_kind_or_zone_is_refused(tmp_path, column):
    path = parquet(tmp_path, t=column, i=[1, 2], o=[1, 2])
    assert "t holds" in refused(path, columns=MAP).what


def test_too_few_requests_are_no_trace(tmp_path):
    for rows in ([], [COMING.format(0)]):
        path = azure(tmp_path, *rows)
        error = refused(path)
        assert error.where == f"{path}:{len(rows) + 1}"
        assert f"too few requests ({len(rows)})" in error.what
    for content in ("", "\n\n", " "):
        assert "empty" in refused(put(tmp_path, content)).what
        assert "empty" in refused(put(tmp_path, content, "trace.jsonl")).what
        assert "empty" in refused(put(tmp_path, content, "trace.parquet")).what


def test_a_million_requests_at_one_moment_are_no_trace(tmp_path):
    path = put(tmp_path, "t,i,o\n" + "5,1,1\n" * 1_000_000)
    error = refused(path, columns=MAP)
    assert error.where == f"{path}:3"
    assert error.what == "all 1,000,000 requests span 0 s"


def test_milliseconds_since_1970_are_not_read_as_seconds(tmp_path):
    path = put(tmp_path, "t,i,o\n1700000000000,1,1\n1700000001500,1,1\n")
    error = refused(path, columns=MAP)
    assert (error.where, error.what) == (
        f"{path}:2",
        "t '1700000000000' is above 3.16e+09, the most that is read (and 1 more)",
    )
    assert "unit=ms" in error.remedy
    assert traffic.read(path, columns=MAP | {"unit": "ms"}).report.span_s == 1.5


def test_a_service_of_more_than_a_century_is_a_mistaken_unit(tmp_path):
    path = put(tmp_path, "t,s\n0,1\n1,1e12\n")
    error = refused(path, columns={"arrival": "t", "service_s": "s"})
    assert (error.where, "is above 3.16e+09" in error.what) == (f"{path}:3", True)


def test_a_span_of_more_than_a_century_is_a_mistaken_unit(tmp_path):
    error = refused(azure(tmp_path, "1800-01-01 00:00:00,1,1", "2023-11-16 00:00:00,1,1"))
    assert "span 7.06" in error.what
    assert "unit" in error.remedy


@pytest.mark.parametrize(
    "content, name, line, said",
    [
        (b"a,b,c\n1,2,3\n", "trace.csv", ":1", "the columns a, b, c are of no known form"),
        (b"TIMESTAMP;ContextTokens;GeneratedTokens\n1;2;3\n", "trace.csv", ":1", "of no known form"),
        (b'{"ts": 1}\n{"ts": 2}\n', "trace.jsonl", ":1", "the columns ts are of no known form"),
        (AZURE.encode() + b"\n2023-11-16 18:15:42,1,2\n\xe9,1,2\n", "trace.csv", ":3", "not UTF-8"),
        (AZURE.encode("utf-16"), "trace.csv", ":1", "not UTF-8"),
        (b"PAR1 and so on PAR1", "trace.parquet", "", "not read as parquet"),
        (b"no gzip", "trace.csv.gz", "", "cannot be read"),
        (gzip.compress(AZURE.encode() * 99, mtime=0)[:-9], "trace.csv.gz", "", "cannot be read"),
        (b"x", "trace.txt", "", "the suffix '.txt' is not known"), (b"x", "trace", "", "the suffix '' is not known"),
        (b"x", "trace.parquet.gz", "", "the suffix '.gz' is not known"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_trace_is_refused(tmp_path, content, name, line, said):
    path = put(tmp_path, content, name)
    error = refused(path)
    assert error.where == f"{path}{line}"
    assert said in error.what


def test_a_path_without_a_file_is_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "gone.csv").what
    (tmp_path / "folder.csv").mkdir()
    assert "a folder" in refused(tmp_path / "folder.csv").what


@pytest.mark.parametrize(
    "columns, said",
    [
        ({}, "columns={}"), ({"arrival": "t"}, "columns="), ({"tokens_in": "i", "tokens_out": "o"}, "columns="),
        (MAP | {"model": "m"}, "columns="), (MAP | {"unit": "h"}, "the unit 'h' is not known"),
        (MAP | {"tokens_in": "zz"}, "the column 'zz' is not in the file"),
        (MAP | {"tokens_in": "twice"}, "the column 'twice' is twice in the file"),
        (MAP | {"unit": "datetime"}, "t '0' is no time"),
    ],
)  # fmt: skip
def test_a_bad_column_map_is_refused(tmp_path, columns, said):
    path = put(tmp_path, "t,i,o,twice,twice\n0,1,1,1,1\n1,1,1,1,1\n")
    assert said in refused(path, columns=columns).what


def test_columns_that_bear_our_names_need_not_be_named(tmp_path):
    path = put(tmp_path, "ts,tokens_in,tokens_out\n0,1,2\n1,3,4\n")
    assert list(traffic.read(path, columns={"arrival": "ts"}).tokens_out) == [2, 4]


CELL = st.one_of(
    st.integers(-5, 10**6).map(str), st.floats().map(repr), st.text(max_size=6), st.sampled_from(["", '"', ",", "\n"])
)  # fmt: skip


@LAW
@given(
    rows=st.lists(st.lists(CELL, min_size=1, max_size=4).map(",".join), max_size=6),
    kind=st.sampled_from(["csv", "jsonl"]),
)
def test_whatever_a_text_holds_it_is_a_trace_or_a_reason(tmp_path, rows, kind):
    path = put(tmp_path, "\n".join(["t,i,o", *rows]).encode("utf-8", "surrogatepass"), f"any.{kind}")
    whole_or_refused(path)


@LAW
@given(content=st.binary(max_size=60), kind=st.sampled_from(["csv", "jsonl", "csv.gz"]), cut=st.integers(0, 10**4))
def test_whatever_the_bytes_they_are_a_trace_or_a_reason(tmp_path, content, kind, cut):
    whole_or_refused(put(tmp_path, content, f"any.{kind}"))
    whole_or_refused(put(tmp_path, b"t,i,o\n" + content, f"any.{kind}"))
    whole = parquet(tmp_path, t=[0, 1], i=[1, 2], o=[1, 2]).read_bytes()
    at = cut % len(whole)
    whole_or_refused(put(tmp_path, whole[:at] + content + whole[at + len(content) :], "any.parquet"))


def whole_or_refused(path: Path) -> None:
    try:
        trace = traffic.read(path, columns=MAP)
    except WorkbenchError as error:
        assert error.where.startswith(str(path))
        line = re.fullmatch(r"(?::(\d+)| row (\d+))?", error.where.removeprefix(str(path)))
        assert line
        return
    arrays = (trace.arrivals_s, trace.tokens_in, trace.tokens_out)
    assert all(np.isfinite(a).all() and (a >= 0).all() and len(a) == trace.report.rows for a in arrays)
    assert trace.arrivals_s[0] == 0 < trace.report.span_s == trace.arrivals_s[-1]
    assert (np.diff(trace.arrivals_s) >= 0).all()


# --- speed


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_million_rows_take_about_a_second(tmp_path, kind):
    """Of processor time, which neighbours do not lengthen much: 0.3 to 1.1 s, JSON lines the longest."""
    rng, rows = np.random.default_rng(0), 1_000_000
    moments = pl.Series(np.sort(rng.integers(0, 10**12, rows))).cast(pl.Datetime("us"))
    columns = (moments.dt.strftime("%Y-%m-%d %H:%M:%S%.6f"), rng.integers(1, 4000, rows), rng.integers(1, 400, rows))
    frame = pl.DataFrame(dict(zip(AZURE.split(","), columns, strict=True)))
    path = tmp_path / f"trace.{kind}"
    {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[kind](path)
    start = time.process_time()
    assert traffic.read(path).report.rows == rows
    assert time.process_time() - start < 3
