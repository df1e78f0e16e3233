"""Owned hardware as the target of an exit: what a fleet costs, when it is there, and when it is no choice."""

import csv
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import workbench as wb
from tests.narrow import narrow
from workbench import exit_prose, store
from workbench.decision.lockin.leaving import Leaving
from workbench.decision.lockin.timing import WAIT
from workbench.records import Infeasible, Lockin

DRAWS = 256


@cache
def owned(name: str = "tpu", **changes: object) -> Leaving:
    scenario = replace(narrow(name), draws=DRAWS, lockin=Lockin(jurisdiction="US", rival="owned"))
    return wb.lockin(replace(scenario, **changes))


def test_the_fleet_holds_the_largest_month_in_whole_servers():
    fleet = owned().rival.owned
    size = fleet.fleet.plan.head.inputs["gpus_per_instance"].value
    assert (fleet.gpus % size == 0).all()
    assert (fleet.gpus > 0).all()


def test_the_old_bill_runs_until_the_servers_work():
    leaving, fleet = owned(), owned().rival.owned
    lead = int(fleet.lead_months)
    assert lead > 0
    assert np.array_equal(leaving.rival.bill[:lead], leaving.here.bill[:lead])
    assert (leaving.rival.bill[lead:].mean(axis=1) < leaving.here.bill[lead:].mean(axis=1)).all()


def test_who_buys_orders_today_and_goes_when_the_servers_are_there():
    """Nothing is saved before, so the bill for leaving is better paid later."""
    assert owned().best_month == owned().rival.owned.lead_months
    assert owned().worth.advice == WAIT


def test_an_hour_of_ones_own_costs_what_is_told_of_the_breakeven_of_a_rented_one():
    """supply.csv: below 1.65 USD an hour the hardware loses its owner money, above 2.85 it beats shares."""
    told = dict(store.connect().execute("SELECT subject, value FROM supply WHERE metric = 'breakeven'").fetchall())
    low, high = sorted(told.values())
    assert low * 0.9 < owned().rival.owned.as_dict()["usd_per_gpu_hour"] < high


def test_what_is_not_written_off_is_told():
    fleet = owned().rival.owned
    told = fleet.as_dict()
    held = owned().scenario.months - fleet.lead_months
    life = fleet.mean("hardware_life")
    assert told["not_written_off_at_the_end"] == pytest.approx(told["hardware"] * (1 - held / life), rel=0.02)
    assert "is not written off" in str(exit_prose.owned(owned()))


def test_what_a_fleet_rests_on_is_estimated_from_two_things_at_least():
    lines = list(csv.DictReader((store.folder() / "assumptions.csv").open(encoding="utf-8")))
    for quantity in owned().rival.owned.inputs.values():
        assert quantity.rows
        for row in (lines[int(r.rpartition(":")[2]) - 2] for r in quantity.rows):
            assert row["evidence"] != "estimated" or "; " in row["derived_from"], row["name"]


def test_a_shorter_horizon_than_the_wait_for_servers_saves_nothing():
    short = owned("training")
    assert short.scenario.months < short.rival.owned.lead_months
    assert short.last_month is None
    assert np.allclose(short.mean("saving_pv"), short.mean("saving_pv")[-1], atol=1e-3 * short.here.bill.mean())


def test_where_no_accelerator_is_on_record_to_buy_there_is_nowhere_to_go():
    with pytest.raises(Infeasible, match="price to buy"):
        owned("health")
