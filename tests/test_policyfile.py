"""A policy file is data: every mistake at once, with its place; a recorded trace is replayed by what it says."""

import json
from pathlib import Path

import pytest

from workbench import face, policyfile
from workbench.cli import main
from workbench.records import InputProblems, WorkbenchError

SHIPPED = sorted((Path(__file__).parents[1] / "datasets" / "policies").glob("*.toml"))
PLAIN = 'policy = "keep_alive"\np = 0.9\nlimit_s = 5\nusd_per_replica_hour = 2.0\ncold_start_s = 3\nservice_s = 1\n'
IDLE = "[constants]\nidle_s = 60\n"


def written(folder: Path, text: str, name: str = "policy.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_policy_is_read(path):
    asked = policyfile.read(path)
    assert asked.policy(1.0, 8).concurrency == 8


WRONG = [
    (PLAIN, "keep_alive needs idle_s"),
    (PLAIN.replace("keep_alive", "kept"), "'kept' is not known"),
    (PLAIN.replace("p = 0.9", "p = 1.5") + IDLE, "no share of requests"),
    (PLAIN.replace("= 5", "= true") + IDLE, "True"),
    (PLAIN.replace("= 5", "= nan") + IDLE, "nan"),
    (PLAIN.replace("limit_s", "limits") + IDLE, "did you mean 'limit_s'"),
    (PLAIN + IDLE.replace("idle_s", "idel_s"), "did you mean 'idle_s'"),
    (PLAIN.replace("cold_start_s = 3\n", "") + IDLE, "no cold start"),
    (PLAIN + "[serving]\nmodel = 3\n" + IDLE, "serving"),
    ("policy = [", "not TOML"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[t for _, t in WRONG])
def test_a_mistake_is_named_with_the_file(tmp_path, text, told):
    with pytest.raises(WorkbenchError) as caught:
        policyfile.read(written(tmp_path, text))
    problems = caught.value.problems if isinstance(caught.value, InputProblems) else (caught.value,)
    assert any(told in f"{p.what} {p.remedy} {p.where}" for p in problems)
    assert all("policy.toml" in p.where for p in problems)


def test_a_constant_that_means_nothing_is_refused_by_the_policy(tmp_path):
    path = written(tmp_path, PLAIN + "[constants]\nidle_s = -1\n")
    with pytest.raises(WorkbenchError, match="idle_s"):
        policyfile.read(path).policy(1.0)


def test_a_folder_is_no_policy(tmp_path):
    with pytest.raises(WorkbenchError, match="cannot be read"):
        policyfile.read(tmp_path)


def test_azures_hour_is_replayed(tmp_path):
    real = Path(__file__).parents[2] / "shared" / "data" / "traffic" / "AzureLLMInferenceTrace_conv.csv"
    if not real.is_file():
        pytest.skip("NOT TESTED ON THE REAL TRACE: ../shared is not there")
    told = face.replay(real, SHIPPED[0]).as_dict()
    assert told["traffic"]["requests"] == 19_366
    assert 0.9 < told["objective"]["attainment"] <= 1
    assert told["cost_usd"] == pytest.approx(told["replica_hours"] * 12.8)


@pytest.mark.parametrize("rows", ["", "2023-11-16 18:15:46,1,1\nnot a day,1,1\n"])
def test_a_bad_trace_ends_with_two_and_its_place(tmp_path, capsys, rows):
    bad = written(tmp_path, "TIMESTAMP,ContextTokens,GeneratedTokens\n" + rows, "bad.csv")
    status = main(["coldstart", "--trace", str(bad), "--policy", str(SHIPPED[0]), "--json"])
    assert status == 2
    assert "bad.csv" in json.loads(capsys.readouterr().out)["error"]["where"]
