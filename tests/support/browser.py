"""A Chromium that is installed, driven by Playwright. Playwright's own browsers are not needed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
REQUIRE = "MAILROOM_REQUIRE_BROWSER"
AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text(encoding="utf-8")


def executable() -> str:
    """The browser's program. Skips the test without one, or fails it if one is required."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    reason = "no Chromium: apt-get install chromium"
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Browser]:
    program = executable()
    with sync_playwright() as playwright:
        # A container has neither a sandbox for root nor a large /dev/shm.
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=program, args=options)
        try:
            yield browser
        finally:
            browser.close()


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
