"""A plan as a SkyPilot task: what it buys, in order, each with the cloud, the machine and the most that it may cost.

What SkyPilot cannot launch is left out and told: it starts machines, so nothing that is sold by use, and it signs no
contract. A commitment is a discount on machines that are launched on demand: the price limit is therefore the list
price, by which SkyPilot filters its catalogue.

Sources: skypilot-org/skypilot sky/utils/schemas.py (fields, and what each may hold), sky/skylet/constants.py (clouds),
docs/source/reference/yaml-spec.rst; skypilot-org/skypilot-catalog catalogs/v9/common/accelerators.csv (which cloud has
which accelerator, by which name).
"""

import re
from collections.abc import Iterator, Mapping
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.decision.offers import QUOTE
from workbench.export.manifest import Manifest, label
from workbench.records import Basis, Infeasible, Price

if TYPE_CHECKING:
    from workbench.decision.portfolio.commitments import Bound
    from workbench.decision.portfolio.purchase import Purchase

SPARE = 3
"""Offers beside the chosen ones, in case none of these can be had."""
CENTS = 100
ROUNDING = 1e-9
LARGEST = 16
"""Accelerators of the largest machine; what is sold in larger numbers is many machines."""
SINGLY_80_GB = 60.0
"""GB of memory above which an A100 is the one of 80 GB."""
PLAIN = {"EC2", "VM", "Compute", "TPU", "cloud", "pods", QUOTE}
"""Products that are machines; on top of others sits a platform that SkyPilot does not speak to."""
LAUNCHED = {Basis.ON_DEMAND: False, Basis.SPOT: True, Basis.COMMITTED: False, Basis.CONTRACT: False}
"""Bases that it can launch, and whether that is `use_spot`."""
CLOUDS = {
    "AWS": "aws", "Azure": "azure", "GCP": "gcp", "Lambda": "lambda", "Oracle OCI": "oci", "RunPod": "runpod",
    "DigitalOcean": "do", "Nebius": "nebius", "Vast.ai": "vast", "Verda (DataCrunch)": "verda",
}  # fmt: skip
"""A seller's name in the field `infra`."""
KNOWN = {
    "aws": {"A100", "A100-80GB", "A10G", "B200", "B300", "H100", "H200", "L4", "L40S", "RTXPRO6000", "Trainium"},
    "azure": {"A10", "A100", "A100-80GB", "H100"},
    "gcp": {"A100", "A100-80GB", "B200", "H100", "H200", "L4", "tpu-v5litepod", "tpu-v5p", "tpu-v6e"},
    "lambda": {"A10", "A100", "A100-80GB", "A6000", "B200", "GH200", "H100"},
    "oci": {"A10", "A100", "A100-80GB", "H100", "H200", "L40S"},
    "runpod": {"A100-80GB", "A100-80GB-SXM", "A40", "B200", "B300", "H100", "H100-NVL", "H100-SXM", "H200-SXM", "L4",
               "L40", "L40S", "MI300X", "RTX3090", "RTX4090", "RTX6000-Ada", "RTXA5000", "RTXA6000", "RTXPRO6000"},
    "do": {"H100"},
    "nebius": {"B200", "H100", "H200", "L40S"},
    "vast": {"A100", "H100", "H200", "L40S", "RTX3090", "RTX4090"},
    "verda": {"B200", "B300", "H100", "RTX-PRO-6000"},
}  # fmt: skip
"""The accelerators that its catalogue has at each cloud."""
NAMED = {
    "H100-SXM": "H100", "H100-PCIe": "H100", "H100-NVL": "H100", "H200-SXM": "H200", "B200-SXM": "B200",
    "B300-SXM": "B300", "RTX-PRO-6000": "RTXPRO6000", "RTX-6000-Ada": "RTX6000-Ada",
}  # fmt: skip
"""What it calls an accelerator; by its own name where it stands in neither table."""
ELSEWHERE = {
    ("runpod", "H100-SXM"): "H100-SXM", ("runpod", "H100-NVL"): "H100-NVL", ("runpod", "H200-SXM"): "H200-SXM",
    ("runpod", "A100-SXM"): "A100-80GB-SXM", ("runpod", "A5000"): "RTXA5000", ("runpod", "A6000"): "RTXA6000",
    ("verda", "RTX-PRO-6000"): "RTX-PRO-6000",
}  # fmt: skip
"""Names of one cloud."""


UNTOLD = ("A100", "A100-80GB", "H100")
"""Names that stand for several forms of an accelerator."""


class Slice(NamedTuple):
    """TPU chips are launched in slices: what these are called, and chips in one by the number in its name."""

    name: str
    sizes: Mapping[int, int]


TPUS = {
    "TPU-v5e": Slice("tpu-v5litepod", {1: 1, 4: 4, 8: 8}),
    "TPU-v6e": Slice("tpu-v6e", {1: 1, 4: 4, 8: 8}),
    "TPU-v5p": Slice("tpu-v5p", {8: 4, 16: 8, 32: 16}),  # its number counts cores, two to a chip
}


def task(found: "Purchase") -> tuple[Manifest, list[str]]:
    """The task file of a plan, and what stands behind each of its resources, in their order.

    Raises Infeasible where SkyPilot can launch nothing of what the scenario allows.
    """
    used = [b for b, _ in found.used]
    left = [f"{b.option.id}: {why}" for b in used if (why := _refused(found, b))]
    resources: list[dict[str, Any]] = []
    told: list[str] = []
    notes: list[str] = []
    launched = [b for b in used if not _refused(found, b)] + _spare(found)
    for bound in launched:
        made = _resource(found, bound)
        if made in resources:
            told[resources.index(made)] += f"; the same machines are {bound.option.id}"
        elif not resources or _together(found, made, resources[0]):
            resources.append(made)
            told.append(_told(found, bound, made))
            notes += _notes(found, bound.option.price, made)
        elif bound in used:
            left.append(
                f"{bound.option.id}: the job's machines have {resources[0]['accelerators']}, these another number"
            )
    if not resources:
        raise Infeasible(f"scenario {found.scenario.name}", f"SkyPilot can launch nothing of it: {'; '.join(left)}",
                         "allow an accelerator or a provider that it knows")  # fmt: skip
    document = {"name": label(found.scenario.name), **_nodes(found, launched[0]), "resources": {"ordered": resources}}
    return Manifest(document=document, rounded=tuple(dict.fromkeys(notes)), elsewhere=tuple(_outside(found, left)),
                    yours=tuple(_yours(found))), told  # fmt: skip


def _together(found: "Purchase", one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether one number of machines does for both: a job over many machines is as large as its accelerators ask."""
    return not found.scenario.demand.gpus or one["accelerators"] == other["accelerators"]


def _spare(found: "Purchase") -> list["Bound"]:
    """What else is bought by the hour and can be launched, cheapest for the work first, one of each cloud."""
    used = {b.option.id for b, _ in found.used}
    others = [b for b in found.asked.every if not b.capacity.whole and b.option.id not in used]
    ranked = sorted(others, key=lambda b: (float(b.unit_costs.mean()), b.option.id))
    first: dict[str, Bound] = {}
    for bound in ranked:
        if not _refused(found, bound):
            first.setdefault(bound.option.provider, bound)
    return list(first.values())[:SPARE]


def _refused(found: "Purchase", bound: "Bound") -> str:
    """Why SkyPilot cannot launch an offer; empty where it can."""
    return next(_reasons(found, bound), "")


def _reasons(found: "Purchase", bound: "Bound") -> Iterator[str]:
    option, price = bound.option, bound.option.price
    if option.basis not in LAUNCHED:
        yield f"SkyPilot starts machines; {option.basis.replace('_', ' ')} capacity is none that it can ask for"
    if found.scenario.constraints.confidential_computing:
        yield "nothing in a task asks for a machine that is encrypted in use"
    if option.product not in PLAIN:
        yield f"SkyPilot starts plain machines, and {option.product} is a platform or another kind"
    cloud = CLOUDS.get(option.provider)
    if cloud is None:
        yield f"SkyPilot has no cloud for {option.provider} (a Kubernetes cluster there it would reach by its context)"
    elif _name(cloud, price) not in KNOWN[cloud]:
        yield f"its catalogue has no {price.gpu} at {option.provider}"
    if price.gpu in TPUS and not _slice(found, bound):
        yield f"its catalogue has no slice of {_count(found, bound):g} chips"
    if _count(found, bound) % 1:
        yield f"a machine has {_count(found, bound):g} of an accelerator"


def _name(cloud: str, price: Price) -> str:
    if price.gpu in TPUS:
        return TPUS[price.gpu].name
    own = ELSEWHERE.get((cloud, price.gpu))
    if own or not price.gpu.startswith("A100"):
        return own or NAMED.get(price.gpu, price.gpu)
    return "A100-80GB" if (price.gpu_memory_gb or 0) > SINGLY_80_GB else "A100"


def _count(found: "Purchase", bound: "Bound") -> float:
    """Accelerators of one machine: one that holds a copy of the model, or for a job over many the largest."""
    told, most = bound.option.inputs.get("gpus_per_instance"), bound.option.price.max_gpus
    own = float(told.value) if told is not None else 1.0
    return max(own, most) if found.scenario.demand.gpus and most <= LARGEST else own


def _slice(found: "Purchase", bound: "Bound") -> int:
    """The number in the name of the smallest slice that is large enough; 0 where none is."""
    sizes = TPUS[bound.option.price.gpu].sizes
    return next((number for number, chips in sizes.items() if chips >= _count(found, bound)), 0)


def _resource(found: "Purchase", bound: "Bound") -> dict[str, Any]:
    """One entry of `ordered`. Its price limit is for the machine, in USD an hour, to the cent above."""
    price, cloud = bound.option.price, CLOUDS[bound.option.provider]
    name, chips = _name(cloud, price), _count(found, bound)
    accelerators = f"{name}:{chips:g}"
    if price.gpu in TPUS:
        number = _slice(found, bound)
        accelerators, chips = f"{name}-{number}", TPUS[price.gpu].sizes[number]
    made = {"infra": cloud + _place(found, bound), "accelerators": accelerators,
            "use_spot": LAUNCHED[bound.option.basis]}  # fmt: skip
    if price.product == QUOTE:
        return made  # the catalogue's list price would be held against the user's own
    limit = _limit(found, bound) * chips
    return {**made, "max_hourly_cost": ceil(limit * CENTS - ROUNDING) / CENTS}


def _place(found: "Purchase", bound: "Bound") -> str:
    """The region, where the scenario cares; elsewhere SkyPilot may take any that is within the limit."""
    asked, region = found.scenario.constraints, bound.option.price.region
    return f"/{region}" if (asked.market or asked.residency) and _placed(region) else ""


def _placed(region: str) -> bool:
    """Whether that is the code of a region: a quote's is any text."""
    return region not in NOWHERE and re.fullmatch(r"[a-z0-9-]+", region) is not None


NOWHERE = ("unstated", "global")
"""Regions that are none."""


def _limit(found: "Purchase", bound: "Bound") -> float:
    """USD an accelerator-hour: the list price; spot may cost what the same machine costs on demand, and no more."""
    own = float(bound.option.inputs["list_price"].value)
    if bound.option.basis is not Basis.SPOT:
        return own
    same = (o.option for o in found.asked.every if o.option.basis is Basis.ON_DEMAND)
    alike = [float(o.inputs["list_price"].value) for o in same
             if (o.provider, o.price.gpu) == (bound.option.provider, bound.option.price.gpu)]  # fmt: skip
    return min(alike, default=own)


def _nodes(found: "Purchase", bound: "Bound") -> dict[str, int]:
    """Machines of a job that runs over many."""
    if not found.scenario.demand.gpus:
        return {}
    return {"num_nodes": ceil(float(bound.option.inputs["job_gpus"].value) / _count(found, bound))}


def _told(found: "Purchase", bound: "Bound", made: Mapping[str, Any]) -> str:
    """What stands behind a resource: the offer, how much of it, what the work costs on it, and the row of its price."""
    months = next((m for b, m in found.used if b.option.id == bound.option.id), None)
    amount = f"up to {max(months):,.1f} accelerators" if months else "stands in where the plan's own cannot be had"
    limit = f"limit {made['max_hourly_cost']:.2f} USD a machine-hour" if "max_hourly_cost" in made else "no limit"
    rows = ", ".join(dict.fromkeys(bound.option.inputs["list_price"].rows))
    work = float(np.mean(bound.unit_costs))
    return f"{bound.option.id}: {amount}; {work:,.0f} USD for an H100's month of work; {limit} [{rows}]"


def _notes(found: "Purchase", price: Price, made: Mapping[str, Any]) -> Iterator[str]:
    """Where the resource says less than the row."""
    name = made["accelerators"].partition(":")[0]
    if price.gpu in TPUS and TPUS[price.gpu].sizes[int(name.rpartition("-")[2])] > price.gpu_count:
        yield f"{name} is the smallest slice that SkyPilot has of {price.gpu}, which is sold by the chip"
    elif name in UNTOLD and price.provider != "RunPod":
        yield f"{name} is what SkyPilot calls {price.gpu} at {price.provider}: it does not tell SXM, PCIe and NVL apart"
    asked = found.scenario.constraints
    if (asked.market or asked.residency) and not _placed(price.region):
        yield f"no region of {price.provider} is on record, so none is asked for: SkyPilot may launch in any"


def _outside(found: "Purchase", left: list[str]) -> Iterator[str]:
    yield from (f"left out: {line}" for line in left)
    for order in found.schedule:
        if order["kind"] == "reserved":
            yield (f"to be signed by {order['order_by']}: {order['accelerators']:,.0f} accelerators of "
                   f"{order['offer']}, from {order['starts']} for {order['term_months']} months")  # fmt: skip


def _yours(found: "Purchase") -> Iterator[str]:
    yield "setup and run: what the task does; how many of it are launched (the plan says how much by month)"
    yield "max_hourly_cost is held against SkyPilot's own catalogue: raise it when a list price has risen"
    if any(b.capacity.kind == "spot" for b, _ in found.used):
        yield "spot is taken away: launch as a managed job (sky jobs launch), which starts again elsewhere"
