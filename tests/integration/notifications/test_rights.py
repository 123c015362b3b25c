"""What mail asks MongoDB for is what its functions' users may do: their rights are those of production."""

from __future__ import annotations

from typing import Any

from tests.commands import RECORDER
from tests.integration.api.apis import path_of
from tests.integration.notifications.relay import Relay

MAIL = {"emailTo": "a@example.com", "subject": "Hello", "message": "<p>Hello</p>"}
TEMPLATE = {"subject": "Hello {{ name }}", "message": "<p>Hello {{ name }}</p>"}


def test_notifications_and_sender(make_mail: Any, relay: Relay):
    mail = make_mail(retention_bodies_days=0.000001, retention_messages_days=0.000002)
    client = mail.client
    with RECORDER.of("notifications") as used:
        sent = client.post(MAIL, Idempotency_Key="one").body["id"]
        client.post(MAIL, Idempotency_Key="one")
        later = client.post(MAIL, Prefer="respond-async").body["id"]
        assert client.post({"messages": [MAIL]}, "/batch").status in (200, 202, 422)
        assert client.call("PUT", "/templates/hello", b'{"subject": "s", "message": "m"}').status in (200, 201, 422)
        assert client.post({"address": "b@example.com"}, "/suppressions").status in (200, 201, 422)
        client.post(MAIL | {"emailTo": "b@example.com"})
        mail.wait_for_state(sent, "sent")
        for route in client.api.routes:  # every one, also where there is nothing
            if route.method == "GET":
                client.call("GET", path_of(route).replace("0" * 24, sent))
        client.call("POST", f"/{later}/cancel")
        client.call("POST", f"/{sent}/resend")
        client.call("DELETE", "/suppressions/b@example.com")
        client.call("DELETE", "/templates/hello")
        client.call("DELETE", "/", query={"emailTo": "a@example.com"})
    wanted = {("notifications", "insert"), ("notifications", "remove"), ("suppressions", "remove"), ("apiKeys", "find")}
    assert wanted <= used

    client.post(MAIL, Prefer="respond-async")
    with RECORDER.of("notification-sender") as used:
        mail.drain()
        mail.let_time_pass()
        mail.drain()
    assert {("notifications", "update"), ("suppressions", "find"), ("cursors", "insert")} <= used
