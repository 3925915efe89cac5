"""A headless browser for the tests of pages: Debian's chromium, driven by Playwright.

Its fixture `chromium` is in conftest.py. Where there is no chromium the tests skip; `make browser` installs it.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

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
