"""The public functions: glue between the store, the scenario file and the decision."""

import shlex
from collections.abc import Collection, Mapping
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
from workbench.records import Facts, Scenario, WorkbenchError

if TYPE_CHECKING:
    import ipywidgets

    from workbench.decision.answer import Decision
    from workbench.decision.frontier import Frontier, Progress
    from workbench.decision.leaving import Leaving
    from workbench.decision.purchase import Purchase
    from workbench.decision.reasons import Reasons
    from workbench.decision.replay import Replay
    from workbench.models.policies import Policy


DRAWN = ("decide", "lockin")
"""Commands that take the number of draws."""


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
    scenario: Scenario | str | Path, *, strict: bool = False, only: Collection[Choice] | None = None,
    simulated: bool = False, progress: "Progress" = lambda done, of: None,
) -> answer.Decision:  # fmt: skip
    """Where the workload should run, as a range, with the reasons; among `only` some choices where they are given.

    A path or the name of a shipped scenario is loaded first. `simulated`: the policies of `coldstart` say which share
    of the paid hours has work, in place of the rows that assume it. Raises Infeasible where no option is left (`strict`
    also excludes stale prices), WorkbenchError where there is no [serving] to simulate.
    """
    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    known = facts(scenario.as_of)
    made = stamp(scenario, known, strict=strict)
    if simulated:
        from workbench.decision import fed

        rows = known
        known = fed.fed(rows, coldstart(scenario, progress=progress))
        made |= {"command": f"{made['command']} --simulated", "simulated": fed.told(rows, known)}
    return answer.decide(known, scenario, strict=strict, only=only, stamp=made)


def why(decision: "Decision", *, budget: float | None = None) -> "Reasons":
    """What the answer hangs on, where it loses, what it is worth to know more, and how bad it may get; with a budget,
    USD over the horizon, also how likely it is exceeded."""
    from workbench.decision import reasons  # seconds that a decision does without

    return reasons.reasons(decision.study, budget)


def lockin(scenario: Scenario | str | Path, *, only: Collection[Choice] | None = None) -> "Leaving":
    """What it would take to leave the scenario's incumbent: the bill by month, the saving, and the option to go.

    Options are compared among `only` some choices where they are given. Without an incumbent, what leaving the
    decision's answer would cost later. Raises WorkbenchError for a service that no row knows, Infeasible where there is
    nothing to leave or nowhere to go.
    """
    from workbench.decision import leaving, study

    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    known = facts(scenario.as_of)
    return leaving.leaving(study.study(known, scenario, only=only), stamp=stamp(scenario, known, command="lockin"))


def coldstart(
    scenario: Scenario | str | Path, *, progress: "Progress" = lambda done, of: None, only: "type[Policy] | None" = None
) -> "Frontier":
    """How slow the scenario's model is when it wakes, and the cheapest policy that is fast enough.

    Raises WorkbenchError where the scenario has no [serving], Infeasible where nothing can be had.
    """
    from workbench.decision import frontier, waking  # half a second of numba that nothing else needs

    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    known = facts(scenario.as_of)
    made = stamp(scenario, known, command="coldstart")
    return frontier.frontier(known, waking.load(known, scenario), stamp=made, progress=progress, only=only)


def portfolio(scenario: Scenario | str | Path, *, strict: bool = False) -> "Purchase":
    """What to commit, of whom, by when: the plan of least cost that serves the scenario.

    Raises Infeasible where there is none, saying what to relax.
    """
    from workbench.decision import purchase  # the optimiser, which nothing else needs

    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    known = facts(scenario.as_of)
    made = stamp(scenario, known, strict=strict, command="portfolio")
    return purchase.purchase(known, scenario, strict=strict, stamp=made)


def replay(
    trace: str | Path, policy: str | Path, *, seed: int = 0, as_of: date | None = None,
    columns: Mapping[str, str] | None = None,
) -> "Replay":  # fmt: skip
    """What one policy, of a TOML file, would have done with a recorded trace; `as_of` goes before the file's own day.

    `columns` are those of `traffic.read`.

    Raises WorkbenchError for a bad file, with its place, and where the policy's fleet is saturated.
    """
    from workbench import policyfile, traffic
    from workbench.decision import replay as replays
    from workbench.decision.waking import Traffic

    asked, read = policyfile.read(Path(policy)), traffic.read(trace, columns=columns)
    asked = replace(asked, as_of=as_of or asked.as_of)
    sizes = read.tokens_in, read.tokens_out
    if asked.serving and asked.service_s is None and read.service_s is None and any(size is None for size in sizes):
        raise WorkbenchError(str(trace), "no tokens, so the model's pace says nothing", "add service_s to the policy")
    tokens_in, tokens_out = (read.arrivals_s * 0 + 1 if size is None else size for size in sizes)
    known = facts(asked.as_of) if asked.serving and asked.as_of else None
    says = f"{read.report.rows:,} requests of {Path(trace).name} over {read.report.span_s:,.0f} s"
    load = Traffic(arrivals_s=read.arrivals_s, tokens_in=tokens_in, tokens_out=tokens_out, says=says,
                   notes=read.report.notes)  # fmt: skip
    made = replays.replay(asked, load, read.service_s, known, seed)
    command = f"workbench coldstart --trace {shlex.quote(str(trace))} --policy {shlex.quote(str(policy))} --seed {seed}"
    command += f" --as-of {as_of}" if as_of else ""
    command += "".join(f" --column {shlex.quote(f'{ours}={theirs}')}" for ours, theirs in (columns or {}).items())
    return replace(made, stamp={"version": workbench.__version__, "seed": seed, "command": command,
                                "datasets": known.digest if known else ""})  # fmt: skip


def stamp(scenario: Scenario, known: Facts, *, strict: bool = False, command: str = "decide") -> dict[str, Any]:
    """What made a result, and the command that makes it again."""
    asked = shlex.quote(scenario.origin or scenario.name)
    draws = f" --draws {scenario.draws}" if command in DRAWN else ""
    command = f"workbench {command} {asked} --as-of {scenario.as_of} --seed {scenario.seed}{draws}"
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


def plan(scenario: Scenario) -> "ipywidgets.Widget":
    """Sliders for the work and the prices by the hour, and the plan that follows them.

    Raises Infeasible where no option is left.
    """
    from workbench import planner

    return planner.Planner(scenario)
