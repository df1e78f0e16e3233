#!/usr/bin/env python3
"""Make the README's picture, reports/executive.png: the first sheet of the report in reports/out/, as it is printed.

workbench report chat && .venv/bin/python scripts/picture.py
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "reports" / "out" / "chat.html"
PICTURE = ROOT / "reports" / "executive.png"
WIDTH, HEIGHT = 794, 1123  # A4 at 96 pixels an inch
SCALE = 1.1  # sharp enough to read, small enough to keep in the repository
MARGINS = "body { padding: 11mm 13mm }"
# A sheet ends with the last section that fits it whole.
CUT = """(end) => {
    const sections = [...document.querySelectorAll('main > section')];
    const beyond = sections.findIndex((s) => s.getBoundingClientRect().bottom > end);
    sections.slice(beyond < 0 ? sections.length : beyond).forEach((s) => { s.style.display = 'none'; });
}"""


def main() -> int:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None or not REPORT.is_file():
        print(f"picture: needs Chromium and {REPORT}; run: workbench report chat", file=sys.stderr)
        return 1
    with sync_playwright() as driver:
        page = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE
        )
        page.emulate_media(media="print")
        page.goto(REPORT.as_uri())
        page.add_style_tag(content=MARGINS)
        page.evaluate(CUT, HEIGHT - 40)
        page.screenshot(path=PICTURE, clip={"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT})
    print(f"picture: {PICTURE}, {PICTURE.stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
