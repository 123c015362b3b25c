"""Finds new files without events: lists the bucket again and again (`EVENTS=poll`).

The newest version of each key is listed and looked up in the ledger. All versions of a key are listed only if the
newest one has no import. The order of the keys is up to the server: SeaweedFS lists folders before their neighbours.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import msgspec

from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.reconcile import CURSOR_ID, submit_missing
from mailroom.platform.clock import Budget
from mailroom.platform.listed_objects import ListedObject, list_newest, versions_of
from mailroom.platform.mongo import Documents, server_time
from mailroom.platform.objects import ObjectGone, ObjectStore

log = logging.getLogger(__name__)

_KEYS_AT_ONCE = 100  # if they are new, each costs the write of an import

# A small bucket is not listed with each of many calls.
_PAUSE = timedelta(seconds=1)

# A worker that is silent for this long loses the pass to another replica.
_HOLD = timedelta(seconds=30)

_NEVER = datetime.fromtimestamp(0, UTC)


class Poller(msgspec.Struct, frozen=True):
    """Passes over `bucket`, one after the other, from the server's token saved in the collection `cursors`.

    One replica goes on with a pass, the others leave it alone. Two that do so nevertheless do no harm: to submit a job
    twice changes nothing, and once one has come to the end, the other saves nothing.
    """

    cursors: Documents
    ledger: Ledger
    objects: ObjectStore
    bucket: str

    def run(self, budget: Budget) -> int:
        """Goes on with the pass until it ends or the budget is spent; how many imports it submits.

        Looks at a page of known files at least, or at some new ones.

        Raises:
            Unavailable: the next call goes on from the saved token.
        """
        now = self._now()
        free = {"_id": CURSOR_ID, "dueAt": {"$lte": now}, "heldUntil": {"$not": {"$gt": now}}}
        cursor = self.cursors.find_one_and_update(free, {"$set": {"heldUntil": now + _HOLD}})
        if cursor is None:
            return 0
        this_pass = {"_id": CURSOR_ID, "dueAt": cursor["dueAt"]}
        token, found, ended = cursor.get("token", ""), 0, False
        try:
            while not ended:
                page, following = self._page(token)
                some, whole = self._submit_new(page, budget)
                found += some
                token = following if whole else token
                ended = whole and not token
                due = {"dueAt": self._now() + _PAUSE} if ended else {"heldUntil": self._now() + _HOLD}
                self.cursors.update_one(this_pass, {"$set": {"token": token, **due}})
                if budget.spent():
                    break
        finally:
            self.cursors.update_one({"_id": CURSOR_ID}, {"$set": {"heldUntil": _NEVER}})
            if found:
                log.info("found %d new object versions", found)
        return found

    def _page(self, token: str) -> tuple[list[ListedObject], str]:
        try:
            return list_newest(self.objects, self.bucket, token)
        except ObjectGone:
            if not token:
                raise
            log.info("the object store does not know the place of the pass any more: it begins again")
            return list_newest(self.objects, self.bucket)

    def _submit_new(self, page: list[ListedObject], budget: Budget) -> tuple[int, bool]:
        """Submits the imports of what is new, until the budget is spent; how many, and whether that is all."""
        found, looked = 0, False
        for start in range(0, len(page), _KEYS_AT_ONCE):
            some = page[start : start + _KEYS_AT_ONCE]
            known = self.ledger.newest_known(self.bucket, some)
            new = [each for each in some if each.key not in known]
            if new:
                if looked and budget.spent():
                    return found, False
                looked = True
                for versions in versions_of(self.objects, self.bucket, new).values():
                    found += submit_missing(self.ledger, versions)
        return found, True

    def _now(self) -> datetime:
        return server_time(self.cursors.database)
