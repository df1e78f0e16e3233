"""What every benchmark shares: samples of CPU time, and the rows of the table."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Row(NamedTuple):
    """One line of the table: its samples, the limit that the best of them is held to, and what it means."""

    what: str
    samples: Sequence[float]
    unit: str = "ms"
    limit: float | None = None
    note: str = ""

    @property
    def over(self) -> bool:
        return self.limit is not None and min(self.samples) > self.limit


def cpu(function: Callable[[], object], times: int = 40) -> list[float]:
    """CPU milliseconds of this process for each call, after one that warms up."""
    function()
    laps = [time.process_time()]
    for _ in range(times):
        function()
        laps.append(time.process_time())
    return [(end - start) * 1000 for start, end in pairwise(laps)]


def child(command: Sequence[str], env: Mapping[str, str]) -> tuple[float, float]:
    """(user + system, wall) seconds of a command that must succeed; what it prints is dropped."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # or Popen would wait for it again
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


def show(title: str, rows: Sequence[Row]) -> None:
    table = Table("what", "min", "median", "of", "unit", "limit", "note", title=title, title_justify="left")
    for row in rows:
        numbers = (f"{min(row.samples):.4g}", f"{median(row.samples):.4g}", str(len(row.samples)))
        limit = "" if row.limit is None else f"{row.limit:g}" + " OVER" * row.over
        table.add_row(row.what, *numbers, row.unit, limit, row.note)
    Console(width=150, markup=False).print(table)
