"""Loads the invoices, and chooses the sample."""

import time
from datetime import UTC, datetime

from bson import ObjectId

from bench.api import rows
from local.tools import say
from mailroom.deploy import setup
from mailroom.invoices import worker as working
from mailroom.invoices.imports.ledger import Ledger
from mailroom.platform.mongo import Document, Documents
from mailroom.services import Services

A_FILE = 100_000
YEAR_1 = datetime(1, 1, 1, tzinfo=UTC)
LEAST = {"_id": ObjectId("0" * 24), "invoiceDate": YEAR_1, "updatedAt": YEAR_1, "lookups": "", "supplierKey": ""}
RARE = ("status:disputed", "currency:SEK", f"supplier:supplier {rows.SUPPLIERS - 1} gmbh")


def load_invoices(services: Services, count: int) -> None:
    """Imports `count` invoices file by file, unless they are there already."""
    invoices, bucket = services.database["invoices"], services.settings.invoices_bucket
    setup.run(services, lambda line: None)
    if invoices.estimated_document_count() >= count:
        return
    ledger, worker, begin = (
        Ledger.of(services.database, services.settings),
        working.create_worker(services),
        time.monotonic(),
    )
    for part, content in enumerate(rows.files(count, max(1, count // A_FILE))):
        raw, name = content.encode(), f"{part:03d}.csv"
        services.objects.write(bucket, name, [raw], "text/csv")
        ledger.submit(services.objects.find(bucket, name))
        worker()
        say(f"  {invoices.estimated_document_count():,} invoices after {time.monotonic() - begin:.0f} s")


def warm(invoices: Documents) -> None:
    """Reads all invoices through every index, so that the server has them in memory as far as they fit."""
    for name, least in LEAST.items():
        invoices.count_documents({name: {"$gte": least}})


def sample_of(invoices: Documents, size: int) -> list[Document]:
    """Two thirds are random, since an `_id` is a hash. One third has a rare value."""
    rare = size // 3
    found = list(invoices.find({"_id": {"$lt": ObjectId("00" + "f" * 22)}}, limit=size - rare))
    for number, entry in enumerate(RARE):
        some = (number + 1) * rare // len(RARE) - number * rare // len(RARE)
        found += list(invoices.find({"lookups": entry}, limit=some)) if some else []  # a limit of 0 means no limit
    return found
