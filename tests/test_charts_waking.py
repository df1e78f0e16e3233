"""Charts and sentences of a model that wakes: findings, units, sums that add up, numbers that are cited."""

import re
from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from workbench import charts, cite, prose_waking
from workbench.charts import waking as pictures
from workbench.decision.coldstart import course, pool
from workbench.models import kernel


@pytest.fixture(scope="module")
def found():
    return wb.coldstart("assistant")


@pytest.fixture(scope="module")
def seen(found):
    return pool.watched(found.load, found.chosen.policy, found.chosen.capacity)


@pytest.fixture(scope="module")
def frames(found, seen):
    start = pool.start(found)
    options = pool.options(start, [60.0, 300.0], found.rival.capacity, [1, 2])
    return {
        "frontier": pictures.frontier_frame(found),
        "latency": pictures.latency_frame(seen),
        "stages": pictures.stages_frame(found.chosen.capacity.waking),
        "course": pictures.course_frame(course.day(found.load, found.chosen.policy)),
        "choice": pictures.choice_frame(start, seen, options),
    }


KINDS = ("frontier", "latency", "stages", "course", "choice")


# --- what a chart says


@pytest.mark.parametrize("kind", KINDS)
def test_a_title_is_a_finding(frames, kind):
    title = charts.finding(getattr(pictures, kind)(frames[kind]))
    assert re.search(r"\b(is|meet|takes|sleeps|costs)\b", title)
    assert re.search(r"\d", title)


@pytest.mark.parametrize("kind", KINDS)
def test_an_axis_names_its_unit(frames, kind):
    assert re.search(r"USD a month|seconds|requests/minute", charts.svg(getattr(pictures, kind)(frames[kind])))


@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_holds_its_rows_at_the_top_for_a_slider_to_swap(frames, kind):
    spec = getattr(pictures, kind)(frames[kind]).to_dict()
    swapped = charts.swapped(spec, frames[kind])
    assert swapped["data"] == spec["data"]
    assert charts.finding(swapped) == charts.finding(spec)


@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_has_colours_of_the_product_only(frames, kind):
    used = {c.upper() for c in re.findall(r"#[0-9a-fA-F]{6}\b", charts.svg(getattr(pictures, kind)(frames[kind])))}
    assert used <= {c.upper() for c in (*charts.COLOURS.values(), charts.TEXT)}


def test_a_chart_of_a_result_is_the_chart_of_its_frame(found, seen, frames):
    given = {"frontier": found, "latency": seen, "stages": found.chosen.capacity.waking,
             "course": course.day(found.load, found.chosen.policy)}  # fmt: skip
    for kind, result in given.items():
        assert getattr(pictures, kind)(result).to_dict() == getattr(pictures, kind)(frames[kind]).to_dict()


# --- what the rows hold


def test_the_frontier_marks_the_answer_and_its_steps_fall(found, frames):
    frame = frames["frontier"]
    assert frame["answer"].sum() == frame["rival"].sum() == 1
    steps = frame.filter(frame["unbeaten"])
    assert steps["cost"].is_sorted()
    assert steps["latency_s"].is_sorted(descending=True)
    assert set(frame["kind"]) == set(pictures.KINDS)
    below = frame.filter(frame["latency_s"] <= found.load.asked.limit_s * 0.99)
    assert below["met"].all(), "what is below the line keeps the promise"


def test_the_bars_of_the_histogram_are_the_bins_of_the_simulation(found, seen, frames):
    """The kernel counts in narrow bins while it runs; the chart bins the same requests anew."""
    frame, bins = frames["latency"], found.chosen.run.bins[kernel.LATENCY]
    middles, limit = kernel.bin_middles(), found.load.asked.limit_s
    shares = frame["to"] - frame["from"]
    assert shares.sum() == pytest.approx(1, abs=2 * pictures.EDGE)
    above = frame["low"] >= limit
    assert shares.filter(above).sum() == pytest.approx(bins[middles > limit].sum() / bins.sum(), abs=0.01)
    cold = frame["start"] == pictures.COLD
    assert shares.filter(cold).sum() == pytest.approx(found.chosen.run.cold_share, abs=2 * pictures.EDGE)


def test_the_cold_hump_is_apart_from_the_rest(seen):
    """Two modes with a valley between them: few take twenty to thirty seconds, more take less and more take longer."""
    took = np.histogram(seen.latencies_s, [10, 20, 30, 40, 80])[0]
    assert took[1] < took[3] / 3
    assert took[1] < took[0] / 3
    assert np.median(seen.latencies_s[seen.cold]) > 5 * np.median(seen.latencies_s[~seen.cold])


def test_the_waterfall_adds_up_to_the_mean_of_the_tiers(found, frames):
    frame, woken = frames["stages"], found.chosen.capacity.waking
    stages = frame.filter(frame["part"] == "stage")
    assert stages["from"].to_list() == pytest.approx([0.0, *stages["to"].to_list()[:-1]])
    assert stages["to"][-1] == pytest.approx(sum(share * seconds for _, share, seconds in woken.tiers))
    assert frame.filter(frame["part"] == "total")["to"][0] == pytest.approx(stages["to"][-1])


def test_the_best_of_another_kind_is_the_rival(found):
    assert found.rival.met
    assert found.rival.capacity.kind != found.chosen.capacity.kind
    assert found.rival.cost_usd >= found.chosen.cost_usd


# --- cases that a user meets


def test_where_nothing_is_fast_enough_title_and_sentence_say_so(found):
    missed = tuple(replace(p, met=False) for p in found.points)
    chosen = missed[found.points.index(found.chosen)]
    none = replace(found, points=missed, chosen=chosen)
    assert charts.finding(pictures.frontier(none)).startswith("No policy meets the objective")
    assert str(prose_waking.verdict(none)).startswith("No policy meets the objective")


def test_where_one_kind_of_capacity_is_left_it_is_called_the_only_one(found):
    own = tuple(p for p in found.points if p.capacity.kind == found.chosen.capacity.kind)
    alone = replace(found, points=own)
    assert "Only serverless" in charts.finding(pictures.frontier(alone))
    assert "the only kind" in str(prose_waking.verdict(alone))
    assert charts.svg(pictures.frontier(alone)).startswith("<svg")


def test_where_nobody_waits_for_a_start_the_histogram_has_one_part(found, seen):
    warm = replace(seen, cold=np.zeros_like(seen.cold))
    frame = pictures.latency_frame(warm)
    assert frame["finding"][0].startswith("No request meets a cold start")
    assert set(frame["start"]) == {pictures.WARM}


@pytest.mark.parametrize(
    ("asleep", "levels", "says"),
    [(0.0, (2.0, 2.0), "stays at 2"), (0.0, (1.0, 4.0), "1 to 4 replicas"), (0.5, (0.0, 3.0), "3 replicas carry")],
)
def test_a_day_says_whether_the_fleet_sleeps_follows_or_stays(asleep, levels, says):
    quarter = np.array([0.0, 12.0])
    made = course.Course(hours=quarter, requests_per_minute=quarter, ready=np.array(levels), starting=np.zeros(2),
                         asleep_share=asleep, most=int(max(levels)))  # fmt: skip
    assert says in pictures.course_frame(made)["finding"][0]


@pytest.mark.parametrize(("share", "text"), [(0.9996, "99.9%"), (0.991, "99.1%"), (0.97, "97%"), (1.0, "100%")])
def test_a_share_is_not_rounded_up_to_all(share, text):
    assert prose_waking.nearly(share) == text


# --- sentences


def test_every_numeral_of_the_sentences_is_cited(found, seen):
    texts = [prose_waking.verdict(found), prose_waking.doubt(found), prose_waking.turned(pool.start(found), seen)]
    assert [list(cite.uncited(t._repr_html_())) for t in texts] == [[], [], []]
    assert 'title="estimated: prices/modal.csv:' in texts[0]._repr_html_()
    assert "scenarios/assistant.toml:" in texts[0]._repr_html_()


def test_the_verdict_tells_what_the_frontier_holds(found):
    said, chosen = str(prose_waking.verdict(found)), found.chosen
    assert chosen.label in said
    assert found.rival.label in said
    less = 100 * (1 - chosen.cost_usd / found.rival.cost_usd)
    assert float(re.search(r"([\d.]+)% less", said)[1]) == pytest.approx(less, abs=0.5)
    assert f"{chosen.run.cold_share:.0%} meet a cold start" in said
