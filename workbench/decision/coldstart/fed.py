"""What the simulation of [serving] tells the decision: which share of the hours that are paid has work."""

from collections.abc import Iterator
from dataclasses import replace

from workbench.decision.coldstart.frontier import CONFIDENT, Frontier, Point
from workbench.decision.coldstart.latency import Floor
from workbench.decision.coldstart.waking import HOUR_S
from workbench.decision.desk import Desk
from workbench.models.policies import Modal
from workbench.records import Basis, Evidence, Facts, Quantity, Scoped

BOUGHT = {
    "reserved": ("utilisation", (Basis.COMMITTED, Basis.CONTRACT)),
    "autoscaled": ("utilisation", (Basis.ON_DEMAND, Basis.SPOT, Basis.MARKETPLACE)),
    "serverless": ("batch_fill", (Basis.SERVERLESS,)),
}  # fmt: skip
"""Which assumption each kind of capacity replaces, and for what is bought how."""
PHASE = "decode"


def fed(facts: Facts, found: Frontier) -> Facts:
    """The facts with the shares that the cheapest policies which surely meet the objective reach.

    An accelerator that was not simulated takes the share of the one that was. A kind of capacity of which no policy
    meets the objective keeps what rows assume; a share that the scenario states goes before either.
    """
    return replace(facts, assumptions=(*_shares(facts, found), *facts.assumptions))  # the first of one scope


def told(before: Facts, after: Facts) -> list[str]:
    """What the simulation says, in a line for each share."""
    found = after.assumptions[: len(after.assumptions) - len(before.assumptions)]
    return [
        f"{s.quantity.name} ({', '.join(s.scope.values())}) {s.quantity.value:.3g} {s.quantity.note}" for s in found
    ]


def _shares(facts: Facts, found: Frontier) -> Iterator[Scoped]:
    desk = Desk(facts, found.load.scenario)
    for kind, (name, bases) in BOUGHT.items():
        best = next((p for p in found.points if p.capacity.kind == kind and p.met and p.confidence >= CONFIDENT), None)
        if best is None:
            continue
        for basis in bases:
            scope = {"basis": basis.value, "workload": PHASE}
            assumed = desk.assumption(name, **scope)
            yield Scoped(_share(desk, found, best, assumed), scope)


def _share(desk: Desk, found: Frontier, best: Point, assumed: Quantity) -> Quantity:
    """Replicas that are as full as they get over those that are paid, within the assumed row's relative range."""
    load, paid = found.load, best.run.mean_replicas + best.capacity.standing
    if isinstance(best.policy, Modal):  # a lone replica's idle time is a term of its own
        paid -= Floor(desk, load.asked).idle_replicas(best.policy.scaledown_window_s / HOUR_S)
    share = load.busy / max(paid, load.busy)
    ratio = share / assumed.value
    return replace(assumed, value=share, low=assumed.low * ratio, high=min(assumed.high * ratio, 1.0),
                   rows=(*found.rows, *assumed.rows), evidence=Evidence.ESTIMATED,
                   note=f"as simulated, not {assumed.value:.3g}: {best.label} on {best.capacity.name}")  # fmt: skip
