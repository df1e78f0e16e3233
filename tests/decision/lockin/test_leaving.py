"""What it would take to leave: the bill by month against the saving, the law by the day, and the option to go."""

from dataclasses import replace
from datetime import date
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.narrow import narrow
from workbench import exit_prose
from workbench.decision import options
from workbench.decision.lockin.bill import day_of
from workbench.decision.lockin.leaving import Leaving
from workbench.decision.lockin.ranking import Ranked, Ranking, ranking
from workbench.decision.lockin.timing import NOW, STAY, WAIT, judged
from workbench.decision.options import Exchange, Windows, exchange_lattice, exit_lattice
from workbench.records import Infeasible, Lockin, Scenario, WorkbenchError

DRAWS = 256
LAW = settings(max_examples=60, deadline=None, derandomize=True)


@cache
def asked(name: str = "tpu") -> Scenario:
    return replace(narrow(name), draws=DRAWS)


@cache
def found(name: str = "tpu") -> Leaving:
    return wb.lockin(asked(name))


def with_lockin(name: str = "tpu", **stated: object) -> Leaving:
    return wb.lockin(replace(asked(name), lockin=Lockin(**{"jurisdiction": "US", **stated})))


# --- the bill


def test_the_parts_of_the_bill_add_up_to_its_total():
    parts = found().parts
    assert parts["total"] == pytest.approx(sum(v for k, v in parts.items() if k != "total"))
    assert parts["total"] == pytest.approx(found().mean("exit_cost")[0])


def test_the_bill_of_today_is_the_first_of_the_months():
    told = found().as_dict()
    assert told["exit_cost"]["total"] == pytest.approx(told["by_month"][0]["exit_cost"])
    assert told["later"][0]["exit_cost"] == pytest.approx(told["exit_cost"]["total"])
    assert told["exit_cost_range"]["p10"] < told["exit_cost"]["total"] < told["exit_cost_range"]["p90"]


def test_more_of_a_service_is_more_to_rewrite_in_proportion():
    one, two = (with_lockin(services={"SageMaker": n}, rival="Nebius") for n in (1, 2))
    assert two.mean("re_engineering")[0] == pytest.approx(2 * one.mean("re_engineering")[0])
    assert two.portability == pytest.approx(one.portability)


def test_a_growing_surface_makes_leaving_dearer_each_month():
    still, growing = (with_lockin(surface_growth_per_month=g) for g in (0.0, 0.05))
    assert np.allclose(np.diff(still.mean("re_engineering")), 0)
    assert (np.diff(growing.mean("re_engineering")) > 0).all()


def test_what_is_committed_is_owed_to_the_end_of_its_term_and_waiting_is_rewarded():
    bound = with_lockin(term_months=12, committed_per_month=500_000)
    owed = bound.mean("breakage")
    assert owed[0] == pytest.approx(12 * 500_000)
    assert (owed[12:] == 0).all()
    assert with_lockin().best_month == 0
    dear = with_lockin(term_months=12, committed_per_month=2_000_000)
    assert dear.best_month == 12
    assert dear.worth.advice == WAIT


def test_a_customer_under_eu_law_owes_less_than_the_whole_term():
    free, bound = (with_lockin(jurisdiction=j, term_months=12, committed_per_month=500_000) for j in ("EU", "US"))
    assert 0 < free.parts["breakage"] < bound.parts["breakage"]


def test_egress_for_a_move_is_free_in_the_eu_from_the_ban_on_and_parallel_use_is_not():
    ban = next(m for m in range(36) if day_of(date(2026, 11, 24), m) >= date(2027, 1, 12))
    moving, parallel = (with_lockin(jurisdiction="EU", purpose=p) for p in ("switching", "parallel"))
    assert (moving.mean("egress")[:ban] > 0).all()
    assert (moving.mean("egress")[ban:] == 0).all()
    assert (parallel.mean("egress") > 0).all()
    assert (with_lockin().mean("egress") > moving.mean("egress")).all()


def test_a_waiver_is_not_for_parallel_use():
    assert with_lockin(purpose="parallel").parts["egress"] > with_lockin().parts["egress"]


def test_a_slow_link_outlasts_the_waiver_and_both_bills_run_on():
    slow, fast = (with_lockin(link_gbit_per_s=r) for r in (0.2, 40.0))
    assert slow.parts["egress"] > fast.parts["egress"]
    assert slow.parts["dual_running"] > fast.parts["dual_running"]


def test_the_time_to_move_is_told_against_the_window_of_the_waiver():
    slow, fast = (with_lockin(link_gbit_per_s=r) for r in (0.2, 40.0))
    told = {name: leaving.as_dict()["move"] for name, leaving in (("slow", slow), ("fast", fast))}
    assert told["slow"]["days"] == pytest.approx(200 * told["fast"]["days"])
    assert not told["slow"]["within_waiver"]
    assert told["fast"]["within_waiver"]
    assert "a part gets out in time" in str(exit_prose.move(slow))
    assert "all of it gets out in time" in str(exit_prose.move(fast))
    assert found("chat").as_dict()["move"]["within_waiver"] is None
    assert "No waiver of egress" in str(exit_prose.move(found("chat")))


def test_who_moves_between_gpu_and_tpu_rewrites_for_other_chips():
    assert "TPU with XLA" in [t.service.service for t in found().ties.services]
    assert "TPU with XLA" not in [t.service.service for t in with_lockin(rival="Nebius").ties.services]


def test_the_months_of_a_calendar_are_counted_to_the_days_that_they_have():
    assert day_of(date(2026, 11, 30), 3) == date(2027, 2, 28)
    assert day_of(date(2026, 11, 24), 12) == date(2027, 11, 24)


# --- who is left, and for whom


def test_where_nothing_runs_yet_the_answer_is_the_incumbent_to_come():
    leaving = found("chat")
    assert leaving.assumed
    assert leaving.here.provider == leaving.study.answer.plan.head.provider
    assert not found("tpu").assumed


def test_the_rival_is_the_one_that_is_named():
    assert with_lockin(rival="CoreWeave").rival.provider == "CoreWeave"
    with pytest.raises(Infeasible, match="Modal"):
        with_lockin("training", rival="Modal")


def test_a_stated_bill_goes_before_the_cheapest_plan():
    stated = with_lockin(bill_per_month=2_100_000)
    assert stated.here.bill[0] == pytest.approx(2_100_000)
    assert stated.here.bill[-1] == pytest.approx(2_100_000)  # the work does not grow
    assert stated.here.outcome is None


def test_a_service_that_no_row_knows_is_named_with_the_nearest():
    home = replace(asked().incumbent, services=("SageMakr",))
    with pytest.raises(WorkbenchError, match="did you mean 'SageMaker'"):
        wb.lockin(replace(asked(), incumbent=home))


# --- months, and the option


def test_it_pays_in_a_month_when_its_saving_is_above_its_bill():
    for m in found().as_dict()["by_month"]:
        assert m["pays"] == (m["saving_pv"] > m["exit_cost"])
        assert m["npv"] == pytest.approx(m["saving_pv"] - m["exit_cost"])
    assert found().as_dict()["last_month_to_leave"] == max(
        m["month"] for m in found().as_dict()["by_month"] if m["pays"]
    )


def test_leaving_that_never_pays_has_no_last_month_and_a_small_option():
    stay = found("health")
    assert stay.as_dict()["last_month_to_leave"] is None
    assert stay.worth.advice == STAY
    assert 0 <= stay.worth.option.value < stay.parts["total"]


def test_the_option_is_worth_at_least_what_leaving_at_the_best_month_brings():
    for name in ("tpu", "health", "chat"):
        leaving = found(name)
        assert leaving.worth.option.value >= max(0.0, leaving.mean("npv_today").max()) - 1


def test_who_may_go_only_when_a_term_ends_has_less():
    rng, years = np.arange(25.0), np.arange(25.0) / 12
    value, cost = 100 * (25 - rng)[:, None], 90 * (25 - rng)[:, None]
    switching = np.full((25, 1), 200.0)
    any_month = exit_lattice(Windows(years, value, cost, switching), 0.5, 0.08, 192).value
    at_ends = [12, 24]
    ends = exit_lattice(Windows(years[at_ends], value[at_ends], cost[at_ends], switching[at_ends]), 0.5, 0.08, 192)
    assert 0 < ends.value < any_month


@LAW
@given(
    save=st.floats(0.0, 0.6), switching=st.floats(0.0, 800.0), vol=st.floats(0.0, 1.0), more=st.floats(0.0, 0.5),
    rate=st.floats(0.0, 0.2),
)  # fmt: skip
def test_an_option_to_leave_rises_with_volatility_and_falls_with_the_bill(save, switching, vol, more, rate):
    left = 100.0 * np.arange(12, 0, -1)[:, None]
    windows = Windows(np.arange(12) / 12, left, left * (1 - save), np.full((12, 1), switching))
    option = exit_lattice(windows, vol, rate, 44)
    assert exit_lattice(windows, vol + more, rate, 44).value >= option.value - 1e-6 * left[0]
    dearer = windows._replace(switching_cost=windows.switching_cost + 50)
    assert exit_lattice(dearer, vol, rate, 44).value <= option.value + 1e-9
    assert option.value >= max(0.0, float(left[0, 0] * save - switching)) - 1e-6
    assert 0 <= option.chance <= 1


def test_one_window_is_a_european_exchange_less_its_bill():
    """With no bill and one date the lattice is Margrabe's, within the error that the lattice states."""
    years = 1.5
    lattice = exit_lattice(
        Windows(np.array([years]), np.array([[100.0]]), np.array([[95.0]]), np.zeros((1, 1))), 0.4, 0.0
    )
    closed = options.margrabe(100.0, 95.0, 0.0, 0.4, 0.0, years)
    assert float(lattice.value[0]) == pytest.approx(closed, abs=0.15 * 0.4 * years**0.5 * 100 / options.STEPS)
    swap = Exchange(value=100.0, cost=95.0, vol_value=0.0, vol_cost=0.4, correlation=0.0)
    assert float(lattice.value[0]) == pytest.approx(float(exchange_lattice(swap, [years]).value), rel=1e-2)


def test_the_lattice_of_months_agrees_with_simulation():
    """Today's price still, the rival's moving, one bill: least squares price the same option."""
    years = np.array([0.25, 0.5, 0.75, 1.0])
    flat = Windows(years, np.full((4, 1), 100.0), np.full((4, 1), 92.0), np.full((4, 1), 4.0))
    lattice = float(exit_lattice(flat, 0.3, 0.0, 400).value[0])
    swap = Exchange(value=100.0, cost=92.0, vol_value=0.0, vol_cost=0.3, correlation=0.0)
    estimate = options.exchange_simulation(swap, years, switching_cost=4.0)
    assert estimate.value == pytest.approx(lattice, rel=0.02)


def test_common_shocks_shrink_the_option():
    loose, tight = (
        wb.lockin(replace(asked("finetune"), assumptions={"price_correlation": c, "incident_usd": 0.0}))
        for c in (0.0, 0.95)
    )
    assert tight.worth.volatility < loose.worth.volatility
    assert tight.worth.option.value <= loose.worth.option.value


def test_waiting_is_rewarded_where_a_bill_falls_and_not_where_all_is_still():
    left = 100.0 * np.arange(24, 0, -1)[:, None]
    falling = np.maximum(1000.0 - 100 * np.arange(24), 0)[:, None]
    years = np.arange(24) / 12
    assert judged(Windows(years, left, left * 0.5, falling), 0.0, 0.05).advice == WAIT
    assert judged(Windows(years, left, left * 0.5, np.full((24, 1), 300.0)), 0.0, 0.05).advice == NOW
    assert judged(Windows(years, left, left * 0.5, np.full((24, 1), 5000.0)), 0.0, 0.05).advice == STAY


def test_the_threshold_is_where_going_at_once_begins():
    left = 100.0 * np.arange(24, 0, -1)[:, None]
    windows = Windows(np.arange(24) / 12, left, left * 0.7, np.full((24, 1), 300.0))
    at = judged(windows, 0.4, 0.05).threshold
    assert at > 1
    for factor, advice in ((0.9, {WAIT, STAY}), (1.1, {NOW})):
        rival = left * (1 - factor * at * 300.0 / left[0])
        assert judged(windows._replace(cost=rival), 0.4, 0.05).advice in advice


# --- the decision with and without the exit


def test_options_are_ranked_both_ways():
    made = ranking(found("health").study).as_dict()
    assert [o["rank_with_exit"] for o in made["options"]] == list(range(1, len(made["options"]) + 1))
    assert all(o["with_exit"] == pytest.approx(o["mean"] + o["exit_cost"]) for o in made["options"])
    assert sorted(o["rank"] for o in made["options"]) == list(range(1, len(made["options"]) + 1))
    assert made["flips"] == (made["without"] != made["with"])


def test_a_heavy_surface_flips_the_answer_away_from_the_incumbent():
    scenario = replace(asked("health"), lockin=Lockin(jurisdiction="EU", services={"Azure ML": 30}))
    made = wb.lockin(scenario).ranking
    assert made.flips
    assert "GCP" in made.best.outcome.plan.providers


def test_the_order_turns_at_the_chance_of_leaving_that_is_told():
    scenario = replace(asked("health"), lockin=Lockin(jurisdiction="EU", services={"Azure ML": 30}))
    made = wb.lockin(scenario).ranking
    chance, other = made.flip
    assert 0 <= chance < 1
    assert other is not made.without

    def cost(ranked: object, at: float) -> float:
        return ranked.outcome.mean + at * ranked.exit_cost

    assert cost(other, chance) == pytest.approx(cost(made.without, chance))
    assert min(made.options, key=lambda r: cost(r, chance * 0.99)) is made.without
    assert min(made.options, key=lambda r: cost(r, min(chance * 1.01, 1))) is not made.without
    told = made.as_dict()
    assert (told["flips_from_chance"], told["flips_to"]) == (chance, other.outcome.plan.id)


@LAW
@given(rows=st.lists(st.tuples(st.floats(1, 100), st.floats(0, 50)), min_size=1, max_size=6), at=st.floats(0, 1))
def test_below_the_chance_that_turns_the_order_the_first_stays_the_cheapest(rows, at):
    """For any costs and bills: the flip is the first crossing, and there is one where the two orders differ."""
    plans = [SimpleNamespace(mean=mean, plan=SimpleNamespace(id=str(i))) for i, (mean, _) in enumerate(rows)]
    options = [Ranked(outcome=p, exit_cost=bill) for p, (_, bill) in zip(plans, rows, strict=True)]
    made = Ranking(options=tuple(sorted(options, key=lambda r: (r.with_exit, r.outcome.plan.id))))
    cheapest = min(r.outcome.mean + at * r.exit_cost for r in options)
    first = made.without.outcome.mean + at * made.without.exit_cost
    if made.flip is None or at <= made.flip[0]:
        assert first <= cheapest * (1 + 1e-9)
    if made.best.with_exit < made.without.with_exit * (1 - 1e-9):
        assert made.flip is not None


def test_the_state_of_conformance_has_its_day_and_runs_out():
    azure, _ = found("health").conformance
    assert azure.holds(date(2026, 11, 24))
    assert not azure.holds(date(2027, 11, 24))
    assert found("health").conformance[0].as_dict(date(2026, 11, 24))["self_assessed"] is True


def test_every_row_of_the_result_is_on_record():
    for name in ("tpu", "health", "chat"):
        leaving = found(name)
        assert leaving.rows
        known = leaving.study.facts.row_sources
        assert all(row in known or row.startswith("scenarios/") for row in leaving.rows)
        assert sum(leaving.evidence.values()) == pytest.approx(1)
