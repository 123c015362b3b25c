"""Compares the stored invoices with the file."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from bench.files import AMOUNTS
from mailroom.platform.mongo import Document, Documents

SAMPLES = 20


def landed(invoices: Documents, file: Path, count: int) -> str:
    """Returns `right`, or the difference: in the number of documents, or in a value of the sampled rows."""
    found = invoices.count_documents({})
    if found != count:
        return f"WRONG: {found:,} documents"
    wanted = {row["invoiceNumber"]: row for row in _samples(file, count)}
    documents = list(invoices.find({"invoiceNumber": {"$in": list(wanted)}}))
    if len(documents) != len(wanted):
        return f"WRONG: {len(documents)} of {len(wanted)} invoices are found"
    faults = {fault for document in documents for fault in _faults(document, wanted[document["invoiceNumber"]])}
    return f"WRONG: {', '.join(sorted(faults))}" if faults else "right"


def _samples(file: Path, count: int) -> list[dict[str, str]]:
    step = max(1, count // SAMPLES)
    with file.open(encoding="utf-8", newline="") as stream:
        return [row for number, row in enumerate(csv.DictReader(stream)) if number % step == 0]


def _faults(document: Document, row: dict[str, str]) -> list[str]:
    day = datetime.strptime(row["invoiceDate"], "%Y-%m-%d").replace(tzinfo=UTC)
    wrong = [name for name in AMOUNTS if str(document[name]) != str(Decimal(row[name]))]
    texts = [name for name in AMOUNTS if not hasattr(document[name], "to_decimal")]
    if document["invoiceDate"] != day:
        wrong.append("invoiceDate")
    wrong += [name for name in ("supplierName", "supplierAddress", "currency", "status") if document[name] != row[name]]
    return wrong + [f"{name} is no decimal" for name in texts]
