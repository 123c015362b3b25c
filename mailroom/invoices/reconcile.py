"""Finds objects whose notification was lost: compares the bucket with the ledger, a part at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby, islice

from mailroom.invoices.identity import import_id
from mailroom.invoices.ledger import Ledger
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, Documents, server_time
from mailroom.platform.objects import ObjectStore, ObjectVersion

log = logging.getLogger(__name__)

CURSOR_ID = "reconcile"
_KEYS_AT_ONCE = 200


@dataclass(frozen=True)
class Reconciler:
    """Walks through `bucket` once every `interval` seconds, from a cursor saved in the collection `cursors`.

    Two replicas may walk at once: submitting a job twice changes nothing.
    """

    cursors: Documents
    ledger: Ledger
    objects: ObjectStore
    bucket: str
    interval: float

    def run(self, budget: Budget) -> int:
        """Submits imports that are missing, if a walk is due, until it ends or the budget is spent; how many.

        Raises:
            Unavailable: it goes on from the saved cursor next time.
        """
        cursor = self._due()
        if cursor is None:
            return 0
        submitted = 0
        for versions in _pages(self.objects.versions(self.bucket, start_after=cursor["startAfter"])):
            submitted += self._submit_missing(versions)
            self._save({"startAfter": versions[-1].key})
            if budget.spent():
                return submitted
        now = server_time(self.cursors.database)
        self._save({"startAfter": "", "dueAt": now + timedelta(seconds=self.interval)})
        if submitted:
            log.warning("found %d objects whose notification was lost", submitted)
        return submitted

    def _due(self) -> Document | None:
        now = server_time(self.cursors.database)
        return self.cursors.find_one({"_id": CURSOR_ID, "dueAt": {"$lte": now}})

    def _submit_missing(self, versions: list[ObjectVersion]) -> int:
        jobs = {import_id(version): version for version in versions}
        missing = jobs.keys() - self.ledger.known(list(jobs))
        return sum(self.ledger.submit(jobs[id_])[1] for id_ in missing)

    def _save(self, changes: Document) -> None:
        self.cursors.update_one({"_id": CURSOR_ID}, {"$set": changes})


def _pages(versions: Iterator[ObjectVersion]) -> Iterator[list[ObjectVersion]]:
    """Pages that never end within the versions of one key, since the cursor is a key."""
    by_key = (list(group) for _, group in groupby(versions, key=lambda version: version.key))
    while groups := list(islice(by_key, _KEYS_AT_ONCE)):
        yield [version for group in groups for version in group]
