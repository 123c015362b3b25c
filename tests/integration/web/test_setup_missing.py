"""A call before set-up: no hang, no wrong answer, but an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailroom.deploy.setup import INDEXES
from mailroom.platform.api_keys import SCOPES
from mailroom.services import Services
from tests.integration.conftest import document
from tests.integration.web.apis import NAMES, api
from tests.support.client import Client


@pytest.fixture
def bare(make_services: Callable[..., Services]) -> Services:
    """Services whose collections have documents and no indexes."""
    services = make_services()
    services.database["invoices"].insert_one(document("1"))
    for name in INDEXES:
        services.database[name].update_one({"_id": "x"}, {"$set": {"_id": "x"}}, upsert=True)
        services.database[name].delete_one({"_id": "x"})
    return services


@pytest.mark.parametrize("name", NAMES)
def test_a_list_says_that_set_up_is_missing(bare: Services, name: str):
    client = Client(api(name, bare), bare.keys.create("all", list(SCOPES)).text)
    values = {"status": "sent" if name == "notifications" else "open", "supplier": "Acme", "emailTo": "a@example.com"}
    refused = 0
    for route in client.routes:
        if route.method != "GET" or "<" in route.path:
            continue
        names = route.operation.query_names()
        for query in ({}, *({filter_: value} for filter_, value in values.items() if filter_ in names)):
            answer = client.get(route.path, **query)
            if answer.status == 503:
                refused += 1
                assert answer.json()["code"] == "service.not_set_up"
                assert "python -m mailroom setup" in answer.json()["detail"]
                assert answer.headers["Retry-After"]
            else:
                # `/sessions/current` is no list, and this key is no session.
                assert answer.status == 200 or answer.json()["code"] == "session.none", (route.path, query, answer.body)
    assert refused >= 2


def test_a_webhook_with_a_key_is_not_added_without_the_index_that_finds_repeats(bare: Services):
    client = Client(api("notifications", bare), bare.keys.create("all", list(SCOPES)).text)
    hook = {"url": "https://example.com/", "events": ["import.done"]}
    answer = client.call("POST", "/webhooks", hook, headers={"Idempotency-Key": "one"})
    assert (answer.status, answer.json()["code"]) == (503, "service.not_set_up")
    assert bare.database["webhooks"].count_documents({}) == 0


def test_imports_with_rejected_rows_are_not_looked_for_without_their_index(bare: Services):
    client = Client(api("invoices", bare), bare.keys.create("all", list(SCOPES)).text)
    answer = client.get("/imports", rejected="true")
    assert (answer.status, answer.json()["code"]) == (503, "service.not_set_up")
