"""A headless browser for the tests of pages: Debian's chromium, driven by Playwright.

Its fixture `chromium` is in conftest.py. Where there is no chromium the tests skip; `make browser` installs it.
`python -m tests.browser relations.html docs/report.png` makes the picture of a report for the README.
"""

from __future__ import annotations

import io
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

ARGUMENTS = ("--no-sandbox", "--disable-gpu")
PHONE, DESK = (390, 844), (1280, 900)
"""Widths and heights to look at pages in, px."""


@contextmanager
def running_chromium():
    """A running browser, closed at the end; skips where there is none to run."""
    executable = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(executable).is_file():
        pytest.skip("no chromium at /usr/bin/chromium: `make browser` installs it")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page that was opened, with what it said to its console, its errors, and what it asked the network for."""

    def __init__(self, page):
        self.page = page
        page.set_default_timeout(5000)
        self.said = []
        self.requests = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", self._asked)

    def _asked(self, request):
        if not request.url.startswith("data:"):
            self.requests.append(request.url)

    @property
    def overhang_px(self):
        """How much wider than its window the page is."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@contextmanager
def visit(browser, address, size=DESK, dark=False, **context):
    """A Visit of a path or an address in a window of its own."""
    address = address.absolute().as_uri() if isinstance(address, Path) else address
    window = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", **context
    )
    try:
        opened = Visit(window.new_page())
        opened.page.goto(address)
        yield opened
    finally:
        window.close()


def portrait(page_path, picture_path):
    """Writes a picture of a report: its top on a desk, its answers on a phone in the dark."""
    with running_chromium() as browser:
        with visit(browser, Path(page_path), DESK) as seen:
            desk = _shot(seen.page, 0, _end_of(seen.page, "#charts") + 20, 860 / DESK[0])
        with visit(browser, Path(page_path), PHONE, dark=True, device_scale_factor=2) as seen:
            seen.page.click("#more-filters")
            seen.page.check("[value=random]")
            seen.page.click("#more-filters")
            start, scale = _end_of(seen.page, "#rates") + 36, 0.9
            phone = _shot(seen.page, start, start + desk.height / scale, scale / 2)
    whole = Image.new("RGB", (desk.width + 20 + phone.width, desk.height), "white")
    whole.paste(desk, (0, 0))
    whole.paste(phone, (desk.width + 20, 0))
    whole.quantize(256, Image.Quantize.FASTOCTREE, kmeans=2, dither=Image.Dither.NONE).save(picture_path, optimize=True)


def _end_of(page, selector):
    """How far down the page an element ends, px."""
    return page.evaluate(f"document.querySelector('{selector}').getBoundingClientRect().bottom + scrollY")


def _shot(page, top, bottom, scale):
    clip = {"x": 0, "y": top, "width": page.viewport_size["width"], "height": bottom - top}
    shot = Image.open(io.BytesIO(page.screenshot(clip=clip, full_page=True))).convert("RGB")
    return shot.resize((round(shot.width * scale), round(shot.height * scale)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    portrait(*sys.argv[1:3])
