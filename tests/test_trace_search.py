"""A recorded trace in place of a described load: policies are tried on it, and what it cannot tell is said."""

import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import workbench as wb
from workbench import face, terminal, traffic
from workbench.cli import main
from workbench.decision.coldstart import waking
from workbench.export import formats
from workbench.models.policies import Fixed, Keda, Knative
from workbench.models.simulation import simulate
from workbench.records import WorkbenchError

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
AZURE = Path(__file__).parents[2] / "shared" / "data" / "traffic" / "AzureLLMInferenceTrace_conv.csv"


def put(path: Path, seconds, tokens=(400, 100)) -> Path:
    stamps = np.datetime64("2026-01-01", "us") + (np.asarray(seconds) * 1e6).astype("timedelta64[us]")
    rows = [f"{str(s).replace('T', ' ')},{tokens[0]},{tokens[1]}" for s in stamps]
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """A request each two seconds for half an hour, and in one minute ten times as many."""
    seconds = np.concatenate([np.arange(0, 1800, 2.0), np.arange(900, 960, 0.2)])
    return put(tmp_path_factory.mktemp("trace") / "requests.csv", np.sort(seconds))


@pytest.fixture(scope="module")
def found(trace):
    return wb.coldstart("chat", trace=trace)


def test_policies_are_tried_on_the_requests_of_the_trace(found, trace):
    read = traffic.read(trace)
    assert found.load.traffic.arrivals_s.tolist() == read.arrivals_s.tolist()
    assert found.as_dict()["traffic"]["requests"] == 1200
    assert {type(p.policy).__name__ for p in found.points} == {"Fixed", "Knative", "Keda", "RayServe", "Modal"}


def test_what_the_search_says_of_a_policy_is_what_a_run_of_it_shows(found):
    load = found.load
    for point in found.points[:: len(found.points) // 5]:
        run = simulate(load.traffic.arrivals_s, load.traffic.tokens_out, point.policy, batching=load.replica.batching,
                       limit_s=load.asked.limit_s, warm_up_s=0.05 * load.traffic.span_s)  # fmt: skip
        assert run.attainment == point.run.attainment
        paid = 730 * (run.mean_replicas + point.capacity.standing) * load.asked.gpus
        assert point.cost_usd == pytest.approx(paid * point.capacity.price.usd_per_gpu_hour.value, rel=1e-12)


def test_the_bill_is_said_to_be_of_a_month_as_busy_as_the_trace(found):
    assert "the bill is that of a month as busy as the trace" in found.as_dict()["traffic"]["notes"]


def test_reserved_fleets_are_tried_from_the_mean_to_the_busiest_minute(found):
    load = found.load
    # 30 requests a minute, 330 in the busiest; the half hour has 1,200, so that no hour is told.
    assert load.peaks == pytest.approx((1.0, 330 / (1200 / load.traffic.span_s * 60)))
    sizes = {p.policy.replicas for p in found.points if isinstance(p.policy, Fixed)}
    assert min(sizes) <= np.ceil(load.busy) <= np.ceil(load.busy * load.peaks[1]) <= max(sizes)


def test_the_busiest_hour_counts_the_work_and_not_the_requests():
    times, work = np.array([0.0, 10.0, 3700.0, 7200.0]), np.array([1.0, 1.0, 6.0, 0.0])
    minute, hour = waking.peaks(times, work)
    assert minute == pytest.approx(6 / (8 / 7200 * 60))
    assert hour == pytest.approx(6 / 4)


def test_an_export_carries_the_policy_that_the_trace_asks_for(trace, tmp_path, capsys):
    made = formats.export("keda", "chat", trace=trace)
    chosen = wb.coldstart("chat", trace=trace, only=Keda).chosen.policy
    assert made.manifest.document["spec"]["minReplicaCount"] == chosen.min_replicas
    assert made.manifest.document["spec"]["triggers"][0]["metadata"]["threshold"] == f"{chosen.target:g}"
    assert f"--trace {trace}" in made.text
    assert main(["export", "keda", "chat", "--trace", str(trace)]) == 0
    assert capsys.readouterr().out == made.text


def test_the_command_names_the_trace_and_its_columns(tmp_path, capsys):
    lines = "".join(f"{k * 1500},300,80\n" for k in range(1000))
    (tmp_path / "log.csv").write_text(f"when,i,o\n{lines}", encoding="utf-8")
    columns = {"arrival": "when", "tokens_in": "i", "tokens_out": "o", "unit": "ms"}
    found = wb.coldstart("chat", trace=tmp_path / "log.csv", columns=columns, only=Knative)
    names = " ".join(f"--column {ours}={theirs}" for ours, theirs in columns.items())
    assert found.stamp["command"].endswith(f"--trace {tmp_path / 'log.csv'} {names}")
    assert found.load.traffic.span_s == pytest.approx(1498.5)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([f"{k},1,1" for k in range(19)], "19 requests do not tell policies apart"),
        ([f"{k},0,0" for k in range(50)], "no request has a token"),
        (["0,9,9"] * 500 + ["100,9,9"], "all requests come at one moment"),
    ],
)
def test_what_tells_nothing_is_refused(tmp_path, rows, said):
    (tmp_path / "t.csv").write_text("t,i,o\n" + "\n".join(rows) + "\n", encoding="utf-8")
    with pytest.raises(WorkbenchError, match=said):
        wb.coldstart("chat", trace=tmp_path / "t.csv", columns={"arrival": "t", "tokens_in": "i", "tokens_out": "o"})


def test_a_trace_without_tokens_cannot_be_searched(tmp_path):
    (tmp_path / "t.csv").write_text("t,s\n" + "".join(f"{k},1\n" for k in range(50)), encoding="utf-8")
    with pytest.raises(WorkbenchError, match="no tokens"):
        wb.coldstart("chat", trace=tmp_path / "t.csv", columns={"arrival": "t", "service_s": "s"})


def test_a_trace_shorter_than_a_queue_takes_to_grow_says_so(tmp_path):
    found = wb.coldstart("chat", trace=put(tmp_path / "t.csv", np.arange(50) / 100))
    assert any("over before a queue is felt" in note for note in found.as_dict()["traffic"]["notes"])
    assert all(p.cost_usd > 0 for p in found.points), "nobody serves for nothing"


@pytest.mark.parametrize("form", ["skypilot", "record"])
def test_a_plan_is_not_made_from_a_trace(trace, form):
    with pytest.raises(WorkbenchError, match="not from a trace"):
        formats.export(form, "chat", trace=trace)


@pytest.mark.parametrize(
    "options",
    [["chat", "--policy", "p.toml"], ["chat", "--trace", "t.csv", "--policy", "p.toml"], ["--trace", "t.csv"], [],
     ["chat", "--column", "arrival=t"]],
)  # fmt: skip
def test_other_combinations_are_bad_input(options, capsys):
    assert main(["coldstart", *options]) == 2
    assert "->" in capsys.readouterr().err


@pytest.mark.skipif(not AZURE.exists(), reason=f"{AZURE} is not there: the real trace was not searched")
def test_the_real_trace_gets_a_policy_that_meets_the_objective_on_it():
    found = wb.coldstart("chat", trace=AZURE)
    assert found.chosen.met
    assert found.load.traffic.arrivals_s.size == 19_366


# --- what is left when a trace ends


POLICY = "p = 0.9\nlimit_s = 10\nusd_per_replica_hour = 3\ncold_start_s = 5\nservice_s = 5\n"


def replayed(folder: Path, rows: int, policy: str):
    (folder / "t.csv").write_text("t,s\n" + "".join(f"{k * 0.1},5\n" for k in range(rows)), encoding="utf-8")
    (folder / "p.toml").write_text(policy.replace("[constants]", f"{POLICY}[constants]"), encoding="utf-8")
    return face.replay(folder / "t.csv", folder / "p.toml", columns={"arrival": "t", "service_s": "s"})


def test_an_autoscaled_fleet_that_falls_behind_is_saturated(tmp_path):
    with pytest.raises(WorkbenchError, match=r"saturated: 4,9\d\d of 5,000 requests still wait") as caught:
        replayed(tmp_path, 5000, 'policy = "sagemaker"\n[constants]\ntarget = 1e9\nconcurrency = 1\n')
    assert caught.value.where == "policy sagemaker"


def test_a_short_trace_of_which_much_is_left_at_the_end_says_so(tmp_path):
    found = replayed(tmp_path, 500, 'policy = "fixed"\n[constants]\nreplicas = 10\n')
    assert "are still there at the last arrival, where the bill ends" in found.as_dict()["traffic"]["notes"][-1]


def test_a_fleet_that_keeps_up_is_told_without_a_note(tmp_path):
    found = replayed(tmp_path, 5000, 'policy = "fixed"\n[constants]\nreplicas = 60\n')
    assert found.as_dict()["traffic"]["notes"] == []


@pytest.mark.parametrize(("rows", "long"), [([0, 0.4], "0.4 s"), ([0, 99.96], "100 s"), ([0, 12345], "12,345 s")])
def test_a_short_span_is_not_said_to_be_nothing(tmp_path, rows, long):
    (tmp_path / "p.toml").write_text('policy = "fixed"\n' + POLICY + "[constants]\nreplicas = 1\n", encoding="utf-8")
    found = face.replay(put(tmp_path / "t.csv", rows), tmp_path / "p.toml")
    assert found.traffic.says.endswith(f"over {long}")


def test_a_name_of_several_lines_is_told_on_one(tmp_path):
    (tmp_path / "p.toml").write_text('policy = "fixed"\n' + POLICY + "[constants]\nreplicas = 1\n", encoding="utf-8")
    found = face.replay(put(tmp_path / "t\nthe objective is met.csv", [0, 9]), tmp_path / "p.toml")
    assert "\n" not in found.traffic.says


# --- what people see


def shown(found) -> str:
    console = Console(record=True, width=400, file=StringIO())
    terminal.show_waking(found, console)
    return console.export_text()


def test_small_amounts_and_shares_near_one_are_not_rounded_away(tmp_path):
    policy = 'policy = "fixed"\n' + POLICY.replace("p = 0.9", "p = 0.9999999") + "[constants]\nreplicas = 1\n"
    (tmp_path / "p.toml").write_text(policy, encoding="utf-8")
    said = shown(face.replay(put(tmp_path / "t.csv", [0, 1]), tmp_path / "p.toml"))
    assert "0.00083 USD a run" in said
    assert "(99.99999% of requests within 10 s)" in said


def test_how_little_a_handful_of_requests_proves_is_said(tmp_path):
    (tmp_path / "p.toml").write_text('policy = "fixed"\n' + POLICY + "[constants]\nreplicas = 9\n", encoding="utf-8")
    said = shown(face.replay(put(tmp_path / "t.csv", [0, 50]), tmp_path / "p.toml"))
    half = 2.5758 * (0.9 * 0.1 / 2) ** 0.5
    assert f"is met: 100.00% ({1 - half:.2%} to 100.00% in the long run" in said


def test_an_objective_that_nothing_meets_is_told_with_the_way_out(trace):
    scenario = wb.load("chat")
    hard = replace(scenario, serving=replace(scenario.serving, limit_s=0.01))
    said = shown(wb.coldstart(hard, trace=trace))
    assert "is NOT met: 0.00%" in said
    assert "Nothing that was tried meets it" in said


def test_a_reader_who_has_seen_enough_is_no_failure(trace):
    """`workbench coldstart ... | head -1` once ended as if there were no decision."""
    code = "import os, sys; os.dup2(int(sys.argv.pop(1)), 1); from workbench.cli import main; sys.exit(main())"
    there, here = os.pipe()
    os.close(there)
    with os.fdopen(here, "w") as closed:
        command = [sys.executable, "-c", code, str(closed.fileno()), "coldstart", "chat", "--trace", str(trace)]
        done = subprocess.run(command, pass_fds=[closed.fileno()], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
