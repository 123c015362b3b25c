"""The pages of keys and of the health."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mailroom.console.wording import SCOPES
from mailroom.platform import api_keys
from tests.support.console_answers import AT, KEY_ID, check, key
from tests.support.fake_api import FakeApi
from tests.unit.console.conftest import PREFIX, Browser

LIST, MAKE, ONE, REVOKE = (
    "GET invoices/keys",
    "POST invoices/keys",
    f"GET invoices/keys/{KEY_ID}",
    f"DELETE invoices/keys/{KEY_ID}",
)
TEXT = "mr_aaaaaaaaaaaaaaaaaaaaaaaa_the-secret"


@pytest.fixture(autouse=True)
def answers(api: FakeApi) -> None:
    api.scopes[:] = ["keys:manage", "invoices:read", "operations:read"]
    api.answer(LIST, {"items": [key("<b>ledger</b>")], "nextCursor": None})
    api.answer(ONE, key() | {"openSessions": 3, "current": True})
    api.answer(MAKE, key() | {"key": TEXT}, 201)
    api.answer(REVOKE, None, 204)


def test_every_scope_has_a_text() -> None:
    assert tuple(SCOPES) == api_keys.SCOPES


def test_keys_and_sessions_are_listed(browser: Browser, api: FakeApi) -> None:
    text = browser.get("/keys").text
    assert "&lt;b&gt;ledger&lt;/b&gt;" in text
    assert f"{PREFIX}/keys/{KEY_ID}/revoke" in text
    api.answer(LIST, {"items": [key(state="revoked", revokedAt=AT)], "nextCursor": None})
    assert f"{PREFIX}/keys/{KEY_ID}/revoke" not in browser.get("/keys?sessions=true").text
    assert api.calls(LIST)[-1].query["sessions"] == "true"


def test_only_scopes_that_the_reader_has_are_offered(browser: Browser) -> None:
    offered = re.findall(r'name="scopes" type="checkbox" value="([^"]+)"', browser.get("/keys/new").text)
    assert offered == ["invoices:read", "keys:manage", "operations:read"]


def test_a_key_is_made_and_shown_once(browser: Browser, api: FakeApi) -> None:
    answer = browser.submit(
        "/keys/new",
        "/keys/new",
        name="ledger",
        scopes="invoices:read",
        senders="a@x.example\r\n *@y.example",
        expires="90",
    )
    assert (answer.status_code, TEXT in answer.text) == (201, True)
    assert answer.headers["Cache-Control"] == "no-store"
    assert not any(TEXT in value for value in answer.headers.getlist("Set-Cookie"))
    [asked] = api.calls(MAKE)
    senders = ["a@x.example", "*@y.example"]
    assert asked.json() == {"name": "ledger", "scopes": ["invoices:read"], "senders": senders, "expiresDays": 90}
    assert re.fullmatch(r"[0-9a-f-]{36}", asked.headers["Idempotency-Key"])
    assert TEXT not in browser.get("/keys").text


def test_a_form_that_is_sent_again_makes_no_second_key(browser: Browser, api: FakeApi) -> None:
    api.refuse(MAKE, 409, "keys.made", f"a call with this Idempotency-Key has made the key {KEY_ID} already")
    answer = browser.submit("/keys/new", "/keys/new", name="x", scopes="invoices:read", expires="")
    assert (answer.status_code, "has made the key" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "", "scopes": "invoices:read", "expires": ""}, "Enter a name."),
        ({"name": "x", "expires": ""}, "Choose one scope at least."),
        ({"name": "x", "scopes": "invoices:read", "expires": "7000000"}, "Choose when the key ends."),
    ],
)
def test_a_form_with_a_mistake_is_shown_again(
    browser: Browser, api: FakeApi, fields: dict[str, str], error: str
) -> None:
    answer = browser.submit("/keys/new", "/keys/new", **fields)
    assert (answer.status_code, error in answer.text) == (422, True)
    assert api.calls(MAKE) == []


@pytest.mark.parametrize(("code", "field"), [("scopes.not_allowed", "scopes[0]"), ("senders.not_allowed", "senders")])
def test_more_than_the_reader_has_is_refused_at_its_field(
    browser: Browser, api: FakeApi, code: str, field: str
) -> None:
    api.refuse(MAKE, 403, code, "this key does not have <it>", field=field)
    answer = browser.submit("/keys/new", "/keys/new", name="x", scopes="notifications:send", expires="")
    assert answer.status_code == 422
    assert f'id="{field.partition("[")[0]}-error">this key does not have &lt;it&gt;' in answer.text


def test_a_revocation_says_beforehand_what_it_does(browser: Browser, api: FakeApi) -> None:
    text = browser.get(f"/keys/{KEY_ID}/revoke").text
    assert "2 scopes: invoices:read, keys:manage" in text
    assert "3 open sessions end with it." in text
    assert "You signed in with it" in text
    assert api.calls(REVOKE) == []
    answer = browser.submit(f"/keys/{KEY_ID}/revoke", f"/keys/{KEY_ID}/revoke")
    assert (answer.status_code, answer.location) == (303, f"{PREFIX}/keys")
    assert len(api.calls(REVOKE)) == 1


def test_the_last_manager_stays(browser: Browser, api: FakeApi) -> None:
    api.refuse(REVOKE, 409, "keys.last", "this is the last valid key with keys:manage")
    browser.submit(f"/keys/{KEY_ID}/revoke", f"/keys/{KEY_ID}/revoke")
    assert "Make another one first" in browser.get("/keys").text


def test_without_the_scope_there_is_neither_page_nor_call(browser: Browser, api: FakeApi) -> None:
    api.scopes[:] = ["invoices:read"]
    for path in ("/keys", "/keys/new", f"/keys/{KEY_ID}/revoke", "/health"):
        assert browser.get(path).status_code == 403
    assert not [each for each in api.asked if each.path.startswith(("invoices/keys", "invoices/health"))]


@pytest.mark.parametrize("healthy", [True, False])
def test_the_health_says_what_is_not_well_first(browser: Browser, api: FakeApi, healthy: bool) -> None:
    fault: dict[str, Any] = {} if healthy else {"code": "relay", "text": "The relay is <down>.", "since": AT}
    checks = [check("setup"), check("backups"), check("notification-sender", healthy, **fault), check("a-new-one")]
    api.answer("GET invoices/health", {"healthy": healthy, "checks": checks, "computedAt": AT})
    text = browser.get("/health").text
    assert ("All is well." in text) is healthy
    assert "a-new-one" in text
    assert "Newest backup" in text
    if not healthy:
        assert "1 check needs" in text
        assert text.index("The relay is &lt;down&gt;.") < text.index("setup is well.")
