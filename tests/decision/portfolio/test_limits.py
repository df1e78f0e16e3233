"""What [plan] of a scenario limits is kept by its plan; what cannot be kept says what to relax, and by how much."""

from dataclasses import replace

import numpy as np
import pytest

from workbench import face
from workbench.decision.portfolio.commitments import commitments
from workbench.decision.portfolio.purchase import purchase
from workbench.decision.portfolio.solver import relaxed
from workbench.records import Infeasible, InputProblems, Range, WorkbenchError
from workbench.scenario import parse
from workbench.stated import Planning

MONTHS = 12


@pytest.fixture(scope="module")
def busy():
    """The chat service with twenty times the traffic, which commitments are worth for, at sellers that commit."""
    chat = face.load("chat")
    counted = ("tokens_in_per_month", "tokens_out_per_month", "requests_per_month")
    more = {name: 20 * getattr(chat.demand, name) for name in counted}
    limits = replace(chat.constraints, providers=("RunPod", "Hyperstack", "Nebius"))
    return replace(chat, demand=replace(chat.demand, **more), constraints=limits)


@pytest.fixture(scope="module")
def facts(busy):
    return face.facts(busy.as_of)


@pytest.fixture(scope="module")
def free(facts, busy):
    return purchase(facts, busy)


def limited(scenario, **keys):
    return replace(scenario, plan=Planning(**keys))


def paid(found):
    """USD that fall due in each month: orders by their upfront share, use, joining and what every plan pays."""
    asked, values = found.asked, found.plan.optimum.values
    columns, market = found.plan.optimum.programme.columns, found.plan.optimum.programme.market
    months = np.full(market.months, asked.fixed / market.months)
    capacities = {b.option.id: b.capacity for b in found.place}
    for order in found.schedule:
        c = capacities[order["offer"]]
        usd, start = order["amount"] * np.asarray(c.rate)[order["month"]] * c.term_months, order["month"]
        months[start] += usd * c.upfront
        months[start : start + c.term_months] += usd * (1 - c.upfront) / c.term_months
    used = columns.use.of(values)[0]
    months += (market.usage_gp[columns.group, columns.pool][:, None] * used).sum(axis=0)
    onboarding = {b.capacity.provider: b.onboarding for b in found.place}
    return months + sum(onboarding[p] for p in found.plan.joined) / market.months


def at_once(found, provider):
    return sum(np.array(months) for b, months in found.used if b.option.provider == provider)


# --- the budget


def test_what_is_paid_by_month_adds_up_to_the_cost(free):
    assert paid(free).sum() == pytest.approx(free.cost)


def test_a_plan_pays_no_more_in_a_month_than_its_budget(facts, busy, free):
    """Prepaid terms are the cheapest, and a month in which they start is the dearest."""
    most = paid(free).max()
    budget = 0.9 * most
    found = purchase(facts, limited(busy, budget_per_month=budget))
    assert paid(found).max() <= budget * (1 + 1e-6)
    assert found.cost >= free.cost * (1 - 1e-9)


def test_a_budget_that_is_never_reached_changes_nothing(facts, busy, free):
    found = purchase(facts, limited(busy, budget_per_month=100 * paid(free).max()))
    assert found.cost == pytest.approx(free.cost, rel=1e-3)


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_what_a_budget_lacks_is_enough_when_it_is_added(facts, busy, free, share):
    budget = np.full(MONTHS, share * free.cost / MONTHS)
    with pytest.raises(Infeasible, match=r"pay up to [0-9,.]+ USD more in month") as refused:
        purchase(facts, limited(busy, budget_per_month=tuple(budget)))
    assert "the base" in refused.value.remedy or "the burst" in refused.value.remedy
    lacks = float(refused.value.remedy.partition("pay up to ")[2].partition(" USD")[0].replace(",", ""))
    found = purchase(facts, limited(busy, budget_per_month=tuple(budget + lacks * (1 + 1e-4))))
    assert paid(found).max() <= (budget[0] + lacks) * (1 + 1e-3)


def test_a_budget_below_the_people_that_every_plan_needs_says_so():
    health = face.load("health")
    with pytest.raises(Infeasible, match="raise budget_per_month by 2,872 USD"):
        purchase(face.facts(health.as_of), limited(health, budget_per_month=10_000))


def test_a_budget_is_in_the_currency_of_the_scenario(facts, busy):
    rate = 1.25
    known = replace(facts, currencies={**facts.currencies, "EUR": rate})
    euros = commitments(known, limited(replace(busy, currency="EUR"), budget_per_month=1e6)).rules.budget
    dollars = commitments(facts, limited(busy, budget_per_month=1e6)).rules.budget
    assert (euros - dollars)[0] == pytest.approx(1e6 * (rate - 1))


# --- sellers


def test_a_lead_time_of_ones_own_goes_before_the_rows(facts, busy, free):
    assert min(o["month"] for o in free.schedule if o["kind"] == "reserved" and o["provider"] == "RunPod") == 0
    slow = limited(busy, lead_time_months={"RunPod": Range(value=3, low=2, high=5)})
    found = purchase(facts, slow)
    orders = [o for o in found.schedule if o["kind"] == "reserved" and o["provider"] == "RunPod"]
    assert orders
    for order in orders:
        assert order["order_month"] == order["month"] - 3 >= 0
        assert (order["order_by_cautious"] is None) == (order["month"] < 5)


def test_a_lead_time_leads_to_its_line(facts, busy):
    placed = replace(limited(busy, lead_time_months={"RunPod": 3.0}), places={"plan.lead_time_months": "my.toml:9"})
    named = replace(placed, places={"plan.lead_time_months.RunPod": "my.toml:9"})
    leads = {b.option.inputs["lead_time_months"].rows for b in commitments(facts, named).every
             if b.option.provider == "RunPod" and b.capacity.whole}  # fmt: skip
    assert leads == {("my.toml:9",)}


def test_a_seller_has_no_more_accelerators_at_once_than_stated(facts, busy, free):
    most = 0.5 * at_once(free, "RunPod").max()
    found = purchase(facts, limited(busy, max_accelerators={"RunPod": most}))
    assert at_once(found, "RunPod").max() <= most * (1 + 1e-6)
    assert found.cost > free.cost


def test_a_share_by_provider_goes_before_the_one_for_all(facts, busy):
    asked = replace(busy, constraints=replace(busy.constraints, max_provider_share=0.8))
    rules = commitments(facts, limited(asked, max_provider_share={"RunPod": 0.2, "Nebius": 1.0})).rules
    assert rules.max_share == {"RunPod": 0.2, "Hyperstack": 0.8}


def test_too_few_accelerators_say_how_many_more_it_takes(facts, busy):
    alone = replace(busy, constraints=replace(busy.constraints, providers=("RunPod",)))
    with pytest.raises(Infeasible, match=r"have up to [0-9.]+ more at RunPod in months 0-11"):
        purchase(facts, limited(alone, max_accelerators={"RunPod": 10}))


# --- what is left out


@pytest.mark.parametrize(
    "keys",
    [
        {"max_provider_share": {"fal": 0.5, "Crusoe": 0.4}},
        {"max_accelerators": {"fal": 12, "RunPod": 5}},
        {"budget_per_month": 127_000.0},
        {"budget_per_month": 150_000.0, "max_accelerators": {"fal": 12}, "max_provider_share": {"Crusoe": 0.3}},
    ],
)
def test_under_limits_what_is_left_out_would_not_make_a_plan_cheaper(facts, keys):
    asked = commitments(facts, limited(face.load("chat"), **keys))

    def least(bounds):
        market = [b.capacity for b in bounds], {b.capacity.provider: b.onboarding for b in bounds}
        return relaxed(asked.demand, *market, rules=asked.rules).cost

    assert len(asked.bound) < len(asked.every)
    assert least(asked.bound) == pytest.approx(least(asked.every), rel=1e-6)


# --- data that is read from elsewhere


def test_who_runs_where_the_data_lies_reads_it_for_nothing(facts):
    chat = face.load("chat")
    home = replace(chat, constraints=replace(chat.constraints, providers=("GCP", "RunPod")))
    plain, read = (commitments(facts, s) for s in (home, limited(home, data_at="GCP", read_tb_per_month=100.0)))
    for before, after in zip(plain.every, read.every, strict=True):
        dearer = np.asarray(after.capacity.usage) - np.asarray(before.capacity.usage)
        assert (dearer > 0).all() == (before.option.provider != "GCP")
        assert (dearer >= 0).all()


def test_reading_costs_what_the_tiers_of_the_seller_say(facts):
    """All of a month's work done elsewhere pays for all that is read in it, which grows with the work."""
    chat = face.load("chat")
    still = replace(chat, demand=replace(chat.demand, growth_per_month=0.0))
    away = replace(still, constraints=replace(chat.constraints, providers=("RunPod",)))
    plain, read = (commitments(facts, s) for s in (away, limited(away, data_at="AWS", read_tb_per_month=20.0)))
    dearer = np.asarray(read.every[0].capacity.usage) - np.asarray(plain.every[0].capacity.usage)
    per_work = dearer / np.asarray(read.every[0].capacity.serves)
    service = next(s for s in facts.services if s.provider == "AWS" and s.category == "egress" and s.plan == "internet")
    left, bill = 20.0 * 1024, 0.0
    for low, high, rate in zip((0, *service.edges), (*service.edges, np.inf), service.rates, strict=True):
        bill += max(min(left, high) - low, 0) * rate
    assert per_work == pytest.approx(bill / away.months * away.months / read.demand[:, 0].sum())
    assert set(service.rows) <= set(read.read)


def test_reading_from_a_seller_without_prices_is_refused(facts, busy):
    with pytest.raises(WorkbenchError, match="no price of UpCloud"):
        commitments(facts, limited(busy, data_at="UpCloud", read_tb_per_month=1.0))


# --- the file

STATED = {
    "name": "a",
    "months": 3,
    "demand": {"work": "image", "requests_per_month": 1e6, "gpu_hours_per_request": 0.1},
}


@pytest.mark.parametrize(
    ("plan", "what"),
    [
        ({"budget_per_month": [1.0, 2.0]}, "2 months of budget for 3 months"),
        ({"budget_per_month": -1}, "at least 0"),
        ({"budget_per_month": [1.0, 2.0, float("inf")]}, "not finite"),
        ({"budget_per_month": "1"}, "not a number"),
        ({"lead_time_months": {"RunPod": {"value": 1, "low": -1, "high": 2}}}, "out of range"),
        ({"lead_time_months": {"Runpod": 1}}, "not known"),
        ({"max_provider_share": {"RunPod": 1.5}}, "at most 1"),
        ({"max_accelerators": {"RunPod": -1}}, "at least 0"),
        ({"max_accelerators": 5}, ""),
        ({"data_at": "AWZ"}, "not known"),
        ({"read_tb_per_month": 5}, "nobody is named"),
        ({"budgets": 5}, "unknown key"),
    ],
)
def test_a_limit_that_means_nothing_is_refused_at_the_door(facts, busy, plan, what):
    from workbench.scenario import names

    with pytest.raises(InputProblems) as refused:
        parse({**STATED, "as_of": busy.as_of, "plan": plan}, "a.toml", known=lambda _: names(facts))
    assert all(p.where.startswith("a.toml: plan") for p in refused.value.problems)
    assert any(what in f"{p.what} {p.remedy}" for p in refused.value.problems)


# --- what else the binding carries


def test_interruptions_of_spot_are_paid_for(facts):
    """More of them lose more work: a unit does less, and the plan on spot alone costs more."""
    tune = face.load("finetune")
    assert any(b.capacity.kind == "spot" for b in commitments(facts, tune).bound)

    def on_spot(rate):
        asked = replace(tune, assumptions={**tune.assumptions, "interruptions_per_hour": rate})
        return {b.option.id: b for b in commitments(facts, asked).every if b.capacity.kind == "spot"}

    few, many = on_spot(0.01), on_spot(0.2)
    assert few
    for name in few.keys() & many.keys():
        assert (many[name].unit_costs > few[name].unit_costs).all()
        assert many[name].capacity.serves < few[name].capacity.serves


def test_a_term_that_outlives_the_horizon_is_paid_to_its_end(facts, busy):
    longer = replace(busy, constraints=replace(busy.constraints, max_commitment_months=36, providers=("Nebius",)))
    found = purchase(facts, longer)
    outliving = [o for o in found.schedule if o["month"] + o["term_months"] > busy.months]
    assert outliving
    owed = sum(o["usd"] / o["term_months"] * (o["month"] + o["term_months"] - busy.months) for o in outliving)
    assert found.plan.liability_after == pytest.approx(owed)
    assert found.cost <= found.on_demand_only


def test_no_capacity_of_a_plan_breaks_the_law_that_the_data_is_under(facts):
    health = face.load("health")
    for b in commitments(facts, health).every:
        assert facts.regions[b.option.provider, b.option.price.region]["jurisdiction"] == "EU"


def test_egress_and_transfer_are_paid_by_whoever_serves_the_work(facts):
    chat = face.load("chat")
    still = replace(chat, constraints=replace(chat.constraints, providers=("AWS", "GCP")))
    more = replace(still, data=replace(chat.data, egress_tb_per_month=200.0, inter_region_tb_per_month=50.0))
    few, many = commitments(facts, still).every, commitments(facts, more).every
    for before, after in zip(few, many, strict=True):
        assert (np.asarray(after.capacity.usage) > np.asarray(before.capacity.usage)).all()
