"""The forms in JupyterLab, in a real browser: a slider moves what is shown, and no other machine is asked.

All in one file, and so one after the other: one JupyterLab and one browser serve them.
"""

from pathlib import Path

import pytest

from tests.page import PICTURES, VERDICT, copied, drawn, nudged, opened
from workbench.forms import exits, plan

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
TIMEOUT_MS = 90_000


@pytest.fixture
def shown(browser, lab):
    """A page with a notebook of which all cells were run."""

    def show(name, *needed):
        folder, address = lab
        browser.page.set_default_timeout(TIMEOUT_MS)
        opened(browser.page, address.format(copied(NOTEBOOKS / name, folder, needed)))
        return browser.page

    yield show
    assert len(browser.requests) > 100, "the recorder of requests records none"
    assert browser.elsewhere == []


@pytest.mark.browser
def test_a_slider_in_jupyterlab_moves_verdict_and_charts_and_asks_no_other_machine(shown):
    page = shown("01_hyperscaler_or_neocloud.ipynb")

    verdict = page.locator(VERDICT)
    assert "4,096 draws" in verdict.inner_text(), "the form moved though nobody touched it"
    label = page.locator(".widget-hslider", has_text="Utilisation").locator(".widget-label")
    assert "assumptions.csv:" in label.get_attribute("title"), "the rows"
    slider = nudged(page, "Utilisation", "ArrowRight", times=10)
    page.wait_for_function("document.querySelector('.workbench-verdict').innerText.includes('4,096 draws')")

    assert "50%" in slider.inner_text()


@pytest.mark.browser
def test_a_slider_in_jupyterlab_moves_the_cold_hump_and_asks_no_other_machine(shown):
    page = shown("02_cold_start.ipynb", "found = ", "waking.form(")

    verdict, charts = page.locator(VERDICT), page.locator(PICTURES)
    assert charts.count() == 3
    assert "simulated, 11,708 requests" in verdict.inner_text(), "the form moved though nobody touched it"
    weights = page.locator(".widget-hslider", has_text="Size of the weights").locator(".widget-label")
    assert "parameters.csv:" in weights.get_attribute("title"), "the rows"
    slider = nudged(page, "Keep-alive", "ArrowLeft", picture=1)
    page.wait_for_function("document.querySelector('.workbench-verdict').innerText.includes('simulated, 11,708')")

    assert "2 min" in slider.inner_text()
    assert "Kept for 120 s" in verdict.inner_text()
    assert "meet a cold start and take" in charts.nth(1).text_content()


@pytest.mark.browser
def test_a_slider_in_jupyterlab_moves_the_bill_and_the_advice_and_asks_no_other_machine(shown):
    page = shown("03_lock_in.ipynb", "from workbench.forms import exits")

    verdict, pictures = page.locator(VERDICT), page.locator(PICTURES)
    assert pictures.count() == len(exits.PICTURES)
    assert "Leave now" in verdict.inner_text()
    label = page.locator(".widget-hslider", has_text="Stored data").locator(".widget-label")
    assert "lockin.csv:" in label.get_attribute("title"), "the rows"
    assert "breakage" in drawn(page, 0)
    slider = nudged(page, "Contract, months left", "Home")
    assert slider.inner_text().split()[-1] == "0"
    page.wait_for_function(f"!document.querySelectorAll('{PICTURES}')[0].textContent.includes('breakage')")
    before = [drawn(page, i) for i in range(pictures.count())]
    nudged(page, "Contract, months left", "End", picture=2)
    page.wait_for_function(f"document.querySelector('{VERDICT}').innerText.includes('breakage')")
    assert "breakage" in drawn(page, 0)
    assert all(drawn(page, i) != was for i, was in enumerate(before))


@pytest.mark.browser
def test_a_slider_in_jupyterlab_moves_the_plan_and_asks_no_other_machine(shown):
    page = shown("04_commitments.ipynb", "wb.plan(")
    verdict, charts = page.locator(VERDICT), page.locator(PICTURES)
    assert charts.count() == len(plan.PICTURES)
    assert "to a gap of" in verdict.inner_text(), "the form moved though nobody touched it"
    said = verdict.inner_text()
    slider = nudged(page, "work, times today", "ArrowRight", times=4)
    page.wait_for_function("document.querySelector('.workbench-verdict').innerText.includes('to a gap of')")

    assert "1.41" in slider.inner_text(), "the root of two after four steps of an eighth"
    assert float(verdict.inner_text().split(" USD")[0].replace(",", "")) > float(said.split(" USD")[0].replace(",", ""))
    assert "accelerators are committed" in charts.first.text_content()
