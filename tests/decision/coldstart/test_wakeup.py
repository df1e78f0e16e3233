"""Which rows say how a platform wakes up, with fallbacks, and errors for what no row knows."""

from datetime import date
from itertools import product
from pathlib import Path

import pytest

from workbench import formula, store
from workbench.decision.coldstart import wakeup
from workbench.models import coldstart
from workbench.records import Facts, WorkbenchError

DATASETS = Path(__file__).parents[3] / "datasets"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return store.load(date(2026, 11, 24), DATASETS)


def subject_of(facts: Facts, row: str) -> str:
    return next(s for (_, s, _), quantity in facts.parameters.items() if quantity.rows[0] == row)


def test_every_platform_with_every_mitigation_has_all_stages(facts):
    for platform, mitigation in product(wakeup.platforms(facts), wakeup.mitigations(facts)):
        found = wakeup.stages(facts, platform, mitigation)
        inputs = {name: row.value for name, row in found.items()} | {"weights_gb": 15.0, "gpus": 1.0}
        values = formula.evaluate(coldstart, inputs, ("cold_start_s",))
        assert values["cold_start_s"] > 0
        assert all(row.rows and row.rows[0].startswith("parameters.csv:") for row in found.values())


def test_the_platforms_and_mitigations_are_those_of_the_issue(facts):
    assert set(wakeup.platforms(facts)) >= {
        "sagemaker", "modal", "runpod", "cloud_run", "aks", "eks", "gke", "kubernetes", "any",
    }  # fmt: skip
    assert set(wakeup.mitigations(facts)) >= {
        "none", "preload", "image_cache", "image_streaming", "parallel_loader", "gpu_snapshot", "cpu_snapshot",
        "tiered_memory", "node_buffer", "predictive",
    }  # fmt: skip


@pytest.mark.parametrize("mitigation", ["image_cache", "node_buffer", "compile_cache", "parallel_loader",
                                        "cpu_snapshot", "tiered_memory", "preload", "image_streaming"])  # fmt: skip
def test_a_mitigation_makes_no_start_slower(facts, mitigation):
    def seconds(platform: str, how: str) -> float:
        inputs = {n: row.value for n, row in wakeup.stages(facts, platform, how).items()}
        return formula.evaluate(coldstart, {**inputs, "weights_gb": 131.0, "gpus": 2.0}, ("cold_start_s",))[
            "cold_start_s"
        ]

    for platform in wakeup.platforms(facts):
        assert seconds(platform, mitigation) <= seconds(platform, "none")


SLOWER_ON_PURPOSE = {("modal", "gpu_snapshot")}
"""Where a row was measured that is slower than the memory of a host: a snapshot is read from Modal's volumes."""


def test_a_mitigation_slows_no_tier_that_has_better(facts):
    """A forecast that may be wrong, or an image that is streamed, stood in for a node and an image that are there."""
    for platform, mitigation in product(wakeup.platforms(facts), wakeup.mitigations(facts)):
        if (platform, mitigation) in SLOWER_ON_PURPOSE:
            continue
        for tier in wakeup.tiers(facts, platform):
            took = []
            for asked in (wakeup.NONE, mitigation):
                found = wakeup.stages(facts, platform, wakeup.met(asked, tier))
                inputs = {name: row.value for name, row in found.items()} | {"weights_gb": 140.0, "gpus": 4.0}
                took.append(formula.evaluate(coldstart, inputs, ("cold_start_s",))["cold_start_s"])
                if tier.name in ("warm_host", "local_disk"):
                    assert (found["provision_s"].high or 0) == 0
            assert took[1] <= took[0], (platform, mitigation, tier.name)


def test_the_nearest_subject_decides(facts):
    """The platform's own row, else the mitigation anywhere, else the platform without one, else anything."""
    found = wakeup.stages(facts, "modal", "node_buffer+gpu_snapshot")
    assert subject_of(facts, found["runtime_init_s"].rows[0]) == "modal/gpu_snapshot"
    assert subject_of(facts, found["provision_s"].rows[0]) == "any/node_buffer"
    assert subject_of(facts, found["image_pull_s"].rows[0]) == "modal/none"
    assert subject_of(facts, found["container_start_s"].rows[0]) == "any/none"


def test_the_first_of_several_mitigations_that_has_a_stage_decides_it(facts):
    one, other = (wakeup.stages(facts, "any", m) for m in ("compile_cache+gpu_snapshot", "gpu_snapshot+compile_cache"))
    assert subject_of(facts, one["engine_init_s"].rows[0]) == "any/compile_cache"
    assert subject_of(facts, other["engine_init_s"].rows[0]) == "any/gpu_snapshot"


def test_storage_is_asked_for_unless_a_mitigation_moves_the_weights(facts):
    def link(*how: str, **more: str) -> str:
        return subject_of(facts, wakeup.stages(facts, *how, **more)["link_gb_per_s"].rows[0])

    assert link("eks") == "s3"
    assert link("eks", storage="gp3") == "gp3"
    assert link("eks", "preload", storage="gp3") == "nvme"
    assert link("eks", "tiered_memory") == "ram"
    assert link("runpod") == "network_volume"
    assert link("runpod", storage="s3") == "s3"
    assert link("sagemaker", "image_cache") == "sagemaker/image_cache"


def test_an_image_is_pulled_by_seconds_or_by_rate_and_not_by_both(facts):
    assert "image_gb_per_s" in wakeup.stages(facts, "eks")
    assert "image_pull_s" not in wakeup.stages(facts, "eks")
    assert wakeup.stages(facts, "eks", "image_cache")["image_pull_s"].value == 0
    assert "image_gb_per_s" not in wakeup.stages(facts, "eks", "image_cache")


@pytest.mark.parametrize(
    ("how", "what"),
    [
        (("heroku",), "heroku"), (("eks", "magic"), "magic"), (("eks", "image_cache+magic"), "magic"),
        (("eks", ""), "mitigation"), (("",), "platform"),
    ],
)  # fmt: skip
def test_what_no_row_knows_is_refused_with_what_is_known(facts, how, what):
    with pytest.raises(WorkbenchError, match=what) as refused:
        wakeup.stages(facts, *how)
    assert "any" in refused.value.remedy or "image_cache" in refused.value.remedy


def test_a_storage_that_no_row_knows_is_refused(facts):
    with pytest.raises(WorkbenchError, match=r"tape.*gp3"):
        wakeup.stages(facts, "eks", storage="tape")


def test_the_shares_of_the_tiers_make_one_whole(facts):
    found = wakeup.tiers(facts, "eks")
    assert [t.name for t in found] == ["warm_host", "local_disk", "remote", "new_node"]
    assert sum(t.share.value for t in found) == pytest.approx(1, abs=1e-12)
    assert all(t.share.evidence == "estimated" and t.share.low < t.share.value < t.share.high for t in found)


def test_each_tier_is_slower_than_the_one_before(facts):
    seconds = []
    for tier in wakeup.tiers(facts, "eks"):
        inputs = {n: row.value for n, row in wakeup.stages(facts, "eks", tier.mitigation).items()}
        values = formula.evaluate(coldstart, {**inputs, "weights_gb": 68.0, "gpus": 2.0}, ("cold_start_s",))
        seconds.append(values["cold_start_s"])
    assert seconds == sorted(seconds)


def test_without_rows_of_tiers_the_error_says_what_to_add(facts):
    from dataclasses import replace

    bare = replace(facts, parameters={k: v for k, v in facts.parameters.items() if k[1] != "any/tiers"})
    with pytest.raises(WorkbenchError, match="any/tiers"):
        wakeup.tiers(bare, "eks")


def test_a_stage_that_no_row_gives_is_named(facts):
    from dataclasses import replace

    bare = replace(facts, parameters={k: v for k, v in facts.parameters.items() if k[2] != "engine_init_s"})
    with pytest.raises(WorkbenchError, match="engine_init_s"):
        wakeup.stages(bare, "eks")
