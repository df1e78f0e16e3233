"""Charts: the title is the finding, one colour has one meaning for everybody, and a slider swaps rows alone."""

import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

import workbench as wb
from workbench import charts
from workbench.decision import contrast
from workbench.decision.answer import Decision

KINDS = ("ranges", "monthly", "difference", "drivers")


@pytest.fixture(scope="module")
def scenario():
    return replace(wb.load("chat"), draws=512)


@pytest.fixture(scope="module")
def decision(scenario) -> Decision:
    return wb.decide(scenario)


@pytest.fixture(scope="module")
def other(scenario) -> Decision:
    """The same question with three times the work: other figures, maybe another answer."""
    demand = replace(scenario.demand, tokens_in_per_month=4e11, tokens_out_per_month=8e10)
    return wb.decide(replace(scenario, demand=demand, months=7))


# --- what a chart says


@pytest.mark.parametrize("kind", KINDS)
def test_a_title_is_a_finding(decision, kind):
    """It says how much or how many, and is a sentence, not a label of the axes."""
    title = charts.finding(getattr(charts, kind)(decision))
    assert re.search(r"\b(is|costs?|saves?|explains?)\b", title)
    assert re.search(r"\d", title)


@pytest.mark.parametrize("kind", KINDS)
def test_an_axis_names_its_unit(decision, kind):
    text = charts.svg(getattr(charts, kind)(decision))
    assert re.search(r"(thousand|million) USD|share of", text)


def test_the_titles_tell_what_the_decision_holds(decision):
    found = contrast.contrast(decision.study)
    title = charts.finding(charts.ranges(decision))
    assert f"The {found.side} costs" in title
    assert f"{found.share:.0%}" in title
    assert f"{round(found.probability * 100)} of 100" in title


def test_a_chart_of_a_decision_is_the_chart_of_its_frame(decision):
    for kind in KINDS:
        frame = getattr(charts, f"{kind}_frame")(decision)
        assert getattr(charts, kind)(frame).to_dict() == getattr(charts, kind)(decision).to_dict()


def test_sellers_are_not_hidden_behind_one_another(decision):
    frame = charts.ranges_frame(decision)
    assert len(frame) <= charts.MOST
    assert frame["option"].is_unique().all()
    assert frame["answer"].sum() == 1
    sellers = [o.plan.providers for o in contrast.shortlist(decision.study, charts.MOST)]
    assert max(map(sellers.count, sellers)) <= contrast.PER_PROVIDER
    assert contrast.contrast(decision.study).rival in contrast.shortlist(decision.study, 2)


def test_no_bar_of_the_difference_stands_for_both_kinds(decision):
    frame = charts.difference_frame(decision)
    assert ((frame["low"] >= -1e-9) | (frame["high"] <= 1e-9)).all()
    assert 1 - 2 * charts.TAIL - 0.01 <= frame["share"].sum() <= 1


# --- for a slider


@pytest.mark.parametrize("kind", KINDS)
def test_swapped_rows_are_the_whole_difference_between_two_charts(decision, other, kind):
    built, frame = getattr(charts, kind)(decision).to_dict(), getattr(charts, f"{kind}_frame")(other)
    swapped, anew = charts.swapped(built, frame), getattr(charts, kind)(frame).to_dict()
    for part in ("data", "title"):
        assert swapped[part] == anew[part]
    assert charts.finding(swapped) == frame["finding"][0]


# --- how it is shown


def test_a_chart_shows_itself_as_a_picture_and_a_line_of_text(decision):
    spec = charts.monthly(decision).to_dict()
    bundle = charts.bundle(spec)
    assert set(bundle) == {"image/svg+xml", "application/vnd.vegalite.v6+json", "text/plain"}
    assert bundle["text/plain"] == charts.finding(spec)
    svg = bundle["image/svg+xml"]
    assert "<script" not in svg
    assert set(re.findall(r"https?://[^\"']+", svg)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_enabled_charts_ask_no_network_to_be_drawn(decision):
    code = (
        "from workbench import charts; charts.enable(); import altair as alt;"
        "b = alt.Chart(alt.InlineData(values=[{'a': 1}])).mark_bar().encode(x='a:Q')._repr_mimebundle_();"
        "b = b[0] if isinstance(b, tuple) else b; print(sorted(b), charts.TEXT in b['image/svg+xml'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['application/vnd.vegalite.v6+json', 'image/svg+xml', 'text/plain'] True"


def test_altair_is_imported_with_the_first_chart_only():
    heavy = "('altair', 'polars', 'vl_convert')"
    code = f"import sys; from workbench import charts; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- colours

# Machado, Oliveira and Fernandes (2009): how red, green and blue are seen without one of the three kinds of cones.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "deuteranopia": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "tritanopia": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
PAPER, NIGHT = "#ffffff", "#15171a"


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    f = np.cbrt(np.maximum(xyz / np.array([0.9505, 1.0, 1.089]), 0.008856))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast_ratio(a: str, b: str) -> float:
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("eyes", BLINDNESS)
def test_colours_stay_apart_for_all_eyes(eyes):
    seen = {meaning: lab(BLINDNESS[eyes] @ linear(c)) for meaning, c in charts.COLOURS.items()}
    near = {(a, b): np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(seen, 2)}
    assert min(near.values()) > 10, min(near, key=near.get)


@pytest.mark.parametrize("page", [PAPER, NIGHT])
def test_text_and_colours_are_seen_on_light_and_dark_pages(page):
    assert contrast_ratio(charts.TEXT, page) > 4
    assert min(contrast_ratio(c, page) for c in charts.COLOURS.values()) > 2.2


# --- the contrast that they show


def test_a_tie_counts_half():
    totals = (
        SimpleNamespace(total=np.array([1.0, 2.0, 3.0, 3.0])),
        SimpleNamespace(total=np.array([2.0, 2.0, 3.0, 2.0])),
    )
    found = contrast.Contrast(answer=totals[0], rival=totals[1], side="neocloud", rival_side="hyperscaler")
    assert found.probability == 0.25 + 0.5 / 2
    assert found.saving.tolist() == [1.0, 0.0, 0.0, -1.0]


def test_the_rival_is_the_cheapest_of_the_other_kind(decision):
    found = contrast.contrast(decision.study)
    own = contrast.side(decision.answer.plan, decision.study.facts)
    others = [o for o in decision.study.outcomes if contrast.side(o.plan, decision.study.facts) not in (own, "mix")]
    assert found.rival.mean == min(o.mean for o in others)
    assert found.side != found.rival_side


def test_without_another_kind_the_runner_up_is_the_rival(decision):
    own = contrast.side(decision.answer.plan, decision.study.facts)
    same = tuple(o for o in decision.study.outcomes if contrast.side(o.plan, decision.study.facts) == own)
    study = replace(decision.study, outcomes=same)
    assert contrast.contrast(study) is None
    assert contrast.closest(study).whom == "next option"
    assert "than the next option" in charts.finding(charts.ranges(Decision(study=study, stamp={})))
    alone = Decision(study=replace(study, outcomes=same[:1]), stamp={})
    assert contrast.closest(alone.study) is None
    for kind in KINDS:
        assert charts.svg(getattr(charts, kind)(alone)).startswith("<svg")


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (1.0, "all draws"),
        (0.0, "no draw"),
        (0.9996, "more than 99 of 100"),
        (0.0004, "fewer than 1 of 100"),
        (0.97, "97 of 100"),
    ],
)
def test_a_probability_claims_no_more_than_it_is(probability, words):
    from workbench.prose import of_hundred

    assert of_hundred(probability).startswith(words)


@pytest.mark.parametrize("kind", ["ranges", "difference"])
def test_money_is_told_in_millions_from_one_on_as_in_the_headline(decision, kind):
    spec = getattr(charts, kind)(decision).to_dict()
    (axis,) = [layer["encoding"]["x"] for layer in spec["layer"] if layer["encoding"].get("x", {}).get("axis")]
    assert "million USD" in axis["title"]
    assert axis["axis"]["labelExpr"] == "format(datum.value / 1000, ',~g')"
    frame = getattr(charts, f"{kind}_frame")(decision)
    columns = [c for c in ("low", "high", "p10", "p50", "p90", "mean") if c in frame.columns]
    small = frame.with_columns(frame[c] / 1000 for c in columns)
    assert "thousand USD" in charts.svg(getattr(charts, kind)(small))


def test_the_labels_at_the_ends_of_an_axis_stay_at_their_ticks(decision):
    """Moved inwards, the last one runs into its neighbour."""
    spec = charts.ranges(decision).to_dict()
    assert spec["config"]["axis"]["labelFlush"] is False


def test_the_two_sellers_of_a_mix_stand_on_two_lines(decision):
    frame = charts.ranges_frame(decision)
    mix = next(name for name in frame["option"] if " + " in name)
    one, other = mix.split(" + ")
    text = charts.svg(charts.ranges(frame))
    assert f"{one} +<" in text
    assert f">{other}<" in text
