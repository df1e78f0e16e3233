"""A policy in a file: what it says is what runs, and every mistake in it is told at once, with its place."""

from datetime import date
from pathlib import Path

import pytest

from workbench import policyfile
from workbench.models.policies import KeepAlive, Knative
from workbench.records import InputProblems, WorkbenchError

POLICIES = sorted((Path(__file__).parents[1] / "datasets" / "policies").glob("*.toml"))
SOUND = {"policy": '"keep_alive"', "p": "0.99", "limit_s": "60", "usd_per_replica_hour": "3", "cold_start_s": "30",
         "service_s": "2"}  # fmt: skip
SERVING = '[serving]\nmodel = "m"\ngpu = "g"\ngpus = 4\nplatform = "kubernetes"\n'


def text(constants: str = "idle_s = 600", tail: str = "", **changes: str | None) -> str:
    keys = {k: v for k, v in {**SOUND, **changes}.items() if v is not None}
    head = "\n".join(f"{k} = {v}" for k, v in keys.items())
    return f"{head}\n[constants]\n{constants}\n{tail}"


@pytest.fixture
def put(tmp_path):
    def put(content: str | bytes) -> Path:
        path = tmp_path / "policy.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


@pytest.fixture
def problems(put):
    """(place after the file's name, what, remedy) of each mistake."""

    def problems(content: str | bytes) -> list[tuple[str, str, str]]:
        path = put(content)
        with pytest.raises(WorkbenchError) as refused:
            policyfile.read(path)
        found = refused.value.problems if isinstance(refused.value, InputProblems) else (refused.value,)
        assert refused.value.status == 2
        assert all(p.where.startswith(str(path)) and p.what and p.remedy for p in found)
        return [(p.where.removeprefix(str(path)).lstrip(": "), p.what, p.remedy) for p in found]

    return problems


def test_what_the_file_says_is_what_is_asked(put):
    asked = policyfile.read(put(text("idle_s = 600\nmax_replicas = 3")))
    assert (asked.p, asked.limit_s, asked.usd_per_replica_hour) == (0.99, 60.0, 3.0)
    assert (asked.cold_start_s, asked.service_s, asked.serving, asked.as_of) == (30.0, 2.0, None, None)
    assert asked.policy(30.0) == KeepAlive(600, 30.0, max_replicas=3)


def test_a_replica_holds_what_its_memory_does_unless_the_file_says_how_many(put):
    silent = policyfile.read(put(text("target_utilization = 0.5", policy='"knative"')))
    loud = policyfile.read(put(text("target_utilization = 0.5\nconcurrency = 7", policy='"knative"')))
    assert silent.policy(1.0, slots=64) == Knative(1.0, concurrency=64, target_utilization=0.5)
    assert loud.policy(1.0, slots=64).concurrency == 7


@pytest.mark.parametrize("path", POLICIES, ids=lambda p: p.stem)
def test_a_shipped_policy_is_sound(path):
    asked = policyfile.read(path)
    assert asked.serving
    assert asked.as_of == date(2026, 11, 24)


@pytest.mark.parametrize("kind", policyfile.KINDS)
def test_every_policy_can_be_named_with_the_constants_that_it_needs(put, kind):
    needs = {"keep_alive": "idle_s = 1", "fixed": "replicas = 1", "keda": "target = 1", "sagemaker": "target = 1"}
    asked = policyfile.read(put(text(needs.get(kind, ""), policy=f'"{kind}"')))
    assert type(asked.policy(2.0)) is policyfile.KINDS[kind]


def test_a_byte_order_mark_is_no_mistake(put):
    assert policyfile.read(put("\ufeff" + text())).kind == "keep_alive"


def test_all_mistakes_are_told_at_once(problems):
    wrong = text("idel_s = 600\nrouting = true", "[serving]\nmodle = 'm'\ngpus = 0\n", p="2", limit_s="nan",
                 usd_per_replica_hour=None, idle="1")  # fmt: skip
    found = problems(wrong)
    places = [place for place, *_ in found]
    assert places == ["", "", "p", "limit_s", "constants", "constants", "constants.routing", "serving", "serving",
                      "serving", "serving", "serving.gpus", ""]  # fmt: skip
    told = " ".join(what for _, what, _ in found)
    for thing in ("'idle'", "usd_per_replica_hour", "2", "nan", "idel_s", "needs idle_s", "True", "modle", "model",
                  "gpu is", "platform", "day"):  # fmt: skip
        assert thing in told


def test_mistakes_of_the_rest_are_told_where_the_policy_is_unknown(problems):
    found = problems(text(policy='"keep_alove"', cold_start_s=None, as_of='"soon"'))
    assert [place for place, *_ in found] == ["policy", "", "as_of"]
    assert found[0][2].startswith("did you mean 'keep_alive'?")


@pytest.mark.parametrize(
    ("constants", "remedy"),
    [("idel_s = 1", "did you mean 'idle_s'?"), ("idle_s = 1\nmaxreplicas = 2", "did you mean 'max_replicas'?"),
     ("idle_s = 1\ncold_start_s = 2", "use one of concurrency")],
)  # fmt: skip
def test_an_unknown_constant_names_the_nearest(problems, constants, remedy):
    assert remedy in problems(text(constants))[0][2]


NUMBERS = ("p", "limit_s", "usd_per_replica_hour", "cold_start_s", "service_s")
NO_NUMBERS = ("true", "nan", "inf", "-inf", "-1", '"1"', "[1]", "{a = 1}", "2026-11-24", "1" + "0" * 400)


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda v: v[:12])
def test_what_is_no_number_is_refused_with_its_key(problems, key, value):
    ((place, what, remedy),) = problems(text(**{key: value}))
    assert place == key
    assert "give a" in remedy
    assert len(what) < 70


@pytest.mark.parametrize(("key", "value"), [("p", "0"), ("p", "1"), ("p", "1.5"), ("limit_s", "0"),
                                            ("cold_start_s", "1e12"), ("service_s", "1e12")])  # fmt: skip
def test_an_objective_that_means_nothing_is_refused(problems, key, value):
    assert problems(text(**{key: value}))[0][0] == key


@pytest.mark.parametrize("key", policyfile.NEEDED)
def test_what_is_missing_is_named(problems, key):
    assert ("", f"{key} is missing", f"add {key} = ...") in problems(text(**{key: None}))


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda v: v[:12])
def test_a_constant_that_is_no_number_is_refused_with_its_place(problems, value):
    found = problems(text(f"idle_s = {value}"))
    assert [place for place, *_ in found] in (["constants"], ["constants.idle_s"])
    assert "idle_s" in found[0][0] + found[0][1]


@pytest.mark.parametrize(
    ("kind", "constants", "told"),
    [
        ("knative", 'min_replicas = "few"', "min_replicas"), ("knative", 'concurrency = "many"', "concurrency"),
        ("keep_alive", 'idle_s = 1\nrouting = "best"', "use one of newest"), ("modal", 'surplus = "sell"', "keep or"),
        ("keep_alive", "idle_s = 1\nmax_replicas = 0", "max_replicas"), ("fixed", "replicas = 2.5", "whole number"),
        ("keda", "target = 1\nsync_s = 1e-300", "sync_s"), ("ray_serve", "loop_s = 1e-12", "loop_s"),
        ("hybrid_histogram", "bin_s = 1e-9", "ticks"), ("fixed", "", "fixed needs replicas"),
        ("keep_alive", "idle_s = 1\nmin_replicas = 3\nmax_replicas = 2", "above max_replicas"),
    ],
)  # fmt: skip
def test_constants_that_mean_nothing_to_their_policy_are_refused_at_the_door(problems, kind, constants, told):
    ((place, what, remedy),) = problems(text(constants, policy=f'"{kind}"'))
    assert place == "constants"
    assert told in f"{what} {remedy}"


@pytest.mark.parametrize("value", ["3", "[1]", '"x"', "true", "2026-11-24"])
@pytest.mark.parametrize("key", ["constants", "serving"])
def test_what_is_no_table_is_refused(problems, key, value):
    ((place, what, remedy),) = problems(f"{key} = {value}\n" + text().replace(f"[{key}]\nidle_s = 600\n", ""))
    assert place == key
    assert "is not a table" in what
    assert remedy == f"write [{key}]"


@pytest.mark.parametrize("value", ["3", "[1]", "true", "{a = 1}", '""', '"Fixed"'])
def test_a_policy_that_is_none_is_refused_with_those_that_are(problems, value):
    place, _, remedy = problems(text(policy=value))[0]
    assert place == "policy"
    assert all(kind in remedy for kind in policyfile.KINDS)


@pytest.mark.parametrize("value", ["true", "0", "-4", "4.0", '"4"', "nan"])
def test_accelerators_are_counted_in_whole_numbers(problems, value):
    ((place, *_),) = problems(text(tail=SERVING.replace("4", value), as_of="2026-11-24"))
    assert place == "serving.gpus"


@pytest.mark.parametrize("value", ['"soon"', '"2026-11-24"', "2026-11-24T00:00:00", "20261124", "10:00:00"])
def test_a_day_is_a_day(problems, value):
    assert problems(text(tail=SERVING, as_of=value))[0][0] == "as_of"
    assert problems(text(as_of=value))[0][0] == "as_of"


def test_rows_need_a_day_and_a_policy_a_cold_start(problems):
    assert "need a day" in problems(text(tail=SERVING))[0][1]
    assert problems(text(cold_start_s=None))[0][1] == "no cold start"


@pytest.mark.parametrize(
    ("content", "place", "told"),
    [
        (b"policy = \n", "1", "not TOML"), (b'p = 1\np = 2\n', "2", "not TOML"), (b"a,b\n1,2\n", "1", "not TOML"),
        (b"\xff\xfep\x00", "", "not UTF-8"), (b"p = '\xe9'\n", "", "not UTF-8"), (b"\x00", "1", "not TOML"),
        (b"p = 1" + b"0" * 5000, "", "not TOML"), (b"x = " + b"[" * 9999, "", "not TOML"),
    ],
    ids=lambda v: str(v)[:24],
)  # fmt: skip
def test_a_file_that_is_no_toml_is_refused_with_its_line(problems, content, place, told):
    ((where, what, _),) = problems(content)
    assert where == place
    assert told in what


@pytest.mark.parametrize("name", ["", "gone.toml", "a" * 5000, "a\0b"], ids=["folder", "gone", "long", "zero byte"])
def test_a_path_that_is_no_file_is_refused(tmp_path, name):
    with pytest.raises(WorkbenchError, match="cannot be read") as refused:
        policyfile.read(tmp_path / name)
    assert refused.value.where == str(tmp_path / name)


def test_an_empty_file_names_all_that_is_needed(problems):
    assert {f"{key} is missing" for key in policyfile.NEEDED} <= {what for _, what, _ in problems("")}
