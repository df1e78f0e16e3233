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
    from workbench.decision.coldstart.frontier import Frontier, Progress
    from workbench.decision.coldstart.replay import Replay
    from workbench.decision.coldstart.waking import Traffic
    from workbench.decision.lockin.leaving import Leaving
    from workbench.decision.portfolio.purchase import Purchase
    from workbench.decision.reasons import Reasons
    from workbench.models.policies import Policy


DRAWN = ("decide", "lockin")
"""Commands that take the number of draws."""
HUNDREDS = 100
"""Seconds from which none is split."""


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
        from workbench.decision.coldstart import fed

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
    from workbench.decision import study
    from workbench.decision.lockin import leaving

    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    known = facts(scenario.as_of)
    return leaving.leaving(study.study(known, scenario, only=only), stamp=stamp(scenario, known, command="lockin"))


def coldstart(
    scenario: Scenario | str | Path, *, progress: "Progress" = lambda done, of: None,
    only: "type[Policy] | None" = None, trace: str | Path | None = None, columns: Mapping[str, str] | None = None,
) -> "Frontier":  # fmt: skip
    """How slow the scenario's model is when it wakes, and the cheapest policy that is fast enough.

    With a recorded `trace` (and `columns`, as of `traffic.read`) its requests come in place of those that the scenario
    describes. Raises WorkbenchError where the scenario has no [serving] or the trace is bad, Infeasible where nothing
    can be had.
    """
    from workbench.decision.coldstart import frontier, waking  # half a second of numba that nothing else needs

    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    known = facts(scenario.as_of)
    made, traffic = stamp(scenario, known, command="coldstart"), None
    if trace is not None:
        traffic = _searched(trace, columns)
        made |= {"command": f"{made['command']} --trace {shlex.quote(str(trace))}{_columns(columns)}"}
    return frontier.frontier(known, waking.load(known, scenario, traffic), stamp=made, progress=progress, only=only)


def _searched(trace: str | Path, columns: Mapping[str, str] | None) -> "Traffic":
    """A trace for which policies are tried: it has to have tokens, and requests enough to tell them apart."""
    from workbench.decision.coldstart import waking

    found, _ = _recorded(trace, columns)
    count = found.arrivals_s.size
    if count < waking.FEWEST_REQUESTS:
        raise WorkbenchError(str(trace), f"{count} requests do not tell policies apart",
                             f"give at least {waking.FEWEST_REQUESTS}, or replay them with a policy")  # fmt: skip
    if not found.sized:
        raise WorkbenchError(str(trace), "no tokens, so the model's pace says nothing",
                             "name the columns of tokens_in and tokens_out, or replay it with a policy")  # fmt: skip
    month = "the bill is that of a month as busy as the trace"
    return replace(found, notes=(*found.notes, month), peaks=waking.peaks(found.arrivals_s, found.tokens_out))


def _recorded(trace: str | Path, columns: Mapping[str, str] | None) -> "tuple[Traffic, Any]":
    """The requests of a trace, those without tokens of one each, and their service times where it has them."""
    import numpy as np

    from workbench import traffic
    from workbench.decision.coldstart.waking import Traffic

    read = traffic.read(trace, columns=columns)
    sizes = read.tokens_in, read.tokens_out
    tokens_in, tokens_out = (np.ones_like(read.arrivals_s) if size is None else size for size in sizes)
    span = read.report.span_s
    long = f"{span:,.0f}" if span >= HUNDREDS else f"{span:.3g}"
    says = f"{read.report.rows:,} requests of {' '.join(Path(trace).name.split())} over {long} s"
    made = Traffic(arrivals_s=read.arrivals_s, tokens_in=tokens_in, tokens_out=tokens_out, says=says,
                   notes=read.report.notes, sized=all(size is not None for size in sizes))  # fmt: skip
    return made, read.service_s


def _columns(columns: Mapping[str, str] | None) -> str:
    return "".join(f" --column {shlex.quote(f'{ours}={theirs}')}" for ours, theirs in (columns or {}).items())


def portfolio(scenario: Scenario | str | Path, *, strict: bool = False) -> "Purchase":
    """What to commit, of whom, by when: the plan of least cost that serves the scenario.

    Raises Infeasible where there is none, saying what to relax.
    """
    from workbench.decision.portfolio import purchase  # the optimiser, which nothing else needs

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
    from workbench import policyfile
    from workbench.decision.coldstart import replay as replays

    asked, (load, service_s) = policyfile.read(Path(policy)), _recorded(trace, columns)
    asked = replace(asked, as_of=as_of or asked.as_of)
    if asked.serving and asked.service_s is None and service_s is None and not load.sized:
        raise WorkbenchError(str(trace), "no tokens, so the model's pace says nothing", "add service_s to the policy")
    known = facts(asked.as_of) if asked.serving and asked.as_of else None
    made = replays.replay(asked, load, service_s, known, seed)
    command = f"workbench coldstart --trace {shlex.quote(str(trace))} --policy {shlex.quote(str(policy))} --seed {seed}"
    command += (f" --as-of {as_of}" if as_of else "") + _columns(columns)
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
    from workbench.forms import choice

    return choice.form(scenario)


def plan(scenario: Scenario) -> "ipywidgets.Widget":
    """Sliders for the work and the prices by the hour, and the plan that follows them.

    Raises Infeasible where no option is left.
    """
    from workbench.forms import plan

    return plan.Planner(scenario)
