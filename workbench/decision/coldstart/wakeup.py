"""Which rows say how a platform wakes up: each input of models/coldstart.py, from the nearest subject that has it.

Records only: the formulas are composed in outcome.py. The subjects are explained in models/coldstart.py.
"""

from collections.abc import Iterator
from typing import NamedTuple

from workbench.decision.desk import constant
from workbench.records import Facts, Quantity, WorkbenchError

MODEL, ANY, NONE = "coldstart", "any", "none"
INPUTS = (
    (("detect_s",),),
    (("provision_s",),),
    (("image_pull_s",), ("image_gb_per_s",)),
    (("image_gb",),),
    (("container_start_s",),),
    (("runtime_init_s",),),
    (("weights_s",), ("stream_gb_per_s", "link_gb_per_s")),
    (("streams",),),
    (("host_to_gpu_s",), ("gpu_link_gb_per_s",)),
    (("engine_init_s",),),
    (("first_token_s",),),
    (("side_by_side",),),
)
"""For each stage the names that determine it, one way or the other: its seconds, or the rates that they follow from."""
STORED = {"preload": "nvme", "tiered_memory": "ram", "runpod": "network_volume"}
"""Where a mitigation, or a platform without one, keeps the weights; else in an object store."""
OBJECT_STORE = "s3"
TIERS = {
    "warm_host": "node_buffer+image_cache+compile_cache+tiered_memory",
    "local_disk": "node_buffer+image_cache+preload",
    "remote": "node_buffer",
    "new_node": NONE,
}
"""What each tier of a cold start finds, said as mitigations."""


THERE = ("node_buffer", "image_cache")
"""What takes no time where a tier finds it: no other mitigation of the same stage is quicker."""


class Tier(NamedTuple):
    """One part of the mixture: how often it is met, and which stages it has (`stages(facts, platform, mitigation)`)."""

    name: str
    share: Quantity
    mitigation: str


NEW_NODE = Tier("new_node", constant("new_node", 1.0, "share"), NONE)
"""What every start meets where no node is kept free."""


def stages(facts: Facts, platform: str, mitigation: str = NONE, *, storage: str | None = None) -> dict[str, Quantity]:
    """The inputs of models/coldstart.py by name, each with its row; the scenario adds `weights_gb` and `gpus`.

    `mitigation` is one or several (`image_cache+parallel_loader`): the first that has a stage decides it, then the
    platform, then what holds anywhere. `storage` is where the weights are (gp3, s3, ...), unless a mitigation moves
    them. Raises WorkbenchError for a platform, mitigation or storage that no row knows.
    """
    chosen = mitigation.split("+")
    _check(facts, platform, chosen, storage)
    subjects = list(_subjects(platform, chosen, storage))
    found: dict[str, Quantity] = {}
    for ways in INPUTS:
        found |= _first(facts, subjects, ways)
    return found


def met(asked: str, tier: Tier) -> str:
    """The mitigations of a start in a tier, in the order in which they decide: what is there, what is asked, the rest.

    A node that runs is not ordered ahead, an image on its disk not streamed, weights in its memory not read from disk.
    """
    found = tier.mitigation.split("+")
    wanted = (m for m in asked.split("+") if m != "preload" or "tiered_memory" not in found)
    return "+".join(dict.fromkeys([*(m for m in found if m in THERE), *wanted, *found]))


def tiers(facts: Facts, platform: str) -> tuple[Tier, ...]:
    """The tiers that a cold start on a platform meets, with their shares; those of any platform where it has none."""
    for subject in (f"{platform}/tiers", f"{ANY}/tiers"):
        shares = {tier: facts.parameters.get((MODEL, subject, tier)) for tier in TIERS}
        if all(shares.values()):
            return tuple(Tier(tier, share, TIERS[tier]) for tier, share in shares.items() if share)
    raise WorkbenchError("parameters.csv", f"no shares of tiers for {platform!r}", f"add rows of {ANY}/tiers")


def platforms(facts: Facts) -> tuple[str, ...]:
    """The platforms that rows know, in alphabetical order."""
    return tuple(sorted({platform for platform, _ in _pairs(facts)}))


def mitigations(facts: Facts) -> tuple[str, ...]:
    """The mitigations that rows know, in alphabetical order."""
    return tuple(sorted({m for _, m in _pairs(facts)} | set(STORED).difference(platforms(facts))))


def _pairs(facts: Facts) -> Iterator[tuple[str, str]]:
    for model, subject, _ in facts.parameters:
        platform, stroke, mitigation = subject.partition("/")
        if model == MODEL and stroke and "/" not in mitigation and mitigation != "tiers":
            yield platform, mitigation


def _check(facts: Facts, platform: str, chosen: list[str], storage: str | None) -> None:
    stores = sorted({s for m, s, _ in facts.parameters if m == MODEL and "/" not in s})
    named = [("platform", platform, platforms(facts))]
    named += [("mitigation", mitigation, mitigations(facts)) for mitigation in chosen]
    named += [("storage", storage, tuple(stores))] if storage is not None else []
    for what, name, known in named:
        if name not in known:
            raise WorkbenchError(f"{what} {name!r}", "no row of parameters.csv knows it", f"use {', '.join(known)}")


def _subjects(platform: str, chosen: list[str], storage: str | None) -> Iterator[str]:
    """Subjects in the order in which they are asked."""
    for mitigation in chosen:
        if mitigation != NONE:
            yield f"{platform}/{mitigation}"
            yield f"{ANY}/{mitigation}"
            yield STORED.get(mitigation, "")
    yield storage or ""
    yield f"{platform}/{NONE}"
    yield STORED.get(platform, "")
    yield f"{ANY}/{NONE}"
    yield OBJECT_STORE


def _first(facts: Facts, subjects: list[str], ways: tuple[tuple[str, ...], ...]) -> dict[str, Quantity]:
    for subject in subjects:
        for names in ways:
            rows = {name: facts.parameters.get((MODEL, subject, name)) for name in names}
            if all(rows.values()):
                return {name: row for name, row in rows.items() if row}
    raise WorkbenchError("parameters.csv", f"no row of {ways[0][0]} for {subjects[0]}", f"add one of {ANY}/{NONE}")
