"""The plan: exact where it can be counted out, never below its bound, and honest about what cannot be."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.decision.portfolio.solver import Capacity, Plan, Rules, relaxed, repriced, solve
from workbench.records import Infeasible, WorkbenchError

CASE = json.loads((Path(__file__).parents[2] / "cases" / "decision.json").read_text(encoding="utf-8"))["portfolio"]
LAW = settings(max_examples=60, deadline=None, derandomize=True)
NAN, INF = float("nan"), float("inf")
H = Capacity("H on demand", "H", 3.0)
H_RESERVED = Capacity("H reserved", "H", 2.0, "reserved", term_months=3)
N = Capacity("N on demand", "N", 2.0, cap=3)
N_RESERVED = Capacity("N reserved", "N", 1.2, "reserved", term_months=3, lead_months=2)
MARKET, ONBOARDING = [H, H_RESERVED, N, N_RESERVED], {"N": 5.0}


def served(plan: Plan, capacities, demand) -> bool:
    """Whether the orders of the schedule, counted one by one, cover the demand of each month within the caps."""
    running = np.zeros((len(capacities), len(demand)))
    for row in plan.schedule:
        i = next(i for i, c in enumerate(capacities) if (c.name, c.kind) == (row["offer"], row["kind"]))
        assert row["month"] >= capacities[i].lead_months
        assert not capacities[i].whole or isinstance(row["amount"], int)
        running[i, row["month"] : row["month"] + capacities[i].term_months] += row["amount"]
    assert running == pytest.approx(plan.running)
    assert all((running[i] <= c.cap + 1e-6).all() for i, c in enumerate(capacities) if c.cap is not None)
    return bool((running.sum(axis=0) >= np.asarray(demand) - 1e-6).all())


def bill(plan: Plan, capacities, onboarding) -> float:
    """The cost of the schedule, added up order by order, whole terms to their end."""
    by_name = {(c.name, c.kind): c for c in capacities}
    orders = [(by_name[row["offer"], row["kind"]], row["amount"]) for row in plan.schedule]
    used = {c.provider for c, _ in orders}
    return sum(c.rate * c.term_months * amount for c, amount in orders) + sum(onboarding.get(p, 0) for p in used)


# --- worked cases


def test_the_worked_portfolio_has_its_optimum():
    plan = solve(CASE["demand"], MARKET, ONBOARDING)
    assert plan.cost == pytest.approx(CASE["optimum"], abs=1e-6)
    assert CASE["lp_bound"] <= plan.relaxed <= plan.bound <= plan.cost + 1e-9
    assert plan.gap <= 1e-3
    assert served(plan, MARKET, CASE["demand"])
    assert bill(plan, MARKET, ONBOARDING) == pytest.approx(plan.cost)
    assert plan.joined == ("N",)


def test_the_worked_portfolio_without_commitments_has_its_costs():
    assert solve(CASE["demand"], [H], ONBOARDING).cost == pytest.approx(CASE["all_H_on_demand"], abs=1e-6)
    assert solve(CASE["demand"], [H, N], ONBOARDING).cost == pytest.approx(CASE["on_demand_mix"], abs=1e-6)


# --- counted out

AMOUNTS = st.integers(0, 2)
MONTHS = 3


@st.composite
def small_markets(draw):
    capacities = [
        Capacity(f"od{i}", draw(st.sampled_from("AB")), draw(st.integers(0, 5)), cap=draw(st.none() | AMOUNTS),
                 lead_months=draw(st.integers(0, 1)))
        for i in range(draw(st.integers(0, 2)))
    ]  # fmt: skip
    capacities += [
        Capacity(f"r{i}", draw(st.sampled_from("AB")), draw(st.integers(0, 4)), "reserved",
                 cap=draw(st.none() | AMOUNTS), term_months=draw(st.integers(1, 4)),
                 lead_months=draw(st.integers(0, 2)))
        for i in range(draw(st.integers(not capacities, 2)))
    ]  # fmt: skip
    onboarding = draw(st.dictionaries(st.sampled_from("AB"), st.integers(0, 6), max_size=2))
    return capacities, onboarding, draw(st.lists(AMOUNTS, min_size=MONTHS, max_size=MONTHS))


def counted(capacities, onboarding, demand) -> float:
    """The least cost by trying every set of providers and every whole amount of every reserved order."""
    providers = sorted({c.provider for c in capacities})
    chosen = [s for n in range(len(providers) + 1) for s in combinations(providers, n)]
    return min(_cheapest([c for c in capacities if c.provider in s], demand)
               + sum(onboarding.get(p, 0) for p in s) for s in chosen)  # fmt: skip


def _cheapest(capacities, demand) -> float:
    slots = [(c, start) for c in capacities if c.whole for start in range(c.lead_months, MONTHS)]
    best = INF
    for units in product(range(max(demand) + 1), repeat=len(slots)):
        running, cost = dict.fromkeys(capacities, ()) | {c: np.zeros(MONTHS) for c in capacities}, 0.0
        for (c, start), amount in zip(slots, units, strict=True):
            running[c][start : start + c.term_months] += amount
            cost += c.rate * c.term_months * amount
        if all(c.cap is None or running[c].max() <= c.cap for c in capacities):
            short = np.maximum(demand - sum(running.values(), np.zeros(MONTHS)), 0)
            best = min(best, cost + sum(_on_demand(capacities, m, short[m]) for m in range(MONTHS)))
    return best


def _on_demand(capacities, month, short) -> float:
    cost = 0.0
    for c in sorted((c for c in capacities if not c.whole and c.lead_months <= month), key=lambda c: c.rate):
        taken = min(short, INF if c.cap is None else c.cap)
        cost, short = cost + c.rate * taken, short - taken
    return cost if short <= 0 else INF


@settings(LAW, max_examples=150)
@given(small_markets())
def test_a_small_portfolio_is_the_best_that_counting_finds(case):
    capacities, onboarding, demand = case
    best = counted(capacities, onboarding, demand)
    if best == INF:
        with pytest.raises(Infeasible, match="relax one"):
            solve(demand, capacities, onboarding)
        return
    plan = solve(demand, capacities, onboarding)
    assert plan.cost == pytest.approx(best, abs=1e-6)
    assert served(plan, capacities, demand)
    assert bill(plan, capacities, onboarding) == pytest.approx(best, abs=1e-6)


# --- laws, on portfolios too large to count out


def a_market(seed, workloads=4, months=8):
    """Six offers of three providers, each on demand and for two terms, at costs that differ."""
    generator = np.random.default_rng(seed)
    capacities = []
    for i in range(6):
        rate = float(generator.uniform(2, 5))
        limit = float(generator.uniform(2, 8)) if i % 2 else None
        seller = f"provider {i % 3}"
        capacities += [Capacity(f"offer {i}", seller, rate, cap=limit)] + [
            Capacity(f"offer {i} for {term}", seller, rate * share, "reserved", term_months=term, lead_months=i % 3)
            for term, share in ((3, 0.8), (12, 0.55))
        ]
    demand = generator.uniform(0, 5, (workloads, 1)) * (1 + 0.5 * generator.random((workloads, months)))
    return demand, capacities, {f"provider {i}": float(generator.uniform(0, 20)) for i in range(3)}


SEEDS = st.integers(0, 10_000)


@settings(LAW, max_examples=25)
@given(seed=SEEDS, gap=st.sampled_from([0.0, 1e-3, 5e-2]))
def test_no_plan_is_below_its_bound_nor_the_bound_below_the_relaxation(seed, gap):
    demand, capacities, onboarding = a_market(seed)
    plan = solve(demand, capacities, onboarding, gap)
    assert relaxed(demand, capacities, onboarding).cost == pytest.approx(plan.relaxed)
    assert plan.relaxed <= plan.bound * (1 + 1e-9) <= plan.cost * (1 + 2e-9)
    assert plan.gap == pytest.approx((plan.cost - plan.bound) / plan.cost, abs=1e-12)
    assert plan.gap <= gap + 1e-6
    assert served(plan, capacities, demand.sum(axis=0))


@settings(LAW, max_examples=25)
@given(seed=SEEDS)
def test_a_looser_gap_never_proves_more_than_is_true(seed):
    """The bound of a hurried search lies below the optimum that a patient one finds."""
    market = a_market(seed)
    assert solve(*market, 0.1).bound <= solve(*market, 0.0).cost * (1 + 1e-6)


@settings(LAW, max_examples=20)
@given(seed=SEEDS, which=st.integers(0, 17))
def test_one_more_way_to_buy_never_costs_more(seed, which):
    demand, capacities, onboarding = a_market(seed)
    fewer = [c for i, c in enumerate(capacities) if i != which or i == 0]
    assert solve(demand, capacities, onboarding, 0).cost <= solve(demand, fewer, onboarding, 0).cost * (1 + 1e-6)


@settings(LAW, max_examples=20)
@given(seed=SEEDS, which=st.integers(0, 17), change=st.sampled_from(["rate", "lead", "cap", "term"]))
def test_nothing_gets_cheaper_by_a_higher_rate_a_longer_lead_a_lower_cap_or_a_longer_term(seed, which, change):
    demand, capacities, onboarding = a_market(seed)
    c = capacities[which]
    cap = 5.0 if c.cap is None else c.cap
    worse = {"rate": replace(c, rate=c.rate * 1.5), "lead": replace(c, lead_months=c.lead_months + 2),
             "cap": replace(c, cap=cap / 2), "term": replace(c, term_months=c.term_months + 1)}[change]  # fmt: skip
    others = [worse if i == which else c for i, c in enumerate(capacities)]
    before = solve(demand, capacities, onboarding, 0).cost
    try:
        assert solve(demand, others, onboarding, 0).cost >= before * (1 - 1e-6)
    except Infeasible:
        assert change in ("lead", "cap")


def test_workloads_that_are_served_alike_cost_what_their_sum_costs():
    demand, capacities, onboarding = a_market(3)
    alike = solve(demand, capacities, onboarding, 0)
    assert alike.cost == pytest.approx(solve(demand.sum(axis=0), capacities, onboarding, 0).cost)
    assert alike.shadow_prices["demand"].shape == demand.shape


def test_workloads_that_differ_by_a_hair_cost_nearly_what_their_sum_costs():
    """The same question without its symmetry: groups and pools are kept apart, and the answer stays."""
    demand, capacities, onboarding = a_market(3)
    apart = [replace(c, serves=[1 + 1e-9 * (i + w) for w in range(len(demand))]) for i, c in enumerate(capacities)]
    assert solve(demand, apart, onboarding, 0).cost == pytest.approx(solve(demand, capacities, onboarding, 0).cost)


def test_the_same_question_has_the_same_plan_to_the_last_bit():
    demand, capacities, onboarding = a_market(5)
    one, other = (solve(demand, capacities, onboarding) for _ in range(2))
    assert (one.cost, one.bound, one.schedule) == (other.cost, other.bound, other.schedule)


# --- what an order is


def test_a_term_that_outlives_the_horizon_is_paid_to_its_end():
    year = Capacity("a year", "X", 1.0, "reserved", term_months=12)
    plan = solve([2, 2], [year, Capacity("on demand", "X", 10.0)])
    assert plan.cost == 24
    assert plan.liability_after == 2 * 10
    assert solve([2, 2], [year, Capacity("on demand", "X", 5.0)]).cost == 20


def test_an_order_comes_after_its_lead_and_says_when_to_order():
    plan = solve([1, 1, 1, 1], [Capacity("on demand", "X", 9.0),
                                Capacity("r", "X", 1.0, "reserved", term_months=2, lead_months=2)])  # fmt: skip
    assert plan.cost == 2 * 9 + 2 * 1
    row = next(r for r in plan.schedule if r["kind"] == "reserved")
    assert row == {"month": 2, "offer": "r", "amount": 1, "kind": "reserved", "provider": "X", "term_months": 2,
                   "order_month": 0}  # fmt: skip


def test_reserved_amounts_are_whole_and_the_rest_is_bought_in_parts():
    offers = [Capacity("on demand", "X", 1.5), Capacity("r", "X", 1.0, "reserved", term_months=4)]
    assert solve([1.5] * 4, offers).cost == pytest.approx(4 * 1 + 4 * 0.5 * 1.5)
    assert relaxed([1.5] * 4, offers).cost == pytest.approx(4 * 1.5)


def test_a_minimum_term_is_paid_where_nothing_need_be_whole():
    assert solve([0.5, 0], [Capacity("three months at least", "X", 2.0, term_months=3)]).cost == pytest.approx(3)


def test_a_ladder_of_staggered_terms_follows_a_demand_that_rises_and_falls():
    plan = solve([1, 2, 3, 2, 1], [Capacity("r", "X", 1.0, "reserved", term_months=3), Capacity("od", "X", 100.0)])
    assert [(r["month"], r["amount"]) for r in plan.schedule] == [(0, 1), (1, 1), (2, 1)]


def test_a_rate_may_move_with_the_month_of_the_start():
    falling = Capacity("r", "X", [3.0, 1.0, 1.0], "reserved", term_months=2)
    plan = solve([1, 1, 1], [falling, Capacity("od", "X", 2.0)])
    assert plan.cost == 2 + 2 * 1


def test_residency_keeps_a_workload_from_a_capacity():
    demand = [[1, 1], [2, 2]]
    cheap = Capacity("cheap", "X", 1.0, serves=[1, 0])
    plan = solve(demand, [cheap, Capacity("dear", "Y", 5.0)])
    assert plan.cost == pytest.approx(2 * 1 + 4 * 5)


def test_a_slower_accelerator_or_an_interrupted_one_needs_more_units():
    spot = Capacity("spot", "X", 1.0, "spot", serves=1 / 1.25)
    plan = solve([4, 4], [spot, Capacity("od", "X", 2.0)])
    assert plan.cost == pytest.approx(2 * 4 * 1.25)
    assert {r["kind"] for r in plan.schedule} == {"spot"}


def test_use_far_from_the_data_pays_its_egress_and_standing_idle_does_not():
    far = Capacity("far", "X", 1.0, "reserved", term_months=3, usage=[0.0, 5.0])
    near = Capacity("near", "Y", 3.0)
    assert solve([[2, 2, 0], [0, 0, 0]], [far, near]).cost == pytest.approx(6)
    assert solve([[0, 0, 0], [2, 2, 0]], [far, near]).cost == pytest.approx(12)


def test_a_provider_that_serves_nothing_is_not_joined():
    plan = solve([1, 1], [H, Capacity("free but not yet", "N", 0.0, "reserved", lead_months=5), N], {"N": 100, "Z": 7})
    assert (plan.joined, plan.cost) == ((), 6)


def test_nothing_is_bought_for_no_demand():
    plan = solve([0, 0], MARKET, ONBOARDING)
    assert (plan.cost, plan.gap, plan.schedule) == (0, 0, [])


# --- rules


def test_no_provider_does_more_than_its_share_of_the_work():
    rules = Rules(max_share={"N": 0.25})
    plan = solve(CASE["demand"], MARKET, ONBOARDING, 0, rules=rules)
    assert plan.running[2:].sum() <= 0.25 * sum(CASE["demand"]) + 1
    assert plan.cost > CASE["optimum"]
    assert solve(CASE["demand"], MARKET, ONBOARDING, 0, rules=Rules(max_share={"N": 1.0})).cost == CASE["optimum"]


def test_a_share_of_nothing_is_as_good_as_no_offer():
    without = solve(CASE["demand"], MARKET[:2], ONBOARDING, 0).cost
    assert solve(CASE["demand"], MARKET, ONBOARDING, 0, rules=Rules(max_share={"N": 0.0})).cost == without


def test_a_budget_holds_in_each_month_with_upfront_payments_and_onboarding():
    demand, tight = [1, 1, 1], Capacity("r", "X", 1.0, "reserved", term_months=3, upfront=1.0)
    offers = [tight, Capacity("od", "X", 2.0)]
    assert solve(demand, offers, {"X": 1.0}, rules=Rules(budget=[4, 0, 0])).cost == pytest.approx(4)
    later = solve(demand, offers, {"X": 1.0}, rules=Rules(budget=3))
    assert later.cost == pytest.approx(1 + 2 + 3)  # the term is affordable a month after the onboarding
    monthly = [replace(tight, upfront=0), offers[1]]
    assert solve(demand, monthly, {"X": 1.0}, rules=Rules(budget=2)).cost == pytest.approx(4)


# --- where no plan is possible

ALONE = [N, N_RESERVED]


def test_an_impossible_demand_says_which_limit_to_relax_and_by_how_much():
    with pytest.raises(Infeasible) as refused:
        solve(CASE["demand"], ALONE, ONBOARDING)
    assert "raise the cap of 'N on demand' by up to 3 in months 0-1" in refused.value.remedy
    assert "serve up to 3 less of the demand in months 0-1" in refused.value.remedy
    assert refused.value.status == 1


def test_what_it_says_is_enough_and_no_more_than_needed():
    at_first = [c if c.whole else replace(c, cap=6) for c in ALONE]
    assert solve(CASE["demand"], at_first, ONBOARDING).cost > 0
    with pytest.raises(Infeasible, match=r"by 0\.5 in month 1"):
        solve(CASE["demand"], [c if c.whole else replace(c, cap=5.5) for c in ALONE], ONBOARDING)


def test_a_budget_that_is_too_small_says_what_is_missing():
    with pytest.raises(Infeasible, match="pay 2 USD more in months 0-1"):
        solve([2, 2], [Capacity("od", "X", 3.0)], rules=Rules(budget=4))


def test_shares_that_do_not_add_up_to_the_work_say_so():
    with pytest.raises(Infeasible, match=r"raise the share of [XY] by 20\.00%"):
        solve([2, 2], [Capacity("od", "X", 3.0), Capacity("od", "Y", 4.0)],
              rules=Rules(max_share={"X": 0.5, "Y": 0.3}))  # fmt: skip


def test_a_workload_that_nobody_may_serve_is_named():
    with pytest.raises(Infeasible, match=r"workload 1 \(which no capacity may serve\) in months 0-1"):
        solve([[1, 1], [2, 2]], [Capacity("od", "X", 3.0, serves=[1, 0])])


def test_whole_amounts_that_do_not_fit_a_cap_are_found_out():
    """In parts it would fit: the relaxation alone does not see it."""
    assert relaxed([1.5, 1.5], [Capacity("r", "X", 1.0, "reserved", cap=2)]).cost == pytest.approx(3)
    with pytest.raises(Infeasible, match=r"serve 0\.5 less"):
        solve([1.5, 1.5], [Capacity("r", "X", 1.0, "reserved", cap=1)])


# --- shadow prices


@settings(LAW, max_examples=15)
@given(seed=SEEDS)
def test_a_shadow_price_is_what_a_little_more_demand_costs(seed):
    demand, capacities, onboarding = a_market(seed)
    rules = Rules(max_share={"provider 0": 0.3})
    plan, step = relaxed(demand, capacities, onboarding, rules=rules), 1e-3
    for month in (0, 4):
        ends = []
        for sign in (-1, 1):
            moved = demand.copy()
            moved[1, month] += sign * step
            ends.append(sign * (relaxed(moved, capacities, onboarding, rules=rules).cost - plan.cost) / step)
        low, high = sorted(ends)
        assert low - 1e-3 <= plan.shadow_prices["demand"][1, month] <= high + 1e-3


def test_a_shadow_price_of_a_cap_is_what_one_more_unit_saves():
    cheap, dear = Capacity("cheap", "X", 1.0, cap=2), Capacity("dear", "Y", 4.0)
    prices = relaxed([5, 1], [cheap, dear]).shadow_prices
    assert prices["cap"]["cheap"] == pytest.approx([3, 0])
    assert prices["demand"] == pytest.approx([4, 1])


def test_shadow_prices_of_a_budget_and_a_share_are_what_more_of_them_saves():
    term, month = Capacity("r", "X", 3.0, "reserved", term_months=2, upfront=1.0), Capacity("od", "Y", 4.0)
    prices = relaxed([1, 1], [term, month], rules=Rules(budget=[5.0, 9.0])).shadow_prices
    assert prices["budget"] == pytest.approx([1, 0])  # half a unit more of the term, which saves 2 USD
    prices = relaxed([1, 1], [term, month], rules=Rules(max_share={"X": 0.5})).shadow_prices
    assert prices["share"]["X"] == pytest.approx(2)
    assert prices["demand"] == pytest.approx([4 - 1 / 2, 4 - 1 / 2])  # half of one more unit may go to X


# --- after a price move


def at_rates(capacities, shares):
    return [replace(c, rate=c.rate * share) for c, share in zip(capacities, shares, strict=True)]


@settings(LAW, max_examples=20)
@given(seed=SEEDS, size=st.sampled_from([0.02, 0.5]), gap=st.sampled_from([0.0, 5e-3]))
def test_a_plan_after_a_price_move_is_as_good_as_one_from_cold(seed, size, gap):
    demand, capacities, onboarding = a_market(seed)
    moved = at_rates(capacities, 1 + size * np.random.default_rng(seed).uniform(-1, 1, len(capacities)))
    warm = repriced(solve(demand, capacities, onboarding, gap), moved, gap)
    best = solve(demand, moved, onboarding, 0).cost
    assert best * (1 - 1e-6) <= warm.cost <= best * (1 + gap + 1e-6)
    assert warm.bound <= best * (1 + 1e-6)
    assert warm.relaxed == pytest.approx(relaxed(demand, moved, onboarding).cost)
    assert bill(warm, moved, onboarding) == pytest.approx(warm.cost)
    assert served(warm, moved, demand.sum(axis=0))


def test_many_price_moves_leave_the_first_plan_as_it_was():
    demand, capacities, onboarding = a_market(7)
    first = solve(demand, capacities, onboarding)
    for size in (1.5, 0.4, 1.0):
        again = repriced(first, at_rates(capacities, [size] * len(capacities)))
    assert again.cost == pytest.approx(first.cost, rel=1e-3)
    assert again.shadow_prices["demand"] == pytest.approx(
        relaxed(demand, capacities, onboarding).shadow_prices["demand"]
    )


def test_a_budget_is_held_at_the_new_rates_too():
    tight = Rules(budget=4.0)
    plan = solve([2, 2], [Capacity("od", "X", 2.0)], rules=tight)
    with pytest.raises(Infeasible, match="USD more"):
        repriced(plan, [Capacity("od", "X", 2.5)])


def test_a_relaxed_plan_follows_a_price_move_as_a_relaxed_one():
    demand, capacities, onboarding = a_market(8)
    moved = at_rates(capacities, [1.1, *[0.9] * (len(capacities) - 1)])
    assert repriced(relaxed(demand, capacities, onboarding), moved).cost == pytest.approx(
        relaxed(demand, moved, onboarding).cost
    )


def test_a_move_of_more_than_rates_is_refused():
    plan = solve(CASE["demand"], MARKET, ONBOARDING)
    with pytest.raises(WorkbenchError, match="other rates"):
        repriced(plan, [H, H_RESERVED, N, replace(N_RESERVED, lead_months=1)])


# --- bad input

GOOD = {"demand": [1.0, 2.0], "capacities": [H]}


@pytest.mark.parametrize(
    "bad",
    [
        {"demand": []}, {"demand": [NAN, 1]}, {"demand": [-1, 1]}, {"demand": [INF]}, {"demand": "two"}, {"demand": 3},
        {"demand": np.ones((2, 2, 2))}, {"demand": None}, {"capacities": []}, {"capacities": ["H"]}, {"gap": -1},
        {"gap": NAN}, {"gap": [0.1]}, {"onboarding": {"H": -1}}, {"onboarding": {"H": NAN}},
        *({"capacities": [replace(H, **c)]} for c in (
            {"rate": -1}, {"rate": NAN}, {"rate": "dear"}, {"rate": [1, 2, 3]}, {"kind": "rented"}, {"cap": -1},
            {"cap": NAN}, {"cap": [1, 2]}, {"term_months": 0}, {"term_months": 1.5}, {"lead_months": -1},
            {"lead_months": 0.5}, {"upfront": 2}, {"serves": -1}, {"serves": [1, 1]}, {"usage": NAN},
        )),
        {"rules": Rules(budget=-1)}, {"rules": Rules(budget=[1, 2, 3])}, {"rules": Rules(max_share={"H": 1.5})},
    ],
    ids=str,
)  # fmt: skip
def test_bad_input_is_refused_with_its_place(bad):
    with pytest.raises(WorkbenchError) as refused:
        solve(**GOOD | bad)
    assert "decision.portfolio.solve" in refused.value.where
    assert refused.value.remedy


PLAN = "solve([1.5, 2], [Capacity('a', 'A', 3.0), Capacity('b', 'A', 2.0, 'reserved', term_months=2)])"


def said(code: str) -> str:
    """What a fresh Python with the module imported prints on stdout."""
    text = f"import sys\nfrom workbench.decision.portfolio.solver import *\n{code}"
    root = Path(__file__).parents[3]
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=root).stdout


def test_the_solver_says_nothing_on_stdout():
    """The command line prints one JSON object there and nothing else."""
    assert said(PLAN) == ""


def test_the_solver_is_loaded_only_when_a_plan_is_asked_for():
    assert said("print('highspy' in sys.modules)").strip() == "False"
    assert said(f"{PLAN}\nprint('highspy' in sys.modules)").strip() == "True"


# --- what a provider has, and when joining it is paid


def test_a_provider_has_only_so_much_of_all_that_it_sells():
    """Blocks of four and single ones count alike, in the unit of the limit."""
    block = Capacity("block", "X", 4.0, "reserved", serves=4, size=4)
    single, dear = Capacity("single", "X", 2.0), Capacity("dear", "Y", 9.0)
    free = solve([7], [block, single, dear])
    assert free.cost == pytest.approx(2 * 4.0)
    plan = solve([7], [block, single, dear], rules=Rules(max_size={"X": 6}))
    assert plan.cost == pytest.approx(4.0 + 2 * 2.0 + 9.0)
    assert plan.shadow_prices["size"]["X"].shape == (1,)
    assert plan.shadow_prices["size"]["X"][0] > 0


def test_a_provider_that_has_too_little_says_how_much_more_it_takes():
    with pytest.raises(Infeasible, match="have 2 more at X in month 1"):
        solve([3, 5], [Capacity("od", "X", 1.0)], rules=Rules(max_size={"X": 3}))


def test_joining_is_paid_as_it_falls_due():
    capacity, onboarding = Capacity("od", "X", 1.0), {"X": 8.0}
    with pytest.raises(Infeasible, match="pay 4 USD more in month 0"):
        solve([1, 1], [capacity], onboarding, rules=Rules(budget=5.0))
    plan = solve([1, 1], [capacity], onboarding, rules=Rules(budget=5.0, joining=[0.5, 0.5]))
    assert plan.cost == pytest.approx(2 + 8)


@pytest.mark.parametrize(
    "rules", [Rules(max_size={"X": -1}), Rules(joining=[0.5, 0.4]), Rules(joining=[1.0]), Rules(max_size={"X": np.nan})]
)
def test_a_rule_that_means_nothing_is_refused(rules):
    with pytest.raises(WorkbenchError):
        solve([1, 1], [Capacity("od", "X", 1.0)], rules=rules)
