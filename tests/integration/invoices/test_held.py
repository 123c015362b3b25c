"""A file that was uploaded with `hold` is imported when somebody asks for it, and not before."""

from __future__ import annotations

from typing import Any

import pytest
import urllib3

from mailroom.errors import LeaseLost
from mailroom.invoices.app import create_app
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, counts, csv, line
from tests.support.client import Client

KEY = "acme/may.csv"
ODD = (HEADER.replace("invoiceNumber", "Betreff") + line(1)).encode()


@pytest.fixture
def client(services: Services) -> Client:
    return Client(create_app(services), services.keys.create("test", ["invoices:read", "invoices:write"]).text)


def put_held(client: Client, body: bytes) -> str:
    answer = client.call("POST", "/files", body, {"key": KEY, "hold": "true"})
    assert answer.status == 201
    return str(answer.json()["importId"])


def approve(bucket: Bucket, client: Client, **more: Any) -> tuple[int, dict[str, str]]:
    answer = client.call("POST", "/imports", {"bucket": bucket.name, "key": KEY, **more})
    return answer.status, answer.json()


def test_a_held_file_is_imported_once_somebody_asks_for_it(bucket: Bucket, client: Client) -> None:
    import_id = put_held(client, csv(line(1)))
    bucket.run()
    shown = client.get(f"/imports/{import_id}").json()
    assert (shown["state"], shown["waitingFor"]["code"]) == ("held", "approval")
    bucket.compare()
    bucket.run()
    assert bucket.invoices() == []
    assert client.get("/figures/waiting").json()["waiting"] == 0

    assert approve(bucket, client) == (202, {"id": import_id})
    bucket.run()
    assert counts(bucket.job(import_id)) == (1, 1, 0, 0, 0, 0)


def test_a_form_may_hold_what_it_uploads(bucket: Bucket, client: Client) -> None:
    form = client.call("POST", "/uploads", {"keyPrefix": "acme/", "hold": True}).json()
    fields = [*form["fields"].items(), ("key", KEY), ("file", ("may.csv", csv(line(1))))]
    assert urllib3.request("POST", form["url"], fields=fields, retries=False).status == 204
    bucket.ledger.submit(bucket.services.objects.find(bucket.name, KEY))
    bucket.run()
    assert bucket.invoices() == []


def test_a_held_file_is_read_with_the_presets_of_its_approval(bucket: Bucket, client: Client) -> None:
    import_id = put_held(client, ODD)
    bucket.run()
    preset = {"prefix": "acme/", "columns": {"Betreff": "invoiceNumber"}}
    assert client.call("PUT", "/presets/acme", preset).status == 201
    approve(bucket, client)
    bucket.run()
    assert bucket.job(import_id)["dialect"]["preset"]["name"] == "acme"
    assert counts(bucket.job(import_id)) == (1, 1, 0, 0, 0, 0)


def test_a_dry_run_of_a_held_file_counts_and_writes_nothing(bucket: Bucket, client: Client) -> None:
    import_id = put_held(client, csv(line(1)))
    _, trial = approve(bucket, client, dryRun=True)
    bucket.run()
    assert counts(bucket.job(trial["id"])) == (1, 1, 0, 0, 0, 0)
    assert bucket.job(import_id)["state"] == "held"
    assert bucket.invoices() == []


def test_an_approval_before_a_worker_looks_at_the_file_counts(bucket: Bucket, client: Client) -> None:
    import_id = put_held(client, csv(line(1)))
    approve(bucket, client)
    bucket.run()
    assert bucket.job(import_id)["state"] == "done"


def test_an_approval_while_a_worker_looks_at_the_file_counts(bucket: Bucket, client: Client) -> None:
    put_held(client, csv(line(1)))
    job = bucket.ledger.claim()
    assert job is not None
    approve(bucket, client)
    with pytest.raises(LeaseLost):
        bucket.ledger.hold(job)


def test_a_held_file_can_be_cancelled_and_taken_up_again(bucket: Bucket, client: Client) -> None:
    import_id = put_held(client, csv(line(1)))
    bucket.run()
    assert client.call("POST", f"/imports/{import_id}/cancel").json()["state"] == "cancelled"
    assert client.call("POST", f"/imports/{import_id}/retry").status == 202
    bucket.run()
    assert bucket.job(import_id)["state"] == "done"


def test_hold_is_true_or_false(client: Client) -> None:
    answer = client.call("POST", "/files", b"x", {"key": KEY, "hold": "perhaps"})
    assert (answer.status, answer.json()["field"]) == (422, "hold")
