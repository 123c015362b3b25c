"""Merges rows of a file into a stored invoice. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from bson import ObjectId

from mailroom.invoices.model.columns import COLUMNS
from mailroom.platform.mongo import Document

INSERTED, UPDATED, UNCHANGED, STALE = "inserted", "updated", "unchanged", "stale"

# The fields that come from the file. A row that changes none of them leaves the invoice unchanged.
CONTENT = (*COLUMNS, "supplierKey", "extra", "lookups")


class Row(msgspec.Struct, frozen=True):
    """A valid row: its place in the file, its order among all sources, and its content for the database."""

    offset: int
    row: int
    order: str
    content: Document


class Merged(msgspec.Struct, frozen=True):
    """The invoice as it is to be stored (None: leave it alone), and what each row did, by offset."""

    document: Document | None
    outcomes: dict[int, str]


def by_invoice(rows: Iterable[Row]) -> dict[ObjectId, list[Row]]:
    """The rows of each invoice, in their order."""
    groups: dict[ObjectId, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.content["_id"], []).append(row)
    return groups


def merge(stored: Document | None, rows: Sequence[Row], import_id: ObjectId, batch_offset: int, now: Any) -> Merged:
    """Applies `rows`, all of one invoice and one import, in their order of offset, to what is `stored`.

    A batch that is replayed after a crash finds its own traces: `source` names the import and the offset that wrote
    last, and the outcome of that row; `source.earlier` does so for other rows of the same batch. Such rows count what
    they did the first time. `earlier` is cut at `batch_offset`: no row before it can be replayed.
    """
    document, changed = stored, False
    outcomes: dict[int, str] = {}
    remembered = _remembered(stored, import_id)
    for row in rows:
        if row.offset in remembered:
            outcomes[row.offset] = remembered[row.offset]
        elif document is not None and document["order"] >= row.order:
            outcomes[row.offset] = STALE
        else:
            outcomes[row.offset] = outcome = _outcome(document, row)
            document, changed = _applied(document, row, outcome, import_id, batch_offset, now), True
    return Merged(document if changed else None, outcomes)


def _remembered(stored: Document | None, import_id: ObjectId) -> dict[int, str]:
    if stored is None or stored["source"]["importId"] != import_id:
        return {}
    source = stored["source"]
    known = {entry["offset"]: entry["outcome"] for entry in source.get("earlier", ())}
    return known | {source["offset"]: source["outcome"]}


def _outcome(document: Document | None, row: Row) -> str:
    if document is None:
        return INSERTED
    same = all(document.get(name) == row.content.get(name) for name in CONTENT)
    return UNCHANGED if same else UPDATED


def _applied(
    document: Document | None, row: Row, outcome: str, import_id: ObjectId, batch_offset: int, now: Any
) -> Document:
    source: Document = {"importId": import_id, "offset": row.offset, "row": row.row, "outcome": outcome}
    if document is None:
        return {**row.content, "order": row.order, "source": source} | {
            "insertedBy": import_id,
            "changedBy": import_id,
            "createdAt": now,
            "updatedAt": now,
        }
    before = document["source"]
    if before["importId"] == import_id and before["offset"] >= batch_offset:
        kept = [entry for entry in before.get("earlier", ()) if entry["offset"] >= batch_offset]
        source["earlier"] = [*kept, {"offset": before["offset"], "outcome": before["outcome"]}]
    if outcome != UPDATED:
        return {**document, "order": row.order, "source": source}
    # In the order of a new invoice: then a later import finds it unchanged without decoding it.
    merged = {**row.content, "order": row.order, "source": source}
    merged |= {name: value for name, value in document.items() if name not in CONTENT and name not in merged}
    return merged | {"changedBy": import_id, "updatedAt": now}
