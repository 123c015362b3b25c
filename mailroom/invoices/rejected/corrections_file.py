"""A file of corrected rows: its name, its bytes, and what an import makes of it."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from bson import ObjectId

from mailroom.errors import Conflict, Invalid
from mailroom.invoices.files import Dialect, FileRejected, Rules, read_records
from mailroom.invoices.files.headers.programs import rules_of
from mailroom.invoices.files.opening import open_file
from mailroom.invoices.files.rejects import added_columns, corrections_header, corrections_line
from mailroom.invoices.files.rows.invoice_rows import InvoiceReader
from mailroom.invoices.imports.rejects import name_beside
from mailroom.invoices.model.columns import ParsedInvoice
from mailroom.invoices.presets.selection import Selection
from mailroom.invoices.rejected.corrected_rows import NewRow

MOST_BYTES = 4 << 20
"""Of a file of corrections."""

_ALWAYS = ("constants", "header_currency", "minor_units", "year_pivot", "first_day", "program")
_IF_KNOWN = ("decimal_mark", "date_order")
_RULES = ("line_items", "continuation_rows", "invoice_amounts")


class ReadCorrection(msgspec.Struct, frozen=True):
    """An invoice that the file gives, and the numbers that its rows have in the first file."""

    rows: Sequence[int]
    invoice: ParsedInvoice


def name_of(key: str, import_id: ObjectId, idempotency_key: str) -> str:
    """The name of the file, which is beside the first one. The same call always has the same name."""
    call = hashlib.sha256(f"{import_id}:{idempotency_key}".encode()).hexdigest()[:16]
    return name_beside(key, f".{import_id}-{call}.corrections.csv")


def content_of_file(dialect: Dialect, rows: Sequence[NewRow]) -> bytes:
    """The file, in UTF-8. Raises `Invalid` if it is too large."""
    lines = (corrections_line(dialect, row.row, row.cells) for row in rows)
    try:
        content = codecs.BOM_UTF8 + (corrections_header(dialect) + "".join(lines)).encode()
    except UnicodeEncodeError:
        raise Invalid("rows", "correction.type", "a value has half of a character") from None
    if len(content) > MOST_BYTES:
        message = f"the rows that belong together have more than {MOST_BYTES >> 20} MiB: correct the file"
        raise Invalid("rows", "correction.too_large", message)
    return content


def read_back(
    key: str,
    metadata: Mapping[str, str],
    content: bytes,
    rows: Sequence[NewRow],
    first: tuple[Dialect, Rules],
    selection: Selection,
    now: datetime,
) -> list[ReadCorrection]:
    """The invoices that an import would take from the file now. `first` says how the first file was read.

    Raises:
        Conflict: `correction.dialect`: it would be read in another way than the first file.
    """
    try:
        selected = selection.select(key, metadata, "", now)
        dialect, body = open_file(iter([content]), selected.rules)
    except FileRejected as error:
        raise Conflict("correction.dialect", f"the corrected rows could not be read now. {error.message}") from error
    rules = rules_of(dialect, selected.rules)
    if other := _difference(first, (dialect, rules)):
        message = f"the corrected rows would be read in another way than the first file: {other} has changed"
        raise Conflict("correction.dialect", f"{message}. Import the first file once more, with `force`")
    numbers = [row.row for row in rows]
    found: list[ReadCorrection] = []
    try:
        for unit in InvoiceReader(dialect, rules).read(read_records(body, dialect, rules, offset=0, row=0)):
            ends = [*(each.row - 1 for each in unit.rows[1:]), unit.row]
            for each, end in zip(unit.rows, ends, strict=True):
                if isinstance(each.result, ParsedInvoice):
                    found.append(ReadCorrection(numbers[each.row - 1 : end], each.result))
    except FileRejected as error:
        raise Invalid("rows", "correction.too_large", error.message) from error
    return found


def _difference(first: tuple[Dialect, Rules], now: tuple[Dialect, Rules]) -> str:
    """What differs between two ways of reading; empty: nothing that counts."""
    before, after = first[0], now[0]
    names = (before.names[added_columns(before.names) :], after.names[added_columns(after.names) :])
    columns = (before.columns[added_columns(before.names) :], after.columns[added_columns(after.names) :])
    if names[0] != names[1] or columns[0] != columns[1]:
        return "the meaning of a column"
    for name in (*_ALWAYS, *(each for each in _IF_KNOWN if getattr(before, each))):
        if getattr(before, name) != getattr(after, name):
            return name
    return next((name for name in _RULES if getattr(first[1], name) != getattr(now[1], name)), "")
