"""A Chromium that is installed, driven by Playwright. Playwright's own browsers are not needed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from local import browser

REQUIRE = "MAILROOM_REQUIRE_BROWSER"
WIDTHS, SCHEMES = (360, 1600), ("light", "dark")
EVERY_LOOK = pytest.mark.parametrize(
    ("width", "scheme"),
    [pytest.param(*look, marks=[] if look == (360, "dark") else pytest.mark.slow) for look in product(WIDTHS, SCHEMES)],
)
AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text(encoding="utf-8")


def executable() -> str:
    """The browser's program. Skips the test without one, or fails it if one is required."""
    if found := browser.installed():
        return found
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(browser.MISSING)
    pytest.skip(browser.MISSING)


@contextmanager
def chromium() -> Iterator[Browser]:
    program = executable()
    with sync_playwright() as playwright:
        launched = browser.launch(playwright, program)
        try:
            yield launched
        finally:
            launched.close()


class Watch:
    """Notes what a page must not do: errors and warnings of scripts, dialogs, requests to other origins."""

    def __init__(self, page: Page, origins: set[str]) -> None:
        self.faults: list[str] = []
        self.expected: list[str] = []
        self._origins = origins
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    def expect(self, text: str) -> None:
        """Allows messages of the browser that contain this text, such as the status of an answer."""
        self.expected.append(text)

    def check(self) -> None:
        faults = [fault for fault in self.faults if not any(text in fault for text in self.expected)]
        assert not faults, "\n".join(faults)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob", "about") and f"{url.scheme}://{url.netloc}" not in self._origins:
            self.faults.append(f"foreign request: {request.url}")


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page that is serious or critical."""
    # Evaluated by the driver: the page's own policy allows no such script.
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {json.dumps([node['html'][:200] for node in each['nodes']])}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def overflows(page: Page) -> bool:
    """Whether the page is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def look(page: Page, width: int, scheme: str) -> None:
    """Gives the window this width, and the light or dark colours."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]


def check_readable(page: Page, what: str) -> None:
    """Nothing serious hinders anybody, and the page is no wider than the window. Opens what is folded."""
    page.eval_on_selector_all("main details", "all => all.forEach(each => each.open = true)")
    assert violations(page) == [], what
    assert not overflows(page), what


def check_pages(page: Page, console: str, paths: Iterable[str], width: int, scheme: str, missing: str = "") -> None:
    """Each page answers and is readable. The path `missing` answers 404."""
    look(page, width, scheme)
    for path in paths:
        answer = page.goto(f"{console}{path}")
        assert answer is not None
        assert answer.status == (404 if path == missing else 200), path
        page.wait_for_load_state("networkidle")
        check_readable(page, path)
