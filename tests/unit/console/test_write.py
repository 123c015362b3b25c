"""Writing a message: what the API gets, and that it gets it once."""

from __future__ import annotations

import pytest

from tests.support.fake_api import FakeApi
from tests.support.mail_sample import ID, message
from tests.unit.console.conftest import PREFIX, Browser, form_fields

SEND = "POST notifications"
OWN = {"emailTo": "anna@example.com,\r\nbob@example.com", "subject": "Hello", "text": "Line 1\r\nLine 2"}


@pytest.fixture
def mail(api: FakeApi) -> FakeApi:
    api.answer(SEND, {"result": "OK", "message": "", "id": ID, "status": "queued"}, 202)
    api.answer(f"GET notifications/{ID}", message())
    return api


def test_a_message_with_a_text_of_its_own(browser: Browser, mail: FakeApi) -> None:
    more = {"from": "Shop <a@shop.example>", "tags": "may, big", "priority": "high", "sendAt": "2031-01-31T12:00"}
    answer = browser.submit("/mail/write", "/mail/write", **OWN, **more)
    assert (answer.status_code, answer.location) == (303, f"{PREFIX}/mail/{ID}")
    [asked] = mail.calls(SEND)
    assert asked.json() == {
        "emailTo": ["anna@example.com", "bob@example.com"],
        "from": "Shop <a@shop.example>",
        "subject": "Hello",
        "text": "Line 1\nLine 2",
        "tags": ["may", "big"],
        "priority": "high",
        "sendAt": "2031-01-31T12:00Z",
    }
    assert asked.headers["Prefer"] == "respond-async"
    assert "The message was accepted." in browser.get(f"/mail/{ID}").text


def test_a_message_from_a_template(browser: Browser, mail: FakeApi) -> None:
    mail.scopes.append("templates:read")
    mail.answer("GET notifications/templates", {"items": [{"name": "invoice"}], "nextCursor": None})
    fields = {"emailTo": "a@example.com", "template": "invoice", "version": "3", "parameters": '{"name": "Anna"}'}
    page = "/mail/write?use_template=1"
    assert '<option value="invoice">' in browser.get(page).text
    assert browser.submit(page, "/mail/write", **fields).status_code == 303
    assert mail.calls(SEND)[0].json() == {
        "emailTo": ["a@example.com"],
        "template": {"name": "invoice", "version": 3, "parameters": {"name": "Anna"}},
    }


def test_of_too_many_templates_the_name_is_written(browser: Browser, mail: FakeApi) -> None:
    mail.scopes.append("templates:read")
    mail.answer("GET notifications/templates", {"items": [{"name": "invoice"}], "nextCursor": "more"})
    page = browser.get("/mail/write?use_template=1").text
    assert '<input id="template" name="template" type="text"' in page
    assert '<select id="template"' not in page


def test_a_form_that_is_sent_twice_has_one_key(browser: Browser, mail: FakeApi) -> None:
    fields = form_fields(browser.get("/mail/write").text, "/mail/write") | OWN
    for _ in range(2):
        assert browser.post("/mail/write", data=fields).status_code == 303
    assert {each.headers["Idempotency-Key"] for each in mail.calls(SEND)} == {fields["idempotency_key"]}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_after_an_outage_the_form_is_kept_with_its_key(browser: Browser, mail: FakeApi, status: int) -> None:
    fields = form_fields(browser.get("/mail/write").text, "/mail/write") | OWN
    mail.refuse(SEND, status, "service.unavailable", "no")
    answer = browser.post("/mail/write", data=fields)
    assert answer.status_code == (429 if status == 429 else 503)
    assert "it is sent only once" in answer.text
    assert "Line 1\nLine 2</textarea>" in answer.text
    assert form_fields(answer.text, "/mail/write")["idempotency_key"] == fields["idempotency_key"]


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("emailTo[1]", "emailTo"),
        ("message", "text"),
        ("unsubscribe.topic", "topic"),
        ("from", "from"),
        ("attachments[0]", ""),
    ],
)
def test_what_the_api_refuses_is_told_beside_its_field(browser: Browser, mail: FakeApi, field: str, shown: str) -> None:
    mail.refuse(SEND, 422, "x.invalid", "this is <wrong>", field=field)
    answer = browser.submit("/mail/write", "/mail/write", **OWN)
    assert answer.status_code == 422
    assert (f'id="{shown}-error">this is &lt;wrong&gt;' if shown else "<li>this is &lt;wrong&gt;</li>") in answer.text
    assert "bob@example.com" in answer.text


def test_a_sender_that_the_key_may_not_use_is_told_beside_its_field(browser: Browser, mail: FakeApi) -> None:
    mail.refuse(SEND, 403, "from.not_allowed", "this key may not send from <x>", field="from")
    answer = browser.submit("/mail/write", "/mail/write", **OWN)
    assert answer.status_code == 403
    assert 'id="from-error">this key may not send from &lt;x&gt;' in answer.text
    assert "Line 1\nLine 2</textarea>" in answer.text


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"emailTo": " "}, "emailTo"),
        ({"emailTo": "a@example.com", "template": ""}, "template"),
        ({"emailTo": "a@example.com", "template": "x", "version": "new"}, "version"),
        ({"emailTo": "a@example.com", "template": "x", "version": "9" * 20}, "version"),
        ({"emailTo": "a@example.com", "template": "x", "version": "9" * 5000}, "version"),
        ({"emailTo": "a@example.com", "template": "x", "parameters": "[1]"}, "parameters"),
        ({"emailTo": "a@example.com", "template": "x", "parameters": "[" * 100_000}, "parameters"),
    ],
)
def test_what_is_no_message_is_told_without_a_call(
    browser: Browser, mail: FakeApi, fields: dict[str, str], shown: str
) -> None:
    answer = browser.submit("/mail/write?use_template=1", "/mail/write", **fields)
    assert answer.status_code == 422
    assert f'id="{shown}-error"' in answer.text
    assert mail.calls(SEND) == []


def test_a_test_key_is_told_that_nobody_gets_it(browser: Browser, mail: FakeApi) -> None:
    mail.scopes[:] = ["notifications:test", "notifications:read"]
    mail.answer(SEND, {"result": "OK", "message": "", "id": ID, "status": "queued", "test": True}, 202)
    assert "Your key sends tests only" in browser.get("/mail/write").text
    browser.submit("/mail/write", "/mail/write", **OWN)
    assert "It is a test: nobody gets it." in browser.get(f"/mail/{ID}").text
