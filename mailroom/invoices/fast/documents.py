"""Builds the BSON of new invoices from ready pieces: what `bson.encode` makes of `content_of` and `merge`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import blake2b
from struct import Struct
from typing import Any, NamedTuple

import bson
from bson import ObjectId

from mailroom.invoices.content import lookup
from mailroom.invoices.identity import supplier_key
from mailroom.invoices.merge import INSERTED, Row

INT32_MAX = 2**31 - 1

# The upper half of a Decimal128 with two decimals: the exponent, which is counted from -6176, and the sign.
_PLUS = (6176 - 2) << 49
_MINUS = _PLUS | 1 << 63

_INT32, _INT64 = Struct("<i").pack, Struct("<q").pack
_AMOUNTS = Struct("<13sQQ11sQQ11sQQ").pack
_GROSS, _NET, _VAT = b"\x13grossAmount\0", b"\x13netAmount\0", b"\x13vatAmount\0"
# The offset in the file is an int32 where it fits, as the driver has it; so is the row.
_PLACE, _FAR_PLACE = Struct("<8si5si").pack, Struct("<8sq5si").pack
_OFFSET, _FAR_OFFSET, _ROW = b"\x10offset\0", b"\x12offset\0", b"\x10row\0"

_WITH_TIME_ZONE: bson.CodecOptions[dict[str, Any]] = bson.CodecOptions(tz_aware=True)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the new invoices of a batch have in common. `order_prefix` is their `order` without the offset."""

    import_id: ObjectId
    order_prefix: str
    now: datetime


class Ready(NamedTuple):
    """A valid row as the document that is inserted if the invoice is new."""

    id: bytes
    document: bytes
    offset: int
    row: int

    def decoded(self) -> Row:
        """The same as the row-wise path gives, to be merged into an invoice that is there already."""
        content: dict[str, Any] = bson.decode(self.document, _WITH_TIME_ZONE)
        for name in ("source", "insertedBy", "changedBy", "createdAt", "updatedAt"):
            del content[name]
        return Row(self.offset, self.row, content.pop("order"), content)


class Supplier(NamedTuple):
    """The pieces that a supplier's name gives. `hash` is that of an invoice's identity, begun."""

    fields: bytes
    lookup: bytes
    hash: blake2b


class Day(NamedTuple):
    """The pieces that a date gives."""

    field: bytes
    year: bytes


class Word(NamedTuple):
    """The pieces that a status or a currency gives."""

    field: bytes
    lookup: bytes


Pieces = tuple[bytes, Day, int, int, int, Supplier, bytes, Word, Word, int, int]
"""Number, date, gross, net and VAT in hundredths, supplier, address, currency, status, offset and row."""


def supplier(name: str) -> Supplier:
    """For a name that was found valid, as everything here."""
    key = supplier_key(name)
    fields = text("supplierName", name) + text("supplierKey", key)
    return Supplier(fields, text("1", lookup("supplier", key)), blake2b(f"{len(key)}:{key}".encode(), digest_size=12))


def day(value: date) -> Day:
    midnight = (value.toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000
    return Day(b"\x09invoiceDate\0" + _INT64(midnight), f"4:{value.year}".encode())


def status(value: str) -> Word:
    return Word(text("status", value), text("2", lookup("status", value)))


def currency(code: str) -> Word:
    return Word(text("currency", code), text("3", lookup("currency", code)))


def text(name: str, value: str) -> bytes:
    """A string as an element of a BSON document."""
    encoded = value.encode()
    return b"\x02%b\0%b%b\0" % (name.encode(), _INT32(len(encoded) + 1), encoded)


def documents(rows: Iterable[Pieces], stamp: Stamp, *, far: bool) -> list[Ready]:
    """The documents of new invoices. `far`: all offsets are above INT32_MAX; else none is."""
    place, offset_name = (_FAR_PLACE, _FAR_OFFSET) if far else (_PLACE, _OFFSET)
    prefix = stamp.order_prefix.encode()
    order_and_source = b"\x02order\0%b%b%%012x\0\x03source\0" % (_INT32(len(prefix) + 13), prefix.replace(b"%", b"%%"))
    source_head, tail = _source_and_tail(stamp, far=far)
    made: list[Ready] = []
    add, join = made.append, b"".join
    for number, day_, gross, net, vat, supplier_, address, currency_, status_, offset, row in rows:
        names, by_supplier, hash_ = supplier_
        date_field, year = day_
        money, by_money = currency_
        state, by_state = status_
        size = len(number)
        digest = hash_.copy()
        digest.update(b"%d:%b%b" % (size, number, year))
        id_ = digest.digest()
        looked_up = b"\x020\0%binvoiceNumber:%b\0%b%b%b\0" % (
            _INT32(size + 15),
            number,
            by_supplier,
            by_state,
            by_money,
        )
        body = join(
            (
                b"\x07_id\0",
                id_,
                b"\x02invoiceNumber\0",
                _INT32(size + 1),
                number,
                b"\0",
                date_field,
                _AMOUNTS(
                    _GROSS,
                    abs(gross),
                    _PLUS if gross >= 0 else _MINUS,
                    _NET,
                    abs(net),
                    _PLUS if net >= 0 else _MINUS,
                    _VAT,
                    abs(vat),
                    _PLUS if vat >= 0 else _MINUS,
                ),
                names,
                address,
                money,
                state,
                b"\x04lookups\0",
                _INT32(len(looked_up) + 4),
                looked_up,
                order_and_source % offset,
                source_head,
                place(offset_name, offset, _ROW, row),
                tail,
            )
        )
        add(Ready(id_, _INT32(len(body) + 4) + body, offset, row))
    return made


def _source_and_tail(stamp: Stamp, *, far: bool) -> tuple[bytes, bytes]:
    """What stands before and behind the place of a row in its document, made by the driver itself."""
    place: dict[str, Any] = {"offset": INT32_MAX + 1 if far else 0, "row": 0}
    source = bson.encode({"importId": stamp.import_id, **place, "outcome": INSERTED})
    head, found, rest = source.partition(_FAR_OFFSET if far else _OFFSET)
    if not found:
        raise AssertionError("the driver writes integers otherwise than is expected here")
    size = 8 + (8 if far else 4) + 9 - len(found)
    common = {
        "insertedBy": stamp.import_id,
        "changedBy": stamp.import_id,
        "createdAt": stamp.now,
        "updatedAt": stamp.now,
    }
    return head, rest[size:] + bson.encode(common)[4:]
