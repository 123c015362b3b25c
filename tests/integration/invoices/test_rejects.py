"""Rejected rows are bounded in bytes, in MongoDB and in their file, which is streamed."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable

import pytest

from mailroom.errors import LeaseLost
from mailroom.invoices.imports import rejects as rejecting
from mailroom.invoices.imports.ledger import Ledger
from mailroom.platform.mongo import Document
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, bucket_with, counts, line

MEBIBYTE = 1 << 20


def rejected_rows(bucket: Bucket, job: Document) -> list[dict[str, str]]:
    text = bucket.rejects(job["rejects"]["key"]).decode("utf-8-sig")
    csv.field_size_limit(MEBIBYTE * 2)
    return list(csv.DictReader(io.StringIO(text, newline="")))


def wide(number: int, size: int) -> str:
    """A bad row of about `size` bytes."""
    return line(number, gross="x", supplier="y" * size)


@pytest.fixture
def no_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/does/not/exist")


@pytest.mark.parametrize("batch_rows", [3, 8000])
def test_rejected_rows_are_kept_up_to_so_many_bytes(make_services: Callable[..., Services], batch_rows: int):
    """The first rows, also where several workers share the file."""
    bucket = bucket_with(make_services, import_rejects_kept_bytes=20_000, import_batch_rows=batch_rows)
    rows = [wide(number, 1000) for number in range(40)]
    job = bucket.import_("may.csv", (HEADER + "".join(rows) + line(41, gross="z")).encode())

    assert counts(job) == (41, 0, 0, 0, 0, 41)
    kept = list(bucket.services.database["rejects"].find().sort("offset", 1))
    assert [each["row"] for each in kept] == [*range(1, len(kept) + 1)]
    assert 10 < len(kept) < 20
    assert sum(len(each["raw"]) for each in kept) <= 20_000
    assert [int(each["_row"]) for each in rejected_rows(bucket, job)] == [each["row"] for each in kept]
    assert job["rejects"]["omitted"] == 41 - len(kept)


def test_reasons_count_too(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_rejects_kept_bytes=10_000)
    names = [f"column {n}" for n in range(100)]
    header = HEADER.strip() + "," + ",".join(names) + "\n"
    rows = [line(number).strip() + ",\ufffd" * len(names) + "\n" for number in range(10)]
    job = bucket.import_("may.csv", (header + "".join(rows)).encode())

    assert counts(job) == (10, 0, 0, 0, 0, 10)
    assert job["rejects"]["omitted"] >= 8


def test_a_long_file_of_rejects_is_sent_in_parts_without_a_temporary_file(bucket: Bucket, no_temporary_files: None):
    rows = [wide(number, 90_000) for number in range(160)]
    job = bucket.import_("may.csv", (HEADER + "".join(rows)).encode())

    assert counts(job) == (160, 0, 0, 0, 0, 160)
    found = rejected_rows(bucket, job)
    assert [each["invoiceNumber"] for each in found] == [str(number) for number in range(160)]
    assert all(each["supplierName"] == "y" * 90_000 for each in found)
    assert job["rejects"]["omitted"] == 0
    assert bucket.services.objects.find(job["rejects"]["bucket"], job["rejects"]["key"]).size > 14_000_000


def test_the_lease_is_renewed_while_the_file_is_sent_and_nothing_is_left_when_it_is_lost(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rejecting, "_RENEW_SECONDS", 0.0)
    import_id = bucket.submit("may.csv", (HEADER + "".join(wide(n, 90_000) for n in range(160))).encode())
    client, name = bucket.services.objects.client, bucket.services.settings.rejects_bucket
    key = f"may.csv.{bucket.job(import_id)['versionId']}.rejects.csv"
    calls: list[object] = []

    def uploads() -> int:
        return len(client._list_multipart_uploads(name, prefix=key).uploads)

    def renew(ledger: Ledger, job: object) -> None:
        calls.append(job)
        if len(calls) == 100:
            assert uploads() == 1
            raise LeaseLost("another worker has it")

    monkeypatch.setattr(Ledger, "renew", renew)
    bucket.run()

    assert len(calls) == 100
    assert bucket.job(import_id)["state"] == "running"
    assert list(client.list_objects(name, recursive=True)) == []
    assert uploads() == 0


def test_an_import_that_an_earlier_version_began_goes_on(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_batch_rows=2, work_budget_seconds=0.0001, import_lease_seconds=0.0)
    import_id = bucket.submit("may.csv", (HEADER + "".join(wide(n, 100) for n in range(20))).encode())
    while not bucket.job(import_id)["checkpoint"]["offset"]:
        bucket.run()
    assert bucket.job(import_id)["checkpoint"]["rejectedBytes"] > 0
    bucket.services.database["imports"].update_one({}, {"$unset": {"checkpoint.rejectedBytes": "", "comparison": ""}})
    while bucket.job(import_id)["state"] in ("pending", "running"):
        bucket.run()
    assert counts(bucket.job(import_id)) == (20, 0, 0, 0, 0, 20)
    assert len(rejected_rows(bucket, bucket.job(import_id))) == 20
