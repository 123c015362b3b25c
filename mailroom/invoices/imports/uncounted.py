"""Which rows an import may write again: those that it has written and that no checkpoint has counted yet.

A worker may die between the write of a batch and its checkpoint. Another worker then writes the batch again, and must
count what the first one did. The invoice says what that was, in `source`. A newer import that changes the invoice in
between replaces `source`. So it keeps these entries in `source.uncounted`, and drops those that have been counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from bson import ObjectId

from mailroom.invoices.imports.job import chunks_of
from mailroom.invoices.imports.ledger import DONE, SUPERSEDED, UNDONE
from mailroom.platform.mongo import Documents

# An import in one of these states never runs again. A failed or cancelled one may be retried.
_ENDED_FOR_GOOD = (DONE, SUPERSEDED, UNDONE)


class UncountedRows:
    """Call it with an import and the offset of a row that was read from an invoice: whether the row is uncounted.

    `imports_without` has the ids, as bytes, of imports that are known to have no uncounted rows.

    Make a new one for each batch. It reads an import once, so later it may still call a row uncounted that has been
    counted meanwhile: that only keeps an entry too many. The opposite cannot happen: a counted row stays counted.
    """

    def __init__(self, imports: Documents) -> None:
        self._imports = imports
        # The parts of each import's content that are not counted yet: from and up to these offsets.
        self._parts: dict[ObjectId, list[tuple[int, float]]] = {}
        self.imports_without: set[bytes] = set()

    def read(self, import_ids: Iterable[ObjectId]) -> None:
        """Reads how far these imports have got: at most one query. Needed before a call."""
        new = set(import_ids) - self._parts.keys()
        if not new:
            return
        self._parts |= {id_: [] for id_ in new}
        which = {"_id": {"$in": sorted(new)}, "state": {"$nin": _ENDED_FOR_GOOD}}
        for job in self._imports.find(which, {"checkpoint.offset": 1, "parts": 1}):
            chunks = [(chunk.offset, chunk.end) for chunk in chunks_of(job)]
            self._parts[job["_id"]] = [*chunks, (job["checkpoint"]["offset"], math.inf)]
        self.imports_without |= {id_.binary for id_ in new if not self._parts[id_]}

    def __call__(self, import_id: ObjectId, offset: int) -> bool:
        return any(begin <= offset < end for begin, end in self._parts[import_id])
