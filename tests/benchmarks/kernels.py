"""The simulator against C, against itself in threads, and from cold; run by itself or with the others.

The keep-alive pool is held against reference.c, compiled with several sets of flags: for each trace the best of them
counts, samples are taken in turns, and both must give the same bits.
"""

import ctypes
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import which

import numpy as np
from timing import Row, child

from workbench.models import kernel
from workbench.models.policies import Fixed, Keda, KeepAlive, Knative, Modal, RayServe, SageMaker
from workbench.models.simulation import BATCHES, FEW_BUSY, SLOTS, simulate

REQUESTS, TURNS, ROOM = 1_000_000, 7, 1 << 13
SEED = 0
FLAGS = (("-O2",), ("-O3",), ("-O3", "-march=native"), ("-O3", "-funroll-loops"))
"""Not -Ofast: it takes arithmetic for exact, and gives other bits."""
TRACES = {"a fiftieth": (0.01, 2.0, 60.0), "one": (0.5, 2.0, 60.0), "ten": (5.0, 2.0, 60.0),
          "a hundred": (50.0, 2.0, 60.0), "a thousand": (500.0, 2.0, 60.0)}  # fmt: skip
"""Poisson traces by how many replicas are busy: requests a second, mean service and idle time in seconds."""
POLICIES = 200
COLD = (
    "import numpy as np, workbench as wb; wb.simulate(np.arange(0.0, 1000.0, 1.5), 2.0, wb.Knative(5.0, concurrency=4))"
)


def libraries(folder: Path) -> dict[str, ctypes.CDLL]:
    """reference.c by compiler and flags; nothing where there is no compiler."""
    made = {}
    for compiler in filter(which, ("gcc", "clang")):
        for flags in FLAGS:
            target = folder / f"{compiler}{''.join(flags)}.so"
            source = Path(__file__).with_name("reference.c")
            subprocess.run([compiler, *flags, "-shared", "-fPIC", "-o", target, source, "-lm"], check=True)
            library = ctypes.CDLL(str(target))
            library.pool.restype = ctypes.c_double
            made[f"{compiler} {' '.join(flags)}"] = library
    return made


def poisson(rate: float, mean: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(SEED)
    return np.cumsum(random.exponential(1 / rate, REQUESTS)), random.exponential(mean, REQUESTS)


def pools(libraries: dict[str, ctypes.CDLL], name: str) -> dict[str, list[float]]:
    """Nanoseconds a request of ours and of each library, in turns; heap or wheel as simulation.py chooses."""
    rate, mean, idle_s = TRACES[name]
    arrivals, service = poisson(rate, mean)
    busy = service.sum() / (arrivals[-1] - arrivals[0])
    slots = 1 << int(np.ceil(np.log2(SLOTS * busy))) if busy > FEW_BUSY else 0
    setups, edges = np.array([5.0]), np.append(np.arange(1, BATCHES) * REQUESTS // BATCHES, REQUESTS).astype(np.uintp)
    none, no_flags, zero = np.empty(0), np.empty(0, bool), np.uintp(0)
    samples: dict[str, list[float]] = {k: [] for k in ("ours", *libraries)}
    results = {}

    def pointer(array: np.ndarray) -> ctypes.c_void_p:
        return array.ctypes.data_as(ctypes.c_void_p)

    for turn in range(TURNS + 1):
        for who, times in samples.items():
            tally = np.zeros((BATCHES, kernel.COLUMNS))
            bins = np.zeros((kernel.FIRST + 1, kernel.BINS), np.int64)
            begin = time.perf_counter_ns()
            if who == "ours":
                wheel = np.full(slots, kernel.NIL)
                rooms = (np.empty(ROOM), np.empty(ROOM, np.uintp), wheel, np.empty(ROOM))
                most = np.uintp(1 << 40)
                billed = kernel.pool(arrivals, service, setups, idle_s, most, zero, zero, edges, 10.0, *rooms, tally,
                                     bins, none, no_flags, none)  # fmt: skip
            else:
                whole, real = ctypes.c_uint64, ctypes.c_double
                billed = libraries[who].pool(
                    pointer(arrivals), pointer(service), whole(REQUESTS), pointer(setups), whole(1), real(idle_s),
                    whole(1 << 40), whole(0), whole(0), pointer(edges), real(10.0), whole(slots), whole(ROOM),
                    pointer(tally), pointer(bins),
                )  # fmt: skip
            if turn:  # the first compiles, or warms up
                times.append((time.perf_counter_ns() - begin) / REQUESTS)
            results[who] = billed, tally.tobytes(), bins.tobytes()
    different = [who for who, result in results.items() if result != results["ours"]]
    if different:
        raise AssertionError(f"{name}: {', '.join(different)} gave other bits")
    return samples


def against_c(libraries: dict[str, ctypes.CDLL]):
    """The pool on each trace, as a ratio to the best C."""
    for name in TRACES:
        samples = pools(libraries, name)
        best, times = min(((k, v) for k, v in samples.items() if k != "ours"), key=lambda s: min(s[1]))
        ratio = min(samples["ours"]) / min(times)
        note = f"{ratio:.3f} of the best C ({best}: {min(times):.1f} ns)"
        yield Row(f"keep-alive, {name} busy", samples["ours"], "ns a request", min(times) * 1.1, note)


def fleets():
    """Every autoscaler on a trace that keeps ten busy: nanoseconds a request."""
    arrivals, service = poisson(5.0, 2.0)
    for policy in (
        Fixed(4, concurrency=4), Modal(5.0, concurrency=4), Knative(5.0, concurrency=4), RayServe(5.0),
        Keda(5.0, target=3.0, concurrency=4), SageMaker(5.0, target=3.0, concurrency=4),
    ):  # fmt: skip
        samples = []
        for _ in range(TURNS):
            begin = time.perf_counter_ns()
            simulate(arrivals, service, policy)
            samples.append((time.perf_counter_ns() - begin) / REQUESTS)
        yield Row(f"fleet: {type(policy).__name__}", samples, "ns a request")


def sweep():
    """Many policies over a million requests, on as many threads as there are processors."""
    arrivals, service = poisson(5.0, 2.0)
    policies = [KeepAlive(idle_s, 5.0, max_replicas=64) for idle_s in np.linspace(1, 900, POLICIES)]
    for threads in sorted({1, os.cpu_count() or 1}):
        begin = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda p: simulate(arrivals, service, p), policies))
        yield Row(f"{POLICIES} keep-alive policies, {threads} threads", [time.perf_counter() - begin], "s")


def from_cold(folder: Path):
    """A first simulation in a new process: with nothing compiled, and with the compiled code on disk."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    times = [child([sys.executable, "-c", COLD], env)[1] for _ in range(4)]
    yield Row("first simulation, nothing compiled", times[:1], "s", 5.0, "wall, imports included")
    yield Row("first simulation, compiled before", times[1:], "s", 0.6, "wall, imports included")


def benchmark():
    """All rows. Affinity is given back for the sweep, which uses every processor."""
    with tempfile.TemporaryDirectory() as folder:
        found = libraries(Path(folder))
        if found:
            yield from against_c(found)
        else:
            yield Row("keep-alive against C: NOT MEASURED, no gcc and no clang", [0.0], "")
        yield from fleets()
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
        yield from sweep()
        yield from from_cold(Path(folder))


if __name__ == "__main__":
    from timing import show

    print(f"Python {platform.python_version()}, numpy {np.__version__}, {REQUESTS:,} requests, {TURNS} turns")
    show("The simulator", list(benchmark()))
