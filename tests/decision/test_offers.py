"""Records become options: constraints filter before money, each exclusion with its reason and row; names get rows."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from tests.narrow import narrow, narrowed
from workbench import formula, store
from workbench.decision import answer
from workbench.decision.draws import draw, key
from workbench.decision.offers import Option, options
from workbench.models import cost, goodput, price
from workbench.records import Basis, Constraints, Facts, Quote, Scenario

DATASETS = Path(__file__).parents[2] / "datasets"


@pytest.fixture(scope="module")
def chat() -> Scenario:
    return wb.load("chat")


@pytest.fixture(scope="module")
def facts(chat: Scenario) -> Facts:
    return store.load(chat.as_of, DATASETS)


Asked = Callable[..., tuple[list[Option], list[Option]]]


@pytest.fixture(scope="module")
def asked(chat: Scenario, facts: Facts) -> Asked:
    """(feasible, infeasible) under these constraints and no others."""

    @cache
    def asked(**constraints: Any) -> tuple[list[Option], list[Option]]:
        made = options(facts, replace(chat, constraints=replace(Constraints(marketplace_allowed=True), **constraints)))
        return [o for o in made if o.feasible], [o for o in made if not o.feasible]

    return asked


def region(facts: Facts, option: Option, what: str) -> str | None:
    return facts.regions.get((option.provider, option.price.region), {}).get(what)


# --- hard constraints, before money


def test_every_exclusion_states_its_reason_and_its_row(asked):
    _, infeasible = asked(residency=("EU",), certifications=("HIPAA BAA",), min_gpu_memory_gb=100.0, spot_allowed=False)
    assert infeasible
    for option in infeasible:
        for reason, row in option.reasons:
            assert reason
            assert row.rpartition(":")[2].isdigit(), (reason, row)
        assert option.inputs == {}


def test_data_that_must_stay_stays(asked, facts):
    feasible, infeasible = asked(residency=("EU",))
    assert feasible
    assert {region(facts, o, "jurisdiction") for o in feasible} == {"EU"}
    assert any("EU" in reason for o in infeasible for reason, _ in o.reasons)


def test_an_unstated_place_never_satisfies_a_residency(asked):
    feasible, infeasible = asked(residency=("EU", "US"))
    assert {o.price.region for o in infeasible} & {"unstated", "global"}
    assert not {o.price.region for o in feasible} & {"unstated", "global"}


def test_a_market_leaves_no_place_of_another(asked, facts):
    feasible, _ = asked(market="Europe")
    assert {region(facts, o, "market") for o in feasible} <= {"Europe", None}
    assert any(region(facts, o, "market") == "Europe" for o in feasible)


def test_the_cheapest_place_that_is_allowed_is_taken(asked, facts):
    for option in asked(residency=("EU",))[0]:
        quotes = [p.usd_per_gpu_hour.value for p in facts.prices if p.key == option.price.key
                  and facts.regions.get((p.provider, p.region), {}).get("jurisdiction") == "EU"]  # fmt: skip
        assert not quotes or option.price.usd_per_gpu_hour.value == min(quotes)


def test_sovereignty_asks_for_the_parent_company(asked, facts):
    feasible, infeasible = asked(sovereignty=("EU",))
    assert feasible
    law = {
        c: {r["jurisdiction"] for r in facts.regions.values() if r["country"] == c}
        for c in facts.provider_countries.values()
    }
    assert all("EU" in law[facts.provider_countries[o.provider]] for o in feasible)
    assert {"AWS", "GCP", "Azure"} <= {o.provider for o in infeasible} - {o.provider for o in feasible}


def test_a_word_on_a_trust_page_is_no_certificate(asked, facts):
    held = [row for (_, a), rows in facts.capabilities.items() if a == "certification" for row in rows]
    words = {v for v, _, confidence in held if confidence == "low"}
    assert words
    for certificate in sorted(words)[:4]:
        sure = {p for (p, a), rows in facts.capabilities.items() if a == "certification"
                for v, _, confidence in rows if v == certificate and confidence != "low"}  # fmt: skip
        assert {o.provider for o in asked(certifications=(certificate,))[0]} <= sure


def test_confidential_computing_leaves_only_skus_on_record(asked, facts):
    feasible, infeasible = asked(confidential_computing=True)
    assert feasible
    for o in feasible:
        assert any(v in o.price.sku for v, *_ in facts.capabilities[o.provider, "confidential_gpu"])
        assert o.inputs["confidential_overhead"].rows
    assert infeasible


def test_managed_kubernetes_leaves_only_sellers_on_record(asked, facts):
    feasible, _ = asked(managed_kubernetes=True)
    assert feasible
    assert all(facts.capabilities.get((o.provider, "managed_kubernetes")) for o in feasible)


def test_an_accelerator_of_too_little_memory_is_out(asked):
    feasible, infeasible = asked(min_gpu_memory_gb=100.0)
    assert feasible
    assert all(o.price.gpu_memory_gb >= 100 for o in feasible)
    assert any("GB of memory" in reason for o in infeasible for reason, _ in o.reasons)


def test_a_model_that_does_not_fit_one_instance_is_out(asked):
    feasible, _ = asked(model_memory_gb=160.0)
    assert feasible
    assert all(o.price.gpu_memory_gb * o.price.max_gpus >= 160 for o in feasible)


@pytest.mark.parametrize(
    ("switch", "basis"), [("spot_allowed", Basis.SPOT), ("marketplace_allowed", Basis.MARKETPLACE)]
)
def test_a_basis_that_is_not_allowed_is_out(asked, switch, basis):
    assert basis in {o.basis for o in asked(**{switch: True})[0]}
    assert basis not in {o.basis for o in asked(**{switch: False})[0]}


def test_without_leave_no_commitment_outlives_the_horizon(asked, chat):
    terms = {o.term_months for o in asked()[0]} - {None}
    assert terms
    assert max(terms) <= chat.months


@pytest.mark.parametrize("most", [0, 3, 12, 36])
def test_a_commitment_is_as_long_as_allowed_at_most(asked, most):
    assert {o.term_months or 0 for o in asked(max_commitment_months=most)[0]} <= set(range(most + 1))


def test_only_the_providers_and_accelerators_asked_for_are_left(asked):
    feasible, _ = asked(providers=("Lambda", "CoreWeave"), accelerators=("H100-SXM",))
    assert {o.provider for o in feasible} == {"Lambda", "CoreWeave"}
    assert {o.price.gpu for o in feasible} == {"H100-SXM"}


def test_an_excluded_provider_is_out(asked):
    assert "AWS" in {o.provider for o in asked()[0]}
    assert "AWS" not in {o.provider for o in asked(exclude_providers=("AWS",))[0]}


def test_strict_excludes_stale_prices_only(chat, facts):
    loose, strict = ({o.id + str(o.price.key): o for o in options(facts, chat, strict=s)} for s in (False, True))
    for name, option in loose.items():
        if option.feasible:
            assert strict[name].feasible is not option.stale
    assert any(o.stale for o in loose.values())


def test_a_price_is_stale_after_the_days_that_the_row_says(chat, facts):
    (days,) = (s.quantity.value for s in facts.assumptions if s.quantity.name == "stale_days")
    for o in options(facts, chat):
        assert o.stale == ((chat.as_of - o.price.usd_per_gpu_hour.as_of).days > days)


def test_what_one_offer_lacks_excludes_that_offer_alone(chat, facts):
    """Without its egress row a seller is out with that reason; nobody else is, and nothing is free."""
    left = tuple(s for s in facts.services if not (s.provider == "Lambda" and s.category == "egress"))
    before, after = options(facts, chat), options(replace(facts, services=left), chat)
    for one, other in zip(before, after, strict=True):
        if one.provider == "Lambda" and one.feasible:
            assert not other.feasible
            assert any("egress" in reason for reason, _ in other.reasons)
        else:
            assert one.feasible == other.feasible


def test_every_option_has_an_id_of_its_own(asked):
    """An answer, a rival and a flip are named by it."""
    ids = [o.id for side in asked() for o in side]
    assert sorted(i for i in set(ids) if ids.count(i) > 1) == []


# --- binding


def units() -> dict[str, str]:
    return {
        argument: formula.unit_of(made.function, argument).text
        for module in (cost, price, goodput)
        for made in formula.formulas(module).values()
        for argument in made.arguments
    }


def test_an_input_is_bound_in_the_unit_of_the_argument(asked):
    wanted = units()
    wrong = {
        (n, q.unit, wanted[n]) for o in asked()[0] for n, q in o.inputs.items() if n in wanted and q.unit != wanted[n]
    }
    assert wrong == set()


def test_every_input_stands_on_rows_or_does_not_apply(asked, chat):
    """A constant without a row is 0, 1, an axis or a count of the offer itself: never a price, share or threshold."""
    counts = {"gpus_per_instance", "gpus_per_replica", "job_gpus", "job_instances", "horizon_months", "age_months",
              "committed_age_months", "extra_providers"}  # fmt: skip
    stated = {
        "growth_per_month",
        "ramp_months",
        "active_share",
        "sessions_per_month",
        "peak_floor",
        "wakeups_per_month",
    }
    for option in asked()[0]:
        for name, q in option.inputs.items():
            if not q.rows and name not in counts | stated:
                assert np.isin(q.value, (0, 1)).all(), (option.id, name, q.value)


def test_every_row_that_is_cited_exists(asked, facts):
    known = set(facts.row_sources)
    for option in asked()[0]:
        for q in option.inputs.values():
            assert all(r in known or ".toml:" in r for r in q.rows), q


def test_one_key_is_one_quantity(asked):
    """What moves together in the draws is the same thing: same rows, same range."""
    feasible, _ = asked()
    quantities = draw(feasible, 4, 0).quantities
    for option in feasible:
        for q in option.inputs.values():
            if (known := quantities.get(key(q))) is not None:
                assert (q.value, q.low, q.high) == (known.value, known.low, known.high), (option.id, q.text)


def test_the_users_own_number_goes_before_any_row(chat, facts):
    own = replace(
        chat, assumptions={"utilisation": 0.66}, places={**chat.places, "assumptions.utilisation": "mine.toml:9"}
    )
    for option in options(facts, own):
        if option.feasible and option.basis is not Basis.SERVERLESS:  # who bills busy time has no idle share
            q = option.inputs["utilisation"]
            assert (q.value, q.rows, q.evidence) == (0.66, ("mine.toml:9",), "yours")


def test_a_commitment_needs_a_price_for_what_exceeds_it(chat, facts):
    """Without the seller's on-demand price a committed offer is out: never zero for what is not found."""
    left = tuple(p for p in facts.prices if not (p.provider == "CoreWeave" and p.basis is Basis.ON_DEMAND))
    committed = [o for o in options(replace(facts, prices=left), chat)
                 if o.provider == "CoreWeave" and o.basis is Basis.COMMITTED]  # fmt: skip
    assert committed
    assert not any(o.feasible for o in committed)


def test_demand_in_tokens_needs_fewer_hours_of_a_faster_accelerator(chat, facts):
    """An hour of one accelerator is never compared with an hour of another."""
    faster = {o.price.gpu: float(o.inputs["decode_throughput"].value) for o in options(facts, chat) if o.feasible}
    assert faster["B200-SXM"] > faster["H100-SXM"] > faster["L4"]


# --- the user's own quotes


@pytest.mark.parametrize("term", [None, 12])
def test_a_quote_competes_with_what_sellers_print(facts, chat, term):
    """Half of the cheapest printed price wins; its evidence is the user's own, and it does not move with the market."""
    cheap = Quote(provider="Lambda", gpu="H100-SXM", usd_per_gpu_hour=0.5, region="us-east-1", term_months=term)
    asked = replace(chat, quotes=(cheap,), draws=64)
    (found,) = (o for o in options(facts, asked) if o.product == "quote")
    assert found.feasible
    assert found.basis is (Basis.COMMITTED if term else Basis.CONTRACT)
    assert str(found.price.usd_per_gpu_hour.evidence) == "yours"
    made = answer.decide(facts, asked)
    assert made.answer.plan.head.product == "quote"


def test_a_surer_row_lets_a_certificate_in_whatever_its_place(facts, chat):
    asked = replace(chat, constraints=Constraints(certifications=("ISO 27001",), providers=("CoreWeave",)))
    assert not any(o.feasible for o in options(facts, asked))
    rows = facts.capabilities["CoreWeave", "certification"]
    for order in ([("ISO 27001", "mine:1", "high"), *rows], [*rows, ("ISO 27001", "mine:1", "high")]):
        surer = {**facts.capabilities, ("CoreWeave", "certification"): tuple(order)}
        assert any(o.feasible for o in options(replace(facts, capabilities=surer), asked))


def test_a_token_of_a_smaller_model_is_less_work(facts, chat):
    large = replace(narrow("chat"), draws=64)
    small = replace(large, demand=replace(chat.demand, model_billion_parameters=13.0))
    large, less = (answer.decide(facts, s).answer.mean for s in (large, small))
    assert less < large / 2


def test_a_line_more_in_the_file_moves_no_draw(chat, tmp_path):
    """The same scenario with a comment above it: the same figures."""
    few = Path(narrowed("chat", tmp_path))
    text = few.read_text(encoding="utf-8")
    path = tmp_path / "again.toml"
    path.write_text("# a line more\n" + text, encoding="utf-8")
    means = [wb.decide(replace(wb.load(s), draws=64)).answer.mean for s in (few, path)]
    assert means[0] == means[1]
