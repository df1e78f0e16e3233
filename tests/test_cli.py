"""The command line: what it prints for machines, its exit status, and that no input ends in a traceback."""

import argparse
import json
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny
from tests.models.twin import Twin
from tests.narrow import narrowed
from workbench import cli, traffic
from workbench.models.policies import KeepAlive
from workbench.models.simulation import Batching, simulate

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


# --- lockin


LOCKIN = {"exit_cost", "portability", "by_month", "option_value", "wait", "last_month_to_leave"}
BILL = {"egress", "re_engineering", "retraining", "dual_running", "breakage", "lost_discount", "risk", "total"}


@pytest.mark.parametrize("name", ["health", "chat"])
def test_lockin_prints_what_the_contract_names(run, name):
    said = run("lockin", name, "--json", *FEW)
    assert said.status == 0
    told = said.json
    assert set(told) >= LOCKIN | {"rows", "evidence", "stamp"}
    assert set(told["exit_cost"]) == BILL
    assert told["exit_cost"]["total"] == pytest.approx(sum(v for k, v in told["exit_cost"].items() if k != "total"))
    assert 0 <= told["portability"] <= 1
    assert [m["month"] for m in told["by_month"]] == list(range(12))
    assert all(set(m) >= {"month", "exit_cost", "saving_pv", "pays"} for m in told["by_month"])
    assert told["option_value"] >= 0
    assert isinstance(told["wait"], bool)


def test_the_stamp_of_lockin_makes_the_same_json_again(run):
    told = run("lockin", "health", "--json", *FEW).json
    assert run(*told["stamp"]["command"].split()[1:], "--json").json == told


def test_people_read_what_leaving_costs_with_its_rows(run, tmp_path):
    said = run("lockin", narrowed("tpu", tmp_path), *FEW)
    assert said.status == 0
    assert "Leaving AWS for GCP costs" in " ".join(said.out.split())
    assert "dependences.csv:" in said.out
    assert "self-assessed" in " ".join(said.out.split())
    assert "with the exit" in said.out
    assert "1 -> 1" in said.out, "the cheapest, in both orders"


@pytest.fixture
def health(tmp_path):
    """The shipped scenario with other lines: a key that it has is replaced, one that it lacks joins its table."""

    def make(**tables: dict[str, str]) -> str:
        lines = (ROOT / "datasets" / "scenarios" / "health.toml").read_text(encoding="utf-8").splitlines()
        for table, changed in tables.items():
            if table != "top" and f"[{table}]" not in lines:
                lines.append(f"[{table}]")
            start = lines.index(f"[{table}]") + 1 if table != "top" else 0
            end = next((i for i in range(start, len(lines)) if lines[i].startswith("[")), len(lines))
            kept = [x for x in lines[start:end] if x.partition("=")[0].strip() not in changed]
            lines[start:end] = [*(f"{k} = {v}" for k, v in changed.items()), *kept]
        path = tmp_path / f"health{len(list(tmp_path.iterdir()))}.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    return make


RAMPED = {"ramp_months": "1"}


def test_falling_breakage_rewards_waiting_for_the_end_of_the_contract(run, health):
    """A bill that a rival would cut by a third, all of it committed for nine more months."""
    bound = {"bill_per_month": "320_000", "committed_per_month": "320_000"}
    held = health(top={"months": "24"}, demand=RAMPED, lockin=bound)
    free = health(top={"months": "24"}, demand=RAMPED, lockin=bound | {"committed_per_month": "0"})
    told, loose = (run("lockin", path, "--json", *FEW).json for path in (held, free))
    owed = [m["parts"]["breakage"] for m in told["by_month"]]
    assert owed == sorted(owed, reverse=True)
    assert owed[8] > owed[9] == 0
    assert (told["best_month"], told["advice"], told["wait"]) == (9, "wait", True)
    assert [end["month"] for end in told["ahead"]["contract_ends"]] == [9]
    waiting = told["ahead"]["waiting_for"]["contract"]
    assert waiting["advice_without"] == "leave now"
    assert waiting["worth"] > 0
    assert (loose["best_month"], loose["advice"]) == (0, "leave now")
    assert loose["ahead"]["contract_ends"] == []
    assert loose["ahead"]["option_value_at_contract_ends"] is None


def test_the_ban_on_switching_charges_rewards_waiting_for_its_day(run, health):
    """Five petabytes under a contract that has ended: egress may cost its seller's cost until 2027-01-12."""
    told = {}
    for law in ("EU", "US"):
        stated = {"jurisdiction": f'"{law}"', "term_months": "0", "committed_per_month": "0",
                  "bill_per_month": "318_000", "surface_growth_per_month": "0.03"}  # fmt: skip
        calm = {"market_volatility": "0", "offer_volatility": "0"}
        path = health(top={"months": "60"}, demand=RAMPED, data={"stored_tb": "5000"}, lockin=stated, assumptions=calm)
        told[law] = run("lockin", path, "--json", *FEW).json
    eu, us = told["EU"], told["US"]
    assert [m["parts"]["egress"] > 0 for m in eu["by_month"]] == [True, True] + [False] * 58
    assert (eu["best_month"], eu["advice"]) == (2, "wait")
    (change,) = eu["ahead"]["law"]
    assert (change["day"], change["month"], change["egress_after"]) == ("2027-01-12", 2, 0)
    waiting = eu["ahead"]["waiting_for"]["law"]
    assert waiting["advice_without"] == "leave now"
    assert 0 < waiting["worth"] < change["egress_before"]
    assert (us["best_month"], us["advice"], us["ahead"]["law"]) == (0, "leave now", [])


def test_a_contract_that_renews_leaves_windows_between_its_terms(run, health):
    bound = {"bill_per_month": "320_000", "committed_per_month": "320_000", "renewal_months": "6"}
    told = run("lockin", health(top={"months": "24"}, demand=RAMPED, lockin=bound), "--json", *FEW).json
    assert [end["month"] for end in told["ahead"]["contract_ends"]] == [9, 15, 21]
    assert [m["month"] for m in told["by_month"] if m["parts"]["breakage"] == 0] == [9, 15, 21]
    assert 0 < told["ahead"]["option_value_at_contract_ends"] <= told["option_value"]


def test_a_hedge_by_several_clouds_tells_its_cost_and_what_it_buys(run):
    told = run("lockin", "health", "--json", *FEW).json["multi_cloud"]
    assert told["standing_cost"] == pytest.approx(told["prepared"] + told["people"])
    bought = told["option_value_gained"] + told["forced_migration_saved"]
    assert told["net"] == pytest.approx(bought - told["standing_cost"])
    assert told["pays"] == (told["net"] > 0)
    assert told["people_per_month"] > 0
    assert "as a hedge" in run("lockin", "health", *FEW).out


def test_the_risk_of_both_providers_is_told_with_its_rows(run):
    told = run("lockin", "chat", "--json", *FEW).json["provider_risk"]
    for side in ("incumbent", "rival"):
        assert 0 < told[side]["fails_within_horizon"] < 1
        assert 0 < told[side]["expected_cost"] < told[side]["forced_move"]
        assert told[side]["rows"]
        assert told[side]["why"]


def test_nowhere_to_go_is_exit_1(run, scenario):
    only = scenario('providers = ["Lambda"]', "[incumbent]", 'provider = "Lambda"')
    said = run("lockin", only, "--json", *FEW)
    assert said.status == 1
    assert "nowhere to go" in said.json["error"]["what"]


def test_a_service_that_no_row_knows_is_exit_2(run, scenario):
    said = run("lockin", scenario("[incumbent]", 'provider = "AWS"', 'services = ["SageMakr"]'), "--json", *FEW)
    assert said.status == 2
    assert "SageMaker" in said.json["error"]["remedy"]


# --- portfolio


def test_a_plan_prints_what_it_promises_and_the_same_again(run, tmp_path):
    tpu = narrowed("tpu", tmp_path)
    said = run("portfolio", tpu, "--json")
    assert said.status == 0
    plan = said.json
    assert set(plan) >= {
        "cost",
        "bound",
        "gap",
        "schedule",
        "on_demand_only",
        "shadow_prices",
        "liability_after",
        "rows",
    }
    assert set(plan["schedule"][0]) >= {"month", "offer", "amount", "kind", "order_by"}
    assert plan["bound"] <= plan["cost"] <= plan["on_demand_only"]
    assert len(plan["shadow_prices"]["demand"]["base"]) == plan["months"]
    known = plan["find_out"]
    assert known["pilot"]["pays"] == (known["pilot"]["worth"] > known["pilot"]["cost"])
    assert 0 < known["inputs"][0]["usd"] <= known["perfect_information"]
    assert all(entry["rows"] for entry in known["inputs"])
    assert run("portfolio", tpu, "--json").json == plan


def test_a_plan_for_people_says_what_to_order_by_which_day(run, tmp_path):
    said = run("portfolio", narrowed("tpu", tmp_path))
    assert said.status == 0
    assert "Order by 2026-11-24" in said.out
    assert "less than all on demand" in said.out
    assert "Find out: A pilot of 2 weeks" in said.out


# --- exit 1: no decision


def test_no_plan_is_exit_1_with_what_to_relax(run, scenario):
    said = run("portfolio", scenario('providers = ["Hyperstack"]', "max_provider_share = 0.5"), "--json")
    assert said.status == 1
    assert "raise the share" in said.json["error"]["remedy"]


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
    "lock-in under no law": (["lockin", "FILE"], (SOUND + "[lockin]\nterm_months = 3\n").encode()),
    "lock-in under an unknown law": (["lockin", "FILE"], (SOUND + "[lockin]\njurisdiction = 'EUU'\n").encode()),
    "a typo in lock-in": (["lockin", "FILE"], (SOUND + "[lockin]\njurisdiction = 'EU'\nterm_month = 1\n").encode()),
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


def test_a_plan_shows_a_hostile_title_and_does_nothing_to_the_terminal(run, scenario):
    name = r"\u001b[31m[bold]x[/red] :fire:"
    said = run("portfolio", scenario('providers = ["RunPod", "Lambda"]', text=SOUND.replace('"service"', f'"{name}"')))
    assert said.status == 0
    assert "[bold]x[/red] :fire:" in said.out
    assert "\x1b" not in said.out


def test_the_stamp_of_a_file_names_the_file(run, scenario):
    """The command that makes a result again has to find the scenario again."""
    path = scenario()
    command = run("decide", path, "--json", *FEW).json["stamp"]["command"]
    assert run(*command.split()[1:], "--json").status == 0


# --- coldstart

TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens"
POLICY = """
policy = "keep_alive"
p = 0.99
limit_s = 60
usd_per_replica_hour = 3.6
cold_start_s = 30
service_s = 2
[constants]
idle_s = 600
"""
AZURE = ROOT.parent / "shared" / "data" / "traffic" / "AzureLLMInferenceTrace_conv.csv"
POLICIES = ROOT / "datasets" / "policies"
WAKING = {"p50_s", "p95_s", "p99_s", "wait_p99_s", "cold_share", "mean_replicas", "replica_hours", "cost_usd",
          "objective", "frontier", "stages"}  # fmt: skip
SERVED = (ROOT / "datasets" / "scenarios" / "chat.toml").read_text(encoding="utf-8")


def trace_of(*rows: str) -> str:
    return "\n".join([TRACE, *rows]) + "\n"


STEADY = trace_of(*(f"2024-01-01 00:{s // 60:02d}:{s % 60:02d},100,50" for s in range(0, 3600, 4)))


@pytest.fixture
def replayed(run: Callable[..., Said], tmp_path: Path) -> Callable[..., Said]:
    """Replay a trace with a policy, given as text."""

    def replayed(*options: str, trace: str | bytes = STEADY, policy: str = POLICY, name: str = "requests.csv") -> Said:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(trace.encode() if isinstance(trace, str) else trace)
        (tmp_path / "policy.toml").write_text(policy, encoding="utf-8")
        return run("coldstart", "--trace", str(tmp_path / name), "--policy", str(tmp_path / "policy.toml"), *options)

    return replayed


def finite(thing: Any) -> list[float]:
    """Every number of a JSON object."""
    if isinstance(thing, dict | list):
        inner = thing.values() if isinstance(thing, dict) else thing
        return [number for part in inner for number in finite(part)]
    return [thing] if isinstance(thing, int | float) else []


def assert_is_what_the_contract_names(said: Any) -> None:
    assert set(said) >= WAKING
    assert set(said["objective"]) >= {"p", "limit_s", "met", "attainment"}
    assert said["frontier"]
    assert all(set(point) >= {"policy", "p99_s", "cost_usd"} for point in said["frontier"])
    assert said["stages"]
    assert all(set(stage) >= {"stage", "seconds"} for stage in said["stages"])
    assert all(map(math.isfinite, finite(said)))
    assert said["p50_s"] <= said["p95_s"] <= said["p99_s"]
    assert 0 <= said["cold_share"] <= 1
    assert 0 <= said["objective"]["attainment"] <= 1
    assert said["objective"]["met"] is (said["objective"]["attainment"] >= said["objective"]["p"])
    cents = [point["cost_usd"] * 100 for point in said["frontier"]]
    assert any(not math.isclose(c, round(c), abs_tol=1e-6) for c in cents)  # unrounded


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A quiet service on a small model, asked in a process of its own as a user would."""
    path = tmp_path_factory.mktemp("small") / "it's [bold]small[red] :fire:.toml"
    text = SERVED.replace("134e9", "346e6").replace("25e9", "65e6").replace("116e6", "3e5")  # a 390th of the traffic
    path.write_text(text.replace('"A chat service in North America"', '"[red]:fire: \\u001b[31m"'), encoding="utf-8")
    code = ("import sys; from workbench.decision.coldstart import waking; "
            "waking.FEW_REQUESTS = waking.MOST_REQUESTS = 3000; waking.MOST_DAYS = 1; "
            "from workbench.cli import main; sys.exit(main())")  # fmt: skip
    return path, subprocess.run([sys.executable, "-c", code, "coldstart", str(path), "--json"], capture_output=True,
                                text=True, check=False, cwd=ROOT)  # fmt: skip


def test_coldstart_prints_what_the_contract_names_and_nothing_else_on_stdout(small):
    done = small[1]
    assert done.returncode == 0, done.stderr
    said = Said(done.returncode, done.stdout, done.stderr).json
    assert_is_what_the_contract_names(said)
    assert said["objective"]["met"]
    assert said["stamp"]["command"].startswith("workbench coldstart ")
    address = re.compile(r"[\w./-]+\.csv:\d+")
    assert said["rows"]
    assert all(address.fullmatch(row) for row in said["rows"])


def test_a_quote_that_may_not_be_taken_is_told_with_the_reason(run, tmp_path):
    path = tmp_path / "quoted.toml"
    quote = 'provider = "Lambda"\ngpu = "H100-SXM"\nusd_per_gpu_hour = 1.0'
    text = SERVED.replace("[constraints]", '[constraints]\nresidency = ["US"]')
    path.write_text(f"{text}\n[[quotes]]\n{quote}\n", encoding="utf-8")
    said = run("decide", str(path), *FEW)
    assert said.status == 0
    assert re.search(r"Your quote of Lambda is left out: .*region", " ".join(said.out.split()))


def test_people_see_the_frontier_and_the_cheapest_of_each_kind_of_capacity(run, small, monkeypatch):
    from workbench.decision.coldstart import waking

    monkeypatch.setattr(waking, "MOST_REQUESTS", 3000)
    monkeypatch.setattr(waking, "MOST_DAYS", 1)
    points = Said(0, small[1].stdout, "").json["frontier"]
    said = run("coldstart", str(small[0]))
    assert said.status == 0
    assert said.out.count("\n* ") == sum(p["on_frontier"] for p in points) < len(points) / 2
    assert all(kind in said.out for kind in ("committed", "on demand", "serverless"))
    assert "is met" in said.out
    (decide,) = re.findall("To decide by what they pay: workbench (.*)", said.out)
    assert decide.startswith("decide ")
    assert decide.endswith(" --simulated")
    assert str(small[0]) in shlex.split(decide)


def test_progress_is_told_on_stderr_alone(capsys, monkeypatch):
    from workbench import terminal

    monkeypatch.setattr(terminal, "BEAT", 0.0)
    with terminal.progress("coldstart") as tell:
        tell(1, 10)
        tell(3, 10)
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"coldstart: 3 of about 10 simulations, about \d+ s left\n", said.err)


def test_a_replay_prints_what_the_contract_names(replayed):
    said = replayed("--json").json
    assert_is_what_the_contract_names(said)
    assert said["cost_usd"] == pytest.approx(said["replica_hours"] * 3.6, rel=1e-12)
    assert said["traffic"]["requests"] == 900
    assert said["stages"] == [{"stage": "cold_start", "seconds": 30.0}]


def test_a_replay_can_be_worked_by_hand(replayed):
    """Four requests too far apart for the pool to keep a replica: each waits 30 s and takes 2 s; 600 s are idle."""
    trace = trace_of(*(f"2024-01-01 {h:02d}:00:00,1,1" for h in range(4)))
    said = replayed("--json", trace=trace).json
    assert said["cold_share"] == 1
    assert said["p50_s"] == pytest.approx(32, rel=0.004)
    assert said["wait_p99_s"] == pytest.approx(30, rel=0.004)
    assert said["replica_hours"] == pytest.approx(3 * 632 / 3600, rel=1e-12)
    assert said["mean_replicas"] == pytest.approx(632 / 3600, rel=1e-12)
    assert said["traffic"]["warm_up_s"] == 0


def test_two_requests_are_a_trace(replayed):
    said = replayed("--json", trace=trace_of("2024-01-01 00:00:00,1,1", "2024-01-01 00:01:00,1,1"))
    assert said.status == 0
    assert said.json["cold_share"] == 0.5


def test_the_command_of_a_replay_makes_the_same_json_again(replayed, run):
    said = replayed("--json", "--seed", "5", "--as-of", "2026-11-24", name="it's [bold] :fire: & more.csv").json
    command = shlex.split(said["stamp"]["command"])
    assert command[:2] == ["workbench", "coldstart"]
    assert run(*command[1:], "--json").json == said


def test_columns_of_any_name_are_read_and_are_part_of_the_command(replayed, run):
    trace = "when,took\n" + "".join(f"{k * 3_600_000},2\n" for k in range(4))
    names = ("--column", "arrival=when", "--column", "unit=ms", "--column", "service_s=took")
    said = replayed("--json", *names, trace=trace).json
    assert said["replica_hours"] == pytest.approx(3 * 632 / 3600, rel=1e-12)
    assert run(*shlex.split(said["stamp"]["command"])[1:], "--json").json == said


@pytest.mark.parametrize(
    ("asked", "says"),
    [("when", "names no column"), ("arrival=nowhere", "not in the file"), ("start=when", "traffic.read"),
     ("unit=h", "not known")],
)  # fmt: skip
def test_a_column_that_is_none_is_exit_2_with_the_way_out(replayed, asked, says):
    trace = "when,took\n0,2\n3600,2\n"
    said = replayed("--json", "--column", "arrival=when", "--column", "service_s=took", "--column", asked, trace=trace)
    assert said.status == 2
    assert says in f"{said.json['error']}"


def test_the_same_trace_and_seed_are_the_same_replay(replayed):
    policy = (POLICIES / "keep_alive.toml").read_text(encoding="utf-8")
    assert replayed("--json", policy=policy).json == replayed("--json", policy=policy).json


def test_a_policy_of_rows_says_which(replayed):
    said = replayed("--json", policy=(POLICIES / "knative.toml").read_text(encoding="utf-8")).json
    assert_is_what_the_contract_names(said)
    assert len(said["rows"]) == len(set(said["rows"])) > 20
    low, high = said["objective"]["attainment_99_percent"]
    assert 0 <= low <= said["objective"]["attainment"] <= high <= 1


def test_a_saturated_policy_says_so_instead_of_giving_a_number(replayed):
    busy = trace_of(*(f"2024-01-01 00:00:{k / 100:06.3f},1,1" for k in range(1500)))
    said = replayed("--json", trace=busy, policy=POLICY + "max_replicas = 3")
    assert said.status == 2
    assert "saturated" in said.json["error"]["what"]


BAD_TRACES = {
    "empty": ("", ":?", "empty"),
    "no rows": (trace_of(), ":1", "too few"),
    "one row": (trace_of("2024-01-01 00:00:00,1,1"), ":2", "too few"),
    "wrong columns": ("when,what\n1,2\n2,3\n", ":1", "of no known form"),
    "no time": (trace_of("2024-01-01 00:00:00,1,1", "soon,1,1"), ":3", "is no time"),
    "another zone": (trace_of("2024-01-01 00:00:00,1,1", "2024-01-01 00:00:01+02:00,1,1"), ":3", "not in UTC"),
    "negative tokens": (trace_of("2024-01-01 00:00:00,1,1", "2024-01-01 00:00:01,-1,1"), ":3", "of at least 0"),
    "tokens that are none": (trace_of("2024-01-01 00:00:00,1,nan", "2024-01-01 00:00:01,1,1"), ":2", "whole number"),
    "missing tokens": (trace_of("2024-01-01 00:00:00,1,1", "2024-01-01 00:00:01,,1"), ":3", "missing"),
    "all at one moment": (trace_of(*["2024-01-01 00:00:00,1,1"] * 9), ":3", "span 0 s"),
    "a torn row": (trace_of("2024-01-01 00:00:00,1,1", '2024-01-01 00:00:01,"1,1'), ":3", "not read as csv"),
    "no text": (TRACE.encode() + b"\n\xff\xfe,1,1\n", ":2", "not UTF-8"),
}


@pytest.mark.parametrize("case", BAD_TRACES)
def test_a_bad_trace_is_exit_2_with_its_line(replayed, tmp_path, case):
    trace, line, told = BAD_TRACES[case]
    machine, people = replayed("--json", trace=trace), replayed(trace=trace)
    assert machine.status == people.status == 2
    error = machine.json["error"]
    assert re.fullmatch(re.escape(str(tmp_path / "requests.csv")) + line, error["where"])
    assert told in error["what"]
    assert error["remedy"]
    assert people.out == ""
    assert people.err.startswith(error["where"])


def test_every_mistake_of_a_policy_is_told_at_once(replayed, tmp_path):
    wrong = POLICY.replace("idle_s = 600", "idel_s = 600").replace("0.99", "2").replace("service_s", "servise_s")
    machine, people = replayed("--json", policy=wrong), replayed(policy=wrong)
    assert machine.status == people.status == 2
    problems = machine.json["error"]["problems"]
    assert len(problems) == 4
    assert all(p["where"].startswith(str(tmp_path / "policy.toml")) and p["remedy"] for p in problems)
    assert people.err.count("->") == 4


BAD_ASKING = {
    "nothing": [], "a trace alone": ["--trace", "T"], "a policy alone": ["--policy", "P"],
    "a scenario and a trace": ["chat", "--trace", "T", "--policy", "P"],
    "a scenario and a policy": ["chat", "--policy", "P"],
    "a trace that is not there": ["--trace", "gone.csv", "--policy", "P"],
    "a policy that is not there": ["--trace", "T", "--policy", "gone.toml"],
    "a folder for a trace": ["--trace", ".", "--policy", "P"],
    "a folder for a policy": ["--trace", "T", "--policy", "."],
    "a policy for a trace": ["--trace", "P", "--policy", "P"],
    "a trace for a policy": ["--trace", "T", "--policy", "T"],
    "a name longer than any file's": ["--trace", "a" * 5000 + ".csv", "--policy", "P"],
    "a policy of such a name": ["--trace", "T", "--policy", "a" * 5000],
    "a name with a zero byte": ["--trace", "a\0.csv", "--policy", "P"],
    "a policy with a zero byte": ["--trace", "T", "--policy", "a\0"],
    "a negative seed": ["--trace", "T", "--policy", "P", "--seed", "-1"],
    "a negative seed for a scenario": ["chat", "--seed", "-1"],
    "a day before all rows": ["--trace", "T", "--policy", "ROWS", "--as-of", "2019-01-01"],
    "a scenario before all rows": ["chat", "--as-of", "2019-01-01"],
    "a scenario that is none": ["caht"],
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ASKING)
def test_a_bad_asking_is_exit_2_without_a_traceback(run, tmp_path, case):
    (tmp_path / "t.csv").write_text(STEADY, encoding="utf-8")
    (tmp_path / "p.toml").write_text(POLICY, encoding="utf-8")
    named = {"T": str(tmp_path / "t.csv"), "P": str(tmp_path / "p.toml"), "ROWS": str(POLICIES / "knative.toml")}
    said = run("coldstart", *(named.get(a, a) for a in BAD_ASKING[case]), "--json")
    assert said.status == 2
    assert set(said.json) == {"error"}
    assert said.json["error"]["what"]
    assert said.json["error"]["remedy"]


def test_a_scenario_without_serving_is_exit_2_and_told_what_to_add(run, scenario):
    said = run("coldstart", scenario(), "--json")
    assert said.status == 2
    assert "[serving]" in said.json["error"]["remedy"]


def test_an_accelerator_that_nobody_sells_is_exit_1(run, scenario):
    text = SERVED.replace("model_memory_gb = 160", 'model_memory_gb = 160\nproviders = ["Replicate"]')
    said = run("coldstart", scenario(text=text), "--json")
    assert said.status == 1
    assert "nobody sells H100-SXM" in said.json["error"]["what"]


@pytest.mark.parametrize(
    ("key", "value"), [("platform", "heroku"), ("model", "Llama-9"), ("gpu", "H999"), ("traffic", "servegen_m-small"),
                       ("mitigation", "magic"), ("storage", "tape")],
)  # fmt: skip
def test_what_no_row_knows_is_exit_2_with_those_that_rows_know(run, scenario, key, value):
    text = re.sub(rf'^{key} = ".*"$', "", SERVED, flags=re.MULTILINE)
    said = run("coldstart", scenario(f'{key} = "{value}"', text=text), "--json")
    assert said.status == 2
    assert value in said.json["error"]["where"] + said.json["error"]["what"]
    assert "use" in said.json["error"]["remedy"]


HOSTILE = ["[bold]x[red].csv", "[/].csv", "$(id) `id`.csv", ":fire:.csv", "it's.csv", "\x1b[31mred.csv", "a\rb.csv",
           "x\x9b31m.csv", "\u202ecba.csv", "%s{0}.csv", "-x.csv"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_file_name_does_nothing_to_the_terminal(replayed, name):
    people = replayed(name=name)
    assert people.status == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", people.out)
    readable = re.sub(r"[\x00-\x1f\x7f-\x9f\u202e]", lambda c: f"\\u{ord(c[0]):04x}", name)
    assert readable in people.out.replace("\n", " ")
    again = next(line for line in people.out.splitlines() if line.startswith("again: "))
    assert "--policy" in again  # on one line, to be copied
    missing = replayed(name=name, trace="when\n1\n\x1b[2J2\n")
    assert missing.status == 2
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", missing.err)


def test_a_hostile_header_of_a_trace_does_nothing_to_the_terminal(replayed):
    said = replayed(trace="\x1b]0;owned\x07,\x1b[2J\n1,2\n2,3\n")
    assert said.status == 2
    assert "\x1b" not in said.err


def test_a_hostile_title_does_nothing_to_the_terminal(run, small):
    """Mark-up, pictures and escape sequences are shown as they are written."""
    text = SOUND.replace('"service"', '"service"\ntitle = "[red]:fire: \\u001b[31m"')
    path = small[0].with_name("hostile.toml")
    path.write_text(text, encoding="utf-8")
    said = run("decide", str(path), *FEW)
    assert said.status == 0
    assert said.out.startswith("[red]:fire: \\u001b[31m, as of")


def test_a_name_that_is_no_text_is_json_all_the_same(tmp_path):
    """A file's name may hold any bytes; JSON is text, and a strict output would refuse them."""
    code = "import sys; from workbench.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "coldstart", b"\xff.toml", "--json"], capture_output=True,
                          check=False, cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})  # fmt: skip
    assert done.returncode == 2
    assert json.loads(done.stdout.decode("utf-8"))["error"]["where"] == "\udcff.toml"


@pytest.fixture(scope="module")
def azure() -> str:
    if not AZURE.is_file():
        pytest.skip("NOT REPLAYED: Azure's trace is not there (../shared/data/traffic)")
    return str(AZURE)


@pytest.mark.parametrize("policy", ["keep_alive", "knative"])
def test_azures_trace_replays_in_plausible_figures(run, azure, policy):
    """An hour of 5.5 requests a second keeps a replica of four busy; nobody needs ten, and few meet a cold start."""
    said = run("coldstart", "--trace", azure, "--policy", str(POLICIES / f"{policy}.toml"), "--json").json
    assert_is_what_the_contract_names(said)
    assert said["traffic"]["requests"] == 19_366
    assert said["traffic"]["span_s"] == pytest.approx(3501.7, abs=0.1)
    assert 1 <= said["mean_replicas"] < 10
    assert said["cold_share"] < 0.05
    hours = (said["traffic"]["span_s"] - said["traffic"]["warm_up_s"]) / 3600
    assert said["replica_hours"] == pytest.approx(said["mean_replicas"] * hours, rel=0.001)
    assert said["cost_usd"] == pytest.approx(said["replica_hours"] * 12.8, rel=1e-12)
    assert 2 < said["p50_s"] < 10  # 211 tokens on average, at 13 to 50 milliseconds each
    assert len(said["traffic"]["notes"]) == 1


@pytest.mark.parametrize("idle_s", [0.5, 5.0, 600.0])
@pytest.mark.parametrize("shared", [False, True])
def test_azures_first_requests_are_served_as_by_the_readable_twin(azure, idle_s, shared):
    """Each on a replica of its own, or eight sharing the pace of one: to the last bit, on real times."""
    first = traffic.read(azure)
    arrivals, tokens, read = first.arrivals_s[:500], first.tokens_out[:500], first.tokens_in[:500] * 1e-4
    batching = Batching(step_s=0.02, step_per_request_s=0.001, prompt_s=read) if shared else None
    policy = KeepAlive(idle_s, 7.5, concurrency=8 if shared else 1)
    work, prompt = (tokens, read) if shared else (tokens * 0.03, np.zeros(500))
    run = simulate(arrivals, work, policy, keep="requests", batching=batching)
    pace = (batching.step_s, batching.step_per_request_s) if batching else (1.0, 0.0)
    twin = Twin(arrivals, work, prompt, policy, np.array([7.5]), np.array([np.inf]), *pace).run()
    np.testing.assert_array_equal(run.cold, twin.cold)
    np.testing.assert_array_equal(run.waits_s, twin.waits)
    np.testing.assert_array_equal(run.latencies_s, twin.latencies)
    assert run.replica_seconds == twin.replica_seconds
    assert 0 < run.cold_share < 1


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
    assert set(subcommands()) == {"check", "decide", "coldstart", "lockin", "export", "portfolio", "report", "lab"}


def test_json_numbers_are_unrounded(chat):
    """A figure cut to cents would be a multiple of a cent."""
    assert any(
        not math.isclose(o["mean"] * 100, round(o["mean"] * 100), abs_tol=1e-6)
        for o in chat["options"]
        if o["feasible"]
    )


@pytest.mark.parametrize("asked", ["decide TPU --why --budget 2e6", "portfolio TPU --risk", "export record TPU"])
def test_the_command_that_makes_a_result_again_holds_every_option(run, tmp_path, asked):
    few = FEW if asked.startswith("decide") else ()
    tpu = narrowed("tpu", tmp_path)
    words = [tpu if word == "TPU" else word for word in asked.split()]
    told = run(*words, *few, "--json").json
    command = shlex.split(told["stamp"]["command"])[1:]
    assert set(words) - {"2e6"} <= set(command)
    assert run(*command, "--json").json["stamp"] == told["stamp"]


@pytest.mark.parametrize("budget", ["nan", "-5", "0", "inf", "much"])
def test_a_budget_that_is_no_amount_is_exit_2(run, budget):
    said = run("decide", "chat", "--why", f"--budget={budget}", "--json")
    assert said.status == 2
    assert "no amount" in said.json["error"]["what"]


@pytest.mark.parametrize("command", ["decide", "lockin", "portfolio"])
def test_a_title_stays_on_its_line_and_does_nothing_to_the_terminal(run, scenario, command):
    text = SOUND.replace("[demand]", 'title = "two\\nlines \\u001b[31mred"\n[demand]')
    hostile = scenario("[incumbent]", 'provider = "AWS"', text=text)
    said = run(command, hostile, *(FEW if command != "portfolio" else ()))
    assert said.status == 0
    assert "\x1b" not in said.out
    assert "two lines" in said.out


def test_leaving_a_seller_for_itself_is_exit_2(run, scenario):
    own = scenario("[incumbent]", 'provider = "AWS"', "[lockin]", 'jurisdiction = "US"', 'rival = "AWS"')
    said = run("lockin", own, "--json", *FEW)
    assert said.status == 2
    assert "whom one would leave" in said.json["error"]["what"]


def test_a_service_of_a_seller_that_one_does_not_leave_is_exit_2(run, scenario):
    other = scenario("[incumbent]", 'provider = "AWS"', 'services = ["EKS", "Azure ML"]')
    said = run("lockin", other, "--json", *FEW)
    assert said.status == 2
    assert said.json["error"]["what"] == "Azure ML is of Azure, and one would leave AWS"
