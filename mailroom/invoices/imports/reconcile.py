"""Finds objects whose notification was lost: compares the bucket with the ledger, some objects at a time.

MinIO loses notifications: it serves uploads a moment before it has read the buckets' rules when it is started (so in
`cmd/server-main.go`; https://github.com/minio/minio/issues/18404, "working as intended").
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

import msgspec

from mailroom.invoices.imports.ledger import BY_LISTING, Ledger
from mailroom.invoices.model.identity import import_id
from mailroom.platform.clock import Budget, to_milliseconds
from mailroom.platform.mongo import Documents, server_time
from mailroom.platform.objects import ObjectStore, ObjectVersion
from mailroom.platform.version_pages import pages

log = logging.getLogger(__name__)

CURSOR_ID = "reconcile"

# A walk may take this share of the time: a bucket of some thousand objects is compared each minute.
_SHARE_OF_TIME = 1 / 100
_LEAST_SECONDS = 50.0  # so that a schedule that comes each minute finds it due

# The notification of a younger object may still be under way: it is left to the next walk.
_UNDER_WAY = timedelta(minutes=1)


class Reconciler(msgspec.Struct, frozen=True):
    """Walks through `bucket` at least once every `interval` seconds, from a cursor saved in the collection `cursors`.

    A short walk is soon made again. Two replicas may walk at once: to submit a job twice changes nothing, and once one
    has come to the end, the other saves nothing.
    """

    cursors: Documents
    ledger: Ledger
    objects: ObjectStore
    bucket: str
    interval: float
    clock: Callable[[], float] = time.monotonic

    def run(self, budget: Budget) -> int:
        """Submits imports that are missing, if a walk is due, until it ends or the budget is spent; how many.

        Raises:
            Unavailable: the next call goes on from the saved cursor.
        """
        now = server_time(self.cursors.database)
        cursor = self.cursors.find_one({"_id": CURSOR_ID, "dueAt": {"$lte": now}})
        if cursor is None:
            return 0
        this_walk = {"_id": CURSOR_ID, "dueAt": cursor["dueAt"]}
        began = self.clock() - cursor.get("seconds", 0.0)
        found, before = 0, to_milliseconds(now - _UNDER_WAY)
        try:
            for versions in pages(self.objects.versions_after(self.bucket, cursor["startAfter"])):
                found += submit_missing(self.ledger, [each for each in versions if each.modified_ms < before])
                progress = {"startAfter": versions[-1].key, "seconds": self.clock() - began}
                self.cursors.update_one(this_walk, {"$set": progress})
                if budget.spent():
                    return found
        finally:
            if found:
                log.warning("found %d objects whose notification did not come within a minute", found)
        pause = max(_LEAST_SECONDS, (self.clock() - began) / _SHARE_OF_TIME)
        due_at = server_time(self.cursors.database) + timedelta(seconds=min(pause, self.interval))
        self.cursors.update_one(this_walk, {"$set": {"startAfter": "", "seconds": 0.0, "dueAt": due_at}})
        return found


def submit_missing(ledger: Ledger, versions: list[ObjectVersion]) -> int:
    """Submits the imports of those versions that have none; how many."""
    jobs = {import_id(version): version for version in versions}
    missing = jobs.keys() - ledger.known(list(jobs))
    return sum(ledger.submit(jobs[id_], found_by=BY_LISTING)[1] for id_ in missing)
