"""Changes of an invoice by a person or a program, in one order with what files say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument

from mailroom.errors import NotFound, Outdated
from mailroom.invoices.model.document import lookup
from mailroom.invoices.model.identity import order
from mailroom.platform.clock import to_milliseconds
from mailroom.platform.mongo import Document, Documents, server_time


class Edits(msgspec.Struct, frozen=True):
    """Writes to the collection `invoices`. Each call blocks for three answers of MongoDB."""

    invoices: Documents

    def set_status(self, id_: ObjectId, status: str, by: ObjectId, seen: Callable[[Document], bool]) -> Document:
        """Sets the status for the API key `by`, if the invoice is one that the caller has `seen`; the new document.

        Raises:
            NotFound: there is no invoice with that id.
            Outdated: the invoice is not what the caller saw. Nothing was written.
        """
        stored = self.invoices.find_one({"_id": id_})
        if stored is None:
            raise NotFound("invoice.not_found", "there is no invoice with this id")
        if not seen(stored):
            raise _changed()
        # Every writer advances the order, so it tells whether somebody was faster.
        as_read = {"_id": id_, "order": stored["order"]}
        changes = edit(stored, status, by, server_time(self.invoices.database))
        changed = self.invoices.find_one_and_update(as_read, {"$set": changes}, return_document=ReturnDocument.AFTER)
        if changed is None:
            raise _changed()
        return changed


def _changed() -> Outdated:
    return Outdated("invoice.changed", "the invoice has changed: read it again", field="If-Match")


def edit(stored: Document, status: str, by: ObjectId, now: datetime) -> Document:
    """The fields that change. The invoice is now as new as `now`: a file from before does not change it again.

    It is `changedBy` the key, not an import, so an undo of the import leaves it. `source` stays: an import that writes
    a batch again reads there what its rows did.
    """
    was, is_ = lookup("status", stored["status"]), lookup("status", status)
    # The clock of the object store, which the stored order comes from, may be ahead of the database's.
    newest = max(to_milliseconds(now), int(stored["order"].partition(" ")[0], 16) + 1)
    return {
        "status": status,
        "lookups": [is_ if each == was else each for each in stored["lookups"]],  # in the order that files give
        "order": order(newest, str(stored["_id"]), 0),  # which no other invoice has
        "edited": {"keyId": by, "at": now},
        "changedBy": by,
        "updatedAt": now,
    }
