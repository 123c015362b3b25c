"""The invoices of a filter as a file, made while it is sent: the memory it takes does not depend on its length.

Each format says at its end whether it is whole, and if not, where the next piece begins: a connection that broke off
cannot be relied on to tell, for OpenFaaS' gateway ends the answer in good order when the function's breaks off.

A CSV has the importer's columns, so it can be corrected and uploaded again. Text that a spreadsheet would run as a
formula gets an apostrophe in front (https://owasp.org/www-community/attacks/CSV_Injection); plain numbers stay as they
are.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Protocol

import msgspec

from mailroom.invoices.api.schemas import Invoice
from mailroom.invoices.files.model import COLUMNS
from mailroom.invoices.views import layout
from mailroom.invoices.views.export import Piece

_CHUNK_BYTES = 64 * 1024

# Full-width signs too: a spreadsheet takes them for the plain ones.
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 - they are meant
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_BOM = "\ufeff"  # without it, spreadsheets take the file for one in the encoding of the last century

_encode = msgspec.json.Encoder().encode


def safe_cell(text: str) -> str:
    """`text` as a spreadsheet may see it."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def to_csv(piece: Piece, *, first: bool, hints: Sequence[str] = ()) -> Iterator[bytes]:
    """Ends with an empty line, or with a line of two cells: `nextCursor` and the cursor. No invoice is such a line.

    `hints` are columns without values that tell the importer how the file is written.
    """
    buffer = StringIO()
    writer = csv.writer(buffer)
    if first:
        buffer.write(_BOM)
        writer.writerow((*COLUMNS, *hints))
    for document in piece:
        writer.writerow([*(safe_cell(cell) for cell in _cells(layout.invoice(document))), *("" for _ in hints)])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    writer.writerow(("nextCursor", piece.next_cursor) if piece.next_cursor else ())
    yield buffer.getvalue().encode()


def to_ndjson(piece: Piece, *, first: bool) -> Iterator[bytes]:
    """An invoice in each line, and in the last one `{"nextCursor": …}`."""
    for document in piece:
        yield _encode(layout.invoice(document)) + b"\n"
    yield _encode({"nextCursor": piece.next_cursor}) + b"\n"


def to_json(piece: Piece, *, first: bool) -> Iterator[bytes]:
    """The shape of a list, with everything on one page."""
    before = b'{"items":['
    for document in piece:
        yield before + _encode(layout.invoice(document))
        before = b","
    yield (b"" if before == b"," else before) + b'],"nextCursor":' + _encode(piece.next_cursor) + b"}"


class Format(Protocol):
    def __call__(self, piece: Piece, *, first: bool) -> Iterator[bytes]:
        """The file's bytes. Only the `first` piece has what stands above the first invoice."""


FORMATS: dict[str, tuple[str, Format]] = {
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
