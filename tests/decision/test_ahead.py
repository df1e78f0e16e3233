"""What lies ahead of who waits, a second platform as a hedge, and providers that may fail: laws and cases."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import settings

import workbench as wb
from workbench import exit_prose
from workbench.decision.leaving import Leaving
from workbench.records import Lockin

LAW = settings(max_examples=60, deadline=None, derandomize=True)
MONTHS = 18


@cache
def found(name: str = "tpu", **stated: object) -> Leaving:
    return wb.lockin(replace(wb.load(name), draws=128, lockin=Lockin(**{"jurisdiction": "US", **stated})))


# --- windows


# --- a second platform


# --- providers that fail


def test_a_failing_rival_is_counted_against_its_price():
    sound = found("chat")
    risky = wb.lockin(replace(sound.scenario, assumptions={"failure_per_year": 0.3}))
    assert risky.peril.expected > sound.peril.expected
    assert risky.rival_peril.expected > sound.rival_peril.expected
    saving = {k: v.mean("saving_per_month").sum() for k, v in (("sound", sound), ("risky", risky))}
    moved = risky.peril.by_month.mean(axis=1) - sound.peril.by_month.mean(axis=1)
    moved -= risky.rival_peril.by_month.mean(axis=1) - sound.rival_peril.by_month.mean(axis=1)
    assert saving["risky"] - saving["sound"] == pytest.approx(moved.sum(), rel=1e-6)


def test_a_neocloud_is_likelier_to_fail_than_a_hyperscaler_and_names_why():
    away = found(rival="CoreWeave")
    assert away.rival_peril.chance > away.peril.chance
    assert "one customer" in away.rival_peril.hazard.note
    assert "CoreWeave fails" in str(exit_prose.risk(away))


def test_nobody_fails_where_the_hardware_is_ones_own():
    assert found(rival="owned").rival_peril is None
    assert "has none" in str(exit_prose.risk(found(rival="owned")))
