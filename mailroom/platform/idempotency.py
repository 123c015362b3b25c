"""Calls that a caller may repeat: what is remembered of a call with the header `Idempotency-Key`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from mailroom.errors import Invalid
from mailroom.platform.mongo import Document, Documents

REMEMBERED = timedelta(hours=24)

MOST_REPEATABLE = 20
"""So many calls that change one document are kept in it, as {key, at}: the last ones."""


class RepeatableCall(msgspec.Struct, frozen=True):
    """`key` is the caller's Idempotency-Key, made unique among all callers. `digest` is the hash of the request."""

    key: str
    digest: str


def find_earlier(
    collection: Documents, call: RepeatableCall, now: datetime, *, hint: str | None = None
) -> Document | None:
    """The document that an earlier call with this key has made; its `idempotency` has `key` and `digest`.

    None if there is none. The key of a document older than `REMEMBERED` is removed. Errors are the driver's.

    Raises:
        Invalid: the earlier call was another request.
    """
    found = collection.find_one({"idempotency.key": call.key}, hint=hint)
    if found is None:
        return None
    if now - found["createdAt"] >= REMEMBERED:
        which = {"_id": found["_id"], "idempotency.key": call.key}
        collection.update_one(which, {"$unset": {"idempotency": ""}})
        return None
    check_same_request(call, found["idempotency"]["digest"])
    return found


def is_remembered(calls: Iterable[Document], key: str | None, now: datetime) -> bool:
    """Whether one of the `calls` that a document keeps had this key lately."""
    return any(each["key"] == key and each["at"] > now - REMEMBERED for each in calls)


def check_same_request(call: RepeatableCall, digest: str) -> None:
    """Raises `Invalid` if the earlier call with this key was another request: it had another `digest`."""
    if digest != call.digest:
        raise Invalid(None, "idempotency.reused", "this Idempotency-Key was used with another body")
