"""Rows that repeat what is stored: found by comparing bytes, without decoding a document.

An invoice that a file has unchanged gets a new `order` and `source` and nothing else. Rows that take more to decide
(other content, or the same import wrote the invoice before) are left to `merge`, which is the definition of it all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from bson import ObjectId

from mailroom.invoices.columnar import EncodedRows
from mailroom.invoices.model.merge import UNCHANGED
from mailroom.platform.mongo import Document, Documents, documents_of

_ID, _ORDER, _SOURCE, _IMPORT_ID = b"\x07_id\0", b"\x02order\0", b"\x03source\0", b"\x07importId\0"
_ID_FROM, _ID_TO = 4 + len(_ID), 4 + len(_ID) + 12

# So many invoices share an update statement: each statement costs the server a plan. Their places are searched one by
# one.
_TOGETHER = 10


class Repeats(msgspec.Struct):
    """What to do with encoded rows whose invoices are stored, by index. `updates` are the statements for `updated`."""

    stale: int = 0
    updated: list[int] = msgspec.field(default_factory=list)
    updates: list[Document] = msgspec.field(default_factory=list)
    others: list[int] = msgspec.field(default_factory=list)
    missing: int = 0


def find_repeats(collection: Documents, rows: EncodedRows, indexes: Sequence[int], import_id: ObjectId) -> Repeats:
    """Looks up the invoices of `indexes`. Those that are not stored are among `others`."""
    stored = _stored(collection, [rows.ids[index] for index in indexes])
    found, orders = Repeats(), []
    for index in indexes:
        raw = stored.get(rows.ids[index])
        order = None if raw is None else _order_if_same(raw, rows.content(index), import_id)
        if order is None:
            found.missing += raw is None
            found.others.append(index)
        elif order >= rows.order(index):
            found.stale += 1
        else:
            found.updated.append(index)
            orders.append(order)
    for at in range(0, len(orders), _TOGETHER):
        some = slice(at, at + _TOGETHER)
        found.updates.append(_update(rows, found.updated[some], orders[some], import_id))
    return found


def _stored(collection: Documents, ids: Iterable[bytes]) -> dict[bytes, bytes]:
    wanted = [ObjectId(id_) for id_ in ids]
    batches: Iterable[Any] = collection.find_raw_batches({"_id": {"$in": wanted}}, batch_size=len(wanted))
    return {raw[_ID_FROM:_ID_TO]: raw for batch in batches for raw in documents_of(batch) if raw.startswith(_ID, 4)}


def _order_if_same(stored: bytes, content: bytes, import_id: ObjectId) -> str | None:
    """The `order` of a stored invoice that has this content and comes from another import; None for any other."""
    at = 4 + len(content)
    if not (stored.startswith(content, 4) and stored.startswith(_ORDER, at)):
        return None
    begin = at + len(_ORDER) + 4
    end = stored.index(b"\0", begin)
    by = end + 1 + len(_SOURCE) + 4
    if not (stored.startswith(_SOURCE, end + 1) and stored.startswith(_IMPORT_ID, by)):
        return None
    same_import = stored.startswith(import_id.binary, by + len(_IMPORT_ID))
    return None if same_import else stored[begin:end].decode()


def _update(rows: EncodedRows, indexes: Sequence[int], orders: Sequence[str], import_id: ObjectId) -> Document:
    """What `merge` makes of them. An invoice that was changed meanwhile is not found: no two have the same order."""
    ids = [ObjectId(rows.ids[index]) for index in indexes]
    place = {"$indexOfArray": [ids, "$_id"]}

    def own(values: list[Any]) -> Document:
        return {"$arrayElemAt": [{"$literal": values}, place]}

    changes = {"order": own(list(map(rows.order, indexes))), "source": own(_sources(rows, indexes, import_id))}
    return {"q": {"_id": {"$in": ids}, "order": {"$in": orders}}, "u": [{"$set": changes}], "multi": True}


def _sources(rows: EncodedRows, indexes: Sequence[int], import_id: ObjectId) -> list[Document]:
    places = map(rows.place, indexes)
    return [{"importId": import_id, "offset": at, "row": row, "outcome": UNCHANGED} for at, row in places]
