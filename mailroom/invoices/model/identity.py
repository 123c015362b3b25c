"""What makes two rows the same invoice, two deliveries the same import, and which of two sources is newer."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from bson import ObjectId

from mailroom.platform.normalization import normalize
from mailroom.platform.objects import ObjectVersion


class Identity(NamedTuple):
    """What tells one invoice from another. `supplier` is a `supplier_key`; numbers restart each year."""

    supplier: str
    number: str
    year: int

    @property
    def id(self) -> ObjectId:
        return invoice_id(*self)


def supplier_key(name: str) -> str:
    """The supplier's name as it is compared: NFKC, case folded, runs of white space made one space."""
    return " ".join(normalize("NFKC", name).casefold().split())


def invoice_id(supplier: str, number: str, year: int) -> ObjectId:
    """The `_id` of an invoice. `supplier` is a `supplier_key`; numbers restart each year with many suppliers."""
    return _hash(supplier, normalize("NFKC", number).strip(), str(year))


def import_id(version: ObjectVersion) -> ObjectId:
    """The `_id` of an import: the same for every delivery of the event, and for a later reconciliation."""
    if version.version_id:
        return _hash(version.bucket, version.key, version.version_id)
    return _hash(version.bucket, version.key, str(version.modified_ms), version.etag)


def id_of_call(key: str) -> ObjectId:
    """The `_id` of a further import of a version: the same for every call with this Idempotency-Key."""
    return _hash("call", key)


def order(modified_ms: int, version_id: str, offset: int) -> str:
    """The order of a row among all sources of its invoice, as text that compares as the three parts would.

    A space separates them, for it is less than every character of a version id.
    """
    return f"{order_prefix(modified_ms, version_id)}{offset:012x}"


def order_prefix(modified_ms: int, version_id: str) -> str:
    """The part of `order` that all rows of a source have in common."""
    return f"{modified_ms:012x} {version_id} "


def _hash(*parts: str) -> ObjectId:
    # Lengths keep ("ab", "c") apart from ("a", "bc"). 96 bits: a collision is to be expected at 2**48 invoices.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return ObjectId(hashlib.blake2b(text.encode(), digest_size=12).digest())
