"""What browser tests do with a notebook in JupyterLab: open it with all cells run, and move a slider of its form."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

VERDICT, PICTURES = ".workbench-verdict", ".workbench-pictures svg"
IDLE = "Python 3 (ipykernel) | Idle"


def copied(notebook: Path, folder: Path, needed: Sequence[str] = ()) -> str:
    """The notebook's name, a copy of it in the folder: what a page saves is not the project's.

    With `needed`, of the code only the first cell and those that begin so: the others are run by nbval anyway.
    """
    book = json.loads(notebook.read_text(encoding="utf-8"))
    code = [c for c in book["cells"] if c["cell_type"] == "code"]
    kept = [c for c in code if c is code[0] or "".join(c["source"]).startswith(tuple(needed) or "")]
    assert not needed or len(kept) == 1 + len(needed), f"{notebook.name} has other cells than {needed}"
    book["cells"] = [c for c in book["cells"] if c["cell_type"] != "code" or c in kept]
    (folder / notebook.name).write_text(json.dumps(book), encoding="utf-8")
    return notebook.stem


def opened(page: Any, address: str) -> None:
    """The notebook in the page, its kernel ready for work, all cells run."""
    page.goto(address)
    page.get_by_text(IDLE).wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.locator(PICTURES).first.wait_for()
    page.get_by_text(IDLE).wait_for()
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count() == 0


def drawn(page: Any, picture: int = 0) -> str:
    """The text of a chart, its title first."""
    return str(page.locator(PICTURES).nth(picture).text_content())


def nudged(page: Any, label: str, key: str, times: int = 1, picture: int = 0) -> Any:
    """The slider of that label after so many presses of a key, when the verdict and a chart have followed."""
    said, before = page.locator(VERDICT).inner_text(), drawn(page, picture)
    slider = page.locator(".widget-hslider", has_text=label)
    slider.locator(".noUi-handle").focus()
    begun = time.monotonic()
    for _ in range(times):
        page.keyboard.press(key)
    page.wait_for_function(f"t => document.querySelector('{VERDICT}').innerText !== t", arg=said)
    changed = f"([i, t]) => document.querySelectorAll('{PICTURES}')[i].textContent !== t"
    page.wait_for_function(changed, arg=[picture, before])
    print(f"slider to chart: {time.monotonic() - begun:.2f} s")
    return slider
