"""A decision as a file: its evidence is that of the search, it says one thing to every parser, and no text escapes."""

import ast
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import cli, face
from workbench.export import formats, manifest
from workbench.records import Infeasible, WorkbenchError

SMALL = """
name = "small"
months = 12
as_of = 2026-11-24
title = "A small service"
[demand]
work = "serving"
tokens_in_per_month = 1e9
tokens_out_per_month = 2e8
requests_per_month = 8e5
model_billion_parameters = 8
[serving]
model = "Llama-3.1-8B"
gpu = "H100-SXM"
gpus = 1
platform = "kubernetes"
p = 0.95
limit_s = 30
"""
HOSTILE = [
    "a\nkind: Secret", "x\r\n---\nevil: yes", "a\u2028b: c", "a\u2029b", "a\x85b: c", "tab\there", "nul\0",
    "\x1b[31mred", "\u202egnp.exe", "\ufeffbom", "{{ template }}", "*alias", "&anchor", "!!python/object:os.system",
    "%YAML 1.1", "# more", "y", "no", "null", "1e3", "0o17", "12:30:45", "~", "=", "<<", "😀", "it's", '"quoted"',
    "back\\slash", "$(HOME)", " ",
]  # fmt: skip
EVIDENCE = ("p99_s", "cost_usd", "mean_replicas", "objective", "traffic", "rows", "policy", "offer", "stages", "stamp")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("scenario") / "small service.toml"
    path.write_text(SMALL, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module", params=formats.FORMATS)
def form(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def found(form: str, scenario: str) -> Any:
    """The search of the small scenario, among the policies of one format."""
    return face.coldstart(scenario, only=formats.FORMATS[form].policy)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(list(arguments))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def renamed(found: Any, name: str, title: str = "") -> Any:
    return replace(found, load=replace(found.load, scenario=replace(found.load.scenario, name=name, title=title)))


def read(form: str, text: str) -> Any:
    """The object that a file holds, as who applies it reads it."""
    if form != "modal":
        return yaml.safe_load(text)
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    app, function, concurrent, server, popen = (
        next(c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == name)
        for name in ("App", "function", "concurrent", "web_server", "Popen")
    )
    said = {k.arg: ast.literal_eval(k.value) for k in function.keywords if k.arg not in ("image", "volumes")}
    return {
        "app": ast.literal_eval(app.args[0]), "function": said,
        "concurrent": {k.arg: ast.literal_eval(k.value) for k in concurrent.keywords},
        "command": ast.literal_eval(popen.args[0]), "startup_timeout": ast.literal_eval(server.keywords[0].value),
    }  # fmt: skip


def name_in(form: str, document: Any) -> str:
    if form == "ray":
        return str(document["applications"][0]["name"])
    return str(document["app"] if form == "modal" else document["metadata"]["name"])


def nameless(thing: Any, name: str) -> Any:
    """The object without the values that are its name."""
    if isinstance(thing, dict):
        return {k: nameless(v, name) for k, v in thing.items() if k not in ("name", "app") or v != name}
    return [nameless(v, name) for v in thing] if isinstance(thing, list) else thing


def split(text: str) -> tuple[list[str], str]:
    """The comments, and what is no comment."""
    comments, blank, document = text.partition("\n\n")
    assert blank
    return comments.split("\n"), document


# --- the file


def test_the_file_holds_the_manifest_of_the_chosen_policy(form, found):
    made = formats.written(form, found)
    expected = formats.FORMATS[form].write("small", found.chosen.policy, found.load.asked,
                                          float(found.chosen.capacity.waking.seconds.max()))  # fmt: skip
    assert read(form, made.text) == made.manifest.document == expected.document


def test_the_chosen_policy_is_the_cheapest_of_those_that_are_sure_to_be_fast_enough(form, found):
    sure = [p for p in found.points if p.met and p.confidence >= 0.95]
    assert sure
    assert found.chosen.cost_usd == min(p.cost_usd for p in sure)
    assert isinstance(found.chosen.policy, formats.FORMATS[form].policy)


def test_the_evidence_stands_in_the_comments(form, found):
    comments, _ = split(formats.written(form, found).text)
    told = " ".join(line.removeprefix("#").strip() for line in comments)
    result = found.as_dict()
    for part in (
        f"P99 {result['p99_s']:.3g} s", f"{result['cost_usd']:,.0f} USD a month", "where 95% are asked",
        f"{result['objective']['attainment']:.3%} of requests within 30 s", result["policy"], result["offer"],
        f"in the long run {result['objective']['confidence']:.0%}", result["traffic"]["says"],
        f"workbench {result['stamp']['version']}, datasets {result['stamp']['datasets']}", "as of 2026-11-24",
    ):  # fmt: skip
        assert part in told


def test_every_row_stands_in_the_comments(form, found):
    comments, _ = split(formats.written(form, found).text)
    told = set()
    for file, first, last in re.findall(r"([\w/.-]+\.csv):(\d+)(?:-(\d+))?", " ".join(comments)):
        told |= {f"{file}:{line}" for line in range(int(first), int(last or first) + 1)}
    assert told == set(found.as_dict()["rows"])


def test_what_is_not_in_the_object_stands_in_the_comments(form, found):
    made = formats.written(form, found)
    comments, _ = split(made.text)
    told = " ".join(line.removeprefix("#").strip() for line in comments)
    for line in (*made.manifest.elsewhere, *made.manifest.yours):
        assert line in told


def test_what_was_rounded_stands_in_the_comments(found, form):
    changed = {
        "knative": {"stable_window_s": 77.4}, "keda": {"cooldown_s": 77.4}, "modal": {"scaledown_window_s": 77.4},
        "ray": {"target_ongoing": 1.23456e-5},
    }[form]  # fmt: skip
    chosen = replace(found.chosen, policy=replace(found.chosen.policy, **changed))
    made = formats.written(form, replace(found, chosen=chosen))
    assert "# Rounded:" in made.text
    assert re.search(r"(77\.4|1\.23456e-05) was simulated", made.text)


def test_the_command_in_the_file_makes_the_file_again(form, found, run):
    made = formats.written(form, found)
    command = made.evidence["stamp"]["command"]
    assert f"#   {command}\n" in made.text
    assert command.startswith(f"workbench export {form} '")
    status, out, _ = run(*shlex.split(command)[1:])
    assert status == 0
    assert out == made.text


# --- hostile text


def parsed(form: str, text: str, name: str) -> None:
    """One object, the comments all of them comments, and nothing in it from the name but the label."""
    comments, document = split(text)
    assert all(line == "#" or line.startswith("# ") for line in comments)
    assert all(c.isprintable() for line in comments for c in line)
    assert len(list(yaml.safe_load_all(text))) == 1 if form != "modal" else True
    assert read(form, text) == read(form, document)
    assert name_in(form, read(form, text)) == manifest.label(name)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_hostile_name_or_title_adds_nothing_to_the_object(text, form, found):
    plain = read(form, formats.written(form, found).text)
    made = formats.written(form, renamed(found, text, text)).text
    parsed(form, made, text)
    assert nameless(read(form, made), manifest.label(text)) == nameless(plain, "small")


@settings(derandomize=True, deadline=None, max_examples=25)
@given(name=st.text(min_size=1, max_size=200), title=st.text(max_size=300))
def test_no_text_of_a_scenario_leaves_its_comment(form, found, name, title):
    parsed(form, formats.written(form, renamed(found, name, title)).text, name)


def test_a_hostile_origin_stays_on_the_line_of_its_command(form, found):
    stamp = {**found.stamp, "command": "workbench coldstart 'a\nb: c.toml' --seed 0"}
    parsed(form, formats.written(form, replace(found, stamp=stamp)).text, "small")


@pytest.mark.parametrize("name", ["y", "n", "on", "null", "nan"])
def test_a_name_that_some_parsers_read_as_no_text_is_in_quotes(name, form, found):
    """YAML 1.1 reads y as true, 1.2 as text; Kubernetes refuses a name that is no text."""
    made = formats.written(form, renamed(found, name)).text
    assert re.search(rf"""^(  |- )name: ("{name}"|'{name}'|nan)$|App\("{name}"\)""", made, re.MULTILINE)
    assert name_in(form, read(form, made)) == name


def test_what_begins_like_a_number_is_in_quotes(form, found):
    """What one parser reads as a number and another as text (1e3, 12:30) never stands bare unless it is meant."""
    _, document = split(formats.written(form, found).text)
    sign = " = " if form == "modal" else ": "  # Python reads a number as a number
    bare = [line.partition(sign)[2] for line in document.splitlines() if re.search(rf"{sign}[\d.+~=-]", line)]
    assert bare or form == "modal"
    assert all(re.fullmatch(r"\d+(\.\d+)?", value) for value in bare)


# --- nothing to export


def test_a_fleet_that_is_too_slow_is_no_configuration_and_the_best_is_named(form, found):
    slow = replace(found, chosen=replace(found.chosen, met=False))
    with pytest.raises(Infeasible, match=r"the best, .* (requests a replica|inputs a container)") as refused:
        formats.written(form, slow)
    assert f"{found.chosen.run.attainment:.2%}" in refused.value.what
    assert "95%" in refused.value.what


def test_an_objective_that_none_meets_is_exit_1(form, scenario, tmp_path, run):
    path = tmp_path / "slow.toml"
    path.write_text(SMALL.replace("limit_s = 30", "limit_s = 0.05"), encoding="utf-8")
    status, out, _ = run("export", form, str(path), "--json")
    assert status == 1
    assert set(json.loads(out)) == {"error"}
    assert "the best" in json.loads(out)["error"]["what"]


@pytest.mark.parametrize("arguments", [("docker", "chat"), ("knative",), ("keda", "no-such"), ("keda", "training")])
def test_bad_input_is_exit_2(arguments, run):
    status, out, _ = run("export", *arguments, "--json")
    assert status == 2
    assert json.loads(out)["error"]["remedy"]


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(WorkbenchError, match="knative, keda"):
        formats.export("docker", "chat")


def test_the_command_line_offers_what_can_be_written():
    assert set(cli.EXPORTS) == {*formats.FORMATS, *formats.PLANS}


# --- for machines


def test_json_holds_the_text_and_the_evidence(form, scenario, found, run):
    status, out, _ = run("export", form, scenario, "--json")
    told = json.loads(out)
    assert status == 0
    assert told["format"] == form
    assert told["text"] == formats.written(form, found).text
    assert told["manifest"] == read(form, told["text"])
    assert set(EVIDENCE) <= set(told)


def test_a_modal_app_runs_at_modal_where_another_who_sells_by_the_second_is_cheaper(scenario):
    asked = face.load(scenario)
    europe = replace(asked, constraints=replace(asked.constraints, market="Europe"))
    anybody = face.coldstart(europe, only=formats.FORMATS["modal"].policy)
    assert anybody.chosen.capacity.price.provider != "Modal"
    made = formats.export("modal", europe)
    assert {p["offer"].partition(" ")[0] for p in made.evidence["frontier"]} == {"Modal"}
    assert made.evidence["cost_usd"] > anybody.chosen.cost_usd


def test_a_modal_app_for_who_does_without_modal_is_refused(scenario):
    asked = face.load(scenario)
    elsewhere = replace(asked, constraints=replace(asked.constraints, providers=("RunPod",)))
    with pytest.raises(Infeasible, match=r"a Modal app runs at Modal, which is not among constraints\.providers"):
        formats.export("modal", elsewhere)
