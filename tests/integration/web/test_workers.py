"""Each API tells of its workers: when they were called last, and what keeps them from their work."""

from __future__ import annotations

from typing import Any

import pytest

from mailroom.invoices import worker as importing
from mailroom.notifications import worker as sending
from mailroom.services import Services
from mailroom.webhooks import worker as webhooks
from tests.integration.web.apis import NAMES, api
from tests.support.client import Client

WORKERS = {"invoices": ["invoice-importer"], "notifications": ["notification-sender", "webhook-sender"]}


def told(name: str, services: Services) -> list[Any]:
    key = services.keys.create("read", [f"{name}:read"])
    answer = Client(api(name, services), key.text).get("/workers")
    assert answer.status == 200, answer.body
    return list(answer.json()["items"])


@pytest.mark.parametrize("name", NAMES)
def test_an_api_tells_of_its_workers(services: Services, name: str) -> None:
    found = told(name, services)
    assert [each["name"] for each in found] == WORKERS[name]
    assert {(each["calledAt"], each["problem"]["code"]) for each in found} == {(None, "worker")}

    for each in (importing, sending, webhooks):
        each.create_worker(services)()
    assert {each["problem"] for each in told(name, services)} == {None}
    assert all(each["calledAt"] for each in told(name, services))

    services.database["workers"].delete_one({"_id": "setup"})
    assert {each["problem"]["code"] for each in told(name, services)} == {"setup"}


def test_a_failure_is_told(services: Services) -> None:
    (services.settings.secrets_dir / "mailroom-s3-access-key").write_text("")
    services.database["cursors"].update_many({}, [{"$set": {"dueAt": {"$subtract": ["$$NOW", 1000]}}}])
    assert importing.create_worker(services)()["statusCode"] == 503
    [importer] = told("invoices", services)
    assert importer["problem"]["code"] == "secret"
    assert importer["problem"]["since"]
    text = "The last call of invoice-importer failed: the secret mailroom-s3-access-key is missing or empty."
    assert importer["problem"]["text"] == text
