"""The simulator against C, in threads, and from cold; run by itself or with the others.

The keep-alive pool is held against reference_lazy.c and, with the queues that others use, reference.c; the autoscaled
fleet against reference_fleet.c. They are compiled with several sets of flags: for each trace the best counts, samples
are taken in turns, and all must give the same bits. Times are CPU time of the thread, the making of a fleet's memory
included on both sides.
"""

import csv
import ctypes
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from shutil import which

import numpy as np
from timing import Row, child

from workbench.models import control, kernel, simulation

from workbench.models.policies import (  # isort: skip
    IDLE, MOST, Fixed, Keda, KeepAlive, Knative, Modal, RayServe, SageMaker,
)  # fmt: skip
from workbench.models.simulation import BATCHES, simulate

REQUESTS, TURNS, ROOM = 1_000_000, 5, 1 << 13
SEED = 0
A_BUSY = 4.0
"""Slots of C's timing wheel of sorted lists for each busy replica."""
SOURCE = Path(__file__).with_name("reference_fleet.c")
AZURE = Path(__file__).parents[3] / "shared" / "data" / "traffic" / "AzureLLMInferenceTrace_conv.csv"
COMPILERS = ("gcc", "clang")
FLAGS = ("-O2", "-O3", "-O3 -march=native -ffp-contract=off", "-O3 -funroll-loops")
"""Neither -Ofast nor fused products: both give other bits."""
BUSY = {"a fiftieth": 0.02, "one": 1.0, "ten": 10.0, "a hundred": 100.0, "a thousand": 1000.0}
"""Poisson traces by how many requests are served at once, each for two seconds in the mean."""
SERVICE_S, IDLE_S, COLD_START_S, LIMIT_S, SECOND_A_TOKEN = 2.0, 60.0, 5.0, 10.0, 0.02
POOL_LIMIT, FLEET_GOAL, FLEET_LIMIT = 1.1, 1.25, 1.6
FINALISTS, SLOW_S, FEW_TURNS = 2, 0.5, 2
"""Of the C, so many of the quickest of a first run are sampled in turns with ours; runs above so long less often."""
FLEETS = {
    "Fixed": lambda busy: Fixed(int(busy * 1.3) + 2),
    "Knative": lambda busy: Knative(COLD_START_S, concurrency=4),
    "KEDA": lambda busy: Keda(COLD_START_S, target=3.0, concurrency=4),
    "Ray Serve": lambda busy: RayServe(COLD_START_S, max_replicas=ROOM // 2),
    "Modal": lambda busy: Modal(COLD_START_S, concurrency=4),
    "SageMaker": lambda busy: SageMaker(COLD_START_S, target=3.0, concurrency=4),
}
POLICIES = 200
COLD = """
import sys
sys.modules["scipy"] = sys.modules["coverage"] = None
import numpy as np, workbench as wb
wb.simulate(np.arange(0.0, 1000.0, 1.5), 2.0, wb.Knative(5.0, concurrency=4))
"""
"""As users have it: numba would import these where tests have installed them, for nothing."""


def libraries(folder: Path) -> dict[str, ctypes.CDLL]:
    """The C by compiler and flags; nothing where there is no compiler."""
    made = {}
    for compiler, flags in itertools.product(filter(which, COMPILERS), FLAGS):
        target = folder / f"{len(made)}.so"
        subprocess.run([compiler, *flags.split(), "-shared", "-fPIC", "-o", target, SOURCE, "-lm"], check=True)
        made[f"{compiler} {flags}"] = library = ctypes.CDLL(str(target))
        for function in (library.pool, library.lazy_pool, library.fleet):
            function.restype = ctypes.c_double
    return made


def versions() -> str:
    """What compiles the C, and what could not because it is not there."""
    told = [
        subprocess.run([c, "--version"], capture_output=True, text=True, check=True).stdout.partition("\n")[0]
        if which(c) else f"{c} IS NOT THERE" for c in COMPILERS
    ]  # fmt: skip
    return f"C compilers: {'; '.join(told)}; flags: {'; '.join(FLAGS)}"


def poisson(busy: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(SEED)
    return np.cumsum(random.exponential(SERVICE_S / busy, REQUESTS)), random.exponential(SERVICE_S, REQUESTS)


def azure() -> tuple[np.ndarray, np.ndarray]:
    """The real trace, one after the other up to a million; a token takes so many seconds."""
    rows = list(csv.DictReader(AZURE.open(encoding="utf-8")))
    times = np.sort([datetime.fromisoformat(r["TIMESTAMP"][:26]).timestamp() for r in rows])
    tokens = np.array([float(r["GeneratedTokens"]) for r in rows])
    again = -(-REQUESTS // len(rows))
    starts = (times[-1] - times[0] + 1) * np.arange(again)
    arrivals = (times - times[0] + starts[:, None]).ravel()[:REQUESTS]
    return arrivals, np.tile(tokens, again)[:REQUESTS] * SECOND_A_TOKEN


def traces():
    """What is simulated: a name, and (arrivals, service)."""
    for name, busy in BUSY.items():
        yield f"{name} busy", poisson(busy)
    if AZURE.exists():
        yield "Azure's conversations, repeated", azure()
    else:
        print(f"NOT MEASURED: {AZURE.name} is not in ../shared/data/traffic")


def prepared(trace, policy) -> simulation._Run:
    """A run as `simulate` hands it to a kernel; the first tenth is not measured."""
    arrivals, service = trace
    return simulation._Run(
        arrivals, service, np.zeros(REQUESTS), np.array([COLD_START_S]), np.array([np.inf]), policy.vector(),
        np.array([1.0, 0.0]), float(service.sum() / np.ptp(arrivals)), REQUESTS // 10, LIMIT_S, False,
        np.zeros((0, simulation.NOTED)),
    )  # fmt: skip


def by_c(function, *arguments) -> float:
    """Call C: arrays go by address, whole numbers as 64 bits, others as double."""
    kinds = {np.ndarray: lambda a: ctypes.c_void_p(a.ctypes.data), float: ctypes.c_double, int: ctypes.c_uint64}
    return function(*(kinds[type(a)](a) for a in arguments))


def c_pool(function, queue, run, room, tally, bins, kept) -> float:
    """A pool whose busy replicas lie in a queue of so many slots, and where it is lazy of so many a second."""
    edges = np.append(np.arange(1, BATCHES) * REQUESTS // BATCHES, REQUESTS).astype(np.uintp)
    billed = by_c(function, run.arrivals, run.work, REQUESTS, run.setups, 1, float(run.rule[IDLE]),
                  int(min(run.rule[MOST], simulation.MOST_ROOM)), 0, run.measured, edges, run.limit_s, *queue, room,
                  tally, bins)  # fmt: skip
    bins[kernel.FIRST] = bins[kernel.WAIT]
    return billed


def c_pools(built, run):
    """The pool in C by compiler, flags and how it keeps the busy replicas: as ours, a heap, a wheel of sorted lists."""
    wheel, room = 1 << max(1, int(np.ceil(np.log2(A_BUSY * run.busy)))), room_for(simulation._pool, run)
    for name, library in built.items():
        yield f"{name}, heap", partial(c_pool, library.pool, (0,))
        yield f"{name}, wheel", partial(c_pool, library.pool, (wheel,))
        yield f"{name}, lazy queue", partial(c_pool, library.lazy_pool, simulation._wheel(run, room))


def c_fleet(library, run, room, tally, bins, kept) -> float:
    ring = np.zeros(control.ring_size(run.rule))
    return by_c(library.fleet, run.arrivals, run.work, run.prompt, REQUESTS, run.setups, 1, run.rule, ring, run.step,
                room, run.measured, run.limit_s, tally, BATCHES, bins)  # fmt: skip


def memory() -> tuple:
    """Where a run puts its results; it keeps no requests."""
    tally, bins = np.zeros((BATCHES, kernel.COLUMNS)), np.zeros((kernel.FIRST + 1, kernel.BINS), np.int64)
    return tally, bins, (np.empty(0), np.empty(0, bool), np.empty(0))


def room_for(runner, run) -> int:
    """How much room it takes, found as `simulate` finds it."""
    room = simulation._room(run)
    while np.isnan(runner(run, room, *memory())):
        room *= simulation.GROWTH
    return room


def sample(runner, run, room) -> tuple[float, tuple]:
    """Nanoseconds a request, and the results."""
    tally, bins, kept = memory()
    begin = time.thread_time_ns()
    billed = runner(run, room, tally, bins, kept)
    return (time.thread_time_ns() - begin) / REQUESTS, (billed, tally.tobytes(), bins.tobytes())


def compared(what, run, ours, theirs, limit) -> Row:
    """Ours as a ratio to the best C, after a check that all give the same bits."""
    room = room_for(ours, run)
    expected = sample(ours, run, room)[1]
    first = {name: sample(runner, run, room) for name, runner in theirs.items()}
    different = [name for name, (_, result) in first.items() if result != expected or np.isnan(result[0])]
    if different:
        raise AssertionError(f"{what}: {', '.join(different)} gave other bits")
    quick = sorted(first, key=lambda name: first[name][0])[:FINALISTS]
    times = {name: [] for name in ("ours", *quick)}
    for _ in range(TURNS if first[quick[0]][0] * REQUESTS < SLOW_S * 1e9 else FEW_TURNS):
        for name, samples in times.items():
            samples.append(sample(theirs.get(name, ours), run, room)[0])
    best = min(quick, key=lambda name: min(times[name]))
    shown = "; ".join(f"{name}: {' '.join(f'{t:.3g}' for t in times[name])}" for name in ("ours", best))
    ratio = min(times["ours"]) / min(times[best])
    goal = f"over the goal of {FLEET_GOAL:g}; " if limit == FLEET_LIMIT and ratio > FLEET_GOAL else ""
    return Row(what, [ratio], "of C", limit, f"{goal}ns a request, {shown}")


def against_c(built: dict[str, ctypes.CDLL]):
    """The pool and every autoscaler on each trace. Of the pool's three queues in C the best counts."""
    for name, trace in traces():
        span = np.ptp(trace[0])
        busy = trace[1].sum() / span
        print(f"trace: {name}, {REQUESTS:,} requests in {span:,.0f} s, {busy:.3g} served at once")
        run = prepared(trace, KeepAlive(IDLE_S, COLD_START_S))
        yield compared(f"keep-alive, {name}", run, simulation._pool, dict(c_pools(built, run)), POOL_LIMIT)
        theirs = {k: partial(c_fleet, library) for k, library in built.items()}
        for who, policy in FLEETS.items():
            yield compared(f"{who}, {name}", prepared(trace, policy(busy)), simulation._fleet, theirs, FLEET_LIMIT)


def sweep():
    """Many policies over a million requests, on as many threads as there are processors."""
    arrivals, service = poisson(10.0)
    policies = [KeepAlive(idle_s, 5.0, max_replicas=64) for idle_s in np.linspace(1, 900, POLICIES)]
    for threads in sorted({1, os.cpu_count() or 1}):
        begin = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda p: simulate(arrivals, service, p), policies))
        yield Row(f"{POLICIES} keep-alive policies, {threads} threads", [time.perf_counter() - begin], "s")


def from_cold(folder: Path):
    """A first simulation in a new process: with nothing compiled, and with the compiled code on disk."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    used, seen = zip(*(child([sys.executable, "-c", COLD], env) for _ in range(TURNS + 1)), strict=True)
    for what, part, limit in (("nothing compiled", slice(1), 5.0), ("compiled before", slice(1, None), 0.6)):
        note = f"imports included; CPU {' '.join(f'{s:.2f}' for s in used[part])} s"
        yield Row(f"first simulation, {what}", seen[part], "s", limit, note)


def compiled():
    """Rows against C."""
    with tempfile.TemporaryDirectory() as folder:
        found = libraries(Path(folder))
        if found:
            yield from against_c(found)
        else:
            yield Row("NOT MEASURED: no gcc and no clang", [0.0], "")


def waited_for():
    """Rows of what people wait for. Affinity is given back for the sweep, which uses every processor."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    yield from sweep()
    with tempfile.TemporaryDirectory() as folder:
        yield from from_cold(Path(folder))


if __name__ == "__main__":
    from timing import show

    print(f"Python {platform.python_version()}, numpy {np.__version__}\n{versions()}")
    show(f"The simulator against C: {REQUESTS:,} requests, CPU time", list(compiled()))
    show("The simulator on every core, and from cold, wall time", list(waited_for()))
