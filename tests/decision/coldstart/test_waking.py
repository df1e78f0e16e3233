"""A replica of the scenario's model, how it wakes, and the traffic that comes to it."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench import formula, scenario, store
from workbench.decision.coldstart import wakeup, waking
from workbench.models import coldstart, serving
from workbench.records import Facts, Range, Scenario, Serving, WorkbenchError

DATASETS = Path(__file__).parents[3] / "datasets"
MONTH_S = 730 * 3600.0
H100 = "H100-SXM/Llama-3.1-70B/4"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return store.load(date(2026, 11, 24), DATASETS)


@pytest.fixture(scope="module")
def chat() -> Scenario:
    return scenario.load(DATASETS / "scenarios" / "chat.toml")


def at(chat: Scenario, rate: float, prompt: float = 1000.0, answer: float = 200.0, **demand: Any) -> Scenario:
    """The same service with so many requests a second, of so many tokens."""
    n = rate * MONTH_S
    sizes = {"requests_per_month": n, "tokens_in_per_month": n * prompt, "tokens_out_per_month": n * answer}
    return replace(chat, demand=replace(chat.demand, **{**sizes, **demand}))


def served(chat: Scenario, **changes: Any) -> Serving:
    return replace(chat.serving, **changes)


# --- the replica


def test_the_pace_of_a_replica_is_that_of_its_rows(facts, chat):
    """Worked by hand from the rows: t0 + b (t_b + t_bk context), the context a prompt and half an answer."""
    load = waking.load(facts, at(chat, 0.1, prompt=900, answer=300))
    row = {name: facts.parameters["serving", H100, name].value for name in (
        "t0", "t_b", "t_bk", "prefill_fixed", "prefill_per_token")}  # fmt: skip
    pace = load.replica.batching
    assert pace.step_s == row["t0"]
    assert pace.step_per_request_s == pytest.approx(row["t_b"] + row["t_bk"] * 1050, rel=1e-12)
    read = np.maximum(row["prefill_fixed"] + row["prefill_per_token"] * load.traffic.tokens_in, 0)
    np.testing.assert_allclose(pace.prompt_s, read, rtol=1e-12)
    batch = 7
    whole = serving.step_s(row["t0"], row["t_b"], row["t_bk"], batch, 1050)
    assert pace.step_s + batch * pace.step_per_request_s == pytest.approx(whole, rel=1e-12)


def test_memory_limits_how_many_requests_a_replica_holds(facts, chat):
    """Weights and contexts share what the server takes of the accelerators; worked by hand from the rows."""
    p = facts.parameters
    free = facts.hardware["H100-SXM", "memory"].value * 4 * p["serving", "vllm", "usable_memory_share"].value
    free -= p["serving", "Llama-3.1-70B", "weights_gb"].value
    each = p["serving", "Llama-3.1-70B", "kv_gb_per_token"].value
    most = p["serving", "vllm", "max_num_seqs"].value
    slots = [waking.load(facts, at(chat, 0.01, prompt=size, answer=100)).replica.slots for size in (50, 3900, 29900)]
    assert slots[0] == most
    assert slots[1:] == [int(free / (each * tokens)) for tokens in (4000, 30000)]
    assert most > slots[1] > slots[2] > 1


def test_a_request_that_memory_does_not_hold_is_refused(facts, chat):
    with pytest.raises(WorkbenchError, match=r"does not fit on 4 of H100-SXM; give more gpus"):
        waking.load(facts, at(chat, 0.01, prompt=10_000_000))


def test_the_replicas_kept_busy_are_the_work_over_the_time(facts, chat):
    load = waking.load(facts, at(chat, 0.2))
    pace, traffic, slots = load.replica.batching, load.traffic, load.replica.slots
    seconds = [t * (pace.step_s / slots + pace.step_per_request_s) + r
               for t, r in zip(traffic.tokens_out, pace.prompt_s, strict=True)]  # fmt: skip
    assert load.busy == pytest.approx(sum(seconds) / traffic.span_s, rel=1e-9)


UNKNOWN = [
    ({"model": "Llama-9"}, "Llama-9", "Llama-3.1-70B"),
    ({"gpu": "H999"}, "H999/Llama-3.1-70B/4", H100),
    ({"gpus": 3}, "H100-SXM/Llama-3.1-70B/3", H100),
    ({"platform": "heroku"}, "platform 'heroku'", "kubernetes"),
    ({"mitigation": "node_buffer+magic"}, "mitigation 'magic'", "image_cache"),
    ({"mitigation": ""}, "mitigation ''", "image_cache"),
    ({"storage": "tape"}, "storage 'tape'", "s3"),
    ({"traffic": "rush_hour"}, "rush_hour", "azure_conversation"),
    ({"traffic": "servegen_m-small"}, "servegen_m-small", "azure_conversation"),
]


@pytest.mark.parametrize(("change", "named", "known"), UNKNOWN, ids=str)
def test_what_no_row_knows_is_named_with_those_that_rows_know(facts, chat, change, named, known):
    asked = served(chat, **change)
    with pytest.raises(WorkbenchError) as refused:
        waking.waking(facts, asked)
        waking.load(facts, replace(at(chat, 0.01), serving=asked))
    assert named in f"{refused.value.where} {refused.value.what}"
    assert known in refused.value.remedy


def test_a_day_before_all_rows_is_named(facts, chat):
    bare = replace(facts, as_of=date(2019, 1, 1), parameters={})
    with pytest.raises(WorkbenchError, match="ask on a day after 2019-01-01"):
        waking.waking(bare, chat.serving)


def test_a_scenario_that_does_not_say_how_it_is_served_is_told_what_to_add(facts, chat):
    with pytest.raises(WorkbenchError, match=r"add \[serving\] with model, gpu, gpus, platform, p and limit_s"):
        waking.load(facts, replace(chat, serving=None))


# --- the cold start


@pytest.fixture(scope="module")
def woken(facts: Facts, chat: Scenario) -> waking.Waking:
    return waking.waking(facts, chat.serving, seed=3)


def test_the_waterfall_adds_up_to_the_mean_of_the_tiers(woken):
    mean = sum(share * seconds for _, share, seconds in woken.tiers)
    assert sum(seconds for _, seconds in woken.stages) == pytest.approx(mean, rel=1e-12)
    assert woken.middle_s == pytest.approx(mean, rel=1e-12)
    assert sum(share for _, share, _ in woken.tiers) == pytest.approx(1, abs=1e-12)


def test_stages_come_in_the_order_of_time_and_take_some(woken):
    places = [waking.ORDER.index(stage) for stage, _ in woken.stages]
    assert places == sorted(places)
    assert all(seconds > 0 for _, seconds in woken.stages)


def extremes(facts: Facts, asked: Serving) -> dict[str, tuple[float, float]]:
    """The shortest and the longest cold start that the ranges of a tier's rows allow."""
    found = {}
    for tier in wakeup.tiers(facts, asked.platform):
        names = [*asked.mitigation.split("+"), *tier.mitigation.split("+")]
        rows = wakeup.stages(facts, asked.platform, "+".join(names), storage=asked.storage)
        fixed = {"weights_gb": facts.parameters["serving", asked.model, "weights_gb"].value, "gpus": asked.gpus,
                 "detect_s": 0.0}  # fmt: skip
        ends = []
        for slow in (False, True):
            at_end = {}
            for name, q in rows.items():
                rate = "gb_per" in name or name in ("streams", "side_by_side")  # more of these is quicker
                end = q.high if slow != rate else q.low
                at_end[name] = q.value if end is None else end
            ends.append(formula.evaluate(coldstart, {**at_end, **fixed}, ("cold_start_s",))["cold_start_s"])
        found[tier.name] = tuple(ends)
    return found


def test_draws_lie_between_the_extremes_of_their_tiers(facts, chat, woken):
    ends = extremes(facts, chat.serving)
    start = 0
    for name, share, middle in woken.tiers:
        low, high = ends[name]
        part = woken.seconds[start : start + round(share * waking.DRAWS)]
        start += len(part)
        assert low - 1e-9 <= part.min() <= middle <= part.max() <= high + 1e-9
        assert part.std() > 0
    assert start == woken.seconds.size


def test_quantiles_of_the_mixture_follow_the_shares_of_the_tiers(facts, chat):
    """Without mitigation the quick tiers end long before the slow ones begin: the quantiles jump at their share."""
    asked = served(chat, mitigation="none")
    found, ends = waking.waking(facts, asked), extremes(facts, asked)
    shares = {name: share for name, share, _ in found.tiers}
    quick = shares["warm_host"] + shares["local_disk"]
    assert ends["local_disk"][1] < ends["remote"][0] / 5
    assert np.quantile(found.seconds, quick - 0.005) <= ends["local_disk"][1]
    assert np.quantile(found.seconds, quick + 0.005) >= ends["remote"][0]


def test_the_same_seed_draws_the_same_cold_starts(facts, chat, woken):
    np.testing.assert_array_equal(waking.waking(facts, chat.serving, seed=3).seconds, woken.seconds)
    assert (waking.waking(facts, chat.serving, seed=4).seconds != woken.seconds).any()


def test_a_cold_start_names_its_rows_once(woken):
    assert len(set(woken.rows)) == len(woken.rows) > 10
    assert all(row.startswith("parameters.csv:") for row in woken.rows)


def test_a_mitigation_shortens_the_cold_start(facts, chat):
    plain, better = (waking.waking(facts, served(chat, mitigation=m)) for m in ("none", chat.serving.mitigation))
    assert better.middle_s < plain.middle_s / 2
    assert better.seconds.mean() < plain.seconds.mean() / 2


def test_weights_on_a_slower_store_take_longer(facts, chat):
    quick, slow = (waking.waking(facts, served(chat, mitigation="none", storage=s)) for s in ("nvme", "gp3"))
    assert quick.middle_s < slow.middle_s


# --- the traffic


def described(facts: Facts, asked: Scenario, seed: int = 0) -> waking.Traffic:
    return waking.load(facts, replace(asked, seed=seed)).traffic


def by_hour(traffic: waking.Traffic) -> np.ndarray:
    """Requests in each hour of the day, which may be a shortened one."""
    hour_s = min(traffic.span_s, waking.DAY_S) / waking.DAY_HOURS
    hours = np.minimum(traffic.arrivals_s / hour_s, waking.DAY_HOURS * waking.MOST_DAYS - 1).astype(int)
    return np.bincount(hours % waking.DAY_HOURS, minlength=waking.DAY_HOURS)


RATES = [0.05, 0.6, 3.0, 44.0, 500.0, 20_000.0]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the requests: the shortened days of busy traffic are shorter still."""
    monkeypatch.setattr(waking, "MOST_REQUESTS", 100_000)


@pytest.mark.parametrize("rate", RATES)
def test_described_traffic_has_the_scenarios_rate_and_tokens(facts, chat, few, rate):
    traffic = described(facts, at(chat, rate))
    requests = traffic.arrivals_s.size
    assert traffic.rate_per_s == pytest.approx(rate, rel=5 * 1.3 / np.sqrt(requests))
    assert traffic.tokens_in.mean() == pytest.approx(1000, rel=1e-9)
    assert traffic.tokens_out.mean() == pytest.approx(200, rel=1e-9)
    assert min(traffic.tokens_in.min(), traffic.tokens_out.min()) >= 1


@pytest.mark.parametrize("peak", [1.5, 2.0, 4.0, 8.0, 12.0])
@pytest.mark.parametrize("rate", [1.0, 44.0, 300.0, 800.0, 20_000.0])
def test_the_peak_is_the_scenarios_however_much_its_hours_are_shortened(facts, chat, few, rate, peak):
    """Within what 24 hours of a minute's noise allow: 21% over the root of the steps in an hour, one at the least."""
    traffic = described(facts, at(chat, rate, peak_to_mean=peak))
    counts = by_hour(traffic)
    steps = max(round(min(traffic.span_s, waking.DAY_S) / waking.DAY_HOURS / waking.MINUTE_S), 1)
    assert counts.max() / counts.mean() == pytest.approx(peak, rel=0.03 + 0.5 / np.sqrt(steps))


def test_a_flat_day_is_flat(facts, chat):
    counts = by_hour(described(facts, at(chat, 1.0, peak_to_mean=1.0)))
    assert counts.max() / counts.mean() < 1.15


def test_gaps_within_a_minute_vary_as_they_were_recorded(facts, chat):
    """The coefficient of variation of gaps, minute by minute, is that of the row: a rhythm does not change it."""
    traffic = described(facts, at(chat, 10.0, peak_to_mean=3.0))
    minutes = (traffic.arrivals_s / 60).astype(int)[1:]
    gaps = np.diff(traffic.arrivals_s)
    count = np.bincount(minutes)
    mean, square = (np.bincount(minutes, gaps**k) / np.maximum(count, 1) for k in (1, 2))
    full = count > 200
    cv = np.sqrt(np.mean((square / mean**2)[full]) - 1)
    assert cv == pytest.approx(facts.parameters["traffic", "azure_conversation", "gap_cv"].value, rel=0.02)


def test_minutes_swing_as_they_were_recorded(facts, chat):
    """What a flat day's minutes vary by, above what the gaps alone explain, is the row's."""
    row = {n: facts.parameters["traffic", "azure_conversation", n].value for n in ("gap_cv", "rate_cv_60s")}
    traffic = described(facts, at(chat, 10.0, peak_to_mean=1.0))
    counts = np.bincount((traffic.arrivals_s / 60).astype(int))[:-1]
    own = row["gap_cv"] ** 2 / counts.mean()
    assert np.sqrt(counts.var() / counts.mean() ** 2 - own) == pytest.approx(row["rate_cv_60s"], rel=0.08)


def test_the_same_seed_is_the_same_traffic(facts, chat):
    one, again, other = (described(facts, at(chat, 0.5), seed) for seed in (1, 1, 2))
    for name in ("arrivals_s", "tokens_in", "tokens_out"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
    assert one.arrivals_s.size != other.arrivals_s.size or (one.arrivals_s != other.arrivals_s).any()


def test_quiet_traffic_is_described_for_more_days_and_busy_traffic_for_shorter_hours(facts, chat, few):
    spans = [described(facts, at(chat, rate)).span_s / waking.DAY_S for rate in (0.0001, 0.05, 1.0, 100.0)]
    assert spans == pytest.approx([28, 5, 1, 100_000 / 100 / 86400], rel=0.05)
    assert "each hour of a day for" in described(facts, at(chat, 100.0)).says


def test_hours_that_are_over_before_a_peak_is_felt_are_told(facts, chat):
    grown, *more = described(facts, at(chat, 44.0)).notes
    assert grown == "the load of the first month: growth of 4.0% a month is not in it"
    assert not more
    _, note = described(facts, at(chat, 1000.0)).notes
    assert note.startswith("hours of 41.7 s are over before a peak is felt")


def test_short_answers_keep_their_mean(facts, chat):
    """A request has a token at least, and the mean is still the scenario's."""
    traffic = described(facts, at(chat, 0.5, prompt=1.5, answer=1.0))
    assert traffic.tokens_in.mean() == pytest.approx(1.5, rel=1e-9)
    assert (traffic.tokens_out == 1).all()


def test_a_range_is_taken_at_its_middle(facts, chat):
    n = MONTH_S / 2
    wide = replace(chat.demand, requests_per_month=Range(value=n, low=n / 2, high=n * 2))
    plain = replace(chat.demand, requests_per_month=n)
    one, other = (described(facts, replace(chat, demand=d)) for d in (wide, plain))
    np.testing.assert_array_equal(one.arrivals_s, other.arrivals_s)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"requests_per_month": None}, "state requests_per_month"), ({"tokens_out_per_month": 0.0}, "tokens_out"),
        ({"tokens_in_per_month": 1e3}, "fewer tokens than"), ({"peak_to_mean": 24.0}, "replay a trace"),
        ({"requests_per_month": 0.5, "tokens_in_per_month": 1.0, "tokens_out_per_month": 1.0}, "0 requests in 28 days"),
        ({"requests_per_month": 9.0, "tokens_in_per_month": 9.0, "tokens_out_per_month": 9.0}, "in 28 days show nothi"),
    ],
)  # fmt: skip
def test_a_load_that_cannot_be_described_is_refused_with_what_to_state(facts, chat, change, told):
    with pytest.raises(WorkbenchError) as refused:
        described(facts, at(chat, 0.5, **change))
    assert told in str(refused.value)
    assert refused.value.where.startswith("demand")


def test_traffic_names_its_rows(facts, chat):
    rows = described(facts, at(chat, 0.5)).rows
    assert len(rows) > 24 + 2 * len(waking.LEVELS)
    assert all(row.startswith(("parameters.csv:", "assumptions.csv:")) for row in rows)


def test_a_start_is_told_by_the_mean_of_what_is_simulated(facts, chat):
    found = waking.waking(facts, chat.serving)
    assert found.mean_s == found.seconds.mean() != found.middle_s
