"""A form of another site, an old one and one that was made up do nothing."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tests.support.fake_api import FakeApi
from tests.unit.console.conftest import Browser, form_fields


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
    ],
)
def test_a_form_of_another_site_does_nothing(browser: Browser, api: FakeApi, headers: dict[str, str]) -> None:
    fields = form_fields(browser.get("/").text, "/sign-out")
    if "Origin" in headers:
        browser.headers = {}  # a browser that says only this
    answer = browser.post("/sign-out", data=fields, headers=headers)
    assert answer.status_code == 400
    assert api.calls("DELETE invoices/sessions/current") == []


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é", "a" * 100_000])
def test_a_form_without_the_right_token_does_nothing(browser: Browser, api: FakeApi, token: str | None) -> None:
    fields = {} if token is None else {"csrf_token": token}
    assert browser.post("/sign-out", data=fields).status_code == 400
    assert api.calls("DELETE invoices/sessions/current") == []


def test_the_token_of_one_session_is_none_of_another(browser: Browser, app: Flask, api: FakeApi) -> None:
    other = Browser(app)
    other.sign_in()
    fields = form_fields(other.get("/").text, "/sign-out")
    assert browser.post("/sign-out", data=fields).status_code == 400
    assert len(api.sessions) == 2


def test_a_stranger_cannot_be_signed_in_by_another_site(stranger: Browser, api: FakeApi) -> None:
    own = form_fields(stranger.get("/sign-in").text, "/sign-in")
    stranger.client.delete_cookie("mailroom-visitor", domain="localhost", path="/function/console")
    assert stranger.post("/sign-in", data=own | {"key": "x"}).status_code == 400
    assert api.calls("POST invoices/sessions") == []


def test_every_form_has_a_token_and_an_idempotency_key_of_its_own(browser: Browser, api: FakeApi) -> None:
    api.answer("GET invoices/figures/imports", {"files": 1, "rows": {"rows": 1}, "rejected": 0})
    keys = []
    for page in (browser.get("/"), browser.get("/figures/today"), browser.get("/sign-in")):
        for form in re.findall(r'<form[^>]* method="post".*?</form>', page.text, re.DOTALL):
            assert 'name="csrf_token"' in form
            keys += re.findall(r'name="idempotency_key" value="([0-9a-f-]{36})"', form)
    assert len(set(keys)) == len(keys) >= 3
