"""The console before a fake API, and a browser without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from mailroom.console.app import create_app
from mailroom.platform.settings import Settings
from tests.support.fake_api import KEY, FakeApi, fake_api

PREFIX = "/function/console"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as served:
        yield served


@pytest.fixture
def app(api: FakeApi) -> Flask:
    return create_app(Settings(api_url=api.url, s3_public_endpoint="https://s3.shop.example:9000/path"))


class Browser:
    """Asks for pages as a browser does behind a gateway that strips the prefix."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()
        self.headers = {"Sec-Fetch-Site": "same-origin"}

    def get(self, path: str, **headers: str) -> TestResponse:
        return self._open("GET", path, headers)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self._open("POST", path, options.pop("headers", {}), **options)

    def submit(self, page: str, action: str, /, **fields: str) -> TestResponse:
        """Sends the form with that action which is on the page."""
        return self.post(action, data=form_fields(self.get(page).text, action) | fields)

    def sign_in(self) -> None:
        assert self.submit("/sign-in", "/sign-in", key=KEY).status_code == 303

    def cookie(self, name: str) -> Any:
        return self.client.get_cookie(name, "localhost", PREFIX)

    def _open(self, method: str, path: str, headers: dict[str, str], **options: Any) -> TestResponse:
        # The client keeps cookies by the path that the browser sees; the application gets it without the prefix.
        return self.client.open(
            path, method=method, base_url=f"http://localhost{PREFIX}", headers=self.headers | headers, **options
        )


def form_fields(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that is posted to `action`."""
    [form] = re.findall(
        rf'<form(?=[^>]* method="post")[^>]* action="{PREFIX}{re.escape(action)}".*?</form>', page, re.DOTALL
    )
    return dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', form))


def kept_fields(page: str, path: str) -> list[tuple[str, str]]:
    """The fields of the form that keeps on the page what was sent to `path`."""
    [form] = re.findall(rf'<form method="post" action="{PREFIX}{re.escape(path)}".*?</form>', page, re.DOTALL)
    found = re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', form)
    found += re.findall(r'<textarea [^>]*name="([\w-]+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL)
    return sorted((name, unescape(value)) for name, value in found)


@pytest.fixture
def stranger(app: Flask) -> Browser:
    return Browser(app)


@pytest.fixture
def browser(app: Flask) -> Browser:
    """Signed in."""
    browser = Browser(app)
    browser.sign_in()
    return browser
