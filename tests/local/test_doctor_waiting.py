"""`make doctor` says why work waits. Each test makes the situation with the real functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from io import BytesIO

import pytest

from local.doctor import waiting
from local.doctor.checks import Finding
from mailroom.invoices import worker as importing
from mailroom.invoices.imports.ledger import Ledger
from mailroom.notifications import worker as sending
from mailroom.platform.objects import ObjectVersion
from mailroom.services import Services
from mailroom.webhooks import worker as webhooks
from tests.conftest import Addresses
from tests.integration.web.apis import api
from tests.support import http_server
from tests.support.client import Client

MAIL = {"emailTo": "a@example.com", "subject": "Hello", "message": "<p>x</p>"}


@contextmanager
def gateway(services: Services) -> Iterator[tuple[str, str]]:
    """Serves both APIs as a gateway does. Returns its URL and a key."""
    key = services.keys.create(
        "doctor", ["invoices:read", "notifications:read", "notifications:send", "operations:read"]
    ).text
    clients = {name: Client(api(name, services), "") for name in ("invoices", "notifications")}

    def answer(call: BaseHTTPRequestHandler) -> http_server.Answer:
        path, _, query = call.path.partition("?")
        _, _, name, *rest = path.split("/")
        headers = {"Authorization": call.headers.get("Authorization", "")}
        found = clients[name].call("GET", "/" + "/".join(rest), query=query, headers=headers)
        return found.status, {}, found.body

    with http_server.serving(answer) as host:
        yield f"http://{host}", key


def call_workers(services: Services) -> None:
    for each in (importing, sending, webhooks):
        assert each.create_worker(services)()["statusCode"] == 200


def wrong(findings: Iterator[Finding]) -> list[Finding]:
    return [each for each in findings if each.fix]


def test_workers_that_nobody_calls_are_named(services: Services) -> None:
    with gateway(services) as (url, key):
        found = wrong(waiting.health(url, key))
    assert [each.text.split()[2] for each in found] == ["invoice-importer", "notification-sender", "webhook-sender"]
    assert all("was never called" in each.text and "schedule" in each.fix for each in found)

    call_workers(services)
    with gateway(services) as (url, key):
        assert wrong(waiting.health(url, key)) == []


def test_a_missing_secret_of_a_worker_is_named(services: Services) -> None:
    call_workers(services)
    (services.settings.secrets_dir / "mailroom-s3-secret-key").write_text("")
    Ledger.of(services.database, services.settings).submit(ObjectVersion("invoices", "k.csv", "", "e", 5, 1))
    again = Services(services.settings)
    assert importing.create_worker(again)()["statusCode"] == 503
    again.close()
    with gateway(services) as (url, key):
        [finding] = wrong(waiting.health(url, key))
    assert "the secret mailroom-s3-secret-key is missing or empty" in finding.text
    assert "Rotate a secret" in finding.fix


def test_a_set_up_that_is_older_than_the_code_is_named(services: Services) -> None:
    call_workers(services)
    services.database["workers"].delete_one({"_id": "setup"})
    with gateway(services) as (url, key):
        [finding] = wrong(waiting.health(url, key))
    assert finding.text.startswith("Set-up has not run")
    assert "docker compose up setup" in finding.fix


def test_what_waits_for_long_is_named_with_its_reason(services: Services) -> None:
    ledger = Ledger.of(services.database, services.settings)
    ledger.submit(ObjectVersion("invoices", "k.csv", "", "e", 5, 1))
    with gateway(services) as (url, key):
        client = Client(api("notifications", services), key)
        assert client.call("POST", "/", MAIL, headers={"Prefer": "respond-async"}).status == 202
        assert not waiting.oldest_message(url, key).fix  # it has come just now

    ago = services.clock.now() - timedelta(minutes=11)
    services.database["imports"].update_many({}, {"$set": {"createdAt": ago, "dueAt": ago}})
    services.database["notifications"].update_many({}, {"$set": {"createdAt": ago, "dueAt": ago, "dueSince": ago}})
    with gateway(services) as (url, key):
        imports = wrong(waiting.health(url, key))[-1]
        message = waiting.oldest_message(url, key)
    assert imports.text.startswith("The import ")
    assert "The function invoice-importer was never called" in imports.text
    assert "schedule" in imports.fix
    assert message.text.startswith("The message ")
    assert "The function notification-sender was never called" in message.text
    assert "schedule" in message.fix


def test_an_object_without_an_import_is_named(
    services: Services, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "UNDER_WAY", timedelta(0))
    call_workers(services)
    bucket, store = services.settings.invoices_bucket, services.objects
    where = (addresses.s3_endpoint, addresses.access_key, addresses.secret_key, bucket)
    ledger = Ledger.of(services.database, services.settings)
    for key in ("may.csv", "folder/june and july.csv"):
        store.client.put_object(bucket, key, BytesIO(b"x"), 1)
        ledger.submit(store.find(bucket, key))
    with gateway(services) as (url, key):
        finding = waiting.events(*where, url, key)
        assert (finding.fix, finding.text) == ("", f"the 2 newest files of {bucket} have imports")

        store.client.put_object(bucket, "folder/june and july.csv", BytesIO(b"yy"), 2)  # a version without its event
        finding = waiting.events(*where, url, key)
    assert f"the object folder/june and july.csv of {bucket} has no import. The object was uploaded at" in finding.text
    assert finding.fix


def test_functions_of_an_earlier_version_and_keys_without_the_scope_are_told(services: Services) -> None:
    with gateway(services) as (url, _):
        key = services.keys.create("few", ["invoices:read"]).text
        [told] = waiting.health(url, key)
        assert "may not read" in told.text
        answer = waiting._ask(f"{url}/function/invoices/not-there", key)
    assert "of an earlier version" in answer.text


def test_a_bucket_that_cannot_be_listed_is_named(addresses: Addresses) -> None:
    finding = waiting.events(addresses.s3_endpoint, addresses.access_key, "wrong", "not-there", "http://x", "key")
    assert "cannot be listed" in finding.text
    assert "its keys" in finding.fix
