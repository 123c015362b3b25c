"""Webhooks: added with a secret that is shown once, changed, removed; their deliveries, made again."""

from __future__ import annotations

import pytest

from tests.e2e.console import template_sample
from tests.e2e.console.template_sample import DELIVERY, HOOK
from tests.support.fake_api import FakeApi
from tests.unit.console.conftest import Browser, form_fields

WEBHOOKS = "notifications/webhooks"
NEW, PAGE = "/mail/webhooks/new", f"/mail/webhooks/{HOOK}"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # pragma: allowlist secret


@pytest.fixture(autouse=True)
def answers(api: FakeApi, browser: Browser) -> None:
    template_sample.fill(api)


def test_the_secret_of_a_new_webhook_is_shown_once(browser: Browser, api: FakeApi) -> None:
    api.answer(f"POST {WEBHOOKS}", template_sample.webhook() | {"secret": SECRET}, 201)
    answer = browser.submit(NEW, NEW, url="https://shop.example/hooks", events="import.done", enabled="1")
    assert SECRET.replace("+", "&#43;") in answer.text or SECRET in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    [call] = api.calls(f"POST {WEBHOOKS}")
    assert call.json() == {
        "url": "https://shop.example/hooks",
        "description": "",
        "events": ["import.done"],
        "enabled": True,
    }
    assert call.headers["Idempotency-Key"]
    assert SECRET not in browser.get(PAGE).text


def test_what_is_missing_is_shown_and_what_was_given_stays(browser: Browser, api: FakeApi) -> None:
    answer = browser.submit(NEW, NEW, url="https://shop.example/hooks")
    assert answer.status_code == 422
    assert "Choose at least one event." in answer.text
    api.refuse(f"POST {WEBHOOKS}", 422, "url.scheme", "url must begin with https://", field="url")
    answer = browser.submit(NEW, NEW, url="http://shop.example/hooks", events="import.failed")
    assert 'id="url-error">url must begin with https://' in answer.text
    assert 'value="import.failed" checked' in answer.text


def test_only_what_differs_is_changed(browser: Browser, api: FakeApi) -> None:
    api.answer(f"PATCH {WEBHOOKS}/{HOOK}", template_sample.webhook())
    fields = form_fields(browser.get(f"{PAGE}/change").text, f"{PAGE}/change")
    hook = template_sample.webhook()
    given = {name: hook[name] for name in ("url", "description", "events")}
    assert browser.post(f"{PAGE}/change", data=fields | given).status_code == 303
    assert api.calls(f"PATCH {WEBHOOKS}/{HOOK}") == []
    assert browser.post(f"{PAGE}/change", data=fields | given | {"enabled": "1"}).status_code == 303
    assert [each.json() for each in api.calls(f"PATCH {WEBHOOKS}/{HOOK}")] == [{"enabled": True}]


def test_a_new_secret_says_when_the_old_one_ends(browser: Browser, api: FakeApi) -> None:
    assert "2 secrets of now end when you say" in browser.get(f"{PAGE}/rotate").text
    answer = browser.submit(f"{PAGE}/rotate", f"{PAGE}/rotate", overlapHours="0")
    assert "whsec_" in answer.text
    [call] = api.calls(f"POST {WEBHOOKS}/{HOOK}/rotate")
    assert call.json() == {"overlapHours": 0}
    assert call.headers["Idempotency-Key"]


def test_removing_says_beforehand_in_numbers_what_goes(browser: Browser, api: FakeApi) -> None:
    shown = browser.get(f"{PAGE}/remove").text
    assert "1 webhook is removed" in shown
    assert "1 delivery that waits is not made" in shown
    assert "3 deliveries are forgotten" in shown
    assert "At least" not in shown
    assert not api.calls(f"GET {WEBHOOKS}/{HOOK}/deliveries")  # none is loaded to be counted
    counts = {"pending": 2, "delivered": 1000, "dead": 0}
    api.answer(f"GET {WEBHOOKS}/{HOOK}/deliveries/counts", {"counts": counts, "mostCounted": 1000})
    shown = browser.get(f"{PAGE}/remove").text
    assert "<li>2 deliveries that wait are not made" in shown
    assert "At least: 1002 deliveries are forgotten" in shown
    api.answer(f"DELETE {WEBHOOKS}/{HOOK}", {"deleted": HOOK})
    assert browser.submit(f"{PAGE}/remove", f"{PAGE}/remove").status_code == 303
    api.refuse(f"DELETE {WEBHOOKS}/{HOOK}", 404, "webhook.unknown", "there is no such webhook")
    assert browser.submit(f"{PAGE}/remove", f"{PAGE}/remove").status_code == 303


def test_a_delivery_is_made_again(browser: Browser, api: FakeApi) -> None:
    page, action = f"{PAGE}/deliveries/{DELIVERY}", f"{PAGE}/deliveries/{DELIVERY}/redeliver"
    assert "Deliver again" not in browser.get(page).text  # the webhook is off
    api.answer(f"GET {WEBHOOKS}/{HOOK}", template_sample.webhook() | {"enabled": True, "disabledReason": ""})
    call = f"POST {WEBHOOKS}/{HOOK}/deliveries/{DELIVERY}/redeliver"
    api.answer(call, template_sample.delivery("pending"), 202)
    assert browser.submit(page, action).status_code == 303
    assert "It is delivered again now" in browser.get(page).text
    api.refuse(call, 409, "delivery.in_progress", "this delivery is being made just now")
    assert browser.submit(page, action).status_code == 303
    assert '<p class="notice done" role="status">It is being delivered just now.</p>' in browser.get(page).text
    api.refuse(call, 409, "webhook.disabled", "this webhook is disabled")
    assert browser.submit(page, action).status_code == 303
    assert "Nothing was done: this webhook is disabled." in browser.get(page).text


def test_deliveries_are_filtered_by_state(browser: Browser, api: FakeApi) -> None:
    for state, asked in (("dead", "dead"), ("nonsense", None)):
        assert browser.get(f"{PAGE}?state={state}").status_code == 200
        assert api.calls(f"GET {WEBHOOKS}/{HOOK}/deliveries")[-1].query.get("state") == asked


def test_a_key_that_may_only_read_is_offered_no_change(browser: Browser, api: FakeApi) -> None:
    api.scopes = ["webhooks:read"]
    assert "Add a webhook" not in browser.get("/mail/webhooks").text
    assert "/remove" not in browser.get(PAGE).text
    for path in (NEW, f"{PAGE}/change", f"{PAGE}/rotate", f"{PAGE}/remove"):
        assert browser.get(path).status_code == 403
    api.scopes = ["notifications:read"]
    assert browser.get(PAGE).status_code == 403
