"""Webhooks as callers manage them: endpoints, secrets, and the deliveries to them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from mailroom.platform.mongo import Document
from mailroom.webhooks.endpoints import MOST_ENDPOINTS
from mailroom.webhooks.model import DeliveryState, EventType, delivery_id
from tests.integration.notifications.conftest import Mail

HOOK = {"url": "https://shop.example.com/hooks", "events": ["notification.bounced", "import.done"]}
LONG_AGO = datetime(2024, 1, 31, tzinfo=UTC)


def add(mail: Mail, **more: Any) -> dict[str, Any]:
    answer = mail.client.post(HOOK | more, "/webhooks")
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.body
    return found


def stored(mail: Mail, id_: str) -> Document:
    found = mail.services.database["webhooks"].find_one({"_id": ObjectId(id_)})
    assert found is not None
    return found


def put_delivery(mail: Mail, endpoint: str, **more: Any) -> Document:
    """A delivery, as the worker makes it."""
    announcement = str(ObjectId())
    document: Document = {
        "_id": delivery_id(ObjectId(endpoint), announcement),
        "endpointId": ObjectId(endpoint),
        "announcementId": announcement,
        "sourceId": ObjectId(),
        "type": EventType.NOTIFICATION_BOUNCED,
        "payload": '{"type":"notification.bounced","timestamp":"2024-01-31T00:00:00.000Z","data":{}}',
        "state": DeliveryState.DELIVERED,
        "dueSince": LONG_AGO,
        "leaseUntil": None,
        "attempts": [{"at": LONG_AGO, "status": 503, "error": "", "milliseconds": 7.5}],
        "attemptCount": 3,
        "attemptsBefore": 0,
        "createdAt": LONG_AGO,
        "deliveredAt": LONG_AGO,
        **more,
    }
    mail.services.database["webhookDeliveries"].insert_one(document)
    return document


def test_the_secret_is_shown_only_by_the_call_that_makes_it(mail: Mail):
    made = add(mail, description="the shop")
    prefix, _, key = made["secret"].partition("_")
    assert (prefix, len(base64.b64decode(key))) == ("whsec", 32)
    assert stored(mail, made["id"])["secrets"][0]["key"] == made["secret"]

    shown = mail.client.get(f"/webhooks/{made['id']}").body
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert (shown["events"], shown["enabled"]) == (["import.done", "notification.bounced"], True)
    listed = mail.client.get("/webhooks")
    assert listed.body == {"items": [shown], "nextCursor": None}
    changed = mail.client.call("PATCH", f"/webhooks/{made['id']}", b'{"enabled": false}')
    assert "whsec_" not in str((shown, listed.body, changed.body))


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (HOOK | {"url": "http://shop.example.com/"}, "url.scheme", "url"),
        (HOOK | {"url": "ftp://shop.example.com/"}, "url.scheme", "url"),
        (HOOK | {"url": "file:///etc/passwd"}, "url.invalid", "url"),
        (HOOK | {"url": "https:///hooks"}, "url.invalid", "url"),
        (HOOK | {"url": "https://"}, "url.invalid", "url"),
        (HOOK | {"url": ""}, "url.invalid", "url"),
        (HOOK | {"url": "https://[::1"}, "url.invalid", "url"),
        (HOOK | {"url": "https://shop.example.com:99999/"}, "url.invalid", "url"),
        (HOOK | {"url": "https://shop.example.com:0/"}, "url.invalid", "url"),
        (HOOK | {"url": "https://user:word@shop.example.com/"}, "url.invalid", "url"),  # pragma: allowlist secret
        (HOOK | {"url": "https://shop.example.com/#part"}, "url.invalid", "url"),
        (HOOK | {"url": "https://shop.example.com/a b"}, "url.invalid", "url"),
        (HOOK | {"url": "https://shop.example.com/\r\nHost: x"}, "url.invalid", "url"),
        (HOOK | {"url": "https://shöp.example.com/"}, "url.invalid", "url"),
        (HOOK | {"url": "https://shop.example.com/" + "a" * 2000}, "url.invalid", "url"),
        (HOOK | {"events": []}, "body.invalid", "events"),
        (HOOK | {"events": ["notification.opened"]}, "body.invalid", "events[0]"),
        (HOOK | {"description": "a" * 501}, "description.invalid", "description"),
        (HOOK | {"description": "a\u0000b"}, "description.invalid", "description"),
        (HOOK | {"secret": "whsec_own"}, "body.invalid", "secret"),  # pragma: allowlist secret
    ],
)
def test_a_bad_endpoint_is_refused_and_not_stored(mail: Mail, body: Any, code: str, field: str):
    answer = mail.client.post(body, "/webhooks")
    assert (answer.status, answer.body["code"], answer.body["field"]) == (422, code, field)
    assert mail.client.get("/webhooks").body["items"] == []
    if "url" in field or "description" in field:
        id_ = add(mail)["id"]
        given = {name: value for name, value in body.items() if name == field}
        assert mail.client.call("PATCH", f"/webhooks/{id_}", json.dumps(given).encode()).body["code"] == code
        assert mail.client.get(f"/webhooks/{id_}").body["url"] == HOOK["url"]


def test_http_is_for_those_who_allow_private_addresses(make_mail: Any):
    mail = make_mail(webhook_allow_private="yes")
    assert add(mail, url="http://127.0.0.1:8000/hook")["url"] == "http://127.0.0.1:8000/hook"


def test_there_is_a_most_of_endpoints(mail: Mail):
    for _ in range(MOST_ENDPOINTS):
        add(mail)
    answer = mail.client.post(HOOK, "/webhooks")
    assert (answer.status, answer.body["code"]) == (409, "webhook.too_many")
    first = mail.client.get("/webhooks", limit="30").body
    second = mail.client.get("/webhooks", limit="30", cursor=first["nextCursor"]).body
    ids = [each["id"] for each in first["items"] + second["items"]]
    assert len(set(ids)) == MOST_ENDPOINTS
    assert second["nextCursor"] is None


def test_a_change_leaves_the_rest_as_it_is(mail: Mail):
    made = add(mail, description="the shop")
    body = {"events": ["import.failed", "import.failed"]}
    changed = mail.client.call("PATCH", f"/webhooks/{made['id']}", json.dumps(body).encode()).body
    assert (changed["events"], changed["url"], changed["description"]) == (["import.failed"], HOOK["url"], "the shop")
    assert stored(mail, made["id"])["secrets"][0]["key"] == made["secret"]


def test_who_enables_an_endpoint_that_failed_begins_anew(mail: Mail):
    id_ = add(mail)["id"]
    failed = {"enabled": False, "disabledReason": "it failed for 5 days", "failingSince": LONG_AGO}
    mail.services.database["webhooks"].update_one({"_id": ObjectId(id_)}, {"$set": failed})
    assert mail.client.get(f"/webhooks/{id_}").body["disabledReason"] == "it failed for 5 days"
    enabled = mail.client.call("PATCH", f"/webhooks/{id_}", b'{"enabled": true}').body
    assert (enabled["enabled"], enabled["disabledReason"]) == (True, "")
    assert "failingSince" not in stored(mail, id_)


def test_an_old_secret_goes_on_for_the_overlap(mail: Mail):
    made = add(mail)
    rotated = mail.client.call("POST", f"/webhooks/{made['id']}/rotate").body
    assert rotated["secret"] != made["secret"]
    old, new = stored(mail, made["id"])["secrets"]
    assert (old["key"], new["key"]) == (made["secret"], rotated["secret"])
    assert timedelta(hours=23.9) < old["expiresAt"] - new["createdAt"] <= timedelta(hours=24)
    assert new["expiresAt"] is None
    assert [each["expiresAt"] is None for each in rotated["secrets"]] == [False, True]

    again = mail.client.post({"overlapHours": 1}, f"/webhooks/{made['id']}/rotate").body
    ends = [each["expiresAt"] for each in stored(mail, made["id"])["secrets"]]
    assert ends[0] == ends[1] < old["expiresAt"]
    leaked = mail.client.post({"overlapHours": 0}, f"/webhooks/{made['id']}/rotate").body
    assert [each["key"] for each in stored(mail, made["id"])["secrets"]] == [leaked["secret"]]
    assert leaked["secret"] != again["secret"]


def test_a_form_that_is_sent_twice_adds_one_webhook_and_shows_its_secret_again(mail: Mail):
    once = {"Idempotency-Key": "form-1"}
    first = mail.client.call("POST", "/webhooks", json.dumps(HOOK).encode(), headers=once)
    repeat = mail.client.call("POST", "/webhooks", json.dumps(HOOK).encode(), headers=once)
    assert (first.status, repeat.status) == (201, 201)
    assert repeat.body == first.body
    assert mail.services.database["webhooks"].count_documents({}) == 1
    other = json.dumps(HOOK | {"description": "another"}).encode()
    reused = mail.client.call("POST", "/webhooks", other, headers=once)
    assert (reused.status, reused.body["code"]) == (422, "idempotency.reused")


def test_a_form_that_is_sent_twice_rotates_once_and_shows_the_secret_again(mail: Mail):
    id_ = add(mail)["id"]
    once = {"Idempotency-Key": "form-2"}
    first = mail.client.call("POST", f"/webhooks/{id_}/rotate", headers=once).body
    assert mail.client.call("POST", f"/webhooks/{id_}/rotate", headers=once).body == first
    assert len(stored(mail, id_)["secrets"]) == 2
    reused = mail.client.call("POST", f"/webhooks/{id_}/rotate", b'{"overlapHours": 0}', headers=once)
    assert (reused.status, reused.body["code"]) == (422, "idempotency.reused")

    mail.client.call("POST", f"/webhooks/{id_}/rotate", b'{"overlapHours": 0}')
    ended = mail.client.call("POST", f"/webhooks/{id_}/rotate", headers=once)
    assert (ended.status, ended.body["code"]) == (409, "webhook.secret_ended")
    assert len(stored(mail, id_)["secrets"]) == 1


def test_a_key_of_more_than_a_day_ago_is_forgotten(mail: Mail):
    once, body = {"Idempotency-Key": "form-3"}, json.dumps(HOOK).encode()
    first = mail.client.call("POST", "/webhooks", body, headers=once).body["id"]
    mail.services.database["webhooks"].update_one({"_id": ObjectId(first)}, {"$set": {"createdAt": LONG_AGO}})
    assert mail.client.call("POST", "/webhooks", body, headers=once).body["id"] != first


def test_secrets_do_not_pile_up(mail: Mail):
    id_ = add(mail)["id"]
    for _ in range(6):
        mail.client.call("POST", f"/webhooks/{id_}/rotate")
    assert len(stored(mail, id_)["secrets"]) == 4
    for hours in (-1, 169):
        assert mail.client.post({"overlapHours": hours}, f"/webhooks/{id_}/rotate").status == 422


def test_a_deleted_endpoint_takes_its_deliveries_along(mail: Mail):
    id_, other = add(mail)["id"], add(mail)["id"]
    put_delivery(mail, id_)
    put_delivery(mail, other)
    assert mail.client.call("DELETE", f"/webhooks/{id_}").body == {"deleted": id_}
    left = list(mail.services.database["webhookDeliveries"].find())
    assert [str(each["endpointId"]) for each in left] == [other]
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("GET", "/deliveries")):
        body = b"{}" if method == "PATCH" else b""
        answer = mail.client.call(method, f"/webhooks/{id_}{path}", body)
        assert (answer.status, answer.body["code"]) == (404, "webhook.unknown")


def test_deliveries_are_listed_with_their_attempts(mail: Mail):
    id_ = add(mail)["id"]
    put_delivery(mail, add(mail)["id"])
    made = [put_delivery(mail, id_, createdAt=LONG_AGO + timedelta(seconds=number // 2)) for number in range(5)]
    dead = put_delivery(mail, id_, state=DeliveryState.DEAD, deliveredAt=None)

    newest_first = sorted(made, key=lambda each: (each["createdAt"], each["_id"]), reverse=True)
    pages, cursor = [], None
    while not pages or cursor:
        more = {"cursor": cursor} if cursor else {}
        page = mail.client.get(f"/webhooks/{id_}/deliveries", limit="2", state="delivered", **more).body
        pages.append(page["items"])
        cursor = page["nextCursor"]
    assert [each["id"] for page in pages for each in page] == [each["announcementId"] for each in newest_first]
    [first] = [each for page in pages for each in page if each["id"] == made[0]["announcementId"]]
    assert first["attempts"] == [
        {"at": "2024-01-31T00:00:00.000Z", "status": 503, "error": "", "milliseconds": 7.5},
    ]
    assert "payload" not in first
    assert len(mail.client.get(f"/webhooks/{id_}/deliveries").body["items"]) == 6
    one = mail.client.get(f"/webhooks/{id_}/deliveries/{dead['announcementId']}").body
    assert (one["state"], one["payload"]["type"]) == ("dead", "notification.bounced")
    assert mail.client.get(f"/webhooks/{id_}/deliveries", state="lost").body["code"] == "state.invalid"
    assert mail.client.get(f"/webhooks/{id_}/deliveries", cursor="eA").body["code"] == "cursor.invalid"
    assert mail.client.get(f"/webhooks/{id_}/deliveries/{'0' * 24}").body["code"] == "delivery.unknown"


def test_the_deliveries_of_one_webhook_are_counted_by_state(mail: Mail):
    id_, other = add(mail)["id"], add(mail)["id"]
    for endpoint, state in ((id_, "dead"), (id_, "delivered"), (id_, "delivered"), (other, "pending")):
        put_delivery(mail, endpoint, state=state)
    answer = mail.client.get(f"/webhooks/{id_}/deliveries/counts").body
    assert answer == {"counts": {"pending": 0, "delivered": 2, "dead": 1}, "mostCounted": 100_000}
    assert mail.client.get(f"/webhooks/{'0' * 24}/deliveries/counts").body["code"] == "webhook.unknown"


@pytest.mark.parametrize("state", list(DeliveryState))
def test_a_delivery_is_due_again_by_hand_with_the_same_id(mail: Mail, state: DeliveryState):
    id_ = add(mail)["id"]
    made = put_delivery(mail, id_, state=state, dueAt=datetime(2100, 1, 1, tzinfo=UTC))
    path = f"/webhooks/{id_}/deliveries/{made['announcementId']}"
    answer = mail.client.call("POST", f"{path}/redeliver")
    assert answer.status == 202
    assert (answer.body["id"], answer.body["state"]) == (made["announcementId"], "pending")
    found = mail.services.database["webhookDeliveries"].find_one({"_id": made["_id"]})
    assert found is not None
    assert found["dueAt"] == found["dueSince"] <= mail.services.clock.now()
    assert (found["payload"], found["attemptsBefore"]) == (made["payload"], 3)


def test_a_repeated_call_delivers_once_more_only_once(mail: Mail):
    id_ = add(mail)["id"]
    made = put_delivery(mail, id_, state=DeliveryState.DELIVERED)
    path = f"/webhooks/{id_}/deliveries/{made['announcementId']}/redeliver"
    deliveries = mail.services.database["webhookDeliveries"]

    def redeliver(key: str) -> bool:
        """Whether the call makes the delivery due, after it was delivered."""
        deliveries.update_one({"_id": made["_id"]}, {"$set": {"state": "delivered"}, "$unset": {"dueAt": ""}})
        answer = mail.client.call("POST", path, headers={"Idempotency-Key": key})
        assert (answer.status, answer.body["id"]) == (202, made["announcementId"])
        return answer.body["state"] == "pending"

    assert redeliver("$a")
    assert not redeliver("$a")
    assert redeliver("b")
    yesterday = mail.services.clock.now() - timedelta(hours=24)
    deliveries.update_one({"_id": made["_id"]}, {"$set": {"redeliveries.0.at": yesterday}})
    assert redeliver("$a")
    refused = mail.client.call("POST", path, headers={"Idempotency-Key": "k" * 256})
    assert (refused.status, refused.body["field"]) == (422, "Idempotency-Key")


def test_a_repeat_is_answered_while_its_delivery_is_being_made(mail: Mail):
    id_ = add(mail)["id"]
    made = put_delivery(mail, id_, state=DeliveryState.DEAD)
    call = ("POST", f"/webhooks/{id_}/deliveries/{made['announcementId']}/redeliver")
    key = {"Idempotency-Key": "a"}
    assert mail.client.call(*call, headers=key).status == 202
    soon = mail.services.clock.now() + timedelta(seconds=60)
    mail.services.database["webhookDeliveries"].update_one({"_id": made["_id"]}, {"$set": {"leaseUntil": soon}})
    assert mail.client.call(*call, headers=key).status == 202
    assert mail.client.call(*call).body["code"] == "delivery.in_progress"


def test_a_delivery_that_is_being_made_is_left_alone(mail: Mail):
    id_ = add(mail)["id"]
    soon = mail.services.clock.now() + timedelta(seconds=60)
    made = put_delivery(mail, id_, state=DeliveryState.PENDING, leaseUntil=soon)
    path = f"/webhooks/{id_}/deliveries/{made['announcementId']}/redeliver"
    answer = mail.client.call("POST", path)
    assert (answer.status, answer.body["code"]) == (409, "delivery.in_progress")
    mail.client.call("PATCH", f"/webhooks/{id_}", b'{"enabled": false}')
    assert mail.client.call("POST", path).body["code"] == "webhook.disabled"


def test_who_is_erased_is_erased_from_the_deliveries_too(mail: Mail):
    id_ = add(mail)["id"]
    sent = mail.client.post({"emailTo": "a@example.com", "subject": "Hello", "message": "Hello"}).body["id"]
    put_delivery(mail, id_, sourceId=ObjectId(sent))
    other = put_delivery(mail, id_)
    assert mail.client.call("DELETE", "/", query={"emailTo": "a@example.com"}).body["erased"] == 1
    left = mail.services.database["webhookDeliveries"].find()
    assert [each["_id"] for each in left] == [other["_id"]]
