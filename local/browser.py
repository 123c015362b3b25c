"""A Chromium that is installed: for `make screenshots` and for the tests of the console."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MISSING = "no Chromium on the PATH: apt-get install chromium"

# A container has neither a sandbox for root nor a large /dev/shm.
_OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage"]


def installed() -> str | None:
    """The browser's program."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def launch(playwright: Playwright, program: str) -> Browser:
    return playwright.chromium.launch(executable_path=program, args=_OPTIONS)
