"""What lies ahead of who waits, a second platform as a hedge, and providers that may fail: laws and cases."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.narrow import narrow
from workbench import exit_prose
from workbench.decision.lockin.leaving import Leaving
from workbench.decision.lockin.timing import NOW, WAIT, advised
from workbench.decision.options import Windows
from workbench.records import Lockin

LAW = settings(max_examples=60, deadline=None, derandomize=True)
MONTHS = 18


@cache
def found(name: str = "tpu", **stated: object) -> Leaving:
    return wb.lockin(replace(narrow(name), draws=128, lockin=Lockin(**{"jurisdiction": "US", **stated})))


# --- windows


@LAW
@given(
    save=st.floats(0.0, 0.6), switching=st.floats(0.0, 800.0), vol=st.floats(0.0, 1.0), rate=st.floats(0.0, 0.2),
    term=st.integers(1, 12),
)  # fmt: skip
def test_any_month_is_worth_at_least_the_contract_s_ends_and_those_at_least_the_last_alone(
    save, switching, vol, rate, term
):
    """American, Bermudan and European on the horizon that ends, as the command prices them."""
    months, held = np.arange(MONTHS), course(np.full(MONTHS, switching), save)

    def only(open_: np.ndarray) -> float:
        closed = np.where(open_[:, None], held.switching_cost, held.value)
        return float(advised(held._replace(switching_cost=closed), vol, rate)[0].value[0])

    any_month, at_ends, at_last = (
        only(o)
        for o in (months >= 0, (months > 0) & (months % term == 0) | (months == MONTHS - 1), months == MONTHS - 1)
    )
    assert any_month >= at_ends - 1e-9
    assert at_ends >= at_last - 1e-9
    assert at_last >= 0


def course(switching: np.ndarray, save: float) -> Windows:
    """100 a month for who stays, less by a share for who has gone; no interest."""
    months = np.arange(MONTHS)
    left = 100.0 * (MONTHS - months)[:, None]
    return Windows(months / 12, left, left * (1 - save), switching[:, None])


@LAW
@given(save=st.floats(0.0, 1.0), surface=st.floats(0.0, 2000.0), growth=st.floats(0.0, 0.1), rate=st.floats(0.0, 0.2))
def test_waiting_never_helps_where_all_is_certain_the_surface_grows_as_fast_as_money_and_nothing_lies_ahead(
    save, surface, growth, rate
):
    """Through the lattice that decides: what waiting is worth is at most what going today brings."""
    monthly = (1 + rate) ** (1 / 12) - 1
    bill = surface * (1 + monthly + growth) ** np.arange(MONTHS)
    option, advice = advised(course(bill, save), 0.0, rate)
    today = max(100.0 * MONTHS * save - surface, 0.0)
    assert option.value[0] == pytest.approx(today, abs=1e-9 * (1 + surface))
    assert option.waiting[0] <= today + 1e-9 * (1 + surface)
    assert advice[0] != WAIT


@LAW
@given(
    save=st.floats(0.0, 0.9), bill=st.floats(0.0, 500.0), owed=st.floats(0.0, 100.0), term=st.integers(1, MONTHS - 1),
    vol=st.floats(0.0, 0.8), rate=st.floats(0.0, 0.2),
)  # fmt: skip
def test_breakage_that_falls_never_makes_waiting_worth_less_than_breakage_that_stays(save, bill, owed, term, vol, rate):
    """Take-or-pay to the end of a term, or a charge that the law bans on its day: the option gains by either."""
    months = np.arange(MONTHS)
    flat = np.full(MONTHS, bill + owed * term)
    for falls in (owed * np.maximum(term - months, 0), np.where(months < term, owed * term, 0.0)):
        ahead, still = (advised(course(b, save), vol, rate)[0] for b in (bill + falls, flat))
        assert ahead.value[0] >= still.value[0] - 1e-9
        assert ahead.waiting[0] >= still.waiting[0] - 1e-9


def test_a_charge_that_ends_makes_wait_of_leave_now():
    """So that the law above is not kept by two equal numbers: of 500 to pay, 400 are owed until month 3."""
    until = np.where(np.arange(MONTHS) < 3, 500.0, 100.0)
    assert advised(course(until, 0.3), 0.0, 0.05)[1][0] == WAIT
    assert advised(course(np.full(MONTHS, 500.0), 0.3), 0.0, 0.05)[1][0] == NOW


def test_a_contract_with_no_end_in_sight_leaves_nothing_to_those_who_wait_for_it():
    bound = found(term_months=48, committed_per_month=500_000)
    assert bound.ahead.ends == ()
    assert bound.ahead.value_at_ends == 0
    assert "No term of the contract ends" in str(exit_prose.ahead(bound))


def test_without_a_contract_every_month_is_a_window():
    free = found()
    assert free.ahead.ends == ()
    assert free.ahead.value_at_ends is None
    assert "every month is a window" in str(exit_prose.ahead(free))
    assert free.ahead.waiting == {}


def test_waiting_for_an_end_is_worth_no_more_than_what_is_owed_today():
    bound = found(term_months=12, committed_per_month=2_000_000)
    waiting = bound.ahead.waiting["contract"]
    assert 0 < waiting.worth <= bound.parts["breakage"]
    assert bound.ahead.ends == (12,)


# --- a second platform


def test_a_warm_platform_never_makes_the_option_worth_less():
    for leaving in (found(), found("health"), found("chat")):
        assert leaving.standby.exit_cost <= leaving.parts["total"]
        assert leaving.standby.gained >= -1e-6 * leaving.parts["total"]
        assert leaving.standby.forced_saved >= 0


def test_who_leaves_at_once_needs_no_hedge():
    """What is done ahead would be done anyway, and nobody is paid to keep a platform warm that one moves to."""
    leaving = found()
    assert leaving.best_month == 0
    assert leaving.standby.gained <= leaving.standby.prepared * (1 + 1e-6)
    assert leaving.standby.net < leaving.standby.forced_saved


def test_more_people_to_keep_it_warm_cost_in_proportion():
    scenario = replace(narrow("health"), draws=128)
    one, two = (
        wb.lockin(replace(scenario, assumptions={"engineers_per_extra_provider": n})).standby for n in (0.5, 1.0)
    )
    assert two.people == pytest.approx(2 * one.people)
    assert two.prepared == pytest.approx(one.prepared)


def test_the_hedge_is_worth_more_where_prices_move_more():
    scenario = replace(narrow("finetune"), draws=128)
    calm, wild = (
        wb.lockin(replace(scenario, assumptions={"offer_volatility": v, "price_correlation": 0.0})).standby
        for v in (0.0, 0.3)
    )
    assert wild.gained > calm.gained


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
