"""The cost model: published figures through the product's own formulas, and laws that hold for every option."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import formula
from workbench.decision.outcome import PARTS
from workbench.models import cost
from workbench.records import WorkbenchError

CASES = Path(__file__).parents[1] / "cases"
PUBLISHED = json.loads((CASES / "published.json").read_text(encoding="utf-8"))
DECISION = json.loads((CASES / "decision.json").read_text(encoding="utf-8"))
LAW = settings(max_examples=8, deadline=None, derandomize=True)
THOROUGH = settings(LAW, max_examples=200)
DRAWS = 64
"""A law is tried on so many options at once: the formulas take arrays."""

NOTHING = {
    "growth_per_month": 0.0, "month": 0.0, "ramp_months": 0.0, "work_share": 1.0, "model_scale": 1.0,
    "tokens_in_per_month": 0.0, "prefill_tokens_per_gpu_hour": 1.0, "prefill_throughput": 1.0,
    "tokens_out_per_month": 0.0, "decode_tokens_per_gpu_hour": 1.0, "decode_throughput": 1.0,
    "gpu_hours_per_month": 0.0, "runs_per_month": 0.0, "gpu_hours_per_run": 0.0, "requests_per_month": 0.0,
    "gpu_hours_per_request": 0.0, "batch_throughput": 1.0, "confidential_overhead": 0.0, "utilisation": 1.0,
    "peak_floor": 1.0, "hours_per_month": 730.0, "active_share": 1.0, "spare_share": 0.0, "gpus_per_instance": 1.0,
    "sessions_per_month": 1.0, "quantum_hours": 1.0 / 3600, "minimum_hours": 0.0, "serverless_gpu_hours": 0.0,
    "goodput_loss": 0.0, "price_factor": 1.0, "list_price": 0.0, "extra_price": 0.0, "region_multiplier": 1.0,
    "negotiated_discount": 0.0, "platform_premium": 0.0, "committed_gpu_hours": 0.0, "committed_price": 0.0,
    "lead_time_months": 0.0, "bridged": 1.0, "unavailable_share": 0.0, "bridge_price": 0.0,
    "waiting_usd_per_month": 0.0, "egress_gb_per_month": 0.0, "egress_edges": np.array([]),
    "egress_rates": np.array([0.0]), "stored_gb": 0.0, "storage_edges": np.array([]),
    "storage_rates": np.array([0.0]), "transfer_gb_per_month": 0.0,
    "transfer_price": 0.0, "control_plane_price": 0.0, "observability_usd_per_gpu_month": 0.0, "other_spend": 0.0,
    "support_edges": np.array([]), "support_rates": np.array([0.0]), "support_minimum": 0.0,
    "engineers_per_extra_provider": 0.0, "extra_providers": 0.0, "platform_engineers": 0.0,
    "engineer_usd_per_month": 0.0, "setup_usd_per_gpu": 0.0, "setup_usd": 0.0, "horizon_months": 12.0,
    "debugging_usd_per_gpu_month": 0.0,
}  # fmt: skip
"""Every name that the total rests on, bound so that it costs nothing: a case then states what it is about."""


def bill(**inputs: Any) -> dict[str, Any]:
    return formula.evaluate(cost, {**NOTHING, **inputs}, ("monthly_cost",))


def test_what_costs_nothing_adds_up_to_nothing():
    assert bill()["monthly_cost"] == 0


# --- published figures


@pytest.mark.parametrize("tier", ["gold", "hyperscaler", "silver"])
def test_the_published_cluster_comes_out_of_our_own_formulas(tier):
    """SemiAnalysis' calculator, within one dollar a month: the share of lost goodput is printed to four digits."""
    case, given_ = PUBLISHED["cluster_tco"], PUBLISHED["cluster_tco"][tier]
    gpus, hours, months = case["gpus"], case["hours_per_month"], case["months"]
    values = bill(
        month=np.arange(float(months)), horizon_months=float(months), hours_per_month=float(hours),
        gpu_hours_per_month=float(gpus * hours), gpus_per_instance=8.0, list_price=given_["gpu_hour"],
        platform_premium=given_.get("orchestration_premium_share", 0.0), goodput_loss=given_["goodput_loss"],
        stored_gb=1.0, storage_rates=np.array([float(given_.get("storage", 0))]), transfer_gb_per_month=1.0,
        transfer_price=float(given_.get("network", 0)), control_plane_price=given_.get("cpu", 0) / hours,
        support_rates=np.array([given_.get("support_share", 0.0)]), setup_usd=float(given_.get("setup_once", 0)),
        debugging_usd_per_gpu_month=given_.get("debugging", 0) / gpus,
    )  # fmt: skip
    assert (values["instances"] == gpus / 8).all()
    assert np.broadcast_to(values["monthly_cost"], (months,)) == pytest.approx(given_["monthly"], abs=1.0)


def test_the_published_tiers_stand_in_the_published_ratio():
    tiers = PUBLISHED["cluster_tco"]
    for tier in ("hyperscaler", "silver"):
        assert tiers[tier]["monthly"] / tiers["gold"]["monthly"] == pytest.approx(tiers[tier]["ratio"], abs=0.005)


EGRESS = DECISION["graduated_egress"]


@pytest.mark.parametrize("case", EGRESS["cases"], ids=lambda c: f"{c['tb']} TB in {c.get('in_equal_months', 1)} months")
def test_graduated_egress_costs_what_the_list_says(case):
    months = case.get("in_equal_months", 1)
    quantity = np.full(months, case["tb"] * 1024 / months)
    assert cost.graduated(quantity, EGRESS["edges_gb"], EGRESS["rates"]).sum() == pytest.approx(case["usd"], abs=0.005)
    values = bill(
        month=np.arange(float(months)), egress_gb_per_month=quantity,
        egress_edges=np.array(EGRESS["edges_gb"]), egress_rates=np.array(EGRESS["rates"]),
    )  # fmt: skip
    assert values["monthly_cost"].sum() == pytest.approx(case["usd"], abs=0.005)


# --- any option: random inputs of all kinds

UNITS = {
    "share": (0.0, 0.9), "x": (0.2, 3.0), "months": (0.0, 6.0), "share/month": (-0.05, 0.05), "month": (1.0, 60.0),
    "hour/month": (500.0, 800.0), "hour": (0.0, 2.0), "1/month": (1.0, 200.0), "GPU": (1.0, 64.0),
    "GPU/instance": (1.0, 8.0), "provider": (0.0, 3.0), "engineer": (0.0, 3.0), "engineer/provider": (0.0, 2.0),
    "token/month": (0.0, 1e11), "token/GPU-hour": (1e6, 3e7), "request/month": (0.0, 1e7), "run/month": (0.0, 40.0),
    "GPU-hour/month": (0.0, 1e5), "GPU-hour/run": (0.0, 500.0), "GPU-hour/request": (0.0, 0.01),
    "GB/month": (0.0, 3e5), "GB": (0.0, 1e5), "GB/GPU": (0.0, 300.0), "vCPU/GPU": (0.0, 30.0),
    "USD/GPU-hour": (0.1, 15.0), "USD/vCPU-hour": (0.0, 0.2), "USD/GB-hour": (0.0, 0.03), "USD/GB": (0.0, 0.2),
    "USD/GB-month": (0.0, 0.3), "USD/hour": (0.0, 1.0), "USD/GPU-month": (0.0, 30.0), "USD/month": (0.0, 1e5),
    "USD/engineer-month": (0.0, 4e4), "USD/GPU": (0.0, 1000.0), "USD": (0.0, 1e6),
}  # fmt: skip
NAMED = {
    "growth_per_month": (-0.05, 0.1), "utilisation": (0.05, 1.0), "active_share": (0.1, 1.0), "batch_fill": (0.1, 1.0),
    "peak_floor": (1.0, 4.0), "goodput_loss": (0.0, 2.0), "quantum_hours": (1 / 3600, 1.0), "month": (0.0, 59.0),
    "bridged": (0.0, 1.0),
}  # fmt: skip
LEAVES = formula.leaves(cost, ("monthly_cost",))
TABLES = ("egress_edges", "egress_rates", "storage_edges", "storage_rates", "support_edges", "support_rates")


def span(name: str) -> tuple[float, float]:
    if name in NAMED:
        return NAMED[name]
    units = (formula.unit_of(f.function, name) for f in formula.formulas(cost).values() if name in f.arguments)
    return UNITS[next(u.text for u in units if u is not None)]


@st.composite
def tables(draw: st.DrawFn, top: float, rate: float) -> tuple[np.ndarray, np.ndarray]:
    edges = sorted(draw(st.sets(st.floats(1.0, top, allow_subnormal=False), max_size=3)))
    rates = draw(
        st.lists(st.floats(0.0, rate, allow_subnormal=False), min_size=len(edges) + 1, max_size=len(edges) + 1)
    )
    return np.array(edges), np.array(rates)


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """What options bind: fleets by the hour, with or without a commitment, or serverless sellers; the ends too."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    place = np.clip(rng.uniform(-0.1, 1.1, (len(LEAVES), DRAWS, 1)), 0, 1)
    inputs: dict[str, Any] = {n: span(n)[0] + (span(n)[1] - span(n)[0]) * u for n, u in zip(LEAVES, place, strict=True)
                              if n not in TABLES}  # fmt: skip
    inputs["egress_edges"], inputs["egress_rates"] = draw(tables(3e5, 0.2))
    inputs["storage_edges"], inputs["storage_rates"] = draw(tables(3e5, 0.2))
    inputs["support_edges"], inputs["support_rates"] = draw(tables(1e5, 0.2))
    kind = draw(st.sampled_from(["fleet", "committed", "serverless"]))
    if kind == "serverless":
        inputs["dedicated_gpu_hours"] = 0.0
    else:
        inputs["serverless_gpu_hours"] = 0.0
    if kind != "committed":
        inputs["committed_gpus"] = 0.0
    return inputs


def evaluate(inputs: dict[str, Any], *more: str) -> dict[str, Any]:
    return formula.evaluate(cost, inputs, ("monthly_cost", "unused_gpu_hours", *more))


def total(inputs: dict[str, Any]) -> Any:
    return evaluate(inputs)["monthly_cost"]


# --- the cost never falls when a price or a quantity rises

RISES = (
    "growth_per_month", "tokens_in_per_month", "tokens_out_per_month", "gpu_hours_per_month",
    "runs_per_month", "gpu_hours_per_run", "requests_per_month", "gpu_hours_per_request", "confidential_overhead",
    "peak_floor", "spare_share", "minimum_hours", "wakeups_per_month", "idle_timeout_hours", "gpus_per_replica",
    "goodput_loss", "price_factor", "committed_price_factor", "list_price",
    "vcpus_per_gpu", "vcpu_price", "memory_per_gpu", "memory_price", "region_multiplier", "platform_premium",
    "committed_list_price", "market_price", "bridge_premium", "model_billion_parameters",
    "waiting_usd_per_month", "egress_gb_per_month", "egress_rates", "stored_gb",
    "storage_rates", "transfer_gb_per_month", "transfer_price", "control_plane_price",
    "observability_usd_per_gpu_month", "support_rates", "engineers_per_extra_provider", "extra_providers",
    "platform_engineers", "engineer_usd_per_month", "setup_usd_per_gpu", "setup_usd", "debugging_usd_per_gpu_month",
)  # fmt: skip
FALLS = (
    "taken_share", "ramp_months", "prefill_tokens_per_gpu_hour", "prefill_throughput", "decode_tokens_per_gpu_hour",
    "decode_throughput", "reference_billion_parameters",
    "batch_throughput", "utilisation", "batch_fill", "negotiated_discount", "horizon_months",
)  # fmt: skip
NEITHER = {
    "month": "the axis", "hours_per_month": "longer months hold more work an accelerator",
    "active_share": "fewer hours need more accelerators at once", "gpus_per_instance": "rounding up to whole instances",
    "sessions_per_month": "rounding up to the billing quantum", "quantum_hours": "rounding up to the billing quantum",
    "committed_gpus": "a commitment may save or not",
    "lead_time_months": "the bridge may be cheaper", "bridged": "the bridge may be cheaper",
    "unavailable_share": "the bridge may be cheaper", "egress_edges": "rates may rise or fall with the tier",
    "storage_edges": "rates may rise or fall with the tier",
    "support_edges": "rates may rise or fall with the tier", "other_spend": "bands fall with spend",
    "support_minimum": "other spend may pay it already",
}  # fmt: skip


def test_every_input_of_the_total_has_a_direction_or_a_reason():
    assert sorted([*RISES, *FALLS, *NEITHER]) == sorted(LEAVES)


def higher(inputs: dict[str, Any], name: str, share: float) -> dict[str, Any]:
    """The same option with one input moved up within its range; tables are raised as a whole."""
    high = span(name)[1]
    value = inputs[name]
    moved = value * (1 + share) if name in TABLES else value + (high - value) * share
    return {**inputs, name: moved}


def at_least(more: Any, less: Any) -> bool:
    """Up to the rounding of sums."""
    return bool((more >= less - 1e-9 * np.maximum(np.abs(less), 1.0)).all())


@pytest.mark.parametrize("name", RISES)
@LAW
@given(inputs=options(), share=st.floats(0.01, 1.0))
def test_cost_never_falls_when_this_rises(name, inputs, share):
    assert at_least(total(higher(inputs, name, share)), total(inputs))


@pytest.mark.parametrize("name", FALLS)
@LAW
@given(inputs=options(), share=st.floats(0.01, 1.0))
def test_cost_never_rises_when_this_rises(name, inputs, share):
    assert at_least(total(inputs), total(higher(inputs, name, share)))


@pytest.mark.parametrize("name", [*RISES, *FALLS])
def test_each_direction_is_seen_to_move_the_cost(name):
    """A law that holds because the input does nothing is none: one plain option moves with each of them."""
    inputs = {n: sum(span(n)) / 2 for n in LEAVES if n not in TABLES} | {"month": 4.0}
    inputs |= {"egress_edges": np.array([100.0]), "egress_rates": np.array([0.1, 0.05]), "other_spend": 0.0,
               "storage_edges": np.array([100.0]), "storage_rates": np.array([0.1, 0.05]),
               "support_edges": np.array([1e4]), "support_rates": np.array([0.1, 0.05]), "lead_time_months": 30.0,
               "peak_floor": 1.0}  # fmt: skip
    if name == "peak_floor":
        inputs["utilisation"] = 1.0
    if name == "minimum_hours":
        inputs |= {"sessions_per_month": 1.0, "minimum_hours": 1000.0}
        assert total({**inputs, name: 2000.0}) > total(inputs)
        return
    assert abs(total(higher(inputs, name, 1.0)) - total(inputs)) > 0.01


@LAW
@given(inputs=options(), share=st.floats(0.01, 1.0))
def test_a_higher_support_minimum_costs_more_where_nothing_else_is_spent(inputs, share):
    alone = {**inputs, "other_spend": 0.0}
    assert at_least(total(higher(alone, "support_minimum", share)), total(alone))


@LAW
@given(inputs=options())
def test_other_spend_at_a_provider_never_makes_support_cheaper_than_nothing(inputs):
    values = evaluate(inputs)
    rounding = 1e-12 * (values["platform_spend"] + inputs["other_spend"])
    assert (values["support_cost"] >= -rounding - 1e-9).all()


# --- the parts


@LAW
@given(inputs=options())
def test_parts_sum_to_the_total_to_the_cent(inputs):
    values = evaluate(inputs)
    assert sum(values[p] for p in PARTS) == pytest.approx(values["monthly_cost"], abs=0.005, rel=1e-12)


@LAW
@given(inputs=options())
def test_every_part_is_finite_and_no_part_is_negative(inputs):
    values = evaluate(inputs)
    assert all(np.isfinite(values[p]).all() and (values[p] >= -1e-6).all() for p in PARTS)


@LAW
@given(inputs=options())
def test_a_part_is_a_cost_formula_of_its_own(inputs):
    """Nothing is counted twice: with every other part bound to nothing, the total is that part."""
    values = evaluate(inputs)
    for part in PARTS:
        assert formula.evaluate(cost, {**dict.fromkeys(PARTS, 0.0), part: values[part]}, ("monthly_cost",))[
            "monthly_cost"
        ] == pytest.approx(values[part])


# --- hours: idle, committed, lost, bridged, waited for


@LAW
@given(inputs=options())
def test_idle_hours_are_paid(inputs):
    """At half the utilisation a fleet of ample size costs twice the hours."""
    fleet = {**inputs, "peak_floor": 1.0, "utilisation": 0.8}
    busy, idle = (evaluate({**fleet, "utilisation": u}, "rented_gpu_hours", "useful_gpu_hours") for u in (0.8, 0.4))
    assert idle["rented_gpu_hours"] == pytest.approx(2 * busy["rented_gpu_hours"])
    assert (idle["useful_gpu_hours"] == busy["useful_gpu_hours"]).all()
    assert at_least(total({**fleet, "utilisation": 0.4}), total({**fleet, "utilisation": 0.8}))


def test_utilisation_is_not_applied_to_a_serverless_seller():
    inputs = {"gpu_hours_per_month": 500.0, "dedicated_gpu_hours": 0.0, "list_price": 4.0, "batch_fill": 0.5,
              "wakeups_per_month": 100.0, "idle_timeout_hours": 0.01, "gpus_per_replica": 2.0}  # fmt: skip
    serverless = {k: v for k, v in NOTHING.items() if k != "serverless_gpu_hours"} | inputs
    poor, good = (formula.evaluate(cost, {**serverless, "utilisation": u}, ("monthly_cost",)) for u in (0.2, 0.9))
    assert poor["monthly_cost"] == good["monthly_cost"] == pytest.approx((500 / 0.5 + 100 * 0.01 * 2) * 4)


@pytest.mark.parametrize(("need", "paid"), [(1.0, 8.0), (8.0, 8.0), (8.001, 16.0)])
def test_whole_instances_are_rented(need, paid):
    assert bill(gpu_hours_per_month=need * 730, gpus_per_instance=8.0)["fleet_gpus"] == pytest.approx(paid, rel=1e-4)


@LAW
@given(inputs=options(), less=st.floats(0.0, 1.0))
def test_an_unused_commitment_is_paid(inputs, less):
    committed = {**inputs, "committed_gpus": 64.0, "lead_time_months": 0.0}
    full, empty = evaluate({**committed, "work_share": 1.0}), evaluate({**committed, "work_share": less})
    assert (full["commitment_cost"] > 0).all()
    assert np.array_equal(empty["commitment_cost"], full["commitment_cost"])
    assert at_least(total({**committed, "work_share": 0.0}), full["commitment_cost"])


@LAW
@given(inputs=options())
def test_every_committed_hour_is_used_or_unused(inputs):
    v = evaluate(inputs)
    used = v["billed_gpu_hours"] + v["lost_gpu_hours"] - v["overflow_gpu_hours"] - v["failed_gpu_hours"]
    assert used + v["unused_gpu_hours"] == pytest.approx(v["committed_gpu_hours"], abs=1e-6, rel=1e-9)


@LAW
@given(inputs=options(), loss=st.floats(0.0, 0.5))
def test_an_idle_commitment_absorbs_lost_hours(inputs, loss):
    billed = evaluate(inputs)["billed_gpu_hours"]
    hours = inputs["hours_per_month"] * inputs["active_share"]  # those of idle days serve nothing
    ample = {**inputs, "committed_gpus": billed * (1 + loss) / hours, "goodput_loss": loss * 0.99}
    assert at_least(1e-9 * billed, evaluate(ample)["failed_gpu_hours"])  # but for the rounding of sums
    none = {**ample, "committed_gpus": 0.0}
    assert evaluate(none)["failed_gpu_hours"] == pytest.approx(billed * loss * 0.99, rel=1e-6, abs=1e-6)


@LAW
@given(inputs=options())
def test_bridging_conserves_the_work(inputs):
    """Committed, bought as they come, or bridged elsewhere: each billed hour is bought exactly once."""
    v = evaluate(inputs)
    arrived = 1 - v["waiting_share"] * v["bridged"]
    hours = (
        (v["billed_gpu_hours"] - v["overflow_gpu_hours"]) * arrived
        + v["usage_cost"] / v["offer_price"]
        + v["bridge_cost"] / v["bridge_price"]
    )
    assert hours == pytest.approx(v["billed_gpu_hours"], rel=1e-9, abs=1e-6)


@LAW
@given(inputs=options())
def test_waiting_does_the_same_work_later(inputs):
    """Who waits buys the same hours at the same price and pays for the wait on top."""
    waits = evaluate({**inputs, "bridged": 0.0, "lead_time_months": 60.0, "unavailable_share": 0.0})
    ready = evaluate({**inputs, "bridged": 0.0, "lead_time_months": 0.0, "unavailable_share": 0.0})
    assert waits["monthly_cost"] - ready["monthly_cost"] == pytest.approx(
        waits["waiting_share"] * inputs["waiting_usd_per_month"], rel=1e-6, abs=1e-3
    )


@LAW
@given(inputs=options())
def test_who_waits_for_what_is_not_there_buys_nothing_elsewhere(inputs):
    """Refused capacity is waited for where waiting has a price: no dearer hour, the same hours here, and the wait."""
    refused, ready = (
        evaluate({**inputs, "bridged": 0.0, "lead_time_months": 0.0, "unavailable_share": u}) for u in (0.3, 0.0)
    )
    assert refused["bridge_cost"] == pytest.approx(0)
    assert refused["usage_cost"] == pytest.approx(ready["usage_cost"])
    assert refused["waiting_cost"] == pytest.approx(0.3 * inputs["waiting_usd_per_month"])


@LAW
@given(inputs=options(), basis=st.sampled_from(["committed_gpus", "lead_time_months", "bridged", "unavailable_share"]))
def test_how_capacity_is_bought_leaves_the_useful_work_alone(inputs, basis):
    assert np.array_equal(
        evaluate(higher(inputs, basis, 1.0), "useful_gpu_hours")["useful_gpu_hours"],
        evaluate(inputs, "useful_gpu_hours")["useful_gpu_hours"],
    )


# --- tiers


@THOROUGH
@given(table=tables(1e6, 1.0), a=st.floats(0, 2e6), b=st.floats(0, 2e6))
def test_tiers_are_continuous_and_no_steeper_than_their_dearest_rate(table, a, b):
    edges, rates = table
    rise = abs(cost.graduated(a, edges, rates) - cost.graduated(b, edges, rates))
    assert rise <= rates.max() * abs(a - b) + 1e-6


@THOROUGH
@given(table=tables(1e6, 1.0), near=st.floats(-1e-3, 1e-3))
def test_the_bill_does_not_jump_at_a_tier_edge(table, near):
    edges, rates = table
    for edge in edges:
        at, beside = (
            bill(egress_gb_per_month=q, egress_edges=edges, egress_rates=rates)["monthly_cost"]
            for q in (edge, max(edge + near, 0.0))
        )
        assert abs(at - beside) <= rates.max() * abs(near) + 1e-6


@THOROUGH
@given(table=tables(1e5, 0.2), other=st.floats(0, 1e5), near=st.floats(0, 1e-3), minimum=st.floats(0, 1e3))
def test_support_does_not_jump_at_a_band_edge(table, other, near, minimum):
    edges, rates = table
    for edge in edges:
        spend = max(edge - other, 0.0)
        at, beside = (cost.support_cost(s, other, edges, rates, minimum) for s in (spend, spend + near))
        assert abs(at - beside) <= rates.max() * near + 1e-6


@THOROUGH
@given(table=tables(1e6, 1.0), quantity=st.floats(0, 2e6))
def test_each_tier_is_charged_its_own_rate(table, quantity):
    """The same sum the way a bill prints it: what falls within each tier, times its rate."""
    edges, rates = table
    bounds = [0.0, *edges, np.inf]
    lines = [
        max(min(quantity, above) - below, 0) * r for below, above, r in zip(bounds, bounds[1:], rates, strict=False)
    ]
    assert cost.graduated(quantity, edges, rates) == pytest.approx(sum(lines), rel=1e-9, abs=1e-6)


@THOROUGH
@given(table=tables(1e6, 1.0), months=st.integers(2, 36), quantity=st.floats(0, 5e6), least=st.floats(0.01, 0.5))
def test_splitting_egress_over_months_never_makes_it_cheaper(table, months, quantity, least):
    """Where rates never rise from tier to tier and nothing is free."""
    edges, rates = table
    falling = np.sort(rates)[::-1] + least
    at_once = cost.graduated(quantity, edges, falling)
    split = months * cost.graduated(quantity / months, edges, falling)
    assert at_least(split, at_once)


def test_a_free_allowance_is_worth_splitting_for():
    """The law above needs its condition: with a free first tier, two months are cheaper than one."""
    assert 2 * cost.graduated(100.0, [100.0], [0.0, 0.09]) < cost.graduated(200.0, [100.0], [0.0, 0.09])


@pytest.mark.parametrize("quantity", [5.0, np.float64(6), np.arange(4.0), np.ones((3, 1)), [1, 2, 3]])
def test_graduated_has_the_shape_of_the_quantity(quantity):
    assert np.shape(cost.graduated(quantity, [2.0], [0.1, 0.05])) == np.shape(quantity)


def test_one_rate_needs_no_edge():
    assert cost.graduated(10, [], [0.5]) == 5


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "arguments",
    [
        (-1.0, [10], [1, 2]), (NAN, [10], [1, 2]), (INF, [10], [1, 2]), ([1.0, NAN], [10], [1, 2]),
        ("many", [10], [1, 2]),
        (None, [10], [1, 2]), ([], [10], [1, 2]), ({}, [10], [1, 2]), ([[1], [1, 2]], [10], [1, 2]),
        (5, [10], [1]), (5, [10], [1, 2, 3]), (5, [], [1, 2]), (5, [], []), (5, [10], []),
        (5, [-10], [1, 2]), (5, [NAN], [1, 2]), (5, [INF], [1, 2]), (5, [20, 10], [1, 2, 3]), (5, [10, 10], [1, 2, 3]),
        (5, [10], [-1, 2]), (5, [10], [1, NAN]), (5, [10], [1, INF]), (5, [10], ["a", "b"]), (5, ["a"], [1, 2]),
        (5, None, [1, 2]), (10**400, [10], [1, 2]), ("5", [10], [1, 2]), (True, [10], [1, 2]), (5, [0], [1, 2]),
    ],
    ids=str,
)  # fmt: skip
def test_graduated_refuses_bad_arguments(arguments):
    with pytest.raises(WorkbenchError) as refused:
        cost.graduated(*arguments)
    error = refused.value
    assert "graduated" in error.where
    assert error.what
    assert error.remedy


@THOROUGH
@given(
    quantity=st.floats(allow_nan=True, allow_infinity=True),
    edges=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=3),
    rates=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=4),
)
def test_graduated_gives_a_finite_number_or_an_error(quantity, edges, rates):
    try:
        got = cost.graduated(quantity, edges, rates)
    except WorkbenchError:
        return
    assert np.isfinite(got)
    assert got >= 0


# --- cash


@LAW
@given(
    accrual=st.lists(st.floats(0, 1e6), min_size=6, max_size=6),
    upfront=st.floats(0, 1),
    term=st.sampled_from([1, 2, 3, 6]),
)
def test_what_is_paid_adds_up_to_what_accrues(accrual, upfront, term):
    month = np.arange(6.0)
    starts = (month == (month // term * term)[:, None]) * 1.0
    paid = cost.cash_commitment(np.array(accrual), upfront, starts)
    assert paid.sum() == pytest.approx(sum(accrual), rel=1e-9, abs=1e-6)


def test_upfront_money_is_paid_at_the_start_of_its_term():
    month = np.arange(6.0)
    starts = (month == (month // 3 * 3)[:, None]) * 1.0
    assert cost.cash_commitment(np.ones(6), 1.0, starts).tolist() == [3, 0, 0, 3, 0, 0]


def test_set_up_is_paid_in_the_first_month():
    months = np.zeros((4, 4))
    months[:, 0] = 1
    assert cost.cash_setup(np.full(4, 25.0), months).tolist() == [100, 0, 0, 0]


@LAW
@given(cash=st.floats(0, 1e6), rate=st.floats(0, 1), month=st.floats(0, 60))
def test_later_money_is_worth_no_more(cash, rate, month):
    assert cost.discounted_cost(cash, rate, month, 12.0) <= cash
    assert cost.discounted_cost(cash, rate, 0.0, 12.0) == cash
    assert cost.discounted_cost(cash, rate, 12.0, 12.0) == pytest.approx(cash / (1 + rate))
