"""Helpers to upload, import and list."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from unittest.mock import patch

from mailroom.deploy import setup
from mailroom.events.webhook import create_handler
from mailroom.invoices import worker as working
from mailroom.invoices.imports import reconcile
from mailroom.invoices.imports.job import ImportJob
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.reconcile import CURSOR_ID
from mailroom.invoices.imports.slices import SliceBudget
from mailroom.platform.clock import Budget
from mailroom.platform.kick import IMPORTER
from mailroom.platform.mongo import Document
from mailroom.services import Services
from tests.support.seaweedfs import S3

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

HEADER = "invoiceNumber,invoiceDate,grossAmount,netAmount,vatAmount,supplierName,supplierAddress,currency,status\n"


def a_minute_later() -> AbstractContextManager[object]:
    """Makes every upload a minute older, so that the comparison no longer waits for its event."""
    return patch.object(reconcile, "_UNDER_WAY", timedelta(minutes=-1))


def line(number: object, *, gross: str = "119.00", status: str = "open", supplier: str = "Acme GmbH") -> str:
    return f"{number},2024-01-31,{gross},100.00,19.00,{supplier},1 Example Street,EUR,{status}\n"


def csv(*lines: str) -> bytes:
    return (HEADER + "".join(lines)).encode()


@dataclass(frozen=True)
class Call:
    """An event, as the function template passes it."""

    method: str = "GET"
    path: str = "/"
    body: bytes = b""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Bucket:
    """The bucket of invoices, and the calls that a platform makes after an upload."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.name = services.settings.invoices_bucket
        self.events = create_handler(services)
        self._submitted_in = 0  # Unix seconds
        self.reconcile_at(datetime(2100, 1, 1, tzinfo=UTC))  # not in tests of other things

    @property
    def ledger(self) -> Ledger:
        return Ledger.of(self.services.database, self.services.settings)

    def reconcile_at(self, time: datetime) -> None:
        """Sets the time of the next comparison of the bucket with the jobs."""
        self.services.database["cursors"].update_one({"_id": CURSOR_ID}, {"$set": {"dueAt": time}})

    def compare(self) -> dict[str, Any]:
        """Runs the importer when the bucket is to be compared, a minute after the last upload."""
        self.reconcile_at(LONG_AGO)
        with a_minute_later():
            return self.run()

    def put(self, key: str, body: bytes) -> str:
        """Uploads without an event. Returns the version's id."""
        result = self.services.objects.client.put_object(self.name, key, BytesIO(body), len(body))
        return str(result.version_id)

    def submit(self, key: str, body: bytes) -> str:
        """Uploads and writes the job. Returns the import's id."""
        if S3 != "minio":
            self._wait_for_another_second()
        version = self.services.objects.find(self.name, key, self.put(key, body))
        return str(self.ledger.submit(version)[0])

    def _wait_for_another_second(self) -> None:
        """Most S3 servers list whole seconds: the order of two files of one second is not known."""
        while int(time.time()) == self._submitted_in:
            time.sleep(0.01)
        self._submitted_in = int(time.time())

    def run(self) -> dict[str, Any]:
        """Calls the importer once, as the schedule does."""
        return working.create_worker(self.services)()

    def compare_rows(self) -> ImportJob:
        """Leases the import that is due and compares its rows. Returns the job; no batch is written."""
        importer = working._importer(self.services, self.services.worker_marks(IMPORTER))
        job = importer.ledger.claim()
        assert job is not None
        with closing(importer._open(job)) as source:
            compared = importer.comparison.run(job, source, SliceBudget(Budget(60), 60, lambda: False))
        assert compared is not None
        return compared

    def import_(self, key: str, body: bytes) -> Document:
        """Uploads and imports. Returns the stored import."""
        import_id = self.submit(key, body)
        assert self.run()["statusCode"] == 200
        return self.job(import_id)

    def job(self, import_id: str) -> Document:
        from bson import ObjectId

        found = self.services.database["imports"].find_one({"_id": ObjectId(import_id)})
        assert found is not None
        return found

    def invoices(self) -> list[Document]:
        """All invoices without the fields that differ from run to run."""
        return list(self.services.database["invoices"].find({}, {"createdAt": 0, "updatedAt": 0}).sort("_id", 1))

    def rejects(self, key: str) -> bytes:
        response = self.services.objects.client.get_object(self.services.settings.rejects_bucket, key)
        try:
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def webhook(self, body: bytes, token: str = "the-token") -> dict[str, Any]:
        """Posts to `invoice-events`."""
        return self.events(Call("POST", body=body, headers={"Authorization": f"Bearer {token}"}))


def counts(job: Document) -> tuple[int, ...]:
    """Returns rows, inserted, updated, unchanged, stale, rejected. Asserts that they add up."""
    found = job["checkpoint"]["counts"]
    rows, *rest = (found[name] for name in ("rows", "inserted", "updated", "unchanged", "stale", "rejected"))
    assert rows == sum(rest)
    return (rows, *rest)


class OneBatch:
    """A budget that is spent after one batch."""

    def __init__(self) -> None:
        self._asked = 0

    def spent(self) -> bool:
        self._asked += 1
        return self._asked > 1


def bucket_with(make_services: Callable[..., Services], **settings: object) -> Bucket:
    """A bucket of services with these settings, after set-up."""
    services = make_services(**settings)
    setup.run(services, lambda _: None)
    return Bucket(services)
