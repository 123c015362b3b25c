"""The formats of an export. A file is made while it is sent: its memory does not depend on its length.

Each format says at its end whether it is whole, and if not, where the next file begins. A broken connection does not
tell: OpenFaaS' gateway ends the answer in good order when the function's connection breaks.

A CSV has the importer's columns, so it can be corrected and uploaded again. Every cell is quoted, and guarded against
being run as a formula by a spreadsheet; columns without values tell the importer so. JSON has the texts as they are,
and always everything that an invoice has. A CSV has the further fields on request, in columns that the importer drops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import attrgetter

import msgspec

from mailroom.invoices.api.schemas import invoice
from mailroom.invoices.files.guard import GUARD_NAME, guarded_line
from mailroom.invoices.files.rejects import DECIMAL_MARK_NAME
from mailroom.invoices.model.columns import COLUMNS, ParsedInvoice
from mailroom.invoices.views.export import Export
from mailroom.web.paging import cursor_of

_CHUNK_BYTES = 64 * 1024

_LINE_END = "\r\n"
_HINTS = (f"{DECIMAL_MARK_NAME}.", GUARD_NAME)  # columns without values that tell how the file is written
_NO_VALUES = ("",) * len(_HINTS)
_FURTHER = ("derived", "lines", "extra")  # as JSON, under names with `_`
_BOM = "\ufeff"  # without it, spreadsheets take the file for one in the encoding of the last century

_encode = msgspec.json.Encoder().encode
_cells = attrgetter(*ParsedInvoice.__struct_fields__[: len(COLUMNS)])  # in the order of COLUMNS


def to_csv(export: Export, *, first: bool, further: tuple[str, ...] = ()) -> Iterator[bytes]:
    """Ends with an empty line, or with a line of two cells: `nextCursor` and the cursor. No invoice is such a line.

    `further` fields of an invoice come after the columns of an import, as JSON.
    """
    if first:
        yield _BOM.encode() + _line((*COLUMNS, *(f"_{name}" for name in further)), _HINTS)
    for document in export:
        item = invoice(document)
        more = (_encode(getattr(item, name)).decode() for name in further)
        yield _line((*_cells(item), *more), _NO_VALUES)
    cursor = cursor_of(export.order, export.last)
    yield (f"nextCursor,{cursor}" if cursor else "").encode() + _LINE_END.encode()


def _line(cells: Iterable[str], hints: Iterable[str]) -> bytes:
    return guarded_line((*cells, *hints), ",", _LINE_END).encode()


def to_ndjson(export: Export, *, first: bool) -> Iterator[bytes]:
    """An invoice in each line, and in the last one `{"nextCursor": …}`."""
    for document in export:
        yield _encode(invoice(document)) + b"\n"
    yield _encode({"nextCursor": cursor_of(export.order, export.last)}) + b"\n"


def to_json(export: Export, *, first: bool) -> Iterator[bytes]:
    """The form of a list, with everything on one page."""
    before = b'{"items":['
    for document in export:
        yield before + _encode(invoice(document))
        before = b","
    end = b'],"nextCursor":' + _encode(cursor_of(export.order, export.last)) + b"}"
    yield end if before == b"," else before + end


# The media type of each format, and what makes the file. The `first` file of an export may begin with a header.
FORMATS: dict[str, tuple[str, Callable[..., Iterator[bytes]]]] = {
    "csv": ("text/csv; charset=utf-8", to_csv),
    "ndjson": ("application/x-ndjson", to_ndjson),
    "json": ("application/json", to_json),
}

to_csv_with_all = partial(to_csv, further=_FURTHER)
"""A CSV with everything that an invoice has."""


def chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks worth sending."""
    kept: list[bytes] = []
    size = 0
    for line in lines:
        kept.append(line)
        size += len(line)
        if size >= _CHUNK_BYTES:
            yield b"".join(kept)
            kept, size = [], 0
    yield b"".join(kept)
