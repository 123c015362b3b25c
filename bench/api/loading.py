"""The invoices that are measured, and some of them to ask for."""

import time
from datetime import UTC, datetime
from io import BytesIO

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
    """Imports `count` invoices, a file after the other, unless that was done before."""
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
        services.objects.write(bucket, name, BytesIO(raw), len(raw), "text/csv")
        ledger.submit(services.objects.find(bucket, name))
        worker()
        say(f"  {invoices.estimated_document_count():,} invoices after {time.monotonic() - begin:.0f} s")


def warm(invoices: Documents) -> None:
    """Has the server read all of them through every index, so that they are in its memory as far as they fit."""
    for name, least in LEAST.items():
        invoices.count_documents({name: {"$gte": least}})


def sample_of(invoices: Documents, size: int) -> list[Document]:
    """Two thirds from all over, for an `_id` is a hash, and one third with something rare."""
    rare = size // 3
    found = list(invoices.find({"_id": {"$lt": ObjectId("00" + "f" * 22)}}, limit=size - rare))
    for number, entry in enumerate(RARE):
        some = (number + 1) * rare // len(RARE) - number * rare // len(RARE)
        found += list(invoices.find({"lookups": entry}, limit=some)) if some else []  # a limit of 0 is none
    return found
