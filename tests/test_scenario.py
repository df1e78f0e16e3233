"""Scenario files: every mistake at once, with its line, reason and nearest valid name; hostile text stays text."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

import workbench as wb
from workbench import scenario as scenarios
from workbench.records import InputProblems, Range, Scenario, WorkbenchError

DATASETS = Path(__file__).parents[1] / "datasets"
LINES = {
    "name": 'name = "service"', "months": "months = 12", "as_of": "as_of = 2026-11-24", "demand": "\n[demand]",
    "work": 'work = "serving"', "in": "tokens_in_per_month = 1e9", "out": "tokens_out_per_month = 1e9",
}  # fmt: skip
HERE = "# here"
"""Marks the line that a message has to name."""


def toml(*tables: str, **lines: str | None) -> str:
    """A sound file with lines exchanged (None leaves one out) and tables added."""
    return "\n".join([*(line for line in (LINES | lines).values() if line is not None), *tables, ""])


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Scenario]:
    path = tmp_path / "mine.toml"

    def load(text: str) -> Scenario:
        path.write_text(text, encoding="utf-8")
        return wb.load(path)

    return load


def problems(load: Callable[[str], Scenario], text: str) -> tuple[WorkbenchError, ...]:
    with pytest.raises(WorkbenchError) as refused:
        load(text)
    error = refused.value
    assert error.status == 2
    return error.problems if isinstance(error, InputProblems) else (error,)


# --- what loads


def test_a_sound_file_loads(load):
    made = load(toml())
    assert (made.name, made.months, made.as_of) == ("service", 12, date(2026, 11, 24))
    assert made.demand.tokens_in_per_month == 1e9


def test_a_number_may_be_a_range(load):
    assert load(toml("growth_per_month = { value = 0.04, low = 0.02, high = 0.06 }")).demand.growth_per_month == Range(
        value=0.04, low=0.02, high=0.06
    )


def test_every_key_knows_its_line(load):
    text = toml("[data]", "stored_tb = 10")
    places = load(text).places
    for key, start in (("months", "months"), ("demand.tokens_in_per_month", "tokens_in"), ("data.stored_tb", "stored")):
        line = next(n for n, found in enumerate(text.splitlines(), 1) if found.startswith(start))
        assert places[key] == f"mine.toml:{line}"


def test_every_shipped_scenario_loads_by_its_name():
    names = scenarios.shipped(DATASETS)
    assert "chat" in names
    for name in names:
        assert wb.load(name).name == name


def test_every_shipped_scenario_names_its_incumbent_and_services():
    for path in sorted((DATASETS / "scenarios").glob("*.toml")):
        places = wb.load(path).places
        assert {"incumbent.provider", "incumbent.services"} <= set(places), path.name


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "../../etc/passwd", "it's \"quoted\"", "😀 chat", "a/b\\c", "{{ 7*7 }}", "%s %d",
     "-rf", "NO", "日本語", "a\u202eb", "'; DROP TABLE prices; --"],
)  # fmt: skip
def test_a_hostile_name_is_only_text(load, name):
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    assert load(toml(name=f'name = "{quoted}"')).name == name


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(toml(), encoding="utf-8-sig")
    assert wb.load(path).months == 12


# --- what does not load

MISTAKES = {
    "months of 0": (toml(months=f"months = 0 {HERE}"), "0", "at least 1"),
    "months of 61": (toml(months=f"months = 61 {HERE}"), "61", "at most 60"),
    "months below 0": (toml(months=f"months = -3 {HERE}"), "-3", "at least 1"),
    "half a month": (toml(months=f"months = 1.5 {HERE}"), "1.5", ""),
    "months as a word": (toml(months=f'months = "twelve" {HERE}'), "twelve", ""),
    "months as true": (toml(months=f"months = true {HERE}"), "true is not a number", "number"),
    "months in quotes": (toml(months=f'months = "12" {HERE}'), "'12' is not a number", "without quotes"),
    "a switch in quotes": (
        toml("[constraints]", f"spot_allowed = 'yes' {HERE}"), "'yes' is not true or false", "without quotes"),
    "an assumption in quotes": (toml("[assumptions]", f"utilisation = '0.5' {HERE}"), "'0.5' is not", "number"),
    "a day with its hour": (toml(as_of=f"as_of = 2026-11-24T10:00:00Z {HERE}"), "10:00:00+00:00 is not a day", "write"),
    "months without end": (toml(months=f"months = inf {HERE}"), "inf", ""),
    "months that are no number": (toml(months=f"months = nan {HERE}"), "not finite", "a finite number"),
    "no months": (toml(months=None), "months is missing", "add months"),
    "no name": (toml(name=None), "name is missing", "add name"),
    "an empty name": (toml(name=f'name = "" {HERE}'), "at least 1", "at least 1"),
    "a name of 201 letters": (toml(name=f'name = "{"a" * 201}" {HERE}'), "at most 200", "at most 200"),
    "a number for a name": (toml(name=f"name = 7 {HERE}"), "7", ""),
    "no day": (toml(as_of=None), "as_of is missing", "add as_of"),
    "a day that is none": (toml(as_of=f'as_of = "soon" {HERE}'), "soon", ""),
    "no demand": (toml(demand=None, work=None, **{"in": None, "out": None}), "demand is missing", "add demand"),
    "a demand that is no table": (
        toml(demand=f"demand = 5 {HERE}", work=None, **{"in": None, "out": None}), "5 is not a table", "[demand]"),
    "a demand without its kind": (toml(work=None), "work is missing", "add demand.work"),
    "a serving demand without work": (toml(out=None), "states no work", "tokens_out_per_month"),
    "a training demand without work": (toml(work='work = "training"'), "states no work", "gpu_hours"),
    "an image demand without work": (toml(work='work = "image"'), "states no work", "requests_per_month"),
    "a service without a token": (
        toml(**{"in": "tokens_in_per_month = 0", "out": "tokens_out_per_month = 0"}), "states no work", "tokens_in"),
    "runs without hours": (toml("runs_per_month = 4"), "runs without hours", "gpu_hours_per_run"),
    "lock-in without a law": (toml("[lockin]", "term_months = 3"), "jurisdiction is missing", "add lockin"),
    "lock-in to an unknown service": (
        toml("[lockin]", "jurisdiction = 'EU'", "[lockin.services]", f"SageMakr = 1 {HERE}"), "SageMakr",
        "did you mean 'SageMaker'"),
    "a rival that is none": (
        toml("[lockin]", "jurisdiction = 'EU'", f"rival = 'CoreWeav' {HERE}"), "CoreWeav", "did you mean 'CoreWeave'"),
    "an unknown purpose": (
        toml("[lockin]", "jurisdiction = 'EU'", f"purpose = 'switch' {HERE}"), "switch", "did you mean 'switching'"),
    "a link that moves backwards": (
        toml("[lockin]", "jurisdiction = 'EU'", f"link_gbit_per_s = {{ value = 1, low = -1, high = 2 }} {HERE}"),
        "out of range", "above 0"),
    "a typo in serving": (toml("[serving]", f"modle = 'x' {HERE}"), "unknown key", "did you mean 'model'"),
    "a key with a typo": (
        toml(months="months = 12", name=f'nmae = "service" {HERE}'), "unknown key", "did you mean 'name'"),
    "a table with a typo": (toml(f"[dta] {HERE}"), "unknown key", "did you mean 'data'"),
    "growth in per cent": (toml(f"growth_per_month = 4 {HERE}"), "4", "1"),
    "millions of tokens for tokens": (toml(out=f"tokens_out_per_month = 1e3 {HERE}", more="requests_per_month = 1e6"),
                                      "1,000 tokens for 1,000,000 requests", "not thousands or millions"),
    "a typo in demand": (toml(f"tokens_in_per_mont = 1 {HERE}"), "unknown key", "did you mean 'tokens_in_per_month'"),
    "a typo in data": (
        toml("[data]", f"egress_tb_per_mnth = 1 {HERE}"), "unknown key", "did you mean 'egress_tb_per_month'"),
    "a typo in constraints": (
        toml("[constraints]", f"residenc = [] {HERE}"), "unknown key", "did you mean 'residency'"),
    "a typo in incumbent": (toml("[incumbent]", f"providr = 'AWS' {HERE}"), "unknown key", "did you mean 'provider'"),
    "a typo in terms": (toml("[terms]", f"suport = 'none' {HERE}"), "unknown key", "did you mean 'support'"),
    "an unknown key in a range": (
        toml(f"growth_per_month = {{ value = 0.1, low = 0.0, high = 0.2, mean = 0.1 }} {HERE}"), "mean", ""),
    "the name that the loader fills": (toml(f"[places] {HERE}", "x = 'y'"), "unknown key", ""),
    "an unknown kind of work": (toml(work=f'work = "servin" {HERE}'), "servin", "did you mean 'serving'"),
    "an unknown class of storage": (toml("[data]", f"storage = 'objects' {HERE}"), "objects", "did you mean 'object'"),
    "an unknown support plan": (toml("[terms]", f"support = 'busines' {HERE}"), "busines", "did you mean 'business'"),
    "an unknown provider": (
        toml("[constraints]", f"providers = ['CoreWeav'] {HERE}"), "CoreWeav", "did you mean 'CoreWeave'"),
    "an unknown excluded provider": (
        toml("[constraints]", f"exclude_providers = ['Lamda'] {HERE}"), "Lamda", "did you mean 'Lambda'"),
    "an unknown incumbent": (toml("[incumbent]", f"provider = 'Azur' {HERE}"), "Azur", "did you mean 'Azure'"),
    "a discount at an unknown provider": (
        toml("[terms.negotiated_discount]", f"Nebis = 0.1 {HERE}"), "Nebis", "did you mean 'Nebius'"),
    "an unknown accelerator": (
        toml("[constraints]", f"accelerators = ['H100-SMX'] {HERE}"), "H100-SMX", "did you mean 'H100-SXM'"),
    "an unknown market": (
        toml("[constraints]", f"market = 'North Amerika' {HERE}"), "Amerika", "did you mean 'North America'"),
    "an unknown jurisdiction": (toml("[constraints]", f"residency = ['EUU'] {HERE}"), "EUU", "did you mean 'EU'"),
    "an unknown certificate": (toml("[constraints]", f"certifications = ['ISO 2701'] {HERE}"), "ISO 2701", "ISO"),
    "an unknown assumption": (
        toml("[assumptions]", f"utilization = 0.5 {HERE}"), "utilization", "did you mean 'utilisation'"),
    "a currency without a rate": (toml(name=f'name = "x"\ncurrency = "EUR" {HERE}'), "EUR", "USD"),
    "a negative number of tokens": (toml(**{"in": f"tokens_in_per_month = -1 {HERE}"}), "-1", "at least 0"),
    "tokens that are no number": (toml(**{"in": f"tokens_in_per_month = nan {HERE}"}), "nan", ""),
    "tokens without end": (toml(**{"in": f"tokens_in_per_month = inf {HERE}"}), "inf", ""),
    "tokens as true": (toml(**{"in": f"tokens_in_per_month = true {HERE}"}), "true is not a number", "number"),
    "negative egress": (toml("[data]", f"egress_tb_per_month = -1 {HERE}"), "-1", "at least 0"),
    "stored data that is no number": (toml("[data]", f"stored_tb = nan {HERE}"), "nan", ""),
    "a range with a negative low": (
        toml("[data]", f"stored_tb = {{ value = 1, low = -1, high = 2 }} {HERE}"), "out of range", "at least 0"),
    "a range that shrinks below nothing": (
        toml(f"growth_per_month = {{ value = 0.1, low = -5, high = 0.2 }} {HERE}"), "out of range", "above -1"),
    "a range of peaks below the mean": (
        toml(f"peak_to_mean = {{ value = 2, low = 0.1, high = 3 }} {HERE}"), "out of range", "at least 1"),
    "a day in quotes": (toml(as_of=f'as_of = "2026-11-24" {HERE}'), "2026-11-24", "without quotes"),
    "accelerators of a service": (toml(f"gpus = 64 {HERE}"), "gpus", "leave it out"),
    "a quote of an unknown seller": (
        toml("[[quotes]]", f"provider = 'Lamda' {HERE}", "gpu = 'H100-SXM'", "usd_per_gpu_hour = 2"), "Lamda",
        "did you mean 'Lambda'"),
    "a quote without a price": (toml(f"[[quotes]] {HERE}", "provider = 'Lambda'", "gpu = 'H100-SXM'"),
                                "usd_per_gpu_hour", "add"),
    "a range in disorder": (
        toml(f"growth_per_month = {{ value = 1, low = 2, high = 3 }} {HERE}"), "order", "low <= value"),
    "a range without an end": (toml(f"growth_per_month = {{ value = 0.1, low = 0.0 }} {HERE}"), "high", ""),
    "a range with an end that is no number": (
        toml(f"growth_per_month = {{ value = 0.1, low = 0.0, high = nan }} {HERE}"), "finite", "finite"),
    "work that shrinks below nothing": (toml(f"growth_per_month = -1.5 {HERE}"), "-1.5", ""),
    "a peak below the mean": (toml(f"peak_to_mean = 0.5 {HERE}"), "0.5", "at least 1"),
    "a workload that is never on": (toml(f"active_share = 0 {HERE}"), "0", "above 0"),
    "a discount above all": (toml("[terms.negotiated_discount]", f"AWS = 1.5 {HERE}"), "1.5", "at most 1"),
    "a provider's share of nothing": (toml("[constraints]", f"max_provider_share = 0 {HERE}"), "0", "above 0"),
    "a commitment of 61 months": (toml("[constraints]", f"max_commitment_months = 61 {HERE}"), "61", "at most 60"),
    "a negative seed": (toml(name=f'name = "x"\nseed = -1 {HERE}'), "-1", "at least 0"),
    "one draw": (toml(name=f'name = "x"\ndraws = 1 {HERE}'), "1", "at least 2"),
    "draws without end": (toml(name=f'name = "x"\ndraws = inf {HERE}'), "inf", ""),
    "a word for a switch": (toml("[constraints]", f"spot_allowed = 'perhaps' {HERE}"), "perhaps", ""),
    "one name where a list belongs": (toml("[constraints]", f"residency = 'EU' {HERE}"), "EU", ""),
    "a share of no accelerators": (toml("[assumptions]", f"utilisation = 0 {HERE}"), "utilisation", ""),
    "an assumption below nothing": (toml("[assumptions]", f"hours_per_month = -730 {HERE}"), "-730", ""),
    "an assumption that is no number": (toml("[assumptions]", f"utilisation = nan {HERE}"), "nan", ""),
    "an assumption as true": (toml("[assumptions]", f"utilisation = true {HERE}"), "true is not a number", "number"),
    "the same key twice": (toml("[data]", "stored_tb = 1", f"stored_tb = 2 {HERE}"), "", ""),
    "a line that is no TOML": (toml(f"what is this {HERE}"), "not TOML", "correct the line"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_reported_with_its_line_and_the_way_out(load, case):
    text, what, remedy = MISTAKES[case]
    found = problems(load, text)
    assert all(p.remedy for p in found)
    fits = [p for p in found if what.lower() in p.what.lower() + p.where and remedy.lower() in p.remedy.lower()]
    assert fits, found
    for number, line in enumerate(text.splitlines(), start=1):
        if HERE in line:
            assert any(f"mine.toml:{number}" in p.where for p in fits), [p.where for p in fits]


def test_every_mistake_of_a_file_is_reported_at_once(load):
    text = toml(
        "peak_to_mean = 0.1", "[data]", "egress_tb_per_month = -1", "sotred_tb = 1", "[constraints]",
        "providers = ['CoreWeav']", "market = 'Mars'", "[terms]", "support = 'gold'", "[assumptions]",
        "utilization = 0.5", months="months = 0", work='work = "servin"',
    )  # fmt: skip
    found = problems(load, text)
    for word in ("peak_to_mean", "egress_tb_per_month", "sotred_tb", "providers", "market", "support", "utilization",
                 "months",                 "work"):  # fmt: skip
        assert sum(word in p.where for p in found) == 1, word
    assert len(found) == 9
    assert len({p.where for p in found}) == 9


def test_the_first_line_of_many_mistakes_says_how_many_more(load):
    with pytest.raises(InputProblems, match=r"and 1 more") as refused:
        load(toml(months="months = 0", name='name = ""'))
    assert len(refused.value.as_dict()["problems"]) == 2


def test_a_missing_file_offers_the_nearest_shipped_name():
    with pytest.raises(WorkbenchError, match="did you mean 'chat'") as refused:
        wb.load("chta")
    assert refused.value.where == "chta"


@pytest.mark.parametrize("name", ["", ".", "/", "no\0where", "a" * 5000, "../../etc", "\n", "😀"])
def test_a_name_that_is_no_file_is_a_clear_error(name):
    with pytest.raises(WorkbenchError):
        wb.load(name)


def test_bytes_that_are_no_text_are_a_clear_error(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b'name = "\xff\xfe"\n')
    with pytest.raises(WorkbenchError, match="UTF-8"):
        wb.load(path)


def test_a_day_before_the_datasets_is_a_clear_error(load):
    with pytest.raises(WorkbenchError, match="2026-11-24"):
        load(toml(as_of="as_of = 2020-01-01"))
