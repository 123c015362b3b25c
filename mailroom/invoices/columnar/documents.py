"""Builds the BSON of new invoices from columns: the bytes that `bson.encode` makes of `content_of` and `merge`."""

from __future__ import annotations

from datetime import date
from hashlib import blake2b
from struct import Struct
from typing import Any

import bson
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.invoices.columnar.bson_columns import (
    BINARY,
    BytesColumn,
    Embedded,
    Repeated,
    SameSize,
    document,
    integers,
    join,
    longs,
)
from mailroom.invoices.columnar.encoded import INT32_MAX, EncodedRows, Stamp
from mailroom.invoices.model.columns import AMOUNTS, LOOKUPS, TEXTS
from mailroom.invoices.model.document import lookup
from mailroom.invoices.model.identity import supplier_key
from mailroom.invoices.model.merge import INSERTED

_ID_SIZE = 12
_OFFSET_DIGITS, _LAST_DIGITS = 12, 3

# The upper half of a Decimal128 with two decimals: the exponent, which is counted from -6176, and the sign.
_PLUS = ((6176 - 2) << 49).to_bytes(8, "little")
_MINUS = ((6176 - 2) << 49 | 1 << 63).to_bytes(8, "little")

_INT32, _INT64 = Struct("<i").pack, Struct("<q").pack
# The offset in the file is an int32 where it fits, as the driver writes it; so is the row.
_OFFSET, _FAR_OFFSET, _ROW = b"\x10offset\0", b"\x12offset\0", b"\x10row\0"

_HEXADECIMAL = pa.array([b"%0*x" % (_LAST_DIGITS, value) for value in range(16**_LAST_DIGITS)], BINARY)

# The bytes before an invoice number, for each length that it can have: in the identity of the invoice, in the BSON of
# the number, and in the BSON of its look-up.
_NUMBER_LOOKUP = lookup("invoiceNumber", "").encode()
_LENGTHS = range(TEXTS["invoiceNumber"].max_characters + 1)
_LENGTH = [b"%d:" % length for length in _LENGTHS]
_NUMBER_SIZE = [_INT32(length + 1) for length in _LENGTHS]
_LOOKUP_SIZE = [_INT32(len(_NUMBER_LOOKUP) + length + 1) for length in _LENGTHS]


class InvoiceColumns(msgspec.Struct, frozen=True):
    """Plain rows, column by column: amounts in hundredths, places as integers, all else as bytes of BSON."""

    number: pa.Array
    date: Repeated
    year: Repeated
    amounts: list[pa.Array]  # in the order of AMOUNTS
    supplier: Repeated
    supplier_lookup: Repeated
    supplier_identity: Repeated
    address: Repeated
    currency: Repeated
    currency_lookup: Repeated
    status: Repeated
    status_lookup: Repeated
    extra: list[Repeated]
    derived: tuple[str, ...]  # the same in all rows
    offset: pa.Array
    row: pa.Array

    def filter(self, mask: pa.Array) -> InvoiceColumns:
        """The rows for which `mask` is true."""
        return InvoiceColumns(*(_filtered(getattr(self, name), mask) for name in self.__struct_fields__))


def supplier(name: str) -> tuple[bytes, bytes, bytes]:
    """The fields, the entry of `lookups`, and the beginning of the bytes that identify an invoice.

    As everything here it takes only valid values.
    """
    key = supplier_key(name)
    names = text("supplierName", name) + text("supplierKey", key)
    return names, _lookup("supplier", key), f"{len(key)}:{key}".encode()


def day(value: date) -> tuple[bytes, bytes]:
    """The field, and the end of the bytes that identify an invoice: its year."""
    midnight = (value.toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000
    return b"\x09invoiceDate\0" + _INT64(midnight), f"4:{value.year}".encode()


def word(column: str, value: str) -> tuple[bytes, bytes]:
    """The field `status` or `currency`, and its entry of `lookups`."""
    return text(column, value), _lookup(column, value)


def text(name: str, value: str) -> bytes:
    """A string as an element of a BSON document."""
    encoded = value.encode()
    return b"\x02%b\0%b%b\0" % (name.encode(), _INT32(len(encoded) + 1), encoded)


def encoded(of: InvoiceColumns, stamp: Stamp, *, far: bool) -> EncodedRows:
    """The documents of new invoices. `far`: all offsets are above INT32_MAX; else none is."""
    length = pc.binary_length(of.number)
    ids = _ids(of, length)
    lookups = document(
        b"\x020\0", _by_length(_LOOKUP_SIZE, length), _NUMBER_LOOKUP, of.number, b"\0",
        of.supplier_lookup, of.status_lookup, of.currency_lookup,
    )  # fmt: skip
    order, order_size = _order(stamp)
    source, tail = _source_and_tail(stamp, far=far)
    whole = document(
        b"\x07_id\0", SameSize(ids),
        b"\x02invoiceNumber\0", _by_length(_NUMBER_SIZE, length), of.number, b"\0",
        of.date, *_amounts(of.amounts), of.supplier, of.address, of.currency, of.status,
        b"\x04lookups\0", lookups,
        *_extra(of.extra), _derived(of.derived),
        order, *_hexadecimal(of.offset),
        source, *((_FAR_OFFSET, longs(of.offset)) if far else (_OFFSET, integers(of.offset))),
        _ROW, integers(of.row), tail,
    )  # fmt: skip
    place = (8 if far else 4) + 4 + len(_OFFSET) + len(_ROW)
    tail_size = order_size + len(source) + place + len(tail) + 1  # the end of the document
    return EncodedRows(ids, join(*whole.columns), tail_size, of.offset, of.row, stamp)


def _filtered(column: Any, mask: pa.Array) -> Any:
    if isinstance(column, tuple):
        return column
    if isinstance(column, list):
        return [_filtered(each, mask) for each in column]
    return column.filter(mask) if isinstance(column, Repeated) else pc.filter(column, mask)


def _lookup(name: str, value: str) -> bytes:
    """An element of the array `lookups`."""
    return text(str(LOOKUPS.index(name)), lookup(name, value))


def _ids(of: InvoiceColumns, length: pa.Array) -> list[bytes]:
    """The `_id` of each row, as `invoice_id` makes it."""
    identities = join(of.supplier_identity, _by_length(_LENGTH, length), of.number, of.year)
    return [blake2b(each, digest_size=_ID_SIZE).digest() for each in identities.to_pylist()]


def _by_length(values: list[bytes], length: pa.Array) -> BytesColumn:
    """The value for the `length` of each row. In most files all numbers have the same length."""
    first = length[0].as_py()
    return Repeated(values, length) if pc.any(pc.not_equal(length, first)).as_py() else values[first]


def _amounts(columns: list[pa.Array]) -> list[BytesColumn]:
    elements: list[BytesColumn] = []
    for name, hundredths in zip(AMOUNTS, columns, strict=True):
        elements += [b"\x13%b\0" % name.encode(), *_decimal(hundredths)]
    return elements


def _decimal(hundredths: pa.Array) -> tuple[BytesColumn, BytesColumn]:
    negative = pc.less(hundredths, 0)
    if not negative.true_count:
        return longs(hundredths), _PLUS
    return longs(pc.abs(hundredths)), Repeated((_PLUS, _MINUS), pc.cast(negative, pa.int8()))


def _extra(columns: list[Repeated]) -> list[BytesColumn | Embedded]:
    if not columns:
        return []
    return [b"\x03extra\0", document(*columns)]


def _derived(names: tuple[str, ...]) -> bytes:
    return bson.encode({"derived": list(names)})[4:-1] if names else b""


def _order(stamp: Stamp) -> tuple[bytes, int]:
    """The bytes of the element `order` before the offset, and the size of the element without its end."""
    prefix = stamp.order_prefix.encode()
    head = b"\x02order\0%b%b" % (_INT32(len(prefix) + _OFFSET_DIGITS + 1), prefix)
    return head, len(head) + _OFFSET_DIGITS


def _hexadecimal(values: pa.Array) -> tuple[Repeated, pa.Array]:
    """As `%012x`. The last digits come from a table; those before them are the same for many rows."""
    bits = 4 * _LAST_DIGITS
    high = pc.dictionary_encode(pc.shift_right(values, bits))
    digits = [b"%0*x" % (_OFFSET_DIGITS - _LAST_DIGITS, value) for value in high.dictionary.to_pylist()]
    low = pc.bit_wise_and(values, 16**_LAST_DIGITS - 1)
    return Repeated(digits, high.indices), pc.take(_HEXADECIMAL, low)


def _source_and_tail(stamp: Stamp, *, far: bool) -> tuple[bytes, bytes]:
    """The bytes before and after the place of a row in its document. The driver itself makes them."""
    place: dict[str, Any] = {"offset": INT32_MAX + 1 if far else 0, "row": 0}
    source = bson.encode({"importId": stamp.import_id, **place, "outcome": INSERTED})
    head, found, rest = source.partition(_FAR_OFFSET if far else _OFFSET)
    if not found:
        raise AssertionError("the driver writes integers in another way than expected here")
    size = (8 if far else 4) + len(_ROW) + 4
    common = {
        "insertedBy": stamp.import_id,
        "changedBy": stamp.import_id,
        "createdAt": stamp.now,
        "updatedAt": stamp.now,
    }
    return b"\0\x03source\0" + head, rest[size:] + bson.encode(common)[4:-1]
