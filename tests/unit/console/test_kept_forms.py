"""A form that did nothing is kept on the page, and sent again with one button."""

from __future__ import annotations

import logging
import re
from io import BytesIO
from typing import Any

import pytest

from tests.support.fake_api import KEY, FakeApi
from tests.support.mail_sample import ID
from tests.unit.console.conftest import PREFIX, Browser, form_fields, kept_fields

WRITE = "/mail/write?x=%2526"
TEXT = {"emailTo": "bob@example.com", "subject": "é", "text": "\n1 < 2\nan hour of work"}
CURRENT, SEND = "GET invoices/sessions/current", "POST notifications"
UPLOAD = "/files/upload/through"


def fields_of(browser: Browser, path: str, given: dict[str, Any]) -> dict[str, Any]:
    """What a browser sends after a person has filled in the form of that page."""
    return form_fields(browser.get(path).text, path.partition("?")[0]) | given


def pairs(fields: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted(
        (name, each) for name, value in fields.items() for each in ([value] if isinstance(value, str) else value)
    )


def without_token(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [each for each in fields if each[0] != "csrf_token"]


@pytest.mark.parametrize(
    ("call", "fields"),
    [(CURRENT, TEXT), ("POST invoices/keys", {"name": "ledger", "scopes": ["a:read", "a:write"], "expires": "30"})],
)
def test_a_form_that_cannot_be_sent_now_is_kept_fields(
    browser: Browser, api: FakeApi, call: str, fields: dict[str, Any]
) -> None:
    """Also if a form was hours of work: it is sent again with one button, and with the same key."""
    api.scopes.append("keys:manage")
    path = "/keys/new?x=%2526" if "keys" in call else WRITE
    sent = fields_of(browser, path, fields)
    api.refuse(call, 503, "service.unavailable", "no")
    answer = browser.post(path, data=sent)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "what you entered is kept" in answer.text
    assert kept_fields(answer.text, path) == pairs(sent)


def test_a_form_above_the_limit_of_calls_is_kept(browser: Browser, api: FakeApi) -> None:
    sent = fields_of(browser, WRITE, TEXT)
    api.refuse(CURRENT, 429, "rate.limited", "too many calls", retry_after=17)
    answer = browser.post(WRITE, data=sent)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "17")
    assert "Wait 17 seconds, then send it again." in answer.text
    assert kept_fields(answer.text, WRITE) == pairs(sent)


class TestAfterTheSession:
    @pytest.fixture
    def sent(self, browser: Browser) -> dict[str, Any]:
        return fields_of(browser, WRITE, TEXT)

    def test_what_was_written_is_kept_and_the_person_may_sign_in(
        self, browser: Browser, api: FakeApi, sent: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        api.sessions.clear()
        with caplog.at_level(logging.DEBUG):
            answer = browser.post(WRITE, data=sent)
        assert (answer.status_code, answer.location) == (401, None)
        assert "Your session has ended" in answer.text
        assert re.search(rf'href="{PREFIX}/sign-in" target="_blank"', answer.text)
        assert without_token(kept_fields(answer.text, WRITE)) == without_token(pairs(sent))
        assert "hour of work" not in str(answer.headers) + caplog.text
        assert browser.cookie("mailroom-session") is None

    def test_after_the_sign_in_it_is_looked_at_and_sent_with_one_button(
        self, browser: Browser, api: FakeApi, sent: dict[str, Any]
    ) -> None:
        api.answer(SEND, {"id": ID, "test": False}, 202)
        api.sessions.clear()
        page = browser.post(WRITE, data=sent).text
        again = browser.post(WRITE, data=dict(kept_fields(page, WRITE)))
        assert again.status_code == 401  # nobody has signed in yet, and still nothing is lost
        browser.sign_in()
        answer = browser.post(WRITE, data=dict(kept_fields(again.text, WRITE)))
        assert answer.status_code == 400
        assert "belongs to an earlier session" in answer.text
        assert "look first whether it arrived" in answer.text
        assert "Sign out" in answer.text
        assert api.calls(SEND) == []
        assert browser.post(WRITE, data=dict(kept_fields(answer.text, WRITE))).status_code == 303
        [call] = api.calls(SEND)
        assert (call.json()["text"], call.headers["Idempotency-Key"]) == (TEXT["text"], sent["idempotency_key"])

    @pytest.mark.parametrize("said", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}])
    def test_a_page_from_before_another_sign_in_is_looked_at_first(
        self, browser: Browser, api: FakeApi, sent: dict[str, Any], said: dict[str, str]
    ) -> None:
        browser.sign_in()  # in another tab
        browser.headers = said
        answer = browser.post(WRITE, data=sent)
        assert (answer.status_code, api.calls(SEND)) == (400, [])
        assert without_token(kept_fields(answer.text, WRITE)) == without_token(pairs(sent))

    def test_during_an_outage_nothing_is_lost(self, browser: Browser, api: FakeApi, sent: dict[str, Any]) -> None:
        api.refuse(CURRENT, 503, "service.unavailable", "no")
        answer = browser.post(WRITE, data=sent | {"csrf_token": "of an earlier session"})
        assert answer.status_code == 503
        assert without_token(kept_fields(answer.text, WRITE)) == without_token(pairs(sent))

    @pytest.mark.parametrize(
        "said", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
    )
    def test_a_forged_form_is_not_kept_fields(
        self, browser: Browser, api: FakeApi, sent: dict[str, Any], said: dict[str, str]
    ) -> None:
        """One that a page of ours has not sent for sure. A person might send it on by the button."""
        browser.headers = {}
        api.asked.clear()
        answer = browser.post(WRITE, data=sent | {"csrf_token": "made up"}, headers=said)
        assert (answer.status_code, api.asked) == (400, [])
        assert "hour of work" not in answer.text

    def test_a_part_of_a_page_leads_to_the_sign_in(self, browser: Browser, api: FakeApi, sent: dict[str, Any]) -> None:
        api.sessions.clear()
        answer = browser.post("/mail/suppressions", data=sent, headers={"HX-Request": "true"})
        assert answer.headers["HX-Redirect"] == f"{PREFIX}/sign-in"

    def test_a_preview_does_not_ask_for_a_new_page(self, browser: Browser, api: FakeApi) -> None:
        answer = browser.post("/mail/templates/preview", data={"csrf_token": "old"}, headers={"HX-Request": "true"})
        assert answer.status_code == 400
        assert "Your text stays here" in answer.text
        assert "<html" not in answer.text

    def test_a_form_without_a_key_is_kept_too(self, browser: Browser, api: FakeApi) -> None:
        api.sessions.clear()
        answer = browser.post("/mail/suppressions", data={"csrf_token": "old", "new-address": "<b>"})
        assert answer.status_code == 401
        assert kept_fields(answer.text, "/mail/suppressions")[-1] == ("new-address", "<b>")


class TestFiles:
    @pytest.fixture
    def fields(self, browser: Browser, api: FakeApi) -> dict[str, Any]:
        form = {"url": "http://s3/b", "fields": {}, "keyPrefix": "", "expiresAt": "x"}
        api.answer("POST invoices/uploads", form, 201)
        api.answer("POST invoices/files", {"bucket": "b", "key": "acme/may.csv", "importId": ID}, 201)
        return form_fields(browser.get("/files/upload?folder=acme&at_once=1").text, UPLOAD)

    def test_a_file_is_chosen_again(self, browser: Browser, api: FakeApi, fields: dict[str, Any]) -> None:
        api.sessions.clear()
        page = browser.post(UPLOAD, data=fields | {"file": (BytesIO(b"secret"), "may.csv")}).text
        assert "The file is not kept: choose it again." in page
        assert 'enctype="multipart/form-data"' in page
        assert '<input id="file-file" name="file" type="file" required>' in page
        assert "secret" not in page
        browser.sign_in()
        again = dict(kept_fields(page, UPLOAD))
        page = browser.post(UPLOAD, data=again | {"file": (BytesIO(b"a"), "may.csv")}).text
        again = dict(kept_fields(page, UPLOAD))
        answer = browser.post(UPLOAD, data=again | {"file": (BytesIO(b"a"), "may.csv")})
        assert answer.location == f"{PREFIX}/files/imports/{ID}"
        assert api.calls("POST invoices/files")[0].query["key"] == "acme/may.csv"


class TestTheSignIn:
    """A key is on no page."""

    @pytest.mark.parametrize("token", ["csrf_token", "of an earlier visit"])
    def test_a_key_is_not_kept_fields(self, browser: Browser, api: FakeApi, token: str) -> None:
        fields = form_fields(browser.get("/sign-in").text, "/sign-in")
        api.sessions.add(KEY)  # so that the fake answers what follows
        api.refuse("POST invoices/sessions", 503, "service.unavailable", "no")
        answer = browser.post("/sign-in", data=fields | {"csrf_token": fields.get(token, token), "key": KEY})
        assert answer.status_code in (400, 503)
        assert KEY not in answer.text
