"""What `workbench check` looks at: datasets, scenario files, notebooks."""

import json
from pathlib import Path

from workbench import scenario, store
from workbench.records import InputProblems, WorkbenchError


def everything(datasets: Path | None = None) -> tuple[list[WorkbenchError], list[WorkbenchError]]:
    """(problems, warnings) of all that ships."""
    datasets = datasets or store.folder()
    found, warnings = store.problems(datasets)
    if not found:
        found += [p for path in sorted((datasets / "scenarios").glob("*.toml")) for p in _scenario(path, datasets)]
    for folder in ("notebooks", "reports"):
        found += [p for path in sorted((datasets.parent / folder).glob("*.ipynb")) for p in _notebook(path)]
    return list({(p.where, p.what): p for p in found}.values()), warnings


def _scenario(path: Path, datasets: Path) -> list[WorkbenchError]:
    try:
        scenario.load(path, lambda day: scenario.names(store.load(day, datasets)))
    except InputProblems as error:
        return list(error.problems)
    except WorkbenchError as error:
        return [error]
    return []


def _notebook(path: Path) -> list[WorkbenchError]:
    place = f"{path.parent.name}/{path.name}"
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError, OSError) as error:
        return [WorkbenchError(place, f"not a notebook ({error})", "restore it")]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    if any(line.startswith(("def ", "class ")) for source in code for line in source.splitlines()):
        return [WorkbenchError(place, "defines a function or class", "move it into the package")]
    return []
