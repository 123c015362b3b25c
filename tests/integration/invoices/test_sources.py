"""Where an invoice came from: the row of its file, and the versions of the file."""

from __future__ import annotations

import gzip
import io

import openpyxl
import pytest

from mailroom.invoices.app import create_app
from mailroom.invoices.presets.preset import Preset
from mailroom.invoices.presets.store import Presets
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, csv, line
from tests.support.client import Client


@pytest.fixture
def client(services: Services) -> Client:
    key = services.keys.create("test", ["invoices:read", "invoices:write"])
    return Client(create_app(services), key.text, key.id)


def id_of(bucket: Bucket, number: str) -> str:
    [found] = [str(each["_id"]) for each in bucket.invoices() if each["invoiceNumber"] == number]
    return found


def workbook(*rows: str) -> bytes:
    book = openpyxl.Workbook()
    for row in (HEADER, *rows):
        book.active.append(row.strip().split(","))
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


@pytest.mark.parametrize("kind", ["csv", "gzip", "xlsx"])
def test_the_row_that_an_invoice_came_from_is_shown_as_it_is(bucket: Bucket, client: Client, kind: str) -> None:
    rows = [line(number, supplier=f"Müller {number}") for number in range(50)]
    body = {"csv": csv, "gzip": lambda *rows: gzip.compress(csv(*rows)), "xlsx": workbook}[kind](*rows)
    job = bucket.import_("may.csv", body)

    found = client.get(f"/{id_of(bucket, '41')}/source").json()

    assert (found["importId"], found["key"], found["versionId"]) == (str(job["_id"]), "may.csv", job["versionId"])
    assert found["row"] == 42
    assert found["text"].replace('"', "") == rows[41].strip()
    assert found["cells"]["supplierName"] == "Müller 41"
    assert [each["name"] for each in found["columns"]] == HEADER.strip().split(",")


def test_all_rows_of_an_invoice_are_shown(bucket: Bucket, client: Client) -> None:
    Presets(bucket.services.database).save("lines", Preset(prefix="", line_items="addUp"), "command")
    bucket.import_("may.csv", csv(line(1), line(2), line(2), line(3)))
    assert client.get(f"/{id_of(bucket, '2')}/source").json()["text"] == (line(2) + line(2)).strip()


def test_the_source_of_an_older_version_is_read_from_that_version(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1)))
    bucket.import_("may.csv", csv(line(7), line(8)))
    found = client.get(f"/{id_of(bucket, '1')}/source").json()
    assert (found["versionId"], found["text"]) == (job["versionId"], line(1).strip())
    bucket.services.objects.client.remove_object(bucket.name, "may.csv", version_id=job["versionId"])
    gone = client.get(f"/{id_of(bucket, '1')}/source")
    assert (gone.status, gone.json()["code"]) == (404, "source.gone")
    bucket.services.database["imports"].delete_many({})
    assert client.get(f"/{id_of(bucket, '8')}/source").json()["code"] == "source.gone"
    assert client.get(f"/{'a' * 24}/source").json()["code"] == "invoice.not_found"


def test_versions_of_a_file_are_listed_with_their_imports(bucket: Bucket, client: Client) -> None:
    first = bucket.import_("may.csv", csv(line(1)))
    second = bucket.import_("may.csv", csv(line(1), line(2)))
    bucket.import_("may.csv.more", csv(line(3)))
    again = bucket.put("may.csv", csv(line(4)))
    forced = {"bucket": bucket.name, "key": "may.csv", "versionId": second["versionId"], "force": True}
    twice = client.call("POST", "/imports", forced).json()["id"]

    found = client.get(f"/imports/{first['_id']}/versions").json()

    assert (found["bucket"], found["key"]) == (bucket.name, "may.csv")
    assert [each["versionId"] for each in found["items"]] == [again, second["versionId"], first["versionId"]]
    assert [[one["id"] for one in each["imports"]] for each in found["items"]] == [
        [],
        [twice, str(second["_id"])],
        [str(first["_id"])],
    ]
    assert all(each["present"] for each in found["items"])
    bucket.services.objects.client.remove_object(bucket.name, "may.csv", version_id=first["versionId"])
    items = client.get(f"/imports/{first['_id']}/versions").json()["items"]
    assert [each["present"] for each in items] == [True, True, False]
    assert items[2]["imports"][0]["id"] == str(first["_id"])


def test_of_a_file_in_a_bucket_of_before_the_imports_are_listed(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1)))
    bucket.services.database["imports"].update_one({"_id": job["_id"]}, {"$set": {"bucket": "before"}})
    [item] = client.get(f"/imports/{job['_id']}/versions").json()["items"]
    assert not item["present"]
    assert [each["id"] for each in item["imports"]] == [str(job["_id"])]
