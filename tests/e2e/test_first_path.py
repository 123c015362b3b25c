"""The product as users see it: files in the bucket, two APIs behind the gateway, mail in the inbox."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3

from local.client import Client
from local.stack import Stack
from tests.integration.invoices.files import csv, line
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("stack")  # one stack for all of them

GOLDEN = Path(__file__).parents[1] / "unit" / "events" / "golden" / "put.json"
MAIL = {"emailTo": "someone@example.com", "subject": "Hello", "message": "<p>It <b>works</b>.</p>"}


LONGEST_CALL_SECONDS = 60  # a worker may take 55


def call(stack: Stack, method: str, path: str, **arguments) -> urllib3.BaseHTTPResponse:
    url = f"{stack.info['gateway']}{path}"
    return urllib3.request(method, url, retries=False, timeout=LONGEST_CALL_SECONDS, **arguments)


def done(client: Client, key: str):
    """The import of that key, if it has ended."""
    found = client.get("invoices/imports", key=key)["items"]
    return found[0] if found and found[0]["finishedAt"] else None


def test_an_uploaded_file_is_imported_and_listed(client: Client):
    number = secrets.token_hex(6)
    client.upload("in/größe 1+1.csv", csv(line(number)))

    ended = eventually(lambda: done(client, "in/größe 1+1.csv"), 8, what="the import")

    assert ended["state"] == "done"
    (invoice,) = client.get("invoices", invoiceNumber=number)["items"]
    assert invoice["source"]["importId"] == ended["id"]
    assert client.get(f"invoices/{invoice['id']}") == invoice


def test_an_import_that_is_asked_for_does_not_wait_for_the_event(client: Client):
    number = secrets.token_hex(6)
    client.upload("asked.csv", csv(line(number)))
    asked = client.post("invoices/imports", {"bucket": "invoices", "key": "asked.csv"})
    eventually(lambda: client.get(f"invoices/imports/{asked['id']}")["state"] == "done", 2, what="the import")


def test_a_notification_is_sent_and_listed(client: Client):
    subject = secrets.token_hex(6)
    answer = client.post("notifications", MAIL | {"subject": subject})

    assert (answer["result"], answer["status"]) == ("OK", "sent")
    (mail,) = [each for each in client.messages() if each["subject"] == subject]
    message = client.message(mail["id"])
    assert message["html"].strip() == MAIL["message"]
    assert "It works." in message["text"]
    assert client.get("notifications")["items"][0]["id"] == answer["id"]


def test_an_event_delivered_32_times_at_once_through_the_gateway_is_one_import(stack: Stack, client: Client):
    event = json.loads(GOLDEN.read_text())
    version = secrets.token_hex(8)
    event["Records"][0]["s3"]["object"] |= {"key": "never-there.csv", "versionId": version}

    def deliver(_: int) -> int:
        headers = {"Authorization": f"Bearer {stack.info['webhookToken']}"}
        return call(stack, "POST", "/function/invoice-events", json=event, headers=headers).status

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(deliver, range(32))) == {200}
    query = {"key": "never-there.csv", "versionId": version}
    eventually(lambda: client.get("invoices/imports", **query)["items"][0]["finishedAt"], what="its end")
    (only,) = client.get("invoices/imports", **query)["items"]
    assert (only["state"], only["error"]["code"]) == ("failed", "object.not_found")


@pytest.mark.parametrize("path", ["invoices", "invoices/imports", "notifications"])
@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Bearer mr_0123456789abcdef01234567_nonsense"])
def test_without_a_key_nobody_reads_anything(stack: Stack, path: str, authorization: str | None):
    headers = {"Authorization": authorization} if authorization else {}
    answer = call(stack, "GET", f"/function/{path}", headers=headers)
    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_without_a_key_nobody_sends_mail(stack: Stack, client: Client):
    before = len(client.messages())
    answer = call(stack, "POST", "/function/notifications", json=MAIL)
    assert (answer.status, answer.json()["result"]) == (401, "FAILED")
    assert len(client.messages()) == before


def test_a_wrong_webhook_token_is_refused(stack: Stack):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {stack.info['apiKey']}"}):
        answer = call(stack, "POST", "/function/invoice-events", body=GOLDEN.read_bytes(), headers=headers)
        assert (answer.status, answer.json()["code"]) == (401, "auth.webhook_token")


def test_a_body_too_large_is_refused(stack: Stack):
    headers = {"Authorization": f"Bearer {stack.info['apiKey']}", "Content-Type": "application/json"}
    for function, size in {"notifications": 11_000_000, "invoices/imports": 2_000_000}.items():
        answer = call(stack, "POST", f"/function/{function}", body=b"x" * size, headers=headers)
        assert (answer.status, answer.json()["code"]) == (413, "body.too_large")


def test_the_workers_answer_strangers_only_a_count(stack: Stack):
    for function in ("invoice-importer", "notification-sender", "webhook-sender"):
        answer = call(stack, "POST", f"/function/{function}", body=b'{"anything": "at all"}')
        assert answer.status in (200, 429)
        assert list(answer.json()) == ["done"]
