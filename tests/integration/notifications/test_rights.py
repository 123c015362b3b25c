"""Each function of the notifications works with the MongoDB rights that it has in production."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.notifications.relay import Relay, reply
from tests.integration.web.apis import path_of
from tests.support.commands import RECORDER

MAIL = {"emailTo": "a@example.com", "subject": "Hello", "message": "<p>Hello</p>"}
HOOK = {"url": "https://shop.example.com/hooks", "events": ["notification.sent", "notification.failed"]}
TEMPLATE = {"subject": "Hello {{ name }}", "html": "<p>Hello {{ name }}</p>"}


def test_notifications_may_do_its_work_and_nothing_else(make_mail: Any, relay: Relay):
    client = make_mail(send_wait_seconds=30.0).client
    relay.on("rcpt", reply("550 5.1.1 no such mailbox"), recipient="bounces@example.com")
    with RECORDER.of("notifications") as used:
        sent = client.post(MAIL, Idempotency_Key="one").body["id"]
        assert client.post(MAIL, Idempotency_Key="one").body["id"] == sent
        assert client.post(MAIL | {"emailTo": "bounces@example.com"}).status == 422
        for code in ("4.2.2", "5.1.1"):
            bounce = {"address": "a@example.com", "delivery": "bounced", "code": code}
            assert client.post(bounce, f"/{sent}/delivery").status == 200
        later = client.post(MAIL, Prefer="respond-async").body["id"]
        assert client.post({"messages": [MAIL]}, "/batch").status == 202
        assert client.call("PUT", "/templates/hello", json.dumps(TEMPLATE).encode()).status in (200, 201)
        assert client.post({"address": "b@example.com", "reason": "asked us"}, "/suppressions").status == 200
        hook = client.post(HOOK, "/webhooks").body["id"]
        for route in client.routes:
            if route.method == "GET":
                path = path_of(route).replace("/templates/" + "0" * 24, "/templates/hello")
                path = path.replace("/webhooks/" + "0" * 24, f"/webhooks/{hook}").replace("0" * 24, sent)
                query = {"form": "source"} if path.endswith("/content") else None
                assert client.call("GET", path, query=query).status in (200, 404), path
        assert client.get(f"/webhooks/{hook}/deliveries").status == 200
        assert client.call("POST", f"/webhooks/{hook}/deliveries/{sent}/redeliver").status == 404
        assert client.call("POST", f"/webhooks/{hook}/rotate").status == 200
        assert client.call("PATCH", f"/webhooks/{hook}", b"{}").status == 200
        assert client.call("DELETE", f"/webhooks/{hook}").status == 200
        client.call("POST", f"/{later}/cancel")
        client.call("POST", f"/{sent}/resend")
        assert client.call("DELETE", f"/{client.post(MAIL).body['id']}").status == 200
        assert client.call("DELETE", "/suppressions/b@example.com").status == 200
        assert client.call("DELETE", "/templates/hello").status == 200
        assert client.call("DELETE", "/", query={"emailTo": "a@example.com"}).status == 200
    wanted = {("notifications", "insert"), ("notifications", "remove"), ("suppressions", "remove"), ("apiKeys", "find")}
    wanted |= {("softBounces", "insert"), ("softBounces", "update"), ("softBounces", "remove")}
    assert wanted | {("suppressions", "insert"), ("templates", "insert")} <= used


def test_notification_sender_may_do_its_work_and_nothing_else(make_mail: Any, relay: Relay):
    mail = make_mail(retention_bodies_days=0.000001, retention_messages_days=0.000002)
    relay.on("rcpt", reply("550 5.1.1 no such mailbox"), recipient="bounces@example.com")
    relay.on("rcpt", reply("451 later"), recipient="later@example.com")
    mail.client.post(HOOK, "/webhooks")
    for address in ("a@example.com", "bounces@example.com", "later@example.com"):
        mail.client.post(MAIL | {"emailTo": address}, Prefer="respond-async")
    with RECORDER.of("notification-sender") as used:
        mail.drain()
    mail.let_time_pass()
    with RECORDER.of("notification-sender") as later:
        mail.drain()
    wanted = {("notifications", "update"), ("suppressions", "find"), ("suppressions", "insert"), ("cursors", "insert")}
    assert wanted | {("claims", "insert"), ("claims", "remove"), ("leases", "update")} <= used | later
