"""The command line: what it prints for machines, its exit status, and that no input ends in a traceback."""

import argparse
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from workbench import cli

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FEW = ("--draws", "64")
"""Enough to see shapes and exit statuses."""
SOUND = """
name = "service"
months = 12
as_of = 2026-11-24
[demand]
work = "serving"
tokens_in_per_month = 1e9
tokens_out_per_month = 1e9
[constraints]
accelerators = ["H100-SXM"]
"""


class Said:
    """What a command printed and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        """The one object on stdout, and nothing else there; NaN and Infinity are no JSON."""

        def refuse(name: str) -> None:
            raise AssertionError(f"{name} in the output")

        return json.loads(self.out, parse_constant=refuse)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def run(*arguments: str) -> Said:
        status = cli.main(list(arguments))
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="module")
def chat() -> dict[str, Any]:
    """The default scenario as a machine reads it, from a process of its own."""
    command = [sys.executable, "-m", "workbench.cli", "decide", "chat", "--json", *FEW]
    if not hasattr(cli, "__main__") and "__main__" not in (ROOT / "workbench" / "cli.py").read_text(encoding="utf-8"):
        command[1:3] = ["-c", "import sys; from workbench.cli import main; sys.exit(main())"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return Said(done.returncode, done.stdout, done.stderr).json


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., str]:
    def write(*more: str, text: str = SOUND) -> str:
        path = tmp_path / "mine.toml"
        path.write_text("\n".join([text, *more]), encoding="utf-8")
        return str(path)

    return write


def subcommands() -> dict[str, argparse.ArgumentParser]:
    parser = cli._parser()
    (found,) = (a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found)


# --- decide


DECISION = {
    "scenario",
    "as_of",
    "months",
    "basis",
    "options",
    "answer",
    "perfect_information",
    "drivers",
    "flips",
    "stamp",
}
FIGURES = ("p10", "p50", "p90", "mean", "best_probability", "expected_regret", "liability_after")
OPTION = {"provider", "offer", "basis", *FIGURES, "feasible", "reasons", "stale", "evidence", "rows"}


def test_decide_prints_what_the_contract_names(chat):
    assert set(chat) >= DECISION
    assert (chat["scenario"], chat["as_of"], chat["months"]) == ("chat", "2026-11-24", 12)
    assert set(chat["answer"]) >= OPTION
    for option in chat["options"]:
        assert set(option) >= OPTION
    assert all(set(d) >= {"input", "share"} for d in chat["drivers"])
    assert all(set(f) >= {"input", "from", "to", "new_best"} for f in chat["flips"])
    assert chat["flips"]


def test_the_answer_is_the_feasible_option_of_least_mean(chat):
    feasible = [o for o in chat["options"] if o["feasible"]]
    assert chat["answer"] == min(feasible, key=lambda o: o["mean"])
    assert chat["basis"] == chat["answer"]["basis"]


def test_figures_of_a_feasible_option_are_in_order(chat):
    for o in (o for o in chat["options"] if o["feasible"]):
        assert o["p10"] <= o["p50"] <= o["p90"]
        assert o["mean"] > 0
        assert 0 <= o["best_probability"] <= 1
        assert o["reasons"] == []
        assert sum(o["evidence"].values()) == pytest.approx(1)


def test_an_infeasible_option_has_null_figures_and_its_reasons(chat):
    infeasible = [o for o in chat["options"] if not o["feasible"]]
    assert infeasible
    for o in infeasible:
        assert all(o[f] is None for f in FIGURES)
        assert o["reasons"]


def test_every_row_of_the_output_is_one_line_of_a_file(chat):
    address = re.compile(r"[\w./-]+\.(csv|toml):\d+")
    for o in chat["options"]:
        assert o["rows"]
        for row in o["rows"]:
            assert address.fullmatch(row), row
            file, line = row.rsplit(":", 1)
            assert len((ROOT / "datasets" / file).read_text(encoding="utf-8").splitlines()) >= int(line)


def test_chances_add_up_and_the_least_regret_is_perfect_information(chat):
    feasible = [o for o in chat["options"] if o["feasible"]]
    assert sum(o["best_probability"] for o in feasible) == pytest.approx(1)
    assert min(o["expected_regret"] for o in feasible) == pytest.approx(chat["perfect_information"], rel=1e-9)


def test_drivers_are_shares_in_falling_order(chat):
    shares = [d["share"] for d in chat["drivers"]]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= s <= 1 for s in shares)


def test_the_stamp_makes_the_same_json_again(chat, run):
    command = chat["stamp"]["command"].split()
    assert command[:2] == ["workbench", "decide"]
    assert run(*command[1:], "--json").json == chat


def test_seed_draws_and_day_are_the_users(chat, run):
    said = run("decide", "chat", "--json", "--draws", "128", "--seed", "5", "--as-of", "2026-12-24").json
    assert (said["stamp"]["draws"], said["stamp"]["seed"], said["as_of"]) == (128, 5, "2026-12-24")
    assert said["answer"]["mean"] != chat["answer"]["mean"]


def test_strict_excludes_what_is_stale_and_says_so(chat, run):
    strict = run("decide", "chat", "--json", "--strict", *FEW).json
    assert any(o["stale"] and o["feasible"] for o in chat["options"])
    for o in strict["options"]:
        if o["stale"]:
            assert not o["feasible"]
            assert any("stale" in r for r in o["reasons"])
    assert "--strict" in strict["stamp"]["command"]


def test_people_read_the_answer_in_one_sentence(run, chat):
    said = run("decide", "chat", *FEW)
    assert said.status == 0
    verdict = next(line for line in said.out.splitlines() if line.startswith("Run "))
    assert "USD over 12 months" in said.out
    assert chat["answer"]["provider"].split(" + ")[0] in verdict


# --- exit 1: no decision


def test_nothing_feasible_is_exit_1_with_the_constraint_that_binds(run, scenario):
    said = run("decide", scenario("min_gpu_memory_gb = 100000"), "--json", *FEW)
    assert said.status == 1
    assert set(said.json) == {"error"}
    assert "memory" in said.json["error"]["what"]
    assert said.json["error"]["remedy"]


def test_nothing_left_by_strict_is_exit_1_and_names_the_age(run):
    said = run("decide", "chat", "--json", "--strict", "--as-of", "2029-01-01", *FEW)
    assert said.status == 1
    assert "stale" in said.json["error"]["what"]


# --- exit 2: bad input

BAD_TOML = 'name = "x\nmonths = 12'
BAD = {
    "a missing file": (["decide", "no/such/file.toml"], None),
    "a name close to a shipped one": (["decide", "caht"], None),
    "a folder for a file": (["decide", "."], None),
    "an empty name": (["decide", ""], None),
    "a name with emoji and quotes": (["decide", "😀 \"it's\" <script>"], None),
    "a name with a zero byte": (["decide", "a\0b"], None),
    "a name longer than any file's": (["decide", "a" * 5000], None),
    "no TOML": (["decide", "FILE"], BAD_TOML.encode()),
    "bytes that are no text": (["decide", "FILE"], b"\xff\xfe\x00\x01"),
    "an empty file": (["decide", "FILE"], b""),
    "a CSV file": (["decide", str(ROOT / "datasets" / "assumptions.csv")], None),
    "a file of nothing but tables": (["decide", "FILE"], b"[a]\n[b]\n[[c]]\n"),
    "a number of thousands of digits": (["decide", "FILE"], b"months = 1" + b"0" * 5000),
    "thousands of brackets": (["decide", "FILE"], b"x = " + b"[" * 9999),
    "a mistake in a scenario": (["decide", "FILE"], SOUND.replace("= 12", "= 0").encode()),
    "a day that is none": (["decide", "chat", "--as-of", "soon"], None),
    "a day before all rows": (["decide", "chat", "--as-of", "2019-01-01"], None),
    "the last day of all": (["decide", "chat", "--as-of", "0001-01-01"], None),
    "a negative seed": (["decide", "chat", "--seed", "-1"], None),
    "a word for a seed": (["decide", "chat", "--seed", "lucky"], None),
    "no draws": (["decide", "chat", "--draws", "0"], None),
    "too many draws": (["decide", "chat", "--draws", "999999999"], None),
    "no scenario": (["decide"], None),
    "an unknown option": (["decide", "chat", "--frobnicate"], None),
    "an unknown command": (["decode", "chat"], None),
    "a report of nothing": (["report"], None),
    "a report of a missing file": (["report", "no-such"], None),
    "a report in an unknown format": (["report", "chat", "--format", "docx"], None),
}  # fmt: skip


@pytest.fixture
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    arguments, content = BAD[request.param]
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    return [str(path) if a == "FILE" else a for a in arguments]


@pytest.mark.parametrize("bad", BAD, indirect=True)
def test_bad_input_is_exit_2_and_an_error_object(bad, run):
    said = run(*bad, "--json")
    assert said.status == 2
    error = said.json["error"]
    assert set(said.json) == {"error"}
    assert all(error[k] for k in ("what", "remedy"))
    assert "where" in error


@pytest.mark.parametrize("bad", BAD, indirect=True)
def test_bad_input_is_told_to_people_on_stderr(bad, run):
    said = run(*bad)
    assert said.status == 2
    assert said.out == ""
    assert "->" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("bad", ["a missing file", "no TOML"], indirect=True)
def test_the_installed_command_ends_without_a_traceback(bad):
    done = subprocess.run(
        [str(Path(sys.executable).with_name("workbench")), *bad], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "->" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "line",
    ["utilisation = 0", "utilisation = 7", "hours_per_month = 0", "hours_per_month = -730", "batch_fill = 0",
     "restart_h = -5",
     "relative_throughput = 0", "decode_tokens_per_gpu_hour = 0", "gpu_hours_between_failures = 0",
     "discount_rate = -1",
     "months_per_year = 0", "price_drift = 1e300", "weeks_per_month = inf", "committed_share = -1"],
)  # fmt: skip
def test_an_assumption_that_means_nothing_is_a_clear_error(run, scenario, line):
    said = run("decide", scenario("[assumptions]", line), "--json", *FEW)
    assert said.status == 2
    assert line.split()[0] in said.json["error"]["where"] + said.json["error"]["what"]


@pytest.mark.parametrize(
    "demand", ["tokens_out_per_month = 0", "tokens_out_per_month = 1e-300", "tokens_out_per_month = 1e30"]
)
def test_work_of_any_size_is_a_result_or_a_clear_error(run, scenario, demand):
    text = SOUND.replace("tokens_out_per_month = 1e9", demand)
    said = run("decide", scenario(text=text), "--json", *FEW)
    assert said.status in (0, 1, 2)
    assert said.json


def test_datasets_with_a_bad_row_are_exit_2_with_its_line(run, tmp_path, monkeypatch):
    folder = tiny.write(tmp_path / "datasets", prices=[tiny.price(), tiny.price(unit="USD/h", sku="b")])
    monkeypatch.setenv("WORKBENCH_DATASETS", str(folder))
    said = run("decide", str(write(tmp_path)), "--json")
    assert said.status == 2
    assert said.json["error"]["where"] == "prices/acme.csv:3"


def test_a_folder_without_datasets_is_exit_2(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATASETS", str(tmp_path))
    said = run("decide", str(write(tmp_path)), "--json")
    assert said.status == 2
    assert "schema.sql" in said.json["error"]["what"]


def write(folder: Path) -> Path:
    path = folder / "mine.toml"
    path.write_text(SOUND, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["[bold]x[/red]", "[/]", "<script>alert(1)</script>", "../..", "😀", "it's", "%s"])
def test_a_hostile_name_is_shown_as_it_is(run, scenario, name):
    path = scenario('providers = ["AWS", "Lambda"]', text=SOUND.replace('"service"', f'"""{name}"""'))
    people, machine = run("decide", path, *FEW), run("decide", path, "--json", *FEW)
    assert people.status == machine.status == 0
    assert name in people.out
    assert machine.json["scenario"] == name


def test_the_stamp_of_a_file_names_the_file(run, scenario):
    """The command that makes a result again has to find the scenario again."""
    path = scenario()
    command = run("decide", path, "--json", *FEW).json["stamp"]["command"]
    assert run(*command.split()[1:], "--json").status == 0


# --- the other commands


def test_check_says_that_what_ships_is_sound(run):
    said = run("check", "--json")
    assert said.status == 0
    assert said.json["ok"] is True
    assert said.json["problems"] == []
    assert run("check").out.splitlines()[-1].startswith("ok")


def test_check_lists_every_problem_with_its_line(run, tmp_path, monkeypatch):
    folder = tiny.write(
        tmp_path / "datasets", prices=[tiny.price(), tiny.price(unit="USD/h", sku="b"), tiny.price(value=-1, sku="c")]
    )
    monkeypatch.setenv("WORKBENCH_DATASETS", str(folder))
    said = run("check", "--json")
    assert said.status == 2
    assert said.json["ok"] is False
    assert [p["where"] for p in said.json["problems"]] == ["prices/acme.csv:3", "prices/acme.csv:4"]
    assert all(set(p) == {"where", "what", "remedy"} and all(p.values()) for p in said.json["problems"])


def test_check_finds_a_bad_scenario_and_a_notebook_that_defines(run, tmp_path, monkeypatch):
    folder = tiny.write(tmp_path / "datasets")
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "bad.toml").write_text(SOUND.replace("= 12", "= 0"), encoding="utf-8")
    (tmp_path / "notebooks").mkdir()
    cell = {"cell_type": "code", "source": ["x = 1\n", "def f():\n", "    return x\n"]}
    (tmp_path / "notebooks" / "bad.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    (tmp_path / "notebooks" / "torn.ipynb").write_text("{", encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_DATASETS", str(folder))
    found = " ".join(p["where"] for p in run("check", "--json").json["problems"])
    assert all(name in found for name in ("bad.toml:3", "bad.ipynb", "torn.ipynb"))


def test_a_report_of_a_bad_scenario_writes_nothing(run, tmp_path):
    out = tmp_path / "out"
    said = run("report", "chat", "no-such", "--out", str(out), "--json")
    assert said.status == 2
    assert said.json["error"]["where"] == "no-such"
    assert not out.exists()


def test_the_lab_listens_on_this_machine_only_and_keeps_its_token(run):
    command = run("lab", "--json").json["command"]
    assert "--ServerApp.ip=127.0.0.1" in command
    assert not any("token=" in c or "password=" in c for c in command)


def test_the_version_is_printed(run):
    import workbench

    assert run("--version").out.strip() == f"workbench {workbench.__version__}"


def test_no_command_prints_the_help(run):
    said = run()
    assert said.status == 0
    assert "usage: workbench" in said.out


@pytest.mark.parametrize("command", ["", *subcommands()])
def test_every_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert re.search(rf"examples?:\s+workbench {command}", text)


@pytest.mark.parametrize("command", subcommands())
def test_the_example_of_a_help_parses(command):
    example = subcommands()[command].epilog.removeprefix("example: ")
    assert cli._parser().parse_args(example.split()[1:]).run


@pytest.mark.parametrize("command", subcommands())
def test_the_readme_mentions_every_command(command):
    assert f"workbench {command}" in README.read_text(encoding="utf-8")


def test_every_command_prints_json():
    for name, parser in subcommands().items():
        assert "--json" in parser._option_string_actions, name


def test_only_commands_that_are_due_exist():
    assert set(subcommands()) == {"check", "decide", "coldstart", "export", "report", "lab"}


def test_json_numbers_are_unrounded(chat):
    """A figure cut to cents would be a multiple of a cent."""
    assert any(
        not math.isclose(o["mean"] * 100, round(o["mean"] * 100), abs_tol=1e-6)
        for o in chat["options"]
        if o["feasible"]
    )
