"""Cases that are told of lock-in: each claim's verdict is a row, and the model says how far the figures carry."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import workbench as wb
from tests.narrow import narrow
from workbench import store
from workbench.decision.lockin.leaving import Leaving
from workbench.models import exit_cost
from workbench.records import Lockin

MILLION = 1e6


def row(table: str, **where: str) -> dict[str, object]:
    """The one row of a table that is so named."""
    asked = " AND ".join(f"{column} = ?" for column in where)
    result = store.connect().execute(f"SELECT * FROM {table} WHERE {asked}", list(where.values()))
    names = [d[0] for d in result.description]
    (found,) = result.fetchall()
    return dict(zip(names, found, strict=True))


def claim(number: str) -> dict[str, object]:
    return row("claims", id=number)


def people(subject: str) -> dict[str, object]:
    return row("people", subject=subject)


# --- 37signals: owned hardware as the target


def bills_of_37signals() -> tuple[float, float]:
    return tuple(people(f"37signals, annual cloud bill {when}")["value"] for when in ("before", "after"))


def test_37signals_saved_more_than_the_claim_says():
    before, after = bills_of_37signals()
    hardware, years = 0.7, 5
    assert f"hardware of {hardware} M USD" in people("37signals, annual cloud bill after")["note"]
    assert (before - after) * years - hardware > claim("CL43")["value"]
    assert claim("CL43")["verdict_class"] == "superseded"


def test_the_hardware_of_37signals_pays_within_half_a_year():
    """As told: earned back within the second half of 2023."""
    before, after = bills_of_37signals()
    assert 0.7 / (before - after) < 0.5


def test_owning_as_the_model_counts_it_keeps_most_of_what_37signals_saved():
    """The bill fell by 1.9 M a year with the same team; hardware written off over five years takes 7% of that."""
    before, after = bills_of_37signals()
    owned = exit_cost.owned_usd_per_month(0.7, 60.0, 0.0, 0.0, 0.0) * 12
    assert 0.05 < owned / (before - after) < 0.1
    assert exit_cost.hardware_left(0.7, 60.0, 6.0) == pytest.approx(0.63)


def test_37signals_waited_for_the_end_of_its_contract_as_the_model_would():
    """Four years of storage at 1.3 M a year, signed in 2021, hardware for one year's bill: leave when the term ends."""
    hardware = row("lockin", name="storage_hardware", subject="37signals, after S3")["value"] * MILLION
    term = int(row("lockin", name="storage_commitment", subject="37signals, S3")["value"] * 12)
    month, yearly = np.arange(term + 60.0), hardware
    owed = exit_cost.breakage(exit_cost.commitment_left(yearly / 12, exit_cost.months_bound(term, 0, month), 1), 1)
    saving = exit_cost.saving_per_month(yearly / 12, *[0] * 5) * np.ones_like(month)
    rate = exit_cost.rate_per_month(0.08, 12)
    factor = exit_cost.discount(rate, month)
    npv = exit_cost.npv(exit_cost.saving_pv(saving, factor, rate, 1), owed + hardware)
    assert exit_cost.best_month(exit_cost.npv_today(npv, factor)) == term


# --- the Cabinet Office's 894 million


def test_the_894_million_are_three_contracts_added_up_and_no_cost_of_switching():
    told = claim("CL44")
    assert told["test_how"].replace(" ", "") == "450+350+94=894"
    assert told["value"] == sum((450, 350, 94))
    assert told["verdict_class"] == "contradicted"


def test_no_estimate_of_ours_rests_on_the_894_million():
    con = store.connect()
    for table in ("assumptions", "dependences", "lockin"):
        used = con.execute(f"SELECT count(*) FROM {table} WHERE note LIKE '%894%' OR derived_from LIKE '%CL44%'")
        assert used.fetchall() == [(0,)]


# --- the 42% who consider repatriation


def test_the_42_per_cent_considered_or_moved_in_one_country_and_not_for_lock_in():
    poll = people("US organisations considering or having moved half of workloads back")
    assert poll["value"] == pytest.approx(claim("CL42")["value"] / 100)
    assert "security 41%" in poll["note"]
    assert "UK 25%" in poll["note"]
    assert claim("CL42")["verdict_class"] == "contradicted"


def test_who_does_switch_is_rarer_than_who_considers_it_by_more_than_an_order():
    assert people("UK customers switching cloud per year")["high"] * 10 < claim("CL42")["value"] / 100


# --- Midjourney's move to TPU


@cache
def moved() -> Leaving:
    before, _ = told_bills()
    stated = Lockin(jurisdiction="US", rival="GCP", bill_per_month=before)
    return wb.lockin(replace(narrow("tpu"), draws=512, lockin=stated))


def told_bills() -> tuple[float, float]:
    """Before and after, USD a month, as reported."""
    told = claim("CL23")
    return told["high"] * MILLION, told["low"] * MILLION


def test_midjourneys_saving_is_two_thirds_as_told_and_within_the_models_range():
    before, after = told_bills()
    assert 1 - after / before == pytest.approx(2 / 3, abs=0.01)
    share = 1 - moved().rival.bill[1:].mean(axis=0) / before
    low, high = np.quantile(share, (0.1, 0.9))
    assert low < 1 - after / before < high


def test_a_payback_of_eleven_days_counts_the_rewriting_and_not_the_overlap():
    """What eleven days save pays for rewriting and retraining, and not for the months in which both bills run."""
    assert "11 days" in people("Midjourney GPU to TPU inference")["note"]
    before, after = told_bills()
    saved = (before - after) * 11 / moved().middle("days_per_month")
    parts = moved().parts
    assert parts["re_engineering"] + parts["retraining"] < saved
    assert saved < moved().spread("exit_cost")[0]


def test_the_move_pays_all_the_same_and_at_once():
    assert moved().best_month == 0
    assert (moved().by_month("npv")[0] > 0).mean() > 0.9


def test_the_rewriting_that_is_told_lies_within_the_range_for_other_chips():
    """Six weeks, by a team that nobody counted: more than the person-days of one, less than those of ten."""
    weeks = people("Midjourney GPU to TPU inference")["value"]
    days = wb.facts(moved().scenario.as_of).dependences["TPU with XLA"].build_days
    assert days.low <= weeks * 5 <= days.high


def test_the_claim_names_another_generation_than_the_reports_and_the_regret_is_told():
    told = claim("CL22")
    assert told["verdict_class"] == "contradicted"
    assert "v6e" in told["finding"]
    assert "regret" in told["finding"]
    assert moved().rival.price.gpu == "TPU-v6e"
