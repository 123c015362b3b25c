"""All invoices of a filter as one file, made while it is sent: the memory it takes does not depend on its length.

A CSV has the importer's columns, so it can be corrected and uploaded again. Text that a spreadsheet would run as a
formula gets an apostrophe in front (https://owasp.org/www-community/attacks/CSV_Injection); plain numbers stay as they
are.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from io import StringIO

import msgspec

from mailroom.invoices import shapes
from mailroom.invoices.parsing.model import COLUMNS
from mailroom.invoices.shapes import Invoice
from mailroom.platform.mongo import Document

_CHUNK_BYTES = 64 * 1024

# Full-width signs too: a spreadsheet takes them for the plain ones.
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 - they are meant
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_BOM = "\ufeff"  # without it, spreadsheets take the file for one in the encoding of the last century

_encode = msgspec.json.Encoder().encode


def safe_cell(text: str) -> str:
    """`text` as a spreadsheet may see it."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def to_csv(documents: Iterable[Document]) -> Iterator[bytes]:
    buffer = StringIO()
    writer = csv.writer(buffer)
    buffer.write(_BOM)
    writer.writerow(COLUMNS)
    for document in documents:
        writer.writerow([safe_cell(cell) for cell in _cells(shapes.invoice(document))])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def to_ndjson(documents: Iterable[Document]) -> Iterator[bytes]:
    for document in documents:
        yield _encode(shapes.invoice(document)) + b"\n"


def to_json(documents: Iterable[Document]) -> Iterator[bytes]:
    """The shape of a list, with everything on one page."""
    before = b'{"items":['
    for document in documents:
        yield before + _encode(shapes.invoice(document))
        before = b","
    yield (b"" if before == b"," else before) + b'],"nextCursor":null}'


FORMATS: dict[str, tuple[str, Callable[[Iterable[Document]], Iterator[bytes]]]] = {
    "csv": ("text/csv; charset=utf-8", to_csv),
    "ndjson": ("application/x-ndjson", to_ndjson),
    "json": ("application/json", to_json),
}


def chunks(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces worth sending."""
    kept: list[bytes] = []
    size = 0
    for part in parts:
        kept.append(part)
        size += len(part)
        if size >= _CHUNK_BYTES:
            yield b"".join(kept)
            kept, size = [], 0
    yield b"".join(kept)


def _cells(invoice: Invoice) -> tuple[str, ...]:
    return (
        invoice.invoice_number,
        invoice.invoice_date,
        invoice.gross_amount,
        invoice.net_amount,
        invoice.vat_amount,
        invoice.supplier_name,
        invoice.supplier_address,
        invoice.currency,
        invoice.status,
    )
