"""Shipped scenarios among the accelerators that decide them: the same answer, out of a quarter of the options.

What a scenario costs to decide goes with its options. Where a claim does not hang on how many there are, it is proven
on few; that the few lead to the answer of all is a test of the shipped scenarios.
"""

from dataclasses import replace
from pathlib import Path

import workbench as wb
from workbench.records import Scenario

SCENARIOS = Path(__file__).parents[1] / "datasets" / "scenarios"
FEW = {
    "assistant": ("H100-SXM", "H200-SXM"),
    "chat": ("B200-SXM", "H100-SXM"),
    "finetune": ("H100-SXM", "TPU-v5p"),
    "images": ("B200-SXM", "H100-SXM"),
    "tpu": ("H100-SXM", "TPU-v6e"),
    "training": ("B200-SXM", "H100-SXM"),
}
"""`health` has five options as it is shipped."""


def narrow(name: str) -> Scenario:
    """The shipped scenario among few accelerators."""
    scenario = wb.load(name)
    limits = scenario.constraints
    return replace(scenario, constraints=replace(limits, accelerators=FEW.get(name, limits.accelerators)))


def text_of(name: str) -> str:
    """The same as the text of a scenario file."""
    text = (SCENARIOS / f"{name}.toml").read_text(encoding="utf-8")
    before, table, after = text.partition("\n[constraints]\n")
    kept = (line for line in after.splitlines() if not line.startswith("accelerators"))
    return "\n".join([before, table.strip("\n"), f"accelerators = {list(FEW[name])}", *kept, ""])


def narrowed(name: str, folder: Path) -> str:
    """The path of a file of the same, for the command line."""
    path = folder / f"{name}.toml"
    path.write_text(text_of(name), encoding="utf-8")
    return str(path)
