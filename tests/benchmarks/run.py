"""Measure the speed ratios that the project promises, in one run: `make bench`. Nothing here fails a test.

A limit is held against the best sample: other processes on the machine only ever add.
"""

import importlib.util
import os
import platform
import re
import tempfile
from importlib.metadata import version
from pathlib import Path

import startup
from timing import show

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
PACKAGES = ("ai-infrastructure-workbench", "numpy", "scipy", "duckdb", "pydantic", "numba", "highspy")


def machine() -> str:
    info = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    load = ", ".join(f"{x:.2f}" for x in os.getloadavg())
    return f"{platform.platform()}, {name[1] if name else platform.machine()}, {os.cpu_count()} cores, load {load}"


def pin() -> str:
    """The engine on one core and one thread: to be called before numpy is imported."""
    os.environ |= dict.fromkeys(ONE_THREAD, "1")
    if not hasattr(os, "sched_setaffinity"):
        return "one thread, not pinned to a core"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return f"one thread, pinned to core {os.sched_getaffinity(0)}"


def main(bytecode: str) -> None:
    found = [p for p in PACKAGES if p != "numba" or importlib.util.find_spec(p)]
    print(f"Python {platform.python_version()}, " + ", ".join(f"{p} {version(p)}" for p in found))
    print(machine())
    tables = {"1. Commands from cold": list(startup.commands(startup.environment(bytecode)))}
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    print(f"from here on: {pin()}")
    import engine
    import kernels
    import million
    import plan
    import quality
    import rivals

    from workbench import face
    from workbench.decision.study import study

    scenario, env = face.load("chat"), startup.environment(bytecode)
    made = study(face.facts(scenario.as_of), scenario)
    print("the twelve options:", *(p.id for p in engine.chosen(made)), sep="\n  ")
    tables["2. Engine: one re-evaluation, CPU time"] = list(engine.benchmark(made))
    tables["3. The parts of workbench decide chat --json, CPU time"] = startup.parts(env)
    what = f"standard deviation over {quality.SEEDS} seeds in USD (ratio to plain random), and CPU time to make"
    tables[f"4. Draws: {what}"] = list(quality.benchmark(made, env))
    tables[f"5. The plan: {plan.SIZE}, to a gap of {plan.GAP:.1%}, CPU time"] = list(plan.benchmark())
    print(kernels.versions())
    what = f"{kernels.REQUESTS:,} requests (autoscalers: goal {kernels.FLEET_GOAL:g})"
    tables[f"6. The simulator against C: {what}, CPU time"] = list(kernels.compiled())
    tables[f"7. Other simulators on the same model: {rivals.OURS:,} requests, CPU time"] = list(rivals.benchmark())
    tables["8. The simulator on every core, and from cold, wall time"] = list(kernels.waited_for())
    if cores:
        facts = face.facts(scenario.as_of)
        tables["9. A million draws, wall time on all cores"] = list(million.benchmark(facts, scenario, cores))
    for title, rows in tables.items():
        show(title, rows)
    every = [row for rows in tables.values() for row in rows]
    for word, found in {
        "over their limit": [row.what for row in every if row.over],
        "left out": [row.what for row in every if row.what.startswith("NOT MEASURED")],
    }.items():
        print(f"{word}: {'; '.join(found) or 'none'}")
    print(machine())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(folder)
