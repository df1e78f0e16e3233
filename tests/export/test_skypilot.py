"""A plan as a SkyPilot task: only fields that exist, only values that it takes, nothing left out in silence.

The fields, clouds and accelerators below are those of the real system, read from the sources that each names, and
written here a second time: what the product writes is held against them.
"""

import json
import re
import shlex
from dataclasses import replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.test_formats import HOSTILE
from workbench import cli, face
from workbench.export import formats, manifest, skypilot
from workbench.records import Basis, Infeasible, Quote

# skypilot-org/skypilot sky/utils/schemas.py: get_task_schema, get_resources_schema, _get_single_resources_schema
TASK = {"name", "workdir", "num_nodes", "resources", "envs", "secrets", "file_mounts", "setup", "run", "config",
        "service", "volumes"}  # fmt: skip
RESOURCE = {"infra", "cloud", "region", "zone", "cpus", "memory", "accelerators", "instance_type", "use_spot",
            "job_recovery", "volumes", "disk_size", "disk_tier", "network_tier", "local_disk", "max_hourly_cost",
            "ports", "labels", "accelerator_args", "image_id", "autostop", "priority", "priority_class"}  # fmt: skip
# sky/skylet/constants.py: ALL_CLOUDS, and the pattern of `infra` in schemas.py
CLOUDS = ("aws", "azure", "gcp", "ibm", "lambda", "scp", "oci", "kubernetes", "runpod", "vast", "vsphere", "cudo",
          "fluidstack", "paperspace", "primeintellect", "do", "nebius", "ssh", "slurm", "hyperbolic", "seeweb",
          "shadeform", "yotta", "mithril", "verda")  # fmt: skip
INFRA = rf"(?i:{'|'.join(CLOUDS)})(?:/[^/]+(?:/[^/]+)?)?"
# skypilot-org/skypilot-catalog catalogs/v9/common/accelerators.csv, the rows of accelerators that the datasets know
CATALOGUE = {
    "A10": "azure lambda oci", "A100": "aws azure cudo gcp lambda mithril oci primeintellect seeweb shadeform vast",
    "A100-80GB": "aws azure gcp lambda oci paperspace primeintellect runpod shadeform scp",
    "A100-80GB-SXM": "runpod", "A10G": "aws", "A40": "runpod", "A6000": "lambda primeintellect shadeform",
    "B200": "aws gcp lambda mithril primeintellect runpod verda nebius", "B300": "aws runpod shadeform verda",
    "GH200": "lambda", "H100": "aws azure do gcp hyperbolic lambda mithril oci paperspace primeintellect runpod "
    "shadeform vast verda nebius", "H100-NVL": "runpod", "H100-SXM": "cudo runpod",
    "H200": "aws gcp mithril oci primeintellect seeweb shadeform vast yotta nebius", "H200-SXM": "runpod",
    "L4": "aws gcp runpod seeweb shadeform", "L40": "primeintellect runpod shadeform",
    "L40S": "aws cudo oci primeintellect runpod seeweb shadeform vast nebius", "MI300X": "runpod",
    "RTX-PRO-6000": "verda", "RTX3090": "runpod vast", "RTX4090": "runpod vast", "RTX6000-Ada": "runpod vast",
    "RTXA5000": "runpod vast", "RTXA6000": "runpod seeweb vast", "RTXPRO6000": "aws runpod shadeform yotta",
    "Trainium": "aws", "tpu-v5litepod": "gcp", "tpu-v5p": "gcp", "tpu-v6e": "gcp",
}  # fmt: skip
# docs.skypilot.co compute/gpus: the slices of `sky show-gpus -a`
SLICES = {"tpu-v5litepod-1", "tpu-v5litepod-4", "tpu-v5litepod-8", "tpu-v5p-8", "tpu-v5p-16", "tpu-v5p-32",
          "tpu-v6e-1", "tpu-v6e-4", "tpu-v6e-8"}  # fmt: skip
NAMES = ("chat", "finetune", "images", "tpu", "training")


@pytest.fixture(scope="module")
def plans():
    return {name: face.portfolio(name) for name in NAMES}


@pytest.fixture
def tpu(plans):
    return plans["tpu"]


def told(text):
    return " ".join(line.removeprefix("#").strip() for line in text.partition("\n\n")[0].split("\n"))


def admitted(document):
    """What SkyPilot's own schema would say of a task."""
    assert set(document) <= TASK
    assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", document["name"])
    assert set(document["resources"]) == {"ordered"}
    for resource in document["resources"]["ordered"]:
        assert set(resource) <= RESOURCE
        assert re.fullmatch(INFRA, resource["infra"])
        assert isinstance(resource["use_spot"], bool)
        assert isinstance(resource["accelerators"], str)
        if "max_hourly_cost" in resource:
            assert resource["max_hourly_cost"] > 0
            assert not isinstance(resource["max_hourly_cost"], bool)
        name, _, count = resource["accelerators"].partition(":")
        cloud = resource["infra"].partition("/")[0]
        if name.startswith("tpu"):
            assert name in SLICES
            assert not count
            assert cloud == "gcp"
        else:
            assert int(count) >= 1
            assert cloud in CATALOGUE[name].split()


@pytest.mark.parametrize("name", NAMES)
def test_the_file_of_a_shipped_scenario_is_one_that_skypilot_takes(name, plans):
    made = formats.planned(plans[name])
    assert yaml.safe_load(made.text) == made.manifest.document
    admitted(made.manifest.document)


def test_every_pair_of_cloud_and_accelerator_stands_in_the_catalogue():
    for cloud, names in skypilot.KNOWN.items():
        assert cloud in CLOUDS
        assert all(cloud in CATALOGUE[name].split() for name in names)
    assert set(skypilot.CLOUDS.values()) == set(skypilot.KNOWN)
    assert {f"{s.name}-{n}" for s in skypilot.TPUS.values() for n in s.sizes} == SLICES


@pytest.mark.parametrize("name", NAMES)
def test_the_chosen_offers_come_first_and_those_left_out_are_told(name, plans):
    found = plans[name]
    text = told(formats.planned(found).text)
    for bound, _ in found.used:
        assert bound.option.id in text
        listed, left = (re.search(where + re.escape(bound.option.id), text)
                        for where in (r"(\d\.|same machines are) ", "left out: "))  # fmt: skip
        assert (listed is None) != (left is None)
        if left:
            assert text[left.end() :].strip().startswith(":")
    order = [
        text.index(f" {n}. ") for n, _ in enumerate(formats.planned(found).manifest.document["resources"]["ordered"], 1)
    ]
    assert order == sorted(order)


def test_a_commitment_is_launched_on_demand_within_the_list_price_and_signed_by_hand(tpu):
    (bound,) = [b for b, _ in tpu.used if b.capacity.whole]
    document = formats.planned(tpu).manifest.document
    first = document["resources"]["ordered"][0]
    assert first == {"infra": "gcp/us-central1", "accelerators": "tpu-v6e-1", "use_spot": False,
                     "max_hourly_cost": pytest.approx(bound.option.inputs["list_price"].value)}  # fmt: skip
    assert f"to be signed by 2026-11-24: 438 accelerators of {bound.option.id}" in told(formats.planned(tpu).text)


def test_spot_may_cost_what_the_same_machine_costs_on_demand(plans):
    found = plans["finetune"]
    bound = next(b for b, _ in found.used if b.option.basis is Basis.SPOT)
    first = formats.planned(found).manifest.document["resources"]["ordered"][0]
    assert first["use_spot"] is True
    assert first["max_hourly_cost"] > 4 * bound.option.inputs["list_price"].value
    assert "sky jobs launch" in told(formats.planned(found).text)


def test_a_price_limit_is_for_the_whole_machine(plans):
    for resource in formats.planned(plans["training"]).manifest.document["resources"]["ordered"]:
        assert resource["accelerators"] == "B200:8"
        assert 8 * 4 < resource["max_hourly_cost"] < 8 * 20


def test_a_job_over_many_machines_says_how_many(plans):
    """512 H100 are 227 B200 by the rows, in machines of eight."""
    document = formats.planned(plans["training"]).manifest.document
    job = plans["training"].used[0][0].option.inputs["job_gpus"].value
    assert document["num_nodes"] == -(-job // 8)
    assert "num_nodes" not in formats.planned(plans["chat"]).manifest.document


def test_a_region_is_asked_for_where_the_scenario_cares(plans):
    for name, wanted in (("tpu", True), ("finetune", bool(face.load("finetune").constraints.market))):
        first = formats.planned(plans[name]).manifest.document["resources"]["ordered"][0]
        assert ("/" in first["infra"]) == wanted
    anywhere = replace(plans["tpu"].scenario, constraints=replace(plans["tpu"].scenario.constraints, market=None))
    made = formats.planned(replace(plans["tpu"], asked=replace(plans["tpu"].asked, scenario=anywhere)))
    assert made.manifest.document["resources"]["ordered"][0]["infra"] == "gcp"


def test_what_cannot_be_launched_at_all_is_exit_1_with_the_reason(capsys):
    assert cli.main(["export", "skypilot", "health", "--json"]) == 1
    assert "encrypted in use" in json.loads(capsys.readouterr().out)["error"]["what"]


def test_a_quote_has_no_limit_that_the_catalogue_would_break(plans):
    quote = Quote(provider="Nebius", gpu="H100-SXM", usd_per_gpu_hour=0.5, region="x\ny: z")
    found = face.portfolio(replace(plans["chat"].scenario, quotes=(quote,)))
    first = formats.planned(found).manifest.document["resources"]["ordered"][0]
    assert first == {"infra": "nebius", "accelerators": "H100:8", "use_spot": False}
    admitted(yaml.safe_load(formats.planned(found).text))


def test_an_accelerator_that_skypilot_does_not_know_is_told_and_left_out(plans):
    limits = replace(plans["chat"].scenario.constraints, accelerators=("MI300X",))
    asked = replace(plans["chat"].scenario, constraints=limits)
    with pytest.raises(Infeasible, match="SkyPilot has no cloud for Crusoe"):
        formats.planned(face.portfolio(asked))
    only = replace(limits, providers=("DigitalOcean", "Azure"))
    with pytest.raises(Infeasible, match="its catalogue has no MI300X at"):
        formats.planned(face.portfolio(replace(asked, constraints=only)))


# --- hostile text


def parsed(text, name):
    comments, blank, document = text.partition("\n\n")
    assert blank
    assert all(line == "#" or line.startswith("# ") for line in comments.split("\n"))
    assert all(c.isprintable() for line in comments.split("\n") for c in line)
    (read,) = yaml.safe_load_all(text)
    assert read == yaml.safe_load(document)
    assert read["name"] == manifest.label(name)
    admitted(read)


def renamed(found, name, title):
    scenario = replace(found.scenario, name=name, title=title)
    return replace(found, asked=replace(found.asked, scenario=scenario))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_hostile_name_or_title_adds_nothing_to_the_task(text, tpu):
    parsed(formats.planned(renamed(tpu, text, text)).text, text)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(name=st.text(min_size=1, max_size=200), title=st.text(max_size=300))
def test_no_text_of_a_scenario_leaves_its_comment(plans, name, title):
    parsed(formats.planned(renamed(plans["tpu"], name, title)).text, name)


# --- the command


def test_the_command_in_the_file_makes_the_file_again(capsys, tpu):
    assert cli.main(["export", "skypilot", "tpu"]) == 0
    text = capsys.readouterr().out
    command = next(line for line in text.split("\n") if line.startswith("#   workbench"))
    assert cli.main(shlex.split(command.removeprefix("#"))[1:]) == 0
    assert capsys.readouterr().out == text


def test_json_holds_the_text_the_task_and_the_plan(capsys):
    assert cli.main(["export", "skypilot", "tpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == "skypilot"
    assert yaml.safe_load(found["text"]) == found["manifest"]
    assert found["cost"] >= found["bound"]
    assert {"elsewhere", "yours", "schedule", "rows", "stamp"} <= set(found)
