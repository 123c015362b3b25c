"""Invoices as the API shows them, from the bytes that MongoDB sends, without decoding them.

Of each amount and each id the driver makes an object in Python, and of much that is not shown: a page takes half as
long when a document is matched as a whole. What has another layout than nearly all, as of two rows in one batch, is
decoded.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct

import bson
from bson.raw_bson import RawBSONDocument

from mailroom.invoices.api import schemas as shapes
from mailroom.invoices.api.schemas import Edit, Invoice, Source
from mailroom.invoices.model.decimals import plain_text_of_bits
from mailroom.platform.clock import rfc3339

_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_unpack = Struct("<q").unpack


def invoice(document: RawBSONDocument) -> Invoice:
    """The same as `shapes.invoice` of the document decoded, if it can be."""
    match = _LAYOUT.fullmatch(document.raw)
    if match is None:
        return shapes.invoice(bson.decode(document.raw))
    id_, number, date, gross, net, vat, name, address, currency, status, extra, *others = match.groups()
    import_id, offset, row, outcome, inserted_by, changed_by, created, updated, key_id, edited = others
    return Invoice(
        id=id_.hex(),
        invoice_number=number.decode(),
        invoice_date=_time(date)[:10],
        gross_amount=plain_text_of_bits(gross),
        net_amount=plain_text_of_bits(net),
        vat_amount=plain_text_of_bits(vat),
        supplier_name=name.decode(),
        supplier_address=address.decode(),
        currency=currency.decode(),
        status=status.decode(),
        extra={} if extra is None else bson.decode(extra),
        source=Source(
            import_id=import_id.hex(),
            row=int.from_bytes(row, "little", signed=True),
            offset=int.from_bytes(offset, "little", signed=True),
            outcome=outcome.decode(),
        ),
        edited=None if key_id is None else Edit(key_id=key_id.hex(), at=_time(edited)),
        inserted_by=inserted_by.hex(),
        changed_by=changed_by.hex(),
        created_at=_time(created),
        updated_at=_time(updated),
    )


@lru_cache(maxsize=4096)  # what was imported together has the same times
def _time(milliseconds: bytes) -> str:
    [count] = _unpack(milliseconds)
    return rfc3339(_1970 + timedelta(milliseconds=count))


# Elements of a document (https://bsonspec.org/spec.html), the value of each a group. A text has its length before it;
# one with a zero byte within, which no importer lets through, fits nowhere.
def _text(name: bytes, group: bytes = b"(") -> bytes:
    return rb"\x02%b\0.{4}%b[^\0]*)\0" % (name, group)


def _id(name: bytes) -> bytes:
    return rb"\x07%b\0(.{12})" % name


def _date(name: bytes) -> bytes:
    return rb"\x09%b\0(.{8})" % name


def _amount(name: bytes) -> bytes:
    return rb"\x13%b\0(.{16})" % name


def _whole(name: bytes) -> bytes:
    """Of 32 bits, or of 64."""
    return rb"[\x10\x12]%b\0((?<=\x12%b\0).{8}|.{4})" % (name, name)


def _not_shown(name: bytes) -> bytes:
    return _text(name, b"(?:")


def _nested(mark: bytes, name: bytes, *elements: bytes) -> bytes:
    return rb"%b%b\0.{4}%b\0" % (mark, name, b"".join(elements))


_DOCUMENT, _ARRAY = rb"\x03", rb"\x04"

# What `content_of` and `merge` write, in their order, and behind it what `edit` adds.
_LAYOUT = re.compile(
    b"".join(
        (
            rb".{4}",
            _id(b"_id"),
            _text(b"invoiceNumber"),
            _date(b"invoiceDate"),
            *map(_amount, (b"grossAmount", b"netAmount", b"vatAmount")),
            _text(b"supplierName"),
            _not_shown(b"supplierKey"),
            *map(_text, (b"supplierAddress", b"currency", b"status")),
            _nested(_ARRAY, b"lookups", *(_not_shown(b"%d" % place) for place in range(4))),
            rb"(?:\x03extra\0(.{4}(?:%b)*\0))?" % _not_shown(rb"[^\0]*"),
            _not_shown(b"order"),
            _nested(_DOCUMENT, b"source", _id(b"importId"), _whole(b"offset"), _whole(b"row"), _text(b"outcome")),
            *map(_id, (b"insertedBy", b"changedBy")),
            *map(_date, (b"createdAt", b"updatedAt")),
            rb"(?:%b)?" % _nested(_DOCUMENT, b"edited", _id(b"keyId"), _date(b"at")),
            rb"\0",
        )
    ),
    re.DOTALL,
)
