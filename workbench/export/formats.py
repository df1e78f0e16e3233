"""A decision as a file: the policy of a fleet for Knative, KEDA, Ray Serve or Modal, a plan, the record of a decision.

What a scenario says of itself is anybody's text: a name becomes a label, and in a comment no line breaks and nothing
invisible is left.
"""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from workbench import face
from workbench.export import frameworks, kubernetes, record, skypilot
from workbench.export.manifest import Manifest
from workbench.models.policies import Keda, Knative, Modal, RayServe
from workbench.records import Infeasible, Scenario, Serving, WorkbenchError

if TYPE_CHECKING:
    from workbench.decision.coldstart.frontier import Frontier, Progress
    from workbench.decision.portfolio.purchase import Purchase

WIDTH = 118
UNFOLDED = 1 << 30
PERCENT = 100
STRING = "tag:yaml.org,2002:str"
PLAIN = re.compile(r"[A-Za-z][\w./:-]+")
"""Text that every parser of YAML reads as text; others are put in quotes (one reads 1e3 as text, another y as true)."""


class Format(NamedTuple):
    """What a format is called, the policy that it carries, and how that is written."""

    title: str
    policy: type[Any]
    write: Callable[[str, Any, Serving, float], Manifest]
    text: Callable[[Mapping[str, Any]], str]
    seller: str = ""
    """Who alone can run it; empty where anybody can."""


def as_yaml(document: Mapping[str, Any]) -> str:
    """Text that parsers of YAML 1.1 and 1.2 read alike."""
    node = yaml.compose(yaml.safe_dump(document, sort_keys=False), yaml.SafeLoader)
    _quote(node)
    return str(yaml.serialize(node, Dumper=yaml.SafeDumper, width=UNFOLDED, allow_unicode=True))


PLANS = ("skypilot", "record")
"""Formats that carry a plan."""
FORMATS = {
    "knative": Format("Knative Service", Knative, kubernetes.knative, as_yaml),
    "keda": Format("KEDA ScaledObject", Keda, kubernetes.keda, as_yaml),
    "ray": Format("Ray Serve configuration", RayServe, frameworks.ray, as_yaml),
    "modal": Format("Modal app", Modal, frameworks.modal, frameworks.modal_text, "Modal"),
}


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file's text, the object in it, and the evidence that it rests on."""

    format: str
    text: str
    evidence: Mapping[str, Any]
    manifest: Manifest | None = None
    """None for a record, which is no configuration."""

    def as_dict(self) -> dict[str, Any]:
        """What the command line prints with --json: the result of `workbench coldstart`, of this policy alone, or that
        of `workbench portfolio`."""
        if self.manifest is None:
            return {"format": self.format, "text": self.text, **self.evidence}
        return {
            "format": self.format, "text": self.text, "manifest": self.manifest.document,
            "rounded": list(self.manifest.rounded), "elsewhere": list(self.manifest.elsewhere),
            "yours": list(self.manifest.yours), **self.evidence,
        }  # fmt: skip


def export(
    form: str, scenario: Scenario | str | Path, *, progress: "Progress" = lambda done, of: None,
    trace: str | Path | None = None, columns: Mapping[str, str] | None = None,
) -> Export:  # fmt: skip
    """The cheapest policy of one kind that meets the scenario's objective, as a file for a cluster; or its plan.

    A policy is chosen on the requests of a recorded `trace` where one is given, as by `face.coldstart`.
    Raises WorkbenchError for a format that is not known, Infeasible where no policy of the kind meets the objective, a
    field cannot hold its value, or there is no plan.
    """
    if form not in (*FORMATS, *PLANS):
        raise WorkbenchError(f"format {form!r}", "not known", f"use one of {', '.join((*FORMATS, *PLANS))}")
    if form in PLANS and trace is not None:
        raise WorkbenchError(f"format {form!r}", "its plan is made from the scenario, not from a trace",
                             f"leave the trace out, or use one of {', '.join(FORMATS)}")  # fmt: skip
    if form == "record":
        return recorded(scenario if isinstance(scenario, Scenario) else face.load(scenario))
    if form in PLANS:
        return planned(face.portfolio(scenario))
    if not isinstance(scenario, Scenario):
        scenario = face.load(scenario)
    found = face.coldstart(_sold(form, scenario), progress=progress, only=FORMATS[form].policy, trace=trace,
                           columns=columns)  # fmt: skip
    return written(form, found)


def _sold(form: str, scenario: Scenario) -> Scenario:
    """The scenario among those who can run the format. Raises Infeasible where it does without them."""
    seller, wanted = FORMATS[form].seller, scenario.constraints.providers
    if not seller:
        return scenario
    if wanted and seller not in wanted:
        raise Infeasible(f"scenario {scenario.name}", f"a {FORMATS[form].title} runs at {seller}, which is not among "
                         "constraints.providers", "add it, or export another format")  # fmt: skip
    return replace(scenario, constraints=replace(scenario.constraints, providers=(seller,)))


def written(form: str, found: "Frontier") -> Export:
    """The chosen policy of a search among those of the format. Raises Infeasible as `export` does."""
    _refuse_slow(form, found)
    chosen, asked = found.chosen, found.load.asked
    slowest = float(chosen.capacity.waking.seconds.max())
    manifest = FORMATS[form].write(found.load.scenario.name, chosen.policy, asked, slowest)
    evidence = found.as_dict()
    command = evidence["stamp"].get("command", "").replace("workbench coldstart", f"workbench export {form}", 1)
    evidence["stamp"] = evidence["stamp"] | {"command": command}
    lines = [*_head(FORMATS[form].title, found.load.scenario, evidence), *_evidence(evidence), *_caveats(manifest)]
    text = "".join(lines) + FORMATS[form].text(manifest.document)
    return Export(format=form, text=text, manifest=manifest, evidence=evidence)


def planned(found: "Purchase") -> Export:
    """A plan as a SkyPilot task. Raises Infeasible where SkyPilot can launch nothing of it."""
    manifest, told = skypilot.task(found)
    evidence = found.summary()
    command = evidence["stamp"].get("command", "").replace("workbench portfolio", "workbench export skypilot", 1)
    evidence["stamp"] = evidence["stamp"] | {"command": command}
    share = 1 - found.cost / found.on_demand_only if found.on_demand_only else 0.0
    saved = f", {share:.0%} under all on demand" if share >= 1 / PERCENT else ""
    lines = [*_head("SkyPilot task", found.scenario, evidence)]
    lines.append(_comment(f"Plan: {found.cost:,.0f} USD over {found.scenario.months} months at the median inputs{saved}"
                          f"; no plan costs less than {found.bound:,.0f} USD"))  # fmt: skip
    lines += [_comment("Resources, in the order in which they are tried:")]
    lines += [_comment(f"{number}. {line}", "  ") for number, line in enumerate(told, start=1)]
    lines += [_comment(f"Dataset rows: {', '.join(_runs(evidence['rows']))}"), *_caveats(manifest)]
    return Export(format="skypilot", text="".join(lines) + as_yaml(manifest.document), manifest=manifest,
                  evidence=evidence)  # fmt: skip


def recorded(scenario: Scenario) -> Export:
    """The decision on a scenario, with its plan, as a record in Markdown. Raises Infeasible where no option is left."""
    decision = face.decide(scenario)
    try:
        found: Purchase | Infeasible = face.portfolio(scenario)
    except Infeasible as lack:
        found = lack
    evidence = {"decision": decision.as_dict(),
                "stamp": {**decision.stamp, "command": record.again(decision)},
                "plan": None if isinstance(found, Infeasible) else found.summary()}  # fmt: skip
    return Export(format="record", text=record.record(decision, found), evidence=evidence)


def _refuse_slow(form: str, found: "Frontier") -> None:
    """A policy that misses the objective is no configuration to apply."""
    chosen, asked = found.chosen, found.load.asked
    if chosen.met:
        return
    what = (f"no policy for a {FORMATS[form].title} has {_percent(asked.p)} of requests within {asked.limit_s:g} s: "
            f"the best, {chosen.label} on {chosen.capacity.name}, has {chosen.run.attainment:.2%}")  # fmt: skip
    raise Infeasible(f"scenario {found.load.scenario.name}", what,
                     "give the replica more gpus or a faster start, or see workbench coldstart for others")  # fmt: skip


# --- comments


def _shown(text: str) -> str:
    """What cannot be seen, or would break a line, is spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _comment(text: str, indent: str = "") -> str:
    """Lines of comment that nobody breaks but we."""
    wrapped = textwrap.wrap(_shown(text), WIDTH, initial_indent=f"# {indent}", subsequent_indent=f"# {indent}  ",
                            break_long_words=False, break_on_hyphens=False)  # fmt: skip
    return "".join(f"{line}\n" for line in wrapped)


def _percent(share: float) -> str:
    return f"{PERCENT * share:.10g}%"  # 99.99999% are not all


def _head(title: str, scenario: Scenario, told: Mapping[str, Any]) -> Iterator[str]:
    stamp = told["stamp"]
    named = f"{scenario.name}: {scenario.title}" if scenario.title else scenario.name
    yield _comment(f"{title} for the scenario {named}")
    yield _comment(f"workbench {stamp.get('version')}, datasets {stamp.get('datasets')}, as of {told['as_of']}; again:")
    yield f"#   {_shown(stamp['command'])}\n#\n"  # on one line, so that it can be copied


def _evidence(told: Mapping[str, Any]) -> Iterator[str]:
    goal, traffic = told["objective"], told["traffic"]
    yield _comment(f"Policy: {told['policy']}, on {told['offer']}; the cheapest that is fast enough of "
                   f"{told['simulated']} that were tried")  # fmt: skip
    yield _comment(f"P99 {told['p99_s']:.3g} s; {goal['attainment']:.3%} of requests within {goal['limit_s']:g} s, "
                   f"where {_percent(goal['p'])} are asked; confidence that it holds in the long run "
                   f"{goal['confidence']:.0%}")  # fmt: skip
    yield _comment(f"Cost: {told['cost_usd']:,.0f} USD a {told['cost_per']}, {told['mean_replicas']:.2f} replicas on "
                   f"average; {told['cold_share']:.2%} of requests met a cold start")  # fmt: skip
    yield _comment(f"Traffic: {traffic['says']}; {traffic['requests']:,} requests simulated, the first "
                   f"{traffic['warm_up_s']:.0f} s left out")  # fmt: skip
    for note in traffic["notes"]:
        yield _comment(f"Note: {note}")
    stages = ", ".join(f"{s['stage'].replace('_', ' ')} {s['seconds']:.3g} s" for s in told["stages"])
    yield _comment(f"A cold start on average: {stages}")
    yield _comment(f"Dataset rows: {', '.join(_runs(told['rows']))}")


def _runs(rows: Iterable[str]) -> Iterator[str]:
    """Addresses by file and line, FILE:FIRST-LAST where lines follow each other; others, as of a quote, as they are."""
    cut = [row.rpartition(":") for row in rows]
    yield from dict.fromkeys("".join(parts) for parts in cut if not parts[-1].isdecimal())
    places = sorted({(file, int(line)) for file, _, line in cut if line.isdecimal()})
    for _, run in groupby(enumerate(places), key=lambda p: (p[1][0], p[1][1] - p[0])):
        (file, first), *more = (place for _, place in run)
        yield f"{file}:{first}" + (f"-{more[-1][1]}" if more else "")


def _caveats(manifest: Manifest) -> Iterator[str]:
    kinds = ("Rounded", "Assumed, and set elsewhere", "Yours")
    if "resources" in manifest.document:
        kinds = ("Names and places", "Not in the task", "Yours")
    sections = dict(zip(kinds, (manifest.rounded, manifest.elsewhere, manifest.yours), strict=True))
    for title, lines in sections.items():
        if lines:
            yield f"#\n# {title}:\n"
            yield from (_comment(f"- {line}", "  ") for line in lines)
    yield "\n"


# --- YAML


def _quote(node: Any) -> None:
    """Put quotes around the values that might be read as something else; keys are our own words."""
    if isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            _quote(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _quote(value)
    else:
        node.style = '"' if node.tag == STRING and not PLAIN.fullmatch(node.value) else None
