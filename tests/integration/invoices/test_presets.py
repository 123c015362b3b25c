"""Imports read by presets: which one counts, replays, reading anew, upload forms."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import urllib3

from mailroom.invoices import worker as working
from mailroom.invoices.app import create_app
from mailroom.platform.kick import IMPORTER
from mailroom.platform.mongo import Document
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, OneBatch, bucket_with, counts, csv, line
from tests.support.client import Client

FOREIGN = (HEADER.replace("invoiceNumber", "Betreff") + line(1)).encode()
SLASHED = csv(line(1).replace("2024-01-31", "02/03/2024"))
BY_NAME = {"columns": {"Betreff": "invoiceNumber"}}


@pytest.fixture
def client(services: Services) -> Client:
    return client_of(services)


def client_of(services: Services) -> Client:
    key = services.keys.create("test", ["invoices:read", "invoices:write"])
    return Client(create_app(services), key.text, key.id)


def put(client: Client, name: str, preset: Any) -> None:
    assert client.call("PUT", f"/presets/{name}", preset).status in (200, 201)


def start(client: Client, bucket: Bucket, key: str = "may.csv", **more: Any) -> tuple[int, Any]:
    answer = client.call("POST", "/imports", {"bucket": bucket.name, "key": key, **more})
    return answer.status, answer.json()


def code(job: Document) -> str | None:
    return (job["error"] or {"code": None})["code"]


def put_object(bucket: Bucket, key: str, body: bytes, **metadata: str) -> None:
    bucket.services.objects.client.put_object(bucket.name, key, BytesIO(body), len(body), metadata=dict(metadata))


def test_the_preset_with_the_longest_prefix_reads_the_file_and_is_named(bucket: Bucket, client: Client) -> None:
    put(client, "all", {"prefix": "", "dateOrder": "dmy"})
    put(client, "acme", {"prefix": "acme/"})
    put(client, "acme-us", {"prefix": "acme/us/", "dateOrder": "mdy"})
    put(client, "unused", {"dateOrder": "dmy"})
    months = {}
    for key in ("acme/us/may.csv", "acme/may.csv", "other/may.csv"):
        job = bucket.import_(key, SLASHED.replace(b"Acme", key.encode()))
        shown = client.get(f"/imports/{job['_id']}").json()
        months[key] = (code(job), shown["preset"], shown["state"])

    assert months == {
        "acme/us/may.csv": (None, {"name": "acme-us", "version": 1}, "done"),
        "acme/may.csv": ("dialect.ambiguous_date", None, "failed"),
        "other/may.csv": (None, {"name": "all", "version": 1}, "done"),
    }
    assert {each["invoiceDate"].month for each in bucket.invoices()} == {2, 3}


def test_a_preset_wins_over_the_profile_and_the_aliases_of_the_settings(make_services: Callable[..., Services]) -> None:
    bucket = bucket_with(
        make_services,
        import_profiles='{"acme/2024/": {"dateOrder": "mdy"}}',
        import_aliases='{"Betreff": "status", "Belegart": "supplierAddress"}',
    )
    client = client_of(bucket.services)
    assert bucket.import_("acme/2024/may.csv", SLASHED)["state"] == "done"
    put(client, "acme", {"prefix": "acme/", "dateOrder": "dmy", "columns": {"BETREFF": "invoiceNumber"}})

    foreign = SLASHED.replace(b"invoiceNumber", b"Betreff").replace(b"supplierAddress", b"Belegart")
    job = bucket.import_("acme/2024/june.csv", foreign.replace(b"\n1,", b"\n2,"))

    assert (job["state"], job["dialect"]["preset"]) == ("done", {"name": "acme", "version": 1})
    assert sorted(each["invoiceDate"].month for each in bucket.invoices()) == [2, 3]


def test_a_named_preset_reads_a_file_anew(bucket: Bucket, client: Client) -> None:
    put(client, "us", {"dateOrder": "mdy"})
    put(client, "eu", {"dateOrder": "dmy"})
    bucket.put("may.csv", SLASHED)
    status, first = start(client, bucket, preset="us")
    assert status == 202
    bucket.run()
    assert [each["invoiceDate"].month for each in bucket.invoices()] == [2]

    assert start(client, bucket, preset="us") == (202, first)
    assert start(client, bucket) == (202, first)
    status, refused = start(client, bucket, preset="eu")
    assert (status, refused["code"], first["id"] in refused["detail"]) == (409, "import.preset", True)
    status, again = start(client, bucket, preset="eu", force=True)
    assert (status, again != first) == (202, True)
    bucket.run()

    assert [each["invoiceDate"].month for each in bucket.invoices()] == [3]
    assert client.get(f"/imports/{again['id']}").json()["preset"] == {"name": "eu", "version": 1}
    # The same preset may have changed since.
    put(client, "eu", {"dateOrder": "dmy", "columns": {"status": None}})
    start(client, bucket, preset="eu", force=True)
    bucket.run()
    assert [each["status"] for each in bucket.invoices()] == [""]


def test_an_unknown_preset_is_refused(bucket: Bucket, client: Client) -> None:
    bucket.put("may.csv", SLASHED)
    for path, body in (
        ("/imports", {"bucket": bucket.name, "key": "may.csv", "preset": "no"}),
        ("/uploads", {"preset": "no"}),
    ):
        answer = client.call("POST", path, body)
        assert (answer.status, answer.json()["code"], answer.json()["field"]) == (422, "preset.not_found", "preset")


def test_the_metadata_of_an_object_name_its_preset(bucket: Bucket, client: Client) -> None:
    put(client, "acme", {"prefix": "", "dateOrder": "dmy"})
    put_object(bucket, "may.csv", SLASHED, preset="us")
    import_id = str(bucket.ledger.submit(bucket.services.objects.find(bucket.name, "may.csv"))[0])
    bucket.run()
    assert code(bucket.job(import_id)) == "preset.not_found"

    put(client, "us", {"dateOrder": "mdy"})
    assert client.call("POST", f"/imports/{import_id}/retry").status == 202
    bucket.run()

    assert client.get(f"/imports/{import_id}").json()["preset"] == {"name": "us", "version": 1}
    assert [each["invoiceDate"].month for each in bucket.invoices()] == [2]


def test_an_import_is_read_with_the_presets_that_were_there_when_it_began(bucket: Bucket, client: Client) -> None:
    put(client, "acme", {"prefix": "", "dateOrder": "mdy"})
    import_id = bucket.submit("may.csv", SLASHED)
    put(client, "acme", {"prefix": "", "dateOrder": "dmy"})
    put(client, "may", {"prefix": "may", "dateOrder": "dmy"})
    bucket.run()

    assert bucket.job(import_id)["dialect"]["preset"] == {"name": "acme", "version": 1}
    assert [each["invoiceDate"].month for each in bucket.invoices()] == [2]


def test_a_failed_import_is_retried_with_the_presets_of_now(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("acme/may.csv", FOREIGN)
    assert code(job) == "header.missing_column"
    put(client, "acme", BY_NAME | {"prefix": "acme/"})

    assert client.call("POST", f"/imports/{job['_id']}/retry").status == 202
    bucket.run()

    assert counts(bucket.job(str(job["_id"]))) == (1, 1, 0, 0, 0, 0)


def test_an_import_goes_on_with_the_version_that_it_began_with(make_services: Callable[..., Services]) -> None:
    bucket = bucket_with(make_services, import_batch_rows=2, import_slice_seconds=0.0)
    client = client_of(bucket.services)
    put(client, "acme", {"prefix": "", "statuses": ["open"], "amountTolerance": "5"})
    import_id = bucket.submit("may.csv", csv(*(line(number, gross="120.00") for number in range(6))))
    bucket.submit("other.csv", csv(line(9)))
    job = bucket.ledger.claim()
    assert job is not None
    importer = working._importer(bucket.services, bucket.services.worker_marks(IMPORTER))
    importer._import(job, OneBatch())  # type: ignore[arg-type]
    assert bucket.job(import_id)["checkpoint"]["counts"]["rows"] == 2
    put(client, "acme", {"prefix": "", "statuses": ["paid"]})
    client.call("DELETE", "/presets/acme")

    bucket.run()

    assert counts(bucket.job(import_id)) == (6, 6, 0, 0, 0, 0)


@pytest.mark.parametrize("by", ["preset", "columns"])
def test_a_form_says_how_what_it_uploads_is_read(bucket: Bucket, client: Client, by: str) -> None:
    mapping = {"Betreff": "invoiceNumber", "Währung, ¥": None}
    put(client, "mine", {"columns": mapping})
    asked: dict[str, Any] = {"preset": "mine"} if by == "preset" else {"columns": mapping}
    form = client.call("POST", "/uploads", {"keyPrefix": "acme/", **asked}).json()

    def upload(fields: dict[str, str]) -> int:
        sent = {**fields, "key": "acme/may.csv", "file": ("f", FOREIGN, "text/csv")}
        return urllib3.request("POST", form["url"], fields=sent).status

    name = f"x-amz-meta-{by}"
    assert upload({**form["fields"], name: "other"}) == 403
    assert upload({field: value for field, value in form["fields"].items() if field != name}) == 403
    assert upload(form["fields"]) in (200, 204)

    import_id = str(bucket.ledger.submit(bucket.services.objects.find(bucket.name, "acme/may.csv"))[0])
    bucket.run()
    assert counts(bucket.job(import_id)) == (1, 1, 0, 0, 0, 0)


def test_a_form_takes_no_more_than_metadata_can_hold(client: Client) -> None:
    columns = {f"Spalte {number}": "invoiceNumber" for number in range(90)}
    answer = client.call("POST", "/uploads", {"columns": columns})
    assert (answer.status, answer.json()["code"]) == (422, "columns.too_many")
    assert client.call("POST", "/uploads", {"columns": {"A": "b"}}).json()["field"] == "columns"


def test_a_status_that_a_preset_allows_can_be_given_by_hand(make_services: Callable[..., Services]) -> None:
    bucket = bucket_with(make_services, import_statuses="open")
    client = client_of(bucket.services)
    bucket.import_("may.csv", csv(line(1)))
    [invoice] = bucket.invoices()

    def set_status() -> int:
        return client.call("PATCH", f"/{invoice['_id']}", {"status": "booked"}, headers={"If-Match": "*"}).status

    assert set_status() == 422
    put(client, "acme", {"statuses": ["booked"]})
    assert set_status() == 200


def test_the_mapping_in_the_metadata_wins_over_the_preset(bucket: Bucket, client: Client) -> None:
    put(client, "all", {"prefix": "", "columns": {"Betreff": "status", "status": None}})
    put_object(bucket, "may.csv", FOREIGN, columns=json.dumps({"betreff": "invoiceNumber"}))
    bucket.ledger.submit(bucket.services.objects.find(bucket.name, "may.csv"))
    bucket.run()

    assert [(each["invoiceNumber"], each["status"]) for each in bucket.invoices()] == [("1", "")]
