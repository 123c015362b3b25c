"""Finds the objects that came while MinIO was started, and whose events it lost: see `reconcile.py`.

A worker compares the start of MinIO with the one that was seen last. After a new start it lists the bucket once, in
slices without a pause, and looks only for the imports of objects that are about as young as the start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

import msgspec

from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.reconcile import submit_missing
from mailroom.platform.clock import Budget, to_milliseconds
from mailroom.platform.mongo import Document, Documents, server_time
from mailroom.platform.objects import ObjectStore
from mailroom.platform.version_pages import pages

log = logging.getLogger(__name__)

CURSOR_ID = "restart"

_ASK_SECONDS = 5.0

# The clocks of MinIO and MongoDB may differ by this much.
_TOLERANCE = timedelta(minutes=1)

# The event of a younger object may still be under way. MinIO reads its rules sooner than this after a start.
_UNDER_WAY = timedelta(seconds=10)


class Restarts(msgspec.Struct):
    """Two replicas may list at once: to submit a job twice changes nothing."""

    cursors: Documents
    ledger: Ledger
    objects: ObjectStore
    bucket: str
    started_at: Callable[[], float | None]
    asked_at: float | None = None
    listing: bool = False

    def run(self, budget: Budget, *, may_ask: bool = True) -> bool:
        """Lists until the end or until the budget is spent, at least a page. Whether there is more to list.

        Without `may_ask` it only goes on with a list that it has begun.

        Raises:
            Unavailable: the next call goes on from the saved cursor.
        """
        ask = may_ask and (self.asked_at is None or time.monotonic() - self.asked_at > _ASK_SECONDS)
        if not (ask or self.listing):
            return False
        cursor = self._cursor(ask=ask)
        self.listing = cursor is not None and cursor["startAfter"] is not None
        if cursor is None or not self.listing:
            return False
        now, started = server_time(self.cursors.database), int(cursor["startedAt"] * 1000)
        newest = to_milliseconds(now - _UNDER_WAY)
        if started > newest:
            return False  # soon, in another call
        this_start = {"_id": CURSOR_ID, "startedAt": cursor["startedAt"]}
        oldest, found = started - int(_TOLERANCE.total_seconds() * 1000), 0
        try:
            for versions in pages(self.objects.versions_after(self.bucket, cursor["startAfter"])):
                young = [each for each in versions if oldest <= each.modified_ms < newest]
                found += submit_missing(self.ledger, young) if young else 0
                self.cursors.update_one(this_start, {"$set": {"startAfter": versions[-1].key}})
                if budget.spent():
                    return True
        finally:
            if found:
                log.warning("found %d objects without an event after a start of the object store", found)
        self.cursors.update_one(this_start, {"$set": {"startAfter": None}})
        self.listing = False
        return False

    def _cursor(self, *, ask: bool) -> Document | None:
        """The cursor of the last start, of which the object store is asked. Set-up makes the document."""
        if ask:
            try:
                started = self.started_at()
            finally:
                self.asked_at = time.monotonic()  # a store that hangs is not asked again at once
            if started is not None:
                which = {"_id": CURSOR_ID, "startedAt": {"$lt": started}}
                self.cursors.update_one(which, {"$set": {"startedAt": started, "startAfter": ""}})
        return self.cursors.find_one({"_id": CURSOR_ID})
