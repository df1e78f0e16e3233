"""The public functions: glue between the store, the scenario file and the decision."""

import shlex
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workbench
from workbench import scenario as scenarios
from workbench import store
from workbench.decision import answer
from workbench.decision.offers import Choice
from workbench.records import Facts, Scenario

if TYPE_CHECKING:
    import ipywidgets


def facts(as_of: date) -> Facts:
    """What the datasets say at a day: a row counts if it was seen and recorded at or before it."""
    return store.load(as_of, store.folder())


def load(scenario: str | Path) -> Scenario:
    """The scenario of a TOML file, given by path or by the name of a shipped one.

    Raises WorkbenchError with every mistake of the file, its place, and the way out.
    """
    path = scenarios.find(scenario, store.folder())
    return replace(scenarios.load(path, lambda day: scenarios.names(facts(day))), origin=str(scenario))


def decide(
    scenario: Scenario | str | Path, *, strict: bool = False, only: Collection[Choice] | None = None
) -> answer.Decision:
    """Where the workload should run, as a range, with the reasons; among `only` some choices where they are given.

    A path or the name of a shipped scenario is loaded first. Raises Infeasible where no option is left (`strict` also
    excludes stale prices).
    """
    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    known = facts(scenario.as_of)
    return answer.decide(known, scenario, strict=strict, only=only, stamp=stamp(scenario, known, strict=strict))


def stamp(scenario: Scenario, known: Facts, *, strict: bool = False) -> dict[str, Any]:
    """What made a result, and the command that makes it again."""
    asked = shlex.quote(scenario.origin or scenario.name)
    command = f"workbench decide {asked} --as-of {scenario.as_of} --seed {scenario.seed} --draws {scenario.draws}"
    return {
        "version": workbench.__version__, "datasets": known.digest, "scenario": _digest(scenario),
        "seed": scenario.seed, "draws": scenario.draws, "as_of": scenario.as_of.isoformat(),
        "command": command + (" --strict" if strict else ""),
    }  # fmt: skip


def _digest(scenario: Scenario) -> str:
    """A hash of what the scenario states, wherever it stands."""
    stated = replace(scenario, places={}, origin="")
    return sha256(repr(stated).encode()).hexdigest()[:16]


def changed(
    scenario: Scenario, *, as_of: date | None = None, seed: int | None = None, draws: int | None = None
) -> Scenario:
    """The scenario with what the command line overrides."""
    given = {"as_of": as_of, "seed": seed, "draws": draws}
    return replace(scenario, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]


def explore(scenario: Scenario) -> "ipywidgets.Widget":
    """A form with sliders for the scenario's main inputs, and the range chart that follows them."""
    from workbench import explorer

    return explorer.form(scenario)
