"""Rows that repeat what is stored: found by comparing bytes, without decoding a document.

An invoice that a file has unchanged gets a new `order` and `source` and nothing else. Rows that take more to decide are
left to `merge`, which defines the result: those with other content, and those of invoices whose `source` an import may
still need because it may write the same batch again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from bson import ObjectId

from mailroom.invoices.columnar import EncodedRows
from mailroom.invoices.imports.uncounted import UncountedRows
from mailroom.invoices.model.merge import UNCHANGED
from mailroom.platform.mongo import Document, Documents, documents_of

_ID, _ORDER, _SOURCE, _IMPORT_ID = b"\x07_id\0", b"\x02order\0", b"\x03source\0", b"\x07importId\0"
_OFFSET, _UNCOUNTED = b"\x10offset\0", b"\x04uncounted\0"
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


def find_repeats(
    collection: Documents, rows: EncodedRows, indexes: Sequence[int], import_id: ObjectId, uncounted: UncountedRows
) -> Repeats:
    """Looks up the invoices of `indexes`. Those that are not stored are among `others`."""
    stored = _stored(collection, [rows.ids[index] for index in indexes])
    found = Repeats()
    same: list[tuple[int, str]] = []
    unclear: list[tuple[int, str, ObjectId, int]] = []
    for index in indexes:
        raw = stored.get(rows.ids[index])
        last = None if raw is None else _last_write(raw, rows.content(index))
        if raw is None or last is None:
            found.missing += raw is None
            found.others.append(index)
            continue
        order, importer, place = last
        if importer in uncounted.imports_without:
            same.append((index, order))
        else:
            unclear.append((index, order, ObjectId(importer), _offset(raw, place)))
    uncounted.read({last_import for _, _, last_import, _ in unclear})
    for index, order, last_import, offset in unclear:
        if last_import == import_id or uncounted(last_import, offset):
            found.others.append(index)
        else:
            same.append((index, order))
    _sort_out(found, same, rows, import_id)
    return found


def _sort_out(found: Repeats, same: Sequence[tuple[int, str]], rows: EncodedRows, import_id: ObjectId) -> None:
    """Adds rows whose invoices have the same content, each with the `order` of its invoice."""
    orders = []
    for index, order in same:
        new = rows.order(index)
        if order >= new:
            found.stale += 1
        else:
            found.updated.append(index)
            orders.append((order, new))
    for at in range(0, len(orders), _TOGETHER):
        some = slice(at, at + _TOGETHER)
        found.updates.append(_update(rows, found.updated[some], orders[some], import_id))


def _stored(collection: Documents, ids: Iterable[bytes]) -> dict[bytes, bytes]:
    wanted = [ObjectId(id_) for id_ in ids]
    batches: Iterable[Any] = collection.find_raw_batches({"_id": {"$in": wanted}}, batch_size=len(wanted))
    return {raw[_ID_FROM:_ID_TO]: raw for batch in batches for raw in documents_of(batch) if raw.startswith(_ID, 4)}


def _last_write(stored: bytes, content: bytes) -> tuple[str, bytes, int] | None:
    """The order, the id of the import and the place of the element `offset` of a stored invoice with this content.

    None for any other, and for one with `source.uncounted`.
    """
    at = 4 + len(content)
    if not (stored.startswith(content, 4) and stored.startswith(_ORDER, at)):
        return None
    begin = at + len(_ORDER) + 4
    end = stored.index(b"\0", begin)
    by = end + 1 + len(_SOURCE) + 4
    if not (stored.startswith(_SOURCE, end + 1) and stored.startswith(_IMPORT_ID, by)):
        return None
    place = by + len(_IMPORT_ID)
    if stored.find(_UNCOUNTED, place) >= 0:
        return None
    return stored[begin:end].decode(), stored[place : place + 12], place + 12


def _offset(stored: bytes, place: int) -> int:
    """The value of the element `offset` at this place: an int32, or an int64 if it needs to be."""
    size = 4 if stored.startswith(_OFFSET, place) else 8
    begin = place + len(_OFFSET)
    return int.from_bytes(stored[begin : begin + size], "little")


def _update(
    rows: EncodedRows, indexes: Sequence[int], orders: Sequence[tuple[str, str]], import_id: ObjectId
) -> Document:
    """What `merge` makes of them. `orders` are those before and after.

    An invoice that was changed meanwhile is not found: no two have the same order.
    """
    before, after = map(list, zip(*orders, strict=True))
    ids = [ObjectId(rows.ids[index]) for index in indexes]
    place = {"$indexOfArray": [ids, "$_id"]}

    def own(values: list[Any]) -> Document:
        return {"$arrayElemAt": [{"$literal": values}, place]}

    changes = {"order": own(after), "source": own(_sources(rows, indexes, import_id))}
    return {"q": {"_id": {"$in": ids}, "order": {"$in": before}}, "u": [{"$set": changes}], "multi": True}


def _sources(rows: EncodedRows, indexes: Sequence[int], import_id: ObjectId) -> list[Document]:
    places = map(rows.place, indexes)
    return [{"importId": import_id, "offset": at, "row": row, "outcome": UNCHANGED} for at, row in places]
