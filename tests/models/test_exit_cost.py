"""The bill for leaving by month: the worked case, the law of the day, and when waiting pays and when it does not."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import formula
from workbench.models import exit_cost
from workbench.models.exit_cost import EgressLaw, switching_egress_share
from workbench.records import WorkbenchError
from workbench.units import CONVERTED

CASES = Path(__file__).parents[1] / "cases"
DECISION = json.loads((CASES / "decision.json").read_text(encoding="utf-8"))
GROWTH, EGRESS = DECISION["compounding"], DECISION["graduated_egress"]
LAW = settings(max_examples=200, deadline=None, derandomize=True)
PARTS = formula.formulas(exit_cost)["exit_cost"].arguments
MONTHS = 48

FREE = {
    "used": np.array([[1.0]]), "build_days": np.array([[0.0]]), "rewrite_share": np.array([[1.0]]),
    "surface_growth_per_month": 0.0, "engineer_usd_per_month": 20_000.0, "working_days_per_month": 20.0,
    "team_engineers": 0.0, "retraining_days": 0.0, "stored_gb": 0.0, "data_growth_per_month": 0.0,
    "link_gb_per_day": 1000.0, "waiver_days": 60.0, "waiver_share": 0.0, "days_per_month": 365 / 12,
    "month_length": 1.0, "exit_edges": np.array(EGRESS["edges_gb"]), "exit_rates": np.array(EGRESS["rates"])[:, None],
    "egress_chargeable": 1.0, "parallel_days": 0.0, "dual_share": 1.0, "incumbent_usd_per_month": 0.0,
    "committed_usd_per_month": 0.0, "term_months": 0.0, "breakage_share": 1.0, "other_spend": 0.0,
    "lost_discount_share": 0.0, "discount_months": 0.0, "overrun_share": 0.0, "incident_chance": 0.0,
    "incident_usd": 0.0, "breaking_releases_per_month": 0.0, "broken_share": 0.0, "rival_usd_per_month": 0.0,
    "rival_re_engineering": 0.0, "discount_rate": 0.08, "months_per_year": 12.0, "failure_per_year": 0.0,
    "rival_failure_usd": 0.0,
    "renewal_months": 0.0, "rush_share": 0.0, "outage_days": 0.0, "waiting_usd_per_month": 0.0, "prepaid_usd": 0.0,
}  # fmt: skip
"""Every name that the bill rests on, bound so that leaving costs nothing: a test then states what it is about."""


def leaving(months: int = MONTHS, **inputs: Any) -> dict[str, Any]:
    month = np.arange(float(months))[:, None]
    targets = ("exit_cost", "npv_today", "forced_migration")
    return formula.evaluate(exit_cost, {**FREE, "month": month, **inputs}, targets)


def by_month(values: dict[str, Any], name: str, months: int = MONTHS) -> Any:
    return np.broadcast_to(values[name], (months, 1))[:, 0]


def test_leaving_costs_nothing_where_nothing_holds():
    values = leaving()
    assert set(FREE) | {"month"} == set(formula.leaves(exit_cost, ("exit_cost", "npv_today", "forced_migration")))
    assert not by_month(values, "exit_cost").any()
    assert values["forced_migration"] == 0


def test_the_parts_have_the_names_that_others_build_on():
    assert PARTS == ("egress", "re_engineering", "retraining", "dual_running", "breakage", "lost_discount", "risk")


# --- worked cases


@pytest.fixture(scope="module")
def compounding() -> dict[str, Any]:
    """A surface of person-days at a dollar each; the fixed part is retraining."""
    return leaving(
        GROWTH["horizon_months"], build_days=np.array([[float(GROWTH["surface_0"])]]), day_rate=1.0,
        surface_growth_per_month=GROWTH["growth_per_month"], retraining=float(GROWTH["fixed"]),
        saving_per_month=float(GROWTH["saving_per_month"]), rate_per_month=GROWTH["rate_per_month"],
    )  # fmt: skip


@pytest.mark.parametrize("month", [0, 12])
def test_leaving_in_a_month_brings_what_the_case_says(compounding, month):
    assert compounding["npv"][month, 0] == pytest.approx(GROWTH[f"npv_month_{month}"], abs=1e-6)


def test_the_last_month_in_which_leaving_pays_is_the_case_s(compounding):
    assert exit_cost.last_month_that_pays(compounding["npv"][:, 0]) == GROWTH["last_month_to_leave"]
    assert exit_cost.last_month_that_pays(compounding["npv_today"][:, 0]) == GROWTH["last_month_to_leave"]
    assert exit_cost.best_month(compounding["npv_today"][:, 0]) == 0


@pytest.mark.parametrize("case", EGRESS["cases"], ids=lambda c: f"{c['tb']} TB in {c.get('in_equal_months', 1)} months")
def test_a_move_of_several_months_is_billed_in_each(case):
    """The link is as fast as the case's months say; nothing is waived."""
    gb, months = case["tb"] * CONVERTED["TB"][1], case.get("in_equal_months", 1)
    values = leaving(1, stored_gb=gb, link_gb_per_day=gb / months / FREE["days_per_month"])
    assert by_month(values, "egress", 1) == pytest.approx(case["usd"], abs=1e-6)


def test_five_petabytes_leave_in_ten_days_on_the_link_that_37signals_reached():
    gb = 5e15 / 2**30
    link = 46.296296 * CONVERTED["Gbit/second"][1]
    assert exit_cost.move_days(gb, link) == pytest.approx(10, rel=1e-6)
    assert exit_cost.waived_gb(gb, link, 90.0, 1.0) == gb
    assert exit_cost.waived_gb(gb, link / 10, 90.0, 1.0) == pytest.approx(gb * 0.9)


# --- the law of the day

BAN = date(2027, 1, 12)
LAWS = {"EU": EgressLaw(date(2024, 1, 11), BAN)}
DAYS = st.dates(date(2026, 1, 1), date(2032, 1, 1))


@LAW
@given(day=DAYS, at_cost=st.floats(0.01, 1.0))
def test_switching_is_free_in_the_eu_from_the_ban_on_and_parallel_use_is_not(day, at_cost):
    switching = switching_egress_share(day, "EU", "switching", LAWS, at_cost)
    assert switching == (0.0 if day >= BAN else at_cost)
    assert switching_egress_share(day, "EU", "parallel", LAWS, at_cost) == at_cost


@LAW
@given(day=DAYS, jurisdiction=st.sampled_from(["US", "UK", "CH", "EEA", ""]))
def test_elsewhere_the_list_is_paid_on_any_day(day, jurisdiction):
    for purpose in ("switching", "parallel"):
        assert switching_egress_share(day, jurisdiction, purpose, LAWS, 0.3) == 1.0


def test_the_ban_holds_on_its_first_day_and_not_the_day_before():
    assert switching_egress_share(date(2027, 1, 11), "EU", "switching", LAWS, 0.3) == 0.3
    assert switching_egress_share(date(2027, 1, 12), "EU", "switching", LAWS, 0.3) == 0.0
    assert switching_egress_share(date(2024, 1, 10), "EU", "switching", LAWS, 0.3) == 1.0


def test_another_purpose_is_refused():
    with pytest.raises(WorkbenchError, match="switching, parallel"):
        switching_egress_share(BAN, "EU", "egress", LAWS, 0.3)
    with pytest.raises(WorkbenchError, match="at_cost_share"):
        switching_egress_share(BAN, "EU", "switching", LAWS, 1.3)


# --- the bill

AMOUNTS = st.fixed_dictionaries({
    "build_days": st.floats(0, 3000).map(lambda x: np.array([[x]])), "surface_growth_per_month": st.floats(0, 0.05),
    "team_engineers": st.floats(0, 50), "retraining_days": st.floats(0, 30), "stored_gb": st.floats(0, 1e7),
    "data_growth_per_month": st.floats(0, 0.05), "link_gb_per_day": st.floats(10, 1e6), "waiver_share": st.floats(0, 1),
    "egress_chargeable": st.floats(0, 1), "parallel_days": st.floats(0, 200), "dual_share": st.floats(0, 1),
    "incumbent_usd_per_month": st.floats(0, 1e6), "committed_usd_per_month": st.floats(0, 1e6),
    "term_months": st.integers(0, 60).map(float), "breakage_share": st.floats(0, 1), "other_spend": st.floats(0, 1e6),
    "lost_discount_share": st.floats(0, 0.3), "discount_months": st.integers(0, 60).map(float),
    "overrun_share": st.floats(0, 2), "incident_chance": st.floats(0, 1), "incident_usd": st.floats(0, 1e6),
    "failure_per_year": st.floats(0, 0.5), "rush_share": st.floats(0, 2), "outage_days": st.floats(0, 60),
    "waiting_usd_per_month": st.floats(0, 1e6), "prepaid_usd": st.floats(0, 1e6),
})  # fmt: skip
DEARER = tuple(n for n in FREE if n in {
    "build_days", "surface_growth_per_month", "team_engineers", "retraining_days", "stored_gb", "data_growth_per_month",
    "egress_chargeable", "parallel_days", "dual_share", "committed_usd_per_month", "term_months", "breakage_share",
    "other_spend", "lost_discount_share", "discount_months", "overrun_share", "incident_chance", "incident_usd",
})  # fmt: skip


@LAW
@given(amounts=AMOUNTS)
def test_the_bill_is_the_sum_of_its_parts_and_none_is_negative(amounts):
    values = leaving(24, **amounts)
    parts = [by_month(values, p, 24) for p in PARTS]
    assert by_month(values, "exit_cost", 24) == pytest.approx(sum(parts), rel=1e-12, abs=1e-6)
    assert all((p >= -1e-9).all() for p in parts)


@LAW
@given(amounts=AMOUNTS, name=st.sampled_from(DEARER), more=st.floats(1, 3))
def test_more_of_what_holds_never_makes_leaving_cheaper(amounts, name, more):
    dearer = amounts | {name: amounts[name] * more}
    before, after = (by_month(leaving(24, **a), "exit_cost", 24) for a in (amounts, dearer))
    assert (after >= before * (1 - 1e-12) - 1e-6).all()


@LAW
@given(amounts=AMOUNTS, faster=st.floats(1, 100))
def test_a_faster_link_never_makes_leaving_dearer_unless_for_the_tiers(amounts, faster):
    """With one rate: a slow move of many months meets the dear first tiers again, but a tier of nothing as well."""
    flat = amounts | {"exit_edges": np.array([]), "exit_rates": np.array([[0.09]])}
    fast = flat | {"link_gb_per_day": flat["link_gb_per_day"] * faster}
    before, after = (by_month(leaving(24, **a), "exit_cost", 24) for a in (flat, fast))
    assert (after <= before * (1 + 1e-12) + 1e-6).all()


def test_data_that_is_out_within_the_waiver_leaves_free():
    held = {"stored_gb": 60_000.0, "link_gb_per_day": 1000.0, "waiver_days": 60.0}
    assert not by_month(leaving(1, **held, waiver_share=1.0), "egress", 1).any()
    late = by_month(leaving(1, **held | {"link_gb_per_day": 999.0}, waiver_share=1.0), "egress", 1)
    assert 0 < late < by_month(leaving(1, **held), "egress", 1) / 100


def test_staying_has_rewriting_of_its_own():
    held = {"build_days": np.array([[1000.0]]), "breaking_releases_per_month": 0.1, "broken_share": 0.2}
    values = leaving(2, **held, incumbent_usd_per_month=100.0, rival_usd_per_month=100.0, rival_re_engineering=5000.0)
    assert values["staying_re_engineering"] == pytest.approx(1000 * 0.1 * 0.2 * 1000)
    assert values["saving_per_month"] == pytest.approx(20_000 - 5000)


def test_the_bill_comes_for_all_draws_at_once():
    draws = np.linspace(100.0, 300.0, 5)
    two = {"used": np.array([[1.0], [2.0]]), "rewrite_share": np.array([[0.5], [0.1]])}
    growth = np.linspace(0.0, 0.04, 5)
    values = leaving(12, **two, build_days=np.array([draws, draws]), surface_growth_per_month=growth)
    assert values["exit_cost"].shape == values["npv_today"].shape == (12, 5)
    assert values["surface_now"] == pytest.approx(draws * 0.7)
    alone = leaving(12, **two, build_days=np.array([[300.0], [300.0]]), surface_growth_per_month=growth[-1])
    assert values["npv_today"][:, -1] == pytest.approx(alone["npv_today"][:, 0])


# --- when waiting pays

NOTHING_AHEAD = st.fixed_dictionaries({
    "build_days": st.floats(0, 3000).map(lambda x: np.array([[x]])), "stored_gb": st.floats(0, 1e6),
    "discount_rate": st.floats(0, 0.2), "overrun_share": st.floats(0, 1),
})  # fmt: skip


@LAW
@given(held=NOTHING_AHEAD, ahead=st.floats(0, 0.05), fixed=st.floats(0, 1e6), saving=st.floats(0, 1e5))
def test_waiting_never_helps_where_the_bill_grows_as_fast_as_money_and_nothing_lies_ahead(held, ahead, fixed, saving):
    """Surface and data grow at least at the discount rate; the saving covers the interest on what does not grow."""
    rate = exit_cost.rate_per_month(held["discount_rate"], 12.0)
    growth = {"surface_growth_per_month": rate + ahead, "data_growth_per_month": rate + ahead}
    flat = {"exit_edges": np.array([]), "exit_rates": np.array([[0.09]])}  # tiers make data cheaper as it grows
    values = leaving(36, **held, **growth, **flat, retraining=fixed, saving_per_month=saving + rate * fixed)
    today = by_month(values, "npv_today", 36)
    assert (np.diff(today) <= 1e-9 * np.abs(today).max()).all()
    assert exit_cost.best_month(today) in (0, None)


def test_a_fixed_bill_alone_rewards_waiting_where_the_saving_is_below_its_interest():
    """Why the law asks for more than a saving that is not negative: 1 M put off for a month saves its interest."""
    values = leaving(12, retraining=1e6, saving_per_month=0.0)
    assert (np.diff(by_month(values, "npv_today", 12)) > 0).all()


@LAW
@given(term=st.integers(0, 40), renewal=st.integers(1, 24), month=st.integers(0, 60))
def test_a_contract_that_renews_binds_to_the_next_of_its_ends(term, renewal, month):
    ends = [term + k * renewal for k in range(70)]
    bound = exit_cost.months_bound(float(term), float(renewal), float(month))
    assert bound == next(e for e in ends if e >= month) - month
    assert exit_cost.months_bound(float(term), 0.0, float(month)) == max(term - month, 0)


TERM = 14


def test_a_contract_that_renews_has_windows_and_the_best_month_is_one_of_them():
    held = {"committed_usd_per_month": 100_000.0, "term_months": float(TERM), "incumbent_usd_per_month": 100_000.0,
            "rival_usd_per_month": 60_000.0, "renewal_months": 12.0}  # fmt: skip
    values = leaving(40, **held)
    assert np.flatnonzero(by_month(values, "breakage", 40) == 0).tolist() == [TERM, TERM + 12, TERM + 24]
    assert exit_cost.best_month(by_month(values, "npv_today", 40)) == TERM


def test_falling_breakage_rewards_waiting_for_the_end_of_the_term():
    held = {"committed_usd_per_month": 100_000.0, "term_months": float(TERM), "incumbent_usd_per_month": 100_000.0,
            "rival_usd_per_month": 60_000.0}  # fmt: skip
    today = by_month(leaving(36, **held), "npv_today", 36)
    assert exit_cost.best_month(today) == TERM
    assert exit_cost.best_month(by_month(leaving(36, **held | {"term_months": 0.0}), "npv_today", 36)) == 0


def test_where_the_law_caps_the_fee_waiting_pays_less():
    """At a lawful fee below the share that is saved, one leaves at once, mid-term."""
    held = {"committed_usd_per_month": 100_000.0, "term_months": float(TERM), "incumbent_usd_per_month": 100_000.0,
            "rival_usd_per_month": 60_000.0}  # fmt: skip
    assert exit_cost.best_month(by_month(leaving(36, **held, breakage_share=0.3), "npv_today", 36)) == 0
    assert exit_cost.best_month(by_month(leaving(36, **held, breakage_share=0.6), "npv_today", 36)) == TERM


def test_the_ban_on_switching_charges_rewards_waiting_for_its_day():
    """From November 2026: an archive of 5 PB, whose egress at list is more than what the months until the ban save."""
    starts = [date(2026, 11, 24), date(2026, 12, 24), *(date(2027, m, 24) for m in range(1, 13))]
    held = {"stored_gb": 5e6, "link_gb_per_day": 5e5, "incumbent_usd_per_month": 60_000.0}
    best = {}
    for where in ("EU", "US"):
        charged = np.array([switching_egress_share(d, where, "switching", LAWS, 1.0) for d in starts])[:, None]
        today = by_month(leaving(len(starts), **held, egress_chargeable=charged), "npv_today", len(starts))
        best[where] = exit_cost.best_month(today)
    assert best == {"EU": 2, "US": 0}


@LAW
@given(amounts=AMOUNTS, saving=st.floats(-1e5, 1e6))
def test_the_last_month_that_pays_is_followed_by_none_and_the_best_is_among_them(amounts, saving):
    values = leaving(36, **amounts, saving_per_month=saving)
    npv, today = by_month(values, "npv", 36), by_month(values, "npv_today", 36)
    last, best = exit_cost.last_month_that_pays(npv), exit_cost.best_month(today)
    pays = [m for m in range(36) if npv[m] > 0]
    assert last == max(pays, default=None)
    assert best is None if not pays else best in pays and today[best] == max(today)


@LAW
@given(saving=st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=24), rate=st.floats(0, 0.05))
def test_the_savings_from_a_month_on_are_what_the_months_after_it_bring(saving, rate):
    month = np.arange(float(len(saving)))[:, None]
    values = {
        "saving_per_month": np.array(saving)[:, None],
        "rate_per_month": rate,
        "month": month,
        "month_length": 1.0,
    }
    found = formula.evaluate(exit_cost, values, ("saving_pv",))["saving_pv"][:, 0]
    by_hand = [sum(s / (1 + rate) ** (i - m + 1) for i, s in enumerate(saving) if i >= m) for m in range(len(saving))]
    assert found == pytest.approx(by_hand, rel=1e-9, abs=1e-6)


# --- a provider that fails


@LAW
@given(hazard=st.floats(0, 0.99), months=st.integers(1, 60))
def test_the_chances_of_all_months_add_up_to_the_chance_of_failing(hazard, months):
    chance = exit_cost.failure_chance(hazard, 12.0, np.arange(float(months)))
    assert chance.sum() == pytest.approx(1 - (1 - hazard) ** (months / 12), abs=1e-12)


@LAW
@given(amounts=AMOUNTS, more=st.floats(1, 2))
def test_a_shakier_provider_costs_more_and_never_more_than_the_worst_month(amounts, more):
    """Without discounting: what is put off costs less, which a later failure may be."""
    level = amounts | {"discount_rate": 0.0, "surface_growth_per_month": 0.0}
    values = leaving(36, **level)
    shakier = leaving(36, **level | {"failure_per_year": level["failure_per_year"] * more})
    assert values["forced_migration"] <= np.max(values["forced_move"]) + 1e-6
    assert shakier["forced_migration"] >= values["forced_migration"] * (1 - 1e-9)


@pytest.mark.parametrize("npv", [[[1.0, 2.0]], [float("nan")], [], ["soon"]])
def test_months_are_found_in_one_figure_a_month(npv):
    for find in (exit_cost.best_month, exit_cost.last_month_that_pays):
        with pytest.raises(WorkbenchError, match="give"):
            find(npv)
