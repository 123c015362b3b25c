"""Merges rows of a file into a stored invoice. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from bson import ObjectId

from mailroom.invoices.model.columns import COLUMNS
from mailroom.platform.mongo import Document

INSERTED, UPDATED, UNCHANGED, STALE = "inserted", "updated", "unchanged", "stale"

# The fields that come from the file. A row that changes none of them leaves the invoice unchanged.
CONTENT = (*COLUMNS, "supplierKey", "lookups", "extra", "derived", "lines")

# Entries of `source.uncounted`. It takes so many only if imports that repeat an invoice thousands of times die one
# after the other. The oldest are left out, so that the document stays far below the 16 MB that MongoDB takes.
_MOST_UNCOUNTED = 20_000


class Row(msgspec.Struct, frozen=True):
    """A valid row: its place in the file, its order among all sources, and its content for the database."""

    offset: int
    row: int
    order: str
    content: Document


class WrittenRow(msgspec.Struct, frozen=True):
    """A row that an import has written, and what it did to the invoice."""

    import_id: ObjectId
    offset: int
    outcome: str


class Merged(msgspec.Struct, frozen=True):
    """The invoice as it is to be stored (None: leave it alone), and what each row did, by offset."""

    document: Document | None
    outcomes: dict[int, str]


IsUncounted = Callable[[ObjectId, int], bool]
"""Whether no checkpoint of an import has counted its row at an offset yet, so that the row may be written again."""


def _all_counted(import_id: ObjectId, offset: int) -> bool:
    return False


def by_invoice(rows: Iterable[Row]) -> dict[ObjectId, list[Row]]:
    """The rows of each invoice, in their order."""
    groups: dict[ObjectId, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.content["_id"], []).append(row)
    return groups


def merge(
    stored: Document | None,
    rows: Sequence[Row],
    import_id: ObjectId,
    batch_offset: int,
    now: Any,
    uncounted: IsUncounted = _all_counted,
) -> Merged:
    """Applies `rows`, all of one invoice and one import, in their order of offset, to what is `stored`.

    A batch that is written again after a crash finds what it did the first time: `source` names the import that wrote
    last, the offset of its row, and the outcome of that row. `source.earlier` has other rows of the same batch,
    `source.uncounted` has rows of other imports. Such rows count what they did the first time.

    `earlier` is cut at `batch_offset`: no row before it is written again. `uncounted` tells which rows of other imports
    may be written again; their entries are kept.
    """
    document, last = stored, None
    written = written_rows(stored) if stored else []
    remembered = {row.offset: row.outcome for row in written if row.import_id == import_id}
    outcomes: dict[int, str] = {}
    for row in rows:
        if row.offset in remembered:
            outcomes[row.offset] = remembered[row.offset]
        elif document is not None and document["order"] >= row.order:
            outcomes[row.offset] = STALE
        else:
            if last:
                written.append(WrittenRow(import_id, last.offset, outcomes[last.offset]))
            outcomes[row.offset] = outcome = _outcome(document, row)
            document, last = _applied(document, row, outcome, import_id, now), row
    if document is None or last is None:
        return Merged(None, outcomes)
    source: Document = {"importId": import_id, "offset": last.offset, "row": last.row, "outcome": outcomes[last.offset]}
    earlier = [each for each in written if each.import_id == import_id and each.offset >= batch_offset]
    others = [each for each in written if each.import_id != import_id and uncounted(each.import_id, each.offset)]
    if earlier:
        source["earlier"] = [{"offset": each.offset, "outcome": each.outcome} for each in earlier]
    if others:
        source["uncounted"] = [
            {"importId": each.import_id, "offset": each.offset, "outcome": each.outcome}
            for each in others[-_MOST_UNCOUNTED:]
        ]
    document["source"] = source
    return Merged(document, outcomes)


def written_rows(stored: Document) -> list[WrittenRow]:
    """The rows that a stored invoice remembers, in the order in which they were written."""
    source = stored["source"]
    others = [WrittenRow(each["importId"], each["offset"], each["outcome"]) for each in source.get("uncounted", ())]
    last = [*source.get("earlier", ()), source]
    return others + [WrittenRow(source["importId"], each["offset"], each["outcome"]) for each in last]


def _outcome(document: Document | None, row: Row) -> str:
    if document is None:
        return INSERTED
    same = all(document.get(name) == row.content.get(name) for name in CONTENT)
    return UNCHANGED if same else UPDATED


def _applied(document: Document | None, row: Row, outcome: str, import_id: ObjectId, now: Any) -> Document:
    """The invoice that `row` makes of `document`, with its `source` still to be set."""
    if document is None:
        return {**row.content, "order": row.order, "source": None} | {
            "insertedBy": import_id,
            "changedBy": import_id,
            "createdAt": now,
            "updatedAt": now,
        }
    if outcome != UPDATED:
        return {**document, "order": row.order}
    # In the order of a new invoice: then a later import finds it unchanged without decoding it.
    merged = {**row.content, "order": row.order, "source": None}
    merged |= {name: value for name, value in document.items() if name not in CONTENT and name not in merged}
    return merged | {"changedBy": import_id, "updatedAt": now}
