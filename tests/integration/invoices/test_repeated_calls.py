"""`POST /imports` that is sent twice with one `Idempotency-Key`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailroom.invoices.app import create_app
from mailroom.platform.api_keys import SCOPES
from tests.integration.invoices.files import Bucket, counts, csv, line
from tests.support.client import Answer, Client

FURTHER = [{"force": True}, {"dryRun": True}, {"force": True, "dryRun": True}]


def client_of(bucket: Bucket) -> Client:
    return Client(create_app(bucket.services), bucket.services.keys.create("test", list(SCOPES)).text)


@pytest.fixture
def client(bucket: Bucket) -> Client:
    return client_of(bucket)


@pytest.fixture
def file(bucket: Bucket) -> dict[str, Any]:
    """A file that is imported, as a call names it."""
    bucket.import_("may.csv", csv(line(1), line(2)))
    return {"bucket": bucket.name, "key": "may.csv"}


def start(client: Client, body: dict[str, Any], key: str = "form-1") -> Answer:
    return client.call("POST", "/imports", body, headers={"Idempotency-Key": key})


def imports(bucket: Bucket) -> int:
    return bucket.services.database["imports"].count_documents({})


@pytest.mark.parametrize("further", FURTHER)
def test_a_repeat_gets_the_same_import(bucket: Bucket, client: Client, file: dict[str, Any], further: dict[str, bool]):
    first = start(client, file | further)
    repeated = start(client, file | further)
    bucket.run()
    after_its_end = start(client, file | further)
    bucket.put("may.csv", csv(line(3)))
    after_a_newer_upload = start(client, file | further)

    assert first.status == 202
    assert [repeated.body, after_its_end.body, after_a_newer_upload.body] == [first.body] * 3
    assert imports(bucket) == 2
    assert counts(bucket.job(first.json()["id"]))[0] == 2


def test_a_repeat_gets_the_same_import_after_the_file_was_deleted(bucket: Bucket, client: Client, file: dict[str, Any]):
    first = start(client, file | {"force": True})
    bucket.services.objects.client.remove_object(bucket.name, "may.csv")
    assert start(client, file | {"force": True}).body == first.body


@pytest.mark.parametrize("other", [{}, {"dryRun": True}, {"force": True, "preset": "acme"}])
def test_another_body_with_the_same_key_is_refused(
    bucket: Bucket, client: Client, file: dict[str, Any], other: dict[str, Any]
):
    start(client, file | {"force": True})
    refused = start(client, file | other)
    assert (refused.status, refused.json()["code"]) == (422, "idempotency.reused")
    assert imports(bucket) == 2


def test_of_many_repeats_at_once_one_makes_an_import(bucket: Bucket, client: Client, file: dict[str, Any]):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: start(client, file | {"force": True}), range(16)))
    assert {each.status for each in answers} == {202}
    assert len({each.body for each in answers}) == 1
    assert imports(bucket) == 2


def test_other_keys_and_other_callers_make_further_imports(bucket: Bucket, client: Client, file: dict[str, Any]):
    made = [start(client, file | {"dryRun": True}, key) for key in ("form-1", "form-2")]
    made.append(start(client_of(bucket), file | {"dryRun": True}))
    assert len({each.json()["id"] for each in made}) == 3


def test_two_sessions_of_one_key_are_one_caller(bucket: Bucket, client: Client, file: dict[str, Any]):
    sessions = [Client(client.app, client.call("POST", "/sessions").json()["token"]) for _ in range(2)]
    first, repeated = (start(each, file | {"force": True}) for each in sessions)
    assert first.body == repeated.body
    assert imports(bucket) == 2


def test_a_key_that_cannot_be_one_is_refused(client: Client, file: dict[str, Any]):
    refused = start(client, file, "x" * 256)
    assert (refused.status, refused.json()["code"]) == (422, "idempotency.invalid")
