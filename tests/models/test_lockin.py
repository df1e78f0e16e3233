"""What being held costs and what being able to leave is worth: worked cases, laws, and every policy tried by hand."""

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.models import lockin
from workbench.records import WorkbenchError

CASES = Path(__file__).parents[1] / "cases"
DECISION = json.loads((CASES / "decision.json").read_text(encoding="utf-8"))
EXIT = DECISION["cost_with_exit"]
LAW = settings(max_examples=300, deadline=None, derandomize=True)
NAN, INF = float("nan"), float("inf")


def number(value: object) -> float:
    """A number of the cases, where 1/1.1 is a ratio and infinite has no end."""
    if value == "infinite":
        return INF
    over, _, under = str(value).partition("/")
    return float(Fraction(over) / Fraction(under or "1"))


# --- worked cases


@pytest.mark.parametrize("case", DECISION["premium_cap"])
def test_the_premium_is_what_the_case_says(case):
    found = lockin.premium_cap(case["switching_cost"], case["rate"], case["periods"])
    assert found == pytest.approx(case["per_period"], abs=1e-6)


@pytest.mark.parametrize("case", DECISION["price_rise_cost"])
def test_price_rises_cost_what_the_case_says(case):
    terms = ("annual_cost", "rises_per_year", "mean_rise", "discount_rate", "years")
    assert lockin.price_rise_cost(*(case[t] for t in terms)) == pytest.approx(case["cost"], abs=1e-6)
    assert case["expected_pv"] - case["no_rise_pv"] == pytest.approx(case["cost"], abs=1e-6)


TERMS = {t: number(EXIT[t]) for t in ("annual_cost", "rise", "rise_probability", "rival_cost", "discount_factor")}
TERMS["years"] = EXIT["years"]


@pytest.mark.parametrize("case", EXIT["cases"], ids=lambda c: f"switching at {c['switching_cost']}")
def test_the_freedom_to_leave_costs_what_the_case_says(case):
    found = lockin.cost_with_exit(**TERMS, switching_cost=number(case["switching_cost"]))
    assert found == pytest.approx(case["cost"], abs=1e-6)


def test_switching_costs_come_one_by_one_or_as_an_array():
    costs = [number(c["switching_cost"]) for c in EXIT["cases"]]
    together = lockin.cost_with_exit(**TERMS, switching_cost=costs)
    assert together.tolist() == [lockin.cost_with_exit(**TERMS, switching_cost=c) for c in costs]


# --- every policy, by brute force


def paths_cost(leaves: dict[tuple[int, ...], bool], case: dict[str, float], switching: float, years: int) -> float:
    """Expected cost of a policy: for each history of rises (a tuple of 0 and 1) whether one leaves there."""
    total = 0.0
    for path in itertools.product((0, 1), repeat=years - 1):
        chance, cost, gone = 1.0, 0.0, False
        for year in range(years):
            history, paid = path[:year], case["discount_factor"] ** year
            if year:
                chance *= case["rise_probability"] if path[year - 1] else 1 - case["rise_probability"]
            if not gone and leaves[history]:
                gone = True
                cost += paid * switching
            cost += paid * (case["rival_cost"] if gone else case["annual_cost"] * (1 + case["rise"]) ** sum(history))
        total += chance * cost
    return total


def best_policy(case: dict[str, float], switching: float, years: int) -> float:
    histories = [h for n in range(years) for h in itertools.product((0, 1), repeat=n)]
    choices = itertools.product((False, True), repeat=len(histories))
    return min(paths_cost(dict(zip(histories, c, strict=True)), case, switching, years) for c in choices)


MONEY = st.floats(0.1, 10.0)
SHARE = st.floats(0.0, 1.0)
MARKET = st.fixed_dictionaries({
    "annual_cost": MONEY, "rise": st.floats(0.0, 1.5), "rise_probability": SHARE, "rival_cost": MONEY,
    "discount_factor": st.floats(0.5, 1.0),
})  # fmt: skip


@settings(LAW, max_examples=40)
@given(case=MARKET, switching=st.floats(0.0, 10.0), years=st.integers(1, 3))
def test_no_policy_is_cheaper(case, switching, years):
    found = lockin.cost_with_exit(**case, switching_cost=switching, years=years)
    assert found == pytest.approx(best_policy(case, switching, years), rel=1e-12)


def by_the_tree(case: dict[str, float], switching: float, years: int, price: float) -> float:
    """The same choice made backwards on a tree that does not recombine."""
    if not years:
        return 0.0
    factor, chance = case["discount_factor"], case["rise_probability"]
    later = [by_the_tree(case, switching, years - 1, p) for p in (price * (1 + case["rise"]), price)]
    rival = sum(case["rival_cost"] * factor**y for y in range(years))
    return min(price + factor * (chance * later[0] + (1 - chance) * later[1]), switching + rival)


@settings(LAW, max_examples=60)
@given(case=MARKET, switching=st.floats(0.0, 20.0), years=st.integers(1, 8))
def test_the_recombining_tree_is_the_whole_tree(case, switching, years):
    found = lockin.cost_with_exit(**case, switching_cost=switching, years=years)
    assert found == pytest.approx(by_the_tree(case, switching, years, case["annual_cost"]), rel=1e-12)


# --- laws


def annuity(factor: float, years: int) -> float:
    return sum(factor**y for y in range(years))


@LAW
@given(case=MARKET, switching=st.floats(0.0, 50.0), more=st.floats(0.0, 50.0), years=st.integers(1, 12))
def test_cost_with_exit_never_falls_as_switching_gets_dearer(case, switching, more, years):
    cheap, dear = lockin.cost_with_exit(**case, switching_cost=[switching, switching + more], years=years)
    assert dear >= cheap


@LAW
@given(case=MARKET, switching=st.floats(0.0, 50.0), years=st.integers(1, 12))
def test_cost_with_exit_is_never_above_staying_or_leaving_at_once(case, switching, years):
    found = lockin.cost_with_exit(**case, switching_cost=switching, years=years)
    growth = 1 + case["rise_probability"] * case["rise"]
    stay = case["annual_cost"] * sum((growth * case["discount_factor"]) ** y for y in range(years))
    leave = switching + case["rival_cost"] * annuity(case["discount_factor"], years)
    assert found <= min(stay, leave) * (1 + 1e-12)
    assert found <= lockin.cost_with_exit(**case, switching_cost=INF, years=years)


@LAW
@given(case=MARKET, switching=st.floats(0.0, 50.0), years=st.integers(1, 12))
def test_cost_with_exit_is_never_below_the_cheaper_side_all_along(case, switching, years):
    found = lockin.cost_with_exit(**case, switching_cost=switching, years=years)
    floor = min(case["annual_cost"], case["rival_cost"]) * annuity(case["discount_factor"], years)
    assert found >= floor * (1 - 1e-12)


@LAW
@given(case=MARKET, low=st.floats(0.0, 50.0), more=st.floats(0.0, 50.0) | st.just(INF), years=st.integers(1, 12))
def test_being_able_to_leave_is_never_worth_less_than_nothing(case, low, more, years):
    value = lockin.portability_value(**case, switching_costs=(low, low + more), years=years)
    cost = [lockin.cost_with_exit(**case, switching_cost=s, years=years) for s in (low, low + more)]
    assert value >= 0
    assert value == cost[1] - cost[0]


@LAW
@given(switching=st.floats(1.0, 1e6), rate=st.floats(0.0, 1.0), periods=st.integers(1, 600))
def test_a_customer_who_pays_the_largest_premium_might_as_well_leave(switching, rate, periods):
    premium = lockin.premium_cap(switching, rate, periods)
    assert premium * sum((1 + rate) ** -n for n in range(1, periods + 1)) == pytest.approx(switching, rel=1e-9)


@LAW
@given(
    cost=MONEY, rises=st.floats(0.0, 2.0), mean=st.floats(0.0, 0.5), rate=st.floats(0.0, 0.3), years=st.floats(0.1, 10),
)  # fmt: skip
def test_price_rises_cost_as_much_as_the_bill_grows(cost, rises, mean, rate, years):
    """A sum over small steps of the expected bill, which grows at the rate of rises times their mean."""
    steps = 4000
    t = (np.arange(steps) + 0.5) * years / steps
    rising = cost * np.exp((rises * mean - rate) * t).sum() * years / steps
    level = cost * np.exp(-rate * t).sum() * years / steps
    assert lockin.price_rise_cost(cost, rises, mean, rate, years) == pytest.approx(rising - level, rel=1e-4, abs=1e-6)
    assert lockin.price_rise_cost(cost, 0.0, mean, rate, years) == 0


# --- the portability index


def test_the_index_is_the_share_of_person_days_that_carries_over():
    assert lockin.portability([2, 1, 0], [30, 40, 100], [0.5, 0.25, 1.0]) == pytest.approx(1 - 40 / 100)


def test_who_uses_nothing_is_free_to_go():
    assert lockin.portability([0.0, 0.0], [30.0, 40.0], [1.0, 1.0]) == 1
    assert lockin.portability(np.zeros((2, 3)), 30.0, 0.5).tolist() == [1, 1, 1]


@LAW
@given(rows=st.lists(st.tuples(st.integers(1, 9), st.floats(1, 300), SHARE), min_size=1, max_size=9))
def test_the_index_is_a_mean_of_what_carries_over(rows):
    used, days, share = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    index = lockin.portability(used, days, share)
    assert (1 - share).min() - 1e-12 <= index <= (1 - share).max() + 1e-12
    assert lockin.portability([*used, 5.0], [*days, 90.0], [*share, 1.0]) <= index + 1e-12


# --- doors

BAD = {
    "a negative switching cost": lambda: lockin.premium_cap(-1.0, 0.01, 36),
    "a negative rate": lambda: lockin.premium_cap(1.0, -0.01, 36),
    "no periods": lambda: lockin.premium_cap(1.0, 0.01, 0),
    "a premium without end": lambda: lockin.premium_cap(INF, 0.01, 36),
    "rates in text": lambda: lockin.premium_cap(1.0, "0.01", 36),
    "arrays that do not fit": lambda: lockin.premium_cap([1.0, 2.0], [0.1, 0.2, 0.3], 36),
    "a cost that is no number": lambda: lockin.price_rise_cost(NAN, 0.35, 0.12, 0.08, 3),
    "a rise below nothing": lambda: lockin.price_rise_cost(1.0, 0.35, -0.12, 0.08, 3),
    "a horizon that explodes": lambda: lockin.price_rise_cost(1.0, 5.0, 5.0, 0.0, 1000.0),
    "a chance above one": lambda: lockin.cost_with_exit(3.0, 0.2, 1.5, 3.2, 1.0, 4, 0.9),
    "a factor above one": lambda: lockin.cost_with_exit(3.0, 0.2, 0.5, 3.2, 1.0, 4, 1.1),
    "half a year": lambda: lockin.cost_with_exit(3.0, 0.2, 0.5, 3.2, 1.0, 2.5, 0.9),
    "no year": lambda: lockin.cost_with_exit(3.0, 0.2, 0.5, 3.2, 1.0, 0, 0.9),
    "years as an array": lambda: lockin.cost_with_exit(3.0, 0.2, 0.5, 3.2, 1.0, [2, 3], 0.9),
    "a bill without end": lambda: lockin.cost_with_exit(INF, 0.2, 0.5, 3.2, 1.0, 4, 0.9),
    "a switching cost that is no number": lambda: lockin.cost_with_exit(3.0, 0.2, 0.5, 3.2, NAN, 4, 0.9),
    "a switching cost below nothing": lambda: lockin.cost_with_exit(3.0, 0.2, 0.5, 3.2, -INF, 4, 0.9),
    "a price that explodes": lambda: lockin.cost_with_exit(3.0, 1e200, 0.5, 1.0, INF, 4, 0.9),
    "switching costs that fall": lambda: lockin.portability_value(3.0, 0.2, 0.5, 3.2, (2.0, 1.0), 4, 0.9),
    "a share above one": lambda: lockin.portability([1.0], [30.0], [1.5]),
    "days below nothing": lambda: lockin.portability([1.0], [-30.0], [0.5]),
    "no service": lambda: lockin.portability([], [], []),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_a_bad_argument_is_named_with_the_way_out(call):
    with pytest.raises(WorkbenchError) as found:
        call()
    assert found.value.where.startswith("models.lockin.")
    assert found.value.what
    assert found.value.remedy.startswith("give ")


def test_floats_give_floats_and_arrays_give_arrays():
    assert isinstance(lockin.premium_cap(1.0, 0.01, 36), float)
    assert isinstance(lockin.price_rise_cost(1.0, 0.3, 0.1, 0.08, 3), float)
    assert isinstance(lockin.cost_with_exit(3.0, 0.2, 0.5, 3.2, 1.0, 4, 0.9), float)
    assert lockin.cost_with_exit([3.0, 4.0], 0.2, 0.5, 3.2, [[1.0], [2.0]], 4, 0.9).shape == (2, 2)
    assert math.isclose(lockin.premium_cap([1.0, 2.0], [0.0, 0.01], 36)[0], 1 / 36)
