"""Executive reports: a notebook is executed for a scenario and rendered to one HTML file that needs no network.

All scenario files are read before anything is written, every file appears by rename, and a page with a numeral that
nothing cites is an error, not a page.
"""

import os
import re
import shutil
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any

from workbench import cite, face, shelf, store
from workbench.records import Infeasible, Scenario, WorkbenchError
from workbench.scenario import find

LONGEST = 60
"""Characters of a file's name."""
SHOWN = 3
"""Uncited numerals that an error shows."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One report to make: the scenario, its file, and the name of what is written."""

    scenario: Scenario
    path: Path
    slug: str


def batch(scenarios: Sequence[str | Path], out: Path | None = None, *, quiet: bool = False) -> dict[str, Any]:
    """A report for each scenario: `{reports: [{scenario, status, files, seconds, headline}], index}`.

    A report that fails has status `error`, and the others are still made. `quiet` keeps stdout clean; progress is on
    stderr. Raises WorkbenchError for a scenario that does not load, before anything is written.
    """
    jobs = _jobs(scenarios)
    out = (out or store.folder().parent / "reports" / "out").resolve()
    _make(out)
    reports: list[dict[str, Any]] = []
    begun = time.monotonic()
    for number, job in enumerate(jobs):
        _progress(f"{job.slug}: running ({number + 1} of {len(jobs)}{_left(begun, number, len(jobs))})")
        reports.append(_timed(job, out))
        _tell(reports[-1], quiet=quiet)
    index = out / shelf.INDEX
    _write(index, shelf.index(out))
    return {"reports": reports, "index": str(index)}


def _jobs(scenarios: Sequence[str | Path]) -> list[Job]:
    if not scenarios:
        raise WorkbenchError("report", "no scenario", "name at least one")
    loaded = [(face.load(s), find(s, store.folder()).resolve()) for s in scenarios]
    slugs = unique(slug(found.name) for found, _ in loaded)
    return [Job(scenario=found, path=path, slug=name) for (found, path), name in zip(loaded, slugs, strict=True)]


def slug(name: str) -> str:
    """A file's name for a scenario's name, whatever that holds: small letters, digits and hyphens only."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].strip("-") or "scenario"


def unique(names: Iterable[str]) -> list[str]:
    """The names, with a number behind those that were taken already; the index page's own name is taken."""
    taken, found = {"index"}, []
    for name in names:
        free = next(n for n in _numbered(name) if n not in taken)
        taken.add(free)
        found.append(free)
    return found


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkbenchError(
            str(folder), f"cannot be made ({error.strerror})", "give --out a folder that you may write to"
        ) from error


# --- what is said meanwhile


def _progress(text: str) -> None:
    print(f"report: {text}", file=sys.stderr, flush=True)  # noqa: T201


def _left(begun: float, done: int, of: int) -> str:
    if not done:
        return ""
    return f", about {(time.monotonic() - begun) / done * (of - done):.0f} s left"


def _tell(report: Mapping[str, Any], *, quiet: bool) -> None:
    if report["status"] != "ok":
        _progress(f"{report['scenario']}: failed: {report['headline']}")
    elif not quiet:
        print(f"{report['headline']}\n{report['files'][0]}", flush=True)  # noqa: T201


# --- one report


def _timed(job: Job, out: Path) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        made, headline = _made(job, out)
        status = "ok"
    except Failed as failure:
        made, headline, status = failure.kept, str(failure), "error"
    return {"scenario": job.scenario.name, "status": status, "files": [str(p) for p in made],
            "seconds": round(time.monotonic() - begun, 2), "headline": headline}  # fmt: skip


class Failed(Exception):
    """A report that could not be made, and the files that show why."""

    def __init__(self, why: str, kept: list[Path]) -> None:
        super().__init__(why)
        self.kept = kept


def _made(job: Job, out: Path) -> tuple[list[Path], str]:
    """The files of one report and its headline. Raises Failed, with a page that says why and the partial notebook."""
    failed = out / f"{job.slug}.failed.html"
    with tempfile.TemporaryDirectory(prefix=".making-", dir=out) as folder:
        draft = Path(folder) / "executed.ipynb"
        try:
            notebook = execute(template(), draft, {"scenario": str(job.path)})
            page = render(notebook, job.scenario)
            _refuse_uncited(page)
        except Exception as error:  # whatever stops one report must not stop the others
            why = _why(error)
            _write(failed, shelf.failure(job.scenario, why))
            kept = [_renamed(draft, failed.with_suffix(".ipynb"))] if draft.is_file() else []
            raise Failed(why, [failed, *kept]) from error
        html = out / f"{job.slug}.html"
        _write(html, page)
        for path in (failed, failed.with_suffix(".ipynb")):
            path.unlink(missing_ok=True)  # of an earlier run
        return [html, _renamed(draft, out / f"{job.slug}.ipynb")], _headline(notebook)


def template() -> Path:
    """The notebook of the executive report."""
    return store.folder().parent / "reports" / "executive.ipynb"


def _why(error: Exception) -> str:
    said = getattr(error, "evalue", None) or str(error) or type(error).__name__
    return " ".join(str(said).split())


def _headline(notebook: Any) -> str:
    """What the cell with the tag `headline` says in plain text."""
    found = (o for c in notebook.cells if "headline" in c.metadata.get("tags", []) for o in c.outputs)
    return next((str(o["data"]["text/plain"]) for o in found if "data" in o), "")


def _refuse_uncited(page: str) -> None:
    found = list(cite.uncited(page))
    if found:
        shown = "; ".join(f"“{text.strip()}”" for text in found[:SHOWN])
        raise Infeasible("report", f"{len(found)} numerals that nothing cites: {shown}", "make each a Cited")


# --- executing


def execute(notebook: Path, target: Path, parameters: Mapping[str, Any]) -> Any:
    """The notebook after a run with these parameters, by a kernel of this very Python; also written to `target`.

    Raises WorkbenchError for a parameter that the notebook does not have, papermill's error where a cell fails.
    """
    with _kernel() as manager:
        import papermill  # takes as long as a kernel does to start, so the two are done at once

        unknown = sorted(set(parameters) - set(papermill.inspect_notebook(str(notebook))))
        if unknown:
            raise WorkbenchError(
                notebook.name, f"has no parameter {unknown[0]!r}", "use one of its annotated parameters"
            )
        Thread(target=_exporter, daemon=True).start()  # imported while the kernel works
        return papermill.execute_notebook(str(notebook), str(target), dict(parameters), km=manager, progress_bar=False)


_ISOLATED = ["--IPKernelApp.ignore_cwd=True", "--HistoryManager.enabled=False"]
"""What lies in the folder where the command was typed is not imported, and nothing goes into the user's history."""


@contextmanager
def _kernel() -> Iterator[Any]:
    """A running kernel of this very Python, whatever kernels the user has installed under the same name."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync

    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        own = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
        # Sockets in a private folder instead of TCP ports: nobody else on the machine can connect, and no warning.
        local = {"transport": "ipc", "ip": str(Path(folder) / "kernel")} if os.name == "posix" else {}
        manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=own, **local)
        run_sync(manager.start_kernel)(extra_arguments=_ISOLATED)
        try:
            yield manager
        finally:
            if manager.has_kernel:
                run_sync(manager.shutdown_kernel)(now=True)


# --- rendering


@cache
def _exporter() -> Any:
    from nbconvert.exporters import HTMLExporter

    page = files("workbench") / "page" / "page.html.j2"
    exporter: Any = HTMLExporter
    return exporter(template_file=str(page), exclude_input=True, exclude_anchor_links=True)


def render(notebook: Any, scenario: Scenario) -> str:
    """The page of an executed notebook: its outputs alone, with nothing to fetch and nothing to run."""
    told = {"title": scenario.title or scenario.name, "css": shelf.css(), "marks": shelf.marks(scenario)}
    page, _ = _exporter().from_notebook_node(notebook, resources=told)
    return str(page)


# --- files appear by rename


def _write(path: Path, text: str) -> None:
    handle, draft = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    shutil.copymode(__file__, draft)  # mkstemp's own mode lets nobody else read it
    _renamed(Path(draft), path)


def _renamed(draft: Path, path: Path) -> Path:
    return draft.replace(path)
