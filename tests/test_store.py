"""The datasets: nothing bad loads, a refusal names its line and the way out, a question sees what its day knew."""

import csv
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.narrow import narrow
from tests.tiny import assumption, price, service
from workbench import store
from workbench.decision import answer
from workbench.records import Evidence, Facts, InputProblems, Price, Scenario, WorkbenchError
from workbench.soundness import NEEDED, TABLES

DATASETS = Path(__file__).parents[1] / "datasets"
SHARED = Path(os.environ.get("WORKBENCH_SHARED") or DATASETS.parent.parent / "shared")
LATER = date(2026, 9, 1)
SHIPPED = store.load(date(2026, 11, 24), Path(__file__).parents[1] / "datasets")
ESTIMATE = {"evidence": "estimated", "low": 2, "high": 4, "derived_from": "one figure; another", "note": "because"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "datasets"


def problems(folder: Path) -> list[WorkbenchError]:
    return store.problems(folder)[0]


def only(facts: Facts) -> Price:
    (found,) = facts.prices
    return found


# --- what ships is sound


def test_the_shipped_datasets_have_no_problem():
    assert problems(DATASETS) == []


def test_every_shipped_address_names_its_line():
    """`prices/aws.csv:12` is a permanent address: a file's line, counted as an editor counts it."""
    con = store.connect(DATASETS)
    for path in sorted(DATASETS.glob("prices/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            lines = {f"prices/{path.name}:{n}": r for n, r in enumerate(csv.DictReader(file), start=2)}
        got = con.execute("SELECT place, sku, region, basis, as_of, value FROM prices WHERE place LIKE ?",
                          [f"prices/{path.name}:%"]).fetchall()  # fmt: skip
        assert len(got) == len(lines)
        for place, *cells, value in got:
            assert cells == [lines[place][c] for c in ("sku", "region", "basis", "as_of")]
            assert value == float(lines[place]["value"])


@pytest.mark.parametrize(("later", "node"), [(13, False), (88, True)])
def test_a_price_may_rise_from_the_sellers_own_but_not_to_that_of_a_node(later, node, folder):
    """Dear beside the others already: a fifth more is a rise, eight times as much is eight accelerators."""
    rows = [price(provider="Bigco", value=3), price(value=11), price(value=later, as_of="2026-07-01", recorded=LATER)]
    found, _ = store.problems(tiny.write(folder, prices=rows))
    assert any("for an hour of one H100" in p.what for p in found) is node


def test_an_appended_row_moves_no_address(folder):
    tiny.write(folder, prices=[price(), price(region="west")])
    before = {p.region: p.usd_per_gpu_hour.rows for p in store.load(LATER, folder).prices}
    again = tiny.write(folder.with_name("again"), prices=[price(), price(region="west"), price(sku="new")])
    after = {p.region: p.usd_per_gpu_hour.rows for p in store.load(LATER, again).prices if p.sku == "box"}
    assert before == after == {"east": ("prices/acme.csv:2",), "west": ("prices/acme.csv:3",)}


def test_every_column_is_explained_in_the_schema():
    assert len(tiny.columns("prices")) == len(set(tiny.columns("prices"))) > 20


def test_the_digest_follows_every_row(folder):
    tiny.write(folder)
    one = store.digest(folder)
    assert one == store.digest(tiny.write(folder.with_name("copy")))
    tiny.append(folder / "supply.csv", ",\n")
    assert store.digest(folder) != one


# --- rows that do not load: each is refused with file, line and the way out, all of them at once

ALONE = {
    "a blank evidence": ("prices", price(evidence=""), "evidence is blank", "estimated"),
    "a blank unit": ("prices", price(unit=""), "unit is blank", "fill it"),
    "a blank source": ("prices", price(source=""), "source is blank", "fill it"),
    "a blank as-of day": ("prices", price(as_of=""), "as_of is blank", "fill it"),
    "a blank recorded day": ("prices", price(recorded=""), "recorded is blank", "fill it"),
    "a blank price": ("prices", price(value=""), "value is blank", "estimated row"),
    "a blank basis": ("prices", price(basis=""), "basis is blank", "fill it"),
    "an unknown unit": ("prices", price(unit="USD/GPU-hr"), "unit 'USD/GPU-hr'", "did you mean 'USD/GPU-hour'"),
    "a unit that no price has": ("prices", price(unit="USD/GB"), "breaks the rule", "schema.sql"),
    "an unknown evidence": ("prices", price(evidence="list"), "evidence 'list'", "did you mean 'listed'"),
    "a misspelt basis": ("prices", price(basis="on-demand"), "basis 'on-demand'", "did you mean 'on_demand'"),
    "a word for a number": ("prices", price(value="cheap"), "value 'cheap'", "DOUBLE"),
    "a day that is none": ("prices", price(recorded="yesterday"), "recorded 'yesterday'", "DATE"),
    "a negative price": ("prices", price(value=-1), "breaks the rule", "schema.sql"),
    "a price of nothing": ("prices", price(value=0), "breaks the rule", "schema.sql"),
    "a price that is no number": ("prices", price(value="nan"), "breaks the rule", "schema.sql"),
    "a price without end": ("prices", price(value="inf"), "breaks the rule", "schema.sql"),
    "a low above the value": ("prices", price(low=5), "breaks the rule", "schema.sql"),
    "a high below the value": ("prices", price(high=1), "breaks the rule", "schema.sql"),
    "no accelerators": ("prices", price(gpu_count=0), "breaks the rule", "schema.sql"),
    "an estimate without range": (
        "prices", price(**ESTIMATE | {"low": "", "high": ""}), "breaks the rule", "schema.sql"),
    "an estimate without reasoning": ("prices", price(**ESTIMATE | {"note": ""}), "breaks the rule", "schema.sql"),
    "an estimate out of nothing": ("prices", price(**ESTIMATE | {"derived_from": ""}), "breaks the rule", "schema.sql"),
    "a commitment without a term": ("prices", price(basis="committed"), "breaks the rule", "schema.sql"),
    "a term without a commitment": ("prices", price(term_months=12), "breaks the rule", "schema.sql"),
    "spot paid half upfront": ("prices", price(basis="spot", upfront="partial"), "breaks the rule", "schema.sql"),
    "a row seen after it was recorded": ("prices", price(as_of="2026-07-01"), "breaks the rule", "schema.sql"),
    "a currency in small letters": ("prices", price(currency="usd"), "breaks the rule", "schema.sql"),
    "a second row for one key": ("prices", price(value=9), "repeats the key of prices/acme.csv:2", "supersedes"),
    "a negative rate": ("services", service(value=-1), "breaks the rule", "schema.sql"),
    "a tier that ends before it begins": (
        "services", service(category="egress", tier_from=10, tier_to=5, tier_unit="GB"),
        "breaks the rule", "schema.sql"),
    "a tier without a unit": ("services", service(category="egress", tier_from=0), "breaks the rule", "schema.sql"),
    "an unknown category": ("services", service(category="egres"), "category 'egres'", "did you mean 'egress'"),
    "a second rate for one key": ("services", service(value=9), "repeats the key of services.csv:2", "supersedes"),
    "an assumption without unit": ("assumptions", assumption(unit=""), "unit is blank", "fill it"),
    "a second row for one assumption": (
        "assumptions", assumption(value=0.9), "repeats the key of assumptions.csv:3", "supersedes"),
    "a second source of one name": (
        "sources", tiny.BASE["sources"][0], "repeats the key of sources.csv:2", "supersedes"),
}  # fmt: skip

ACROSS = {
    "an unknown provider": ("prices", price(provider="Acmee", sku="a"), "provider 'Acmee'", "did you mean 'Acme'"),
    "a service of an unknown provider": ("services", service(provider="Bigcorp"), "provider 'Bigcorp'", "Bigco"),
    "an unknown accelerator": ("prices", price(gpu="H10O", sku="b"), "gpu 'H10O'", "did you mean 'H100'"),
    "an assumption on an unknown accelerator": ("assumptions", assumption(gpu="H10O"), "gpu 'H10O'", "H100"),
    "an assumption on an unknown provider": ("assumptions", assumption(provider="Acmee"), "provider 'Acmee'", "Acme"),
    "a source that is not listed": ("prices", price(source="rumour", sku="c"), "source 'rumour'", "sources.csv"),
    "an estimate from one thing": (
        "prices", price(**ESTIMATE | {"sku": "d", "derived_from": "one figure"}), "derived from one thing", "two"),
    "a currency without a rate": ("prices", price(currency="EUR", sku="e"), "currency EUR", "currencies.csv"),
    "a region that is nowhere": ("prices", price(region="north", sku="f"), "region 'north'", "country"),
    "a phantom place": (
        "prices", price(provider="Bigco", region="west", sku="g"), "where the seller has none", "reference"),
    "a node's price for one accelerator": ("prices", price(sku="h", value=30), "for an hour of one H100", "node"),
    "a correction of nothing": (
        "prices", price(sku="i", supersedes="prices/acme.csv:99"), "which is no row", "FILE:LINE"),
    "a correction of a later row": (
        "prices", price(sku="j", supersedes="prices/acme.csv:12"), "not an earlier row", "append"),
    "a correction of itself": (
        "prices", price(sku="k", supersedes="prices/acme.csv:11"), "not an earlier row", "append"),
    "the last row": ("prices", price(sku="l", supersedes="prices/acme.csv:2"), "", ""),
}  # fmt: skip
BASES = {"prices": [price()], "services": [service()], "assumptions": [assumption()]}
AVAILABLE = [{**tiny.SEEN, "provider": "Bigco", "gpu": "H100", "region": "east"}]


def with_all(folder: Path, cases: dict) -> dict[str, str]:
    """A folder that holds every bad row after good ones; the address of each case."""
    tables: dict[str, list] = {t: list(rows) for t, rows in BASES.items()}
    tables["availability"] = AVAILABLE
    tables["prices"] += [price(provider="Bigco", value=3.5)] if cases is ACROSS else []
    places, counts = {}, {}
    for table, row, *_ in cases.values():
        tables.setdefault(table, []).append(row)
    for table, rows in tables.items():
        for row in [*tiny.BASE.get(table, ()), *rows]:
            file = f"prices/{str(row['provider']).lower()}.csv" if table == "prices" else f"{table}.csv"
            counts[file] = counts.get(file, 1) + 1
            places |= {c: f"{file}:{counts[file]}" for c, (_, r, *_) in cases.items() if r is row}
    tiny.write(folder, **tables)
    return places


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[WorkbenchError]]:
    """What the store says of each bad row, by case."""
    found: dict[str, list[WorkbenchError]] = {}
    for number, cases in enumerate((ALONE, ACROSS)):
        folder = tmp_path_factory.mktemp("bad") / str(number)
        places = with_all(folder, cases)
        said = problems(folder)
        assert {p.where for p in said} <= set(places.values()), "a good row is refused"
        found |= {case: [p for p in said if p.where == place] for case, place in places.items()}
    return found


@pytest.mark.parametrize("case", [c for c in (ALONE | ACROSS) if c != "the last row"])
def test_a_bad_row_is_refused_with_its_line_and_the_way_out(case, refused):
    _, _, what, remedy = (ALONE | ACROSS)[case]
    assert any(what in p.what and remedy in p.remedy for p in refused[case]), refused[case]


def test_a_sound_row_among_bad_ones_is_not_refused(refused):
    assert refused["the last row"] == []


def test_loading_bad_rows_raises_with_all_of_them(folder):
    tiny.write(folder, prices=[price(), price(unit="USD/h", sku="b"), price(evidence="", sku="c")])
    with pytest.raises(InputProblems) as error:
        store.load(LATER, folder)
    assert [p.where for p in error.value.problems] == ["prices/acme.csv:3", "prices/acme.csv:4"]
    assert "prices/acme.csv:3" in str(error.value)


NO_DAYS = ["Nov 2026", "2026-13", "2026-02-30", "26-06-01", "2026-6-1", "2026-Q3"]


@pytest.fixture(scope="module")
def no_days(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Where the store complains of a file whose rows but the first have days that no calendar has."""
    rows = [price(), *(price(as_of=day, sku=day) for day in NO_DAYS)]
    return {p.where for p in problems(tiny.write(tmp_path_factory.mktemp("days") / "datasets", prices=rows))}


@pytest.mark.parametrize("day", NO_DAYS)
def test_a_day_that_no_calendar_has_is_refused_with_its_line(day, no_days):
    assert f"prices/acme.csv:{NO_DAYS.index(day) + 3}" in no_days
    assert "prices/acme.csv:2" not in no_days


# --- files that are no tables

SHAPES = {
    "a renamed column": (lambda t: t.replace("evidence", "proof"), ":1", "header"),
    "a missing column": (lambda t: t.replace("evidence,", ""), ":1", "header"),
    "an empty file": (lambda t: "", ":1", "header"),
    "a line break in a cell": (lambda t: t + 'Acme,"two\nlines"\n', ":3", "line break"),
    "a blank line": (lambda t: t + "\n" + t.splitlines()[1] + "\n", ":3", "blank line"),
    "a cell too few": (lambda t: t + t.splitlines()[1].rsplit(",", 1)[0] + "\n", ":3", "cells for"),
    "a cell too many": (lambda t: t + t.splitlines()[1] + ",more\n", ":3", "cells for"),
    "a comma that is not quoted": (lambda t: t + t.splitlines()[1].replace("box", "a,b") + "\n", ":3", "cells for"),
}  # fmt: skip


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[WorkbenchError]]:
    """What the store says of each file that is no table, all of them in one folder."""
    folder = tiny.write(tmp_path_factory.mktemp("torn") / "datasets")
    text = (folder / "prices" / "acme.csv").read_text(encoding="utf-8")
    names = {case: f"prices/{number}.csv" for number, case in enumerate(SHAPES)}
    for case, (change, *_) in SHAPES.items():
        (folder / names[case]).write_text(change(text), encoding="utf-8", newline="")
    said = problems(folder)
    assert not any(p.where.startswith("prices/acme.csv") for p in said)
    return {case: [p for p in said if p.where.partition(":")[0] == name] for case, name in names.items()}


@pytest.mark.parametrize("case", SHAPES)
def test_a_file_that_is_no_table_is_refused(case, torn):
    _, line, what = SHAPES[case]
    first = torn[case][0]
    assert first.where.endswith(line)
    assert what in first.what
    assert first.remedy


def test_a_file_that_is_not_utf_8_is_refused(folder):
    path = tiny.write(folder) / "supply.csv"
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    (found,) = problems(folder)
    assert (found.where, "UTF-8" in found.what) == ("supply.csv", True)


def test_a_missing_file_is_named(folder):
    (tiny.write(folder) / "regions.csv").unlink()
    assert "regions.csv" in [p.where for p in problems(folder)]


def test_a_folder_without_datasets_is_named(tmp_path):
    with pytest.raises(WorkbenchError, match=r"schema\.sql") as error:
        store.load(LATER, tmp_path)
    assert str(tmp_path) in error.value.where


def test_datasets_without_a_price_file_are_refused(folder):
    shutil.rmtree(tiny.write(folder) / "prices")
    assert any("price file" in p.what for p in problems(folder))


def test_datasets_without_a_price_are_an_error_that_knows_the_way_out(folder):
    tiny.write(folder, prices=[])
    with pytest.raises(WorkbenchError, match="no price") as error:
        store.load(LATER, folder)
    assert "None" not in str(error.value)


def test_a_folder_of_any_name_loads(tmp_path):
    folder = tiny.write(tmp_path / 'it\'s a "b" [1]* snow ☃;')
    assert only(store.load(LATER, folder)).usd_per_gpu_hour.rows == ("prices/acme.csv:2",)


# --- what loads and looks odd


def test_spot_dearer_than_on_demand_is_warned_of_and_loads(folder):
    tiny.write(folder, prices=[price(), price(basis="spot", value=3.5)])
    found, warnings = store.problems(folder)
    assert found == []
    assert [w.where for w in warnings] == ["prices/acme.csv:3"]
    assert "dearer" in warnings[0].what
    assert len(store.load(LATER, folder).prices) == 2


def test_cheaper_spot_is_not_warned_of(folder):
    assert store.problems(tiny.write(folder, prices=[price(), price(basis="spot", value=2)])) == ([], [])


def test_a_node_s_price_in_its_own_unit_is_sound(folder):
    node = price(sku="node", value=28, unit="USD/instance-hour")
    facts = store.load(LATER, tiny.write(folder, prices=[node, price(provider="Bigco", value=3.4)]))
    assert {p.sku: p.usd_per_gpu_hour.value for p in facts.prices} == {"node": 3.5, "box": 3.4}


# --- units and currencies are turned into one on load


def test_another_currency_is_converted_at_its_newest_rate(folder):
    rates = [
        {**tiny.SEEN, "currency": "EUR", "value": 1.5, "unit": "x", "as_of": "2026-01-01"},
        {**tiny.SEEN, "currency": "EUR", "value": 1.25, "unit": "x"},
    ]  # fmt: skip
    tiny.write(folder, prices=[price(currency="EUR", low=2, high=4)], currencies=rates)
    quote = only(store.load(LATER, folder)).usd_per_gpu_hour
    assert (quote.value, quote.low, quote.high, quote.unit) == (3.75, 2.5, 5.0, "USD/GPU-hour")


def test_a_chip_hour_and_an_instance_hour_become_accelerator_hours(folder):
    tiny.write(folder, prices=[price(unit="USD/instance-hour", value=24), price(sku="chip", unit="USD/chip-hour")])
    assert {p.usd_per_gpu_hour.value for p in store.load(LATER, folder).prices} == {3.0}


def test_a_table_without_a_row_is_refused_by_its_name(folder):
    """Its header alone: no row is bad in itself, but no decision can be given."""
    tiny.write(folder)
    for table in NEEDED:
        tiny.fill(folder / f"{table}.csv", table, [])
    assert [p.where for p in problems(folder) if p.what == "no row"] == [f"{t}.csv" for t in TABLES if t in NEEDED]


def test_tiers_in_terabytes_have_edges_of_1024_gigabytes(folder):
    tiers = [
        service(category="egress", plan="internet", tier_from=0, tier_to=10, tier_unit="TB", value=0.09, unit="USD/GB"),
        service(category="egress", plan="internet", tier_from=10, tier_unit="TB", value=0.085, unit="USD/GB"),
    ]
    (found,) = store.load(LATER, tiny.write(folder, services=tiers)).services
    assert found.edges == (10240.0,)
    assert found.rates == (0.09, 0.085)
    assert found.rows == ("services.csv:2", "services.csv:3")


# --- what is visible at a day


def seen(folder: Path, day: str) -> set[float]:
    try:
        return {p.usd_per_gpu_hour.value for p in store.load(date.fromisoformat(day), folder).prices}
    except WorkbenchError:
        return set()


def test_a_row_counts_from_the_day_it_was_recorded(folder):
    tiny.write(folder, prices=[price(as_of="2026-06-01", recorded="2026-06-10")])
    assert seen(folder, "2026-06-09") == set()
    assert seen(folder, "2026-06-10") == {3}


def test_a_day_before_any_record_is_an_error_that_names_the_first(folder):
    tiny.write(folder, prices=[price(recorded="2026-06-10")])
    with pytest.raises(WorkbenchError, match="2026-06-10"):
        store.load(date(2026, 6, 9), folder)


def test_a_report_pinned_to_a_day_never_changes(folder):
    tiny.write(folder, prices=[price(), price(value=2, as_of="2026-07-01", recorded="2026-07-02")])
    assert seen(folder, "2026-07-01") == {3}
    assert seen(folder, "2026-07-02") == {2}


def test_an_interval_is_aged_from_its_first_day(folder):
    first = {"2026": "2026-01-01", "2026-05": "2026-05-01", "2026-05-20": "2026-05-20"}
    tiny.write(folder, prices=[price(sku=as_of, as_of=as_of, recorded="2026-05-21") for as_of in first])
    assert {p.sku: str(p.usd_per_gpu_hour.as_of) for p in store.load(LATER, folder).prices} == first


def test_an_interval_counts_from_its_recorded_day_where_that_is_earlier(folder):
    rows = [price(sku=day, as_of=day, recorded="2026-05-21", value=len(day)) for day in ("2026", "2026-05")]
    tiny.write(folder, prices=rows)
    assert seen(folder, "2026-05-20") == set()
    assert seen(folder, "2026-05-21") == {len("2026"), len("2026-05")}


def test_what_is_valid_from_a_day_counts_from_that_day(folder):
    tiny.write(folder, assumptions=[assumption(), assumption(value=0.5, source="press", valid_from="2026-08-01")])

    def value(day: date) -> tuple[float, ...]:
        found = [s.quantity for s in store.load(day, folder).assumptions if s.quantity.name == "utilisation"]
        return tuple(q.high for q in found)

    assert value(date(2026, 7, 31)) == (0.4,)
    assert value(date(2026, 8, 1)) == (0.5,)


def test_a_withdrawn_offer_is_gone_from_its_day_on(folder):
    tiny.write(folder, prices=[price(region="west", value=9), price(withdrawn="2026-08-01")])
    assert seen(folder, "2026-07-31") == {3, 9}
    assert seen(folder, "2026-08-01") == {9}


def test_withdrawing_an_offer_by_a_correction_leaves_no_older_row_behind(folder):
    gone = price(as_of="2026-07-01", recorded="2026-07-01", withdrawn="2026-08-01", supersedes="prices/acme.csv:2")
    tiny.write(folder, prices=[price(value=5), gone, price(region="west", value=9)])
    assert seen(folder, "2026-06-15") == {5, 9}
    assert seen(folder, "2026-07-15") == {3, 9}
    assert seen(folder, "2026-08-01") == {9}


def test_withdrawing_an_offer_by_its_newest_row_leaves_no_older_row_behind(folder):
    gone = price(as_of="2026-07-01", recorded="2026-07-01", withdrawn="2026-08-01")
    tiny.write(folder, prices=[price(value=5), gone, price(region="west", value=9)])
    assert seen(folder, "2026-08-01") == {9}


def test_a_superseded_row_is_gone_once_its_correction_was_recorded(folder):
    right = price(value=2, recorded="2026-07-01", supersedes="prices/acme.csv:2", source="press")
    tiny.write(folder, prices=[price(value=9), right])
    assert seen(folder, "2026-06-30") == {9}
    assert seen(folder, "2026-07-01") == {2}
    assert only(store.load(LATER, folder)).contradictions == ()


def test_a_corrected_correction_leaves_the_last_word(folder):
    tiny.write(folder, prices=[price(value=9), price(value=5, source="press", supersedes="prices/acme.csv:2"),
                               price(value=2, source="api", supersedes="prices/acme.csv:3")])  # fmt: skip
    assert seen(folder, "2026-09-01") == {2}


def test_a_reference_row_is_never_offered(folder):
    tiny.write(folder, prices=[price(), price(kind="reference", value=1, region="west")])
    assert seen(folder, "2026-09-01") == {3}


# --- several rows for one thing


def test_the_best_evidence_is_taken_before_the_newest(folder):
    newer = price(value=2, evidence="reported", source="press", as_of="2026-07-01", recorded="2026-07-01")
    tiny.write(folder, prices=[price(), newer])
    assert only(store.load(LATER, folder)).usd_per_gpu_hour.value == 3


def test_each_class_of_evidence_yields_to_the_stronger(folder):
    pairs = list(pairwise(Evidence))
    rows = [price(**ESTIMATE | {"sku": str(n), "evidence": str(e), "value": v, "source": s, "low": v, "high": v})
            for n, (stronger, weaker) in enumerate(pairs)
            for e, v, s in ((weaker, 2, "press"), (stronger, 4, "list"))]  # fmt: skip
    found = {p.sku: p.usd_per_gpu_hour.evidence for p in store.load(LATER, tiny.write(folder, prices=rows)).prices}
    assert found == {str(n): stronger for n, (stronger, _) in enumerate(pairs)}


def test_of_equal_evidence_the_newest_is_taken(folder):
    newer = price(value=2, source="api", as_of="2026-07-01", recorded="2026-07-01")
    tiny.write(folder, prices=[newer, price()])
    assert only(store.load(LATER, folder)).usd_per_gpu_hour.value == 2


def test_a_contradiction_widens_the_range_and_is_listed(folder):
    tiny.write(folder, prices=[price(), price(value=2.5, source="press", evidence="reported")])
    found = only(store.load(LATER, folder))
    assert (found.usd_per_gpu_hour.value, found.usd_per_gpu_hour.low, found.usd_per_gpu_hour.high) == (3, 2.5, 3)
    assert found.contradictions == ("prices/acme.csv:3",)
    assert found.usd_per_gpu_hour.rows == ("prices/acme.csv:2", "prices/acme.csv:3")


def test_sources_that_agree_are_no_contradiction(folder):
    tiny.write(folder, prices=[price(), price(source="press", evidence="reported")])
    assert only(store.load(LATER, folder)).contradictions == ()


def test_an_older_price_of_the_same_source_is_history(folder):
    newer = price(value=2, as_of="2026-07-01", recorded="2026-07-01")
    found = only(store.load(LATER, tiny.write(folder, prices=[price(), newer])))
    assert found.contradictions == ()
    assert (found.usd_per_gpu_hour.low, found.usd_per_gpu_hour.high) == (2, 2)


def test_rows_for_two_places_are_two_things(folder):
    tiny.write(folder, prices=[price(), price(region="west", value=4)])
    assert seen(folder, "2026-09-01") == {3, 4}


def test_a_scoped_assumption_stands_beside_the_general_one(folder):
    tiny.write(folder, assumptions=[assumption(), assumption(value=0.7, provider="Acme")])
    found = {tuple(s.scope.values()): s.quantity.value for s in store.load(LATER, folder).assumptions
             if s.quantity.name == "utilisation"}  # fmt: skip
    assert found == {(): 0.4, ("Acme",): 0.7}


# --- the prices that are printed and wrong: superseded, and back as soon as their correction is gone


def rows_of(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            yield f"prices/{path.name}:{number}", row


def corrections(datasets: Path) -> dict[str, str]:
    """Address of a wrong price -> address of the row that corrects it."""
    return {row["supersedes"]: place for path in sorted(datasets.glob("prices/*.csv")) for place, row in rows_of(path)
            if row["supersedes"]}  # fmt: skip


CORRECTIONS = corrections(DATASETS)
with (Path(__file__).parent / "cases" / "known_wrong_prices.csv").open(encoding="utf-8", newline="") as cases_file:
    KNOWN_WRONG = list(csv.DictReader(cases_file))


def address(case: dict[str, str]) -> str:
    """Where the datasets hold a known wrong price."""
    path = DATASETS / "prices" / case["file"]
    wanted = (case["sku"], case["basis"], float(case["wrong"]))
    (found,) = (p for p, r in rows_of(path) if (r["sku"], r["basis"], float(r["value"])) == wanted)
    return found


def offered(facts: Facts) -> set[str]:
    """The rows whose value a decision may use."""
    return {p.usd_per_gpu_hour.rows[0] for p in facts.prices}


@pytest.fixture(scope="module")
def uncorrected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped datasets without the rows that correct a price."""
    folder = tmp_path_factory.mktemp("uncorrected") / "datasets"
    shutil.copytree(DATASETS, folder)
    for path in folder.glob("prices/*.csv"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        gone = {int(p.rpartition(":")[2]) for p in CORRECTIONS.values() if p.startswith(f"prices/{path.name}:")}
        kept = [line for number, line in enumerate(lines, start=1) if number not in gone]
        path.write_text("".join(kept), encoding="utf-8", newline="")
    return folder


@pytest.mark.parametrize("case", KNOWN_WRONG, ids=lambda c: f"{c['sku']} at {c['wrong']}")
def test_a_known_wrong_price_is_offered_only_without_its_correction(case, uncorrected):
    wrong, day = address(case), date(2026, 11, 24)
    right = CORRECTIONS[wrong]
    assert wrong not in offered(store.load(day, DATASETS))
    assert right in offered(store.load(day, DATASETS))
    assert wrong in offered(store.load(day, uncorrected))


@pytest.mark.parametrize("case", [c for c in KNOWN_WRONG if c["right"]], ids=lambda c: f"{c['sku']} at {c['wrong']}")
def test_the_correction_of_a_known_wrong_price_says_the_right_one(case):
    path = DATASETS / "prices" / case["file"]
    assert float(dict(rows_of(path))[CORRECTIONS[address(case)]]["value"]) == pytest.approx(
        float(case["right"]), abs=1e-3
    )


def test_a_wrong_price_reaches_the_decision_only_without_its_correction(uncorrected, chat_by_few_draws):
    """AWS p5 at the price before June 2025: without the correcting row it makes the figures, with it it is gone."""
    scenario, stale = chat_by_few_draws, address(KNOWN_WRONG[0])

    def p5(datasets: Path) -> dict[str, Any]:
        facts = store.load(scenario.as_of, datasets)
        here = tuple(p for p in facts.prices if p.provider != "AWS" or p.region == "us-east-1")
        options = answer.decide(replace(facts, prices=here), scenario).as_dict()["options"]
        (found,) = (o for o in options if o["provider"] == "AWS" and o["offer"].startswith("EC2: p5.48xlarge")
                    and o["basis"] == "on_demand")  # fmt: skip
        return found

    sound, wrong, restored = p5(DATASETS), p5(uncorrected), p5(DATASETS)
    assert stale in wrong["rows"]
    assert stale not in sound["rows"]
    assert wrong["mean"] > 1.3 * sound["mean"]
    assert restored == sound


@pytest.fixture(scope="module")
def chat_by_few_draws() -> Scenario:
    return replace(narrow("chat"), draws=64)


# --- everything that was collected is carried over

shared_facts = pytest.mark.skipif(
    not (SHARED / "facts").is_dir(),
    reason=f"the collected facts are not at {SHARED}: set WORKBENCH_SHARED to check that each has its row",
)
PARTS_OF = {"AWS SageMaker": "AWS", "GCP Vertex AI": "GCP", "GCP Cloud Run": "GCP"}


@shared_facts
def test_every_collected_price_has_its_row():
    have: dict[tuple[str, str], list[float]] = {}
    for path in DATASETS.glob("prices/*.csv"):
        for _, row in rows_of(path):
            each = float(row["gpu_count"]) if row["unit"] == "USD/instance-hour" else 1.0
            for name in {row["sku"], row["gpu"]}:
                have.setdefault((row["provider"], name), []).append(float(row["value"]) / each)
    with (SHARED / "facts" / "prices.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["price_id"] for r in rows if not carried(r, have)] == []


def carried(fact: dict[str, str], have: dict[tuple[str, str], list[float]]) -> bool:
    """Whether the seller has a row of that price for the SKU or its accelerator; facts are rounded to four digits."""
    provider, want = PARTS_OF.get(fact["provider"], fact["provider"]), float(fact["usd_per_gpu_hour"])
    prices = [*have.get((provider, fact["sku"]), ()), *have.get((provider, fact["gpu"]), ())]
    return any(v == pytest.approx(want, rel=1e-3, abs=1e-4) for v in prices)


@shared_facts
def test_every_price_known_to_be_wrong_is_a_case():
    with (SHARED / "facts" / "known_wrong_prices.csv").open(encoding="utf-8", newline="") as file:
        known = {(r["sku"], round(float(r["usd_per_gpu_hour"]), 2)) for r in csv.DictReader(file)}
    cases = {(c["facts_sku"], round(float(c["wrong_each"]), 2)) for c in KNOWN_WRONG}
    assert cases == known


# --- tier tables


def test_the_edges_of_shipped_tier_tables_rise():
    """Rows state their bounds in GB and in TB: they are put in order after conversion."""
    for table in SHIPPED.services:
        assert list(table.edges) == sorted(set(table.edges)), table
        assert len(table.rates) == len(table.edges) + 1, table


def test_the_egress_table_of_aws_is_the_printed_one():
    (found,) = (
        s for s in SHIPPED.services if (s.provider, s.category, s.plan, s.region) == ("AWS", "egress", "internet", "US")
    )
    assert found.edges == (100.0, 10240.0, 51200.0, 153600.0)
    assert found.rates == (0.0, 0.09, 0.085, 0.07, 0.05)
