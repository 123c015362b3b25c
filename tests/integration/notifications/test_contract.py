"""Every call of the contract is made, and its answer matches the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mailroom.notifications.api.schemas import AcceptedNotification, RefusedEntry
from mailroom.web.endpoints import Operation, Route
from tests.integration.notifications.conftest import Answer, Mail
from tests.integration.notifications.relay import Relay, reply
from tests.integration.notifications.test_webhooks import put_delivery

HELLO: dict[str, Any] = {
    "emailTo": ["a@example.com", "b@example.com"],
    "cc": "c@example.com",
    "replyTo": "r@example.com",
    "subject": "Hello",
    "message": "<p>x</p>",
    "headers": {"X-Submission": "1"},
    "from": "Ours <mailroom@ours.example.com>",
    "attachments": [
        {"filename": "x.txt", "content": "eA=="},
        {"filename": "x.png", "content": "eA==", "contentId": "x"},
    ],
    "tags": ["t"],
    "metadata": {"m": "1"},
}
TEMPLATE = {"subject": "Hi {{ name }}", "text": "Hi {{ name }}"}


class Checked:
    """Calls routes, and compares each answer with the contract."""

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.seen: set[str] = set()

    def __call__(self, method: str, route: str, status: int, body: Any = None, headers: Any = None, **more: str) -> Any:
        path, _, query = more.get("path", route).partition("?")
        sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        asked = dict(part.split("=") for part in query.split("&") if part)
        answer: Answer = self.mail.client.call(method, path, sent, asked, headers or {})
        operation = self.operation(method, route)
        assert answer.status == status, answer.body
        kind = operation.answers[status]
        msgspec.convert(answer.body, next(iter(kind.values())) if isinstance(kind, dict) else kind)
        self.seen.add(f"{method} {route}")
        return answer.body

    def operation(self, method: str, path: str) -> Operation:
        [route] = [each for each in self.routes if (each.method, each.path) == (method, path)]
        return route.operation

    @property
    def routes(self) -> list[Route]:
        return self.mail.client.routes


def test_answers_match_their_schema(mail: Mail, relay: Relay) -> None:
    call = Checked(mail)
    relay.on("rcpt", reply("550 5.1.1 unknown"), recipient="b@example.com")
    message = call("POST", "/", 200, HELLO)["id"]
    waiting = call("POST", "/", 202, HELLO, headers={"Prefer": "respond-async"})["id"]
    batch = call("POST", "/batch", 202, {"messages": [HELLO, {}]})
    msgspec.convert(batch["items"][0], AcceptedNotification)
    msgspec.convert(batch["items"][1], RefusedEntry)
    call("POST", "/batch", 422, {"messages": [{}]})
    assert len(call("GET", "/", 200, path="/?status=queued&limit=1")["items"]) == 1
    call("GET", "/<id>", 200, path=f"/{message}")
    bounce = {"address": "a@example.com", "delivery": "bounced", "code": "5.1.1", "text": "by hand"}
    call("POST", "/<id>/delivery", 200, bounce, path=f"/{message}/delivery")
    call("GET", "/<id>", 200, path=f"/{message}")
    call("DELETE", "/suppressions/<address>", 200, path="/suppressions/a@example.com")
    for form in ("html", "text", "source"):
        call("GET", "/<id>/content", 200, path=f"/{message}/content?form={form}")
    call("GET", "/<id>/attachments/<number>", 200, path=f"/{message}/attachments/0")
    call("GET", "/figures/messages", 200)
    call("GET", "/counts", 200)
    call("POST", "/<id>/cancel", 200, path=f"/{waiting}/cancel")
    call("POST", "/<id>/resend", 202, path=f"/{waiting}/resend")
    call("POST", "/suppressions", 200, {"address": "d@example.com"})
    assert len(call("GET", "/suppressions", 200)["items"]) == 2
    call("DELETE", "/suppressions/<address>", 200, path="/suppressions/d@example.com")
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    call("GET", "/unsubscribe/<token>", 404, path="/unsubscribe/x")
    call("POST", "/unsubscribe/<token>", 404, b"List-Unsubscribe=One-Click", form, path="/unsubscribe/x")
    call("PUT", "/templates/<name>", 201, TEMPLATE, path="/templates/hi")
    call("PUT", "/templates/<name>", 200, TEMPLATE | {"text": "x"}, path="/templates/hi")
    call("GET", "/templates", 200)
    call("GET", "/templates/<name>", 200, path="/templates/hi?version=1")
    call("POST", "/templates/<name>/preview", 200, {"parameters": {"name": "A"}}, path="/templates/hi/preview")
    call(
        "POST",
        "/templates/<name>/preview",
        200,
        {"content": {"subject": "x", "text": "x"}},
        path="/templates/hi/preview",
    )
    made = call("POST", "/", 200, {"emailTo": "a@example.com", "template": {"name": "hi", "parameters": {"name": "A"}}})
    call("GET", "/<id>", 200, path=f"/{made['id']}")
    call("DELETE", "/templates/<name>", 200, path="/templates/hi")
    call("GET", "/templates/<name>/versions", 200, path="/templates/hi/versions")
    call("DELETE", "/<id>", 200, path=f"/{made['id']}")
    call("DELETE", "/", 200, path="/?emailTo=a@example.com")
    Path(mail.services.settings.secrets_dir, "mailroom-events-postmark").write_text("word")
    call("POST", "/events/<adapter>", 200, {}, headers={"X-Mailroom-Token": "word"}, path="/events/postmark")

    call_webhooks(call)
    assert call.seen == {f"{route.method} {route.path}" for route in call.routes}


def call_webhooks(call: Checked) -> None:
    endpoint = call("POST", "/webhooks", 201, {"url": "https://example.com/", "events": ["import.done"]})["id"]
    hook = f"/webhooks/{endpoint}"
    call("GET", "/webhooks", 200)
    call("GET", "/webhooks/<id>", 200, path=hook)
    call("PATCH", "/webhooks/<id>", 200, {"description": "the shop"}, path=hook)
    call("POST", "/webhooks/<id>/rotate", 200, {"overlapHours": 1}, path=f"{hook}/rotate")
    delivery = put_delivery(call.mail, endpoint)["announcementId"]
    call("GET", "/webhooks/<id>/deliveries", 200, path=f"{hook}/deliveries?state=delivered")
    call("GET", "/webhooks/<id>/deliveries/counts", 200, path=f"{hook}/deliveries/counts")
    call("GET", "/webhooks/<id>/deliveries/<delivery>", 200, path=f"{hook}/deliveries/{delivery}")
    again = f"{hook}/deliveries/{delivery}/redeliver"
    repeat = {"Idempotency-Key": "again"}
    call("POST", "/webhooks/<id>/deliveries/<delivery>/redeliver", 202, headers=repeat, path=again)
    call("DELETE", "/webhooks/<id>", 200, path=hook)


def test_every_documented_parameter_is_accepted_and_no_other(mail: Mail) -> None:
    for route in mail.client.routes:
        if route.method != "GET" or "<" in route.path:
            continue
        for name in route.operation.query_names():
            answer = mail.client.get(route.path, **{name: "?"})
            assert answer.status == 200 or answer.body["code"] != "query.unknown", (route.path, name)
        refused = mail.client.get(route.path, colour="red")
        assert (refused.status, refused.body["field"]) == (422, "colour")


@pytest.mark.parametrize("member", ["subject", "emailTo", "from", "template", "headers", "attachments", "sendAt"])
def test_the_document_has_the_schema_of_each_body(mail: Mail, member: str) -> None:
    schemas = mail.client.get("/openapi.json").body["components"]["schemas"]

    assert member in schemas["Send"]["properties"]
