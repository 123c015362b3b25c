"""Rewrites the keys of addresses that an earlier version stored: it took `straße` and `strasse` for one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pymongo import UpdateOne
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mailroom.notifications.model import addresses
from mailroom.platform.mongo import Document, Documents

UPGRADE_ID = "notifications-address-keys"  # in `cursors`, after all messages were rewritten

_BATCH = 5_000  # documents that one query looks at, so that it keeps the driver's time-out

# Only the keys of these have changed.
_NOT_ASCII = {"$regex": "[^\\x00-\\x7f]"}


def rewrite_address_keys(database: Database[Document]) -> tuple[int, int]:
    """Returns how many messages and how many suppressions it changed. May be interrupted and run again.

    It looks at all messages once in the life of a database, and at the suppressions each time: they are few.
    """
    cursors, messages = database["cursors"], 0
    if cursors.find_one({"_id": UPGRADE_ID}) is None:
        messages = _rewrite_messages(database["notifications"])
        cursors.update_one({"_id": UPGRADE_ID}, {"$set": {"doneAt": datetime.now(UTC)}}, upsert=True)
    return messages, _rewrite_suppressions(database["suppressions"])


def _rewrite_messages(collection: Documents) -> int:
    changed = 0
    for ids in _ranges(collection):
        found = collection.find({"_id": ids, "recipients.address": _NOT_ASCII}, {"recipients.address": 1})
        keys = {each["_id"]: sorted({addresses.key(to["address"]) for to in each["recipients"]}) for each in found}
        writes = [
            UpdateOne({"_id": id_, "addresses": {"$ne": new}}, {"$set": {"addresses": new}})
            for id_, new in keys.items()
        ]
        if writes:
            changed += collection.bulk_write(writes, ordered=False).modified_count
    return changed


def _rewrite_suppressions(collection: Documents) -> int:
    changed = 0
    for ids in _ranges(collection):
        for each in collection.find({"_id": ids, "address": _NOT_ASCII}):
            new = addresses.key(each["address"])
            if each["key"] != new:
                changed += _rewrite_suppression(collection, each, new)
    return changed


def _rewrite_suppression(collection: Documents, entry: Document, new: str) -> bool:
    """If another entry has the new key already, that one stays, and suppresses the address."""
    try:
        return bool(collection.update_one({"_id": entry["_id"]}, {"$set": {"key": new}}).modified_count)
    except DuplicateKeyError:
        other = collection.find_one({"key": new})
        if other is None or addresses.key(other["address"]) != new:
            return False  # its key is to be rewritten too: the next run goes on
        return bool(collection.delete_one({"_id": entry["_id"]}).deleted_count)


def _ranges(collection: Documents) -> Iterator[Document]:
    """Conditions on `_id` that divide the collection."""
    after: Document = {}
    while ids := [each["_id"] for each in collection.find(after, {"_id": 1}).sort("_id", 1).limit(_BATCH)]:
        yield {"$gte": ids[0], "$lte": ids[-1]}
        after = {"_id": {"$gt": ids[-1]}}
