"""Finding messages: one of them, a page of them, how many there are."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime
from typing import Any

import msgspec
from bson import ObjectId

from mailroom.errors import Invalid, NotFound
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import State
from mailroom.notifications.outbox.claims import Claims, MessageRef
from mailroom.platform.keyset import NEWEST_FIRST, Key, KeysetPage, Range
from mailroom.platform.mongo import Document, Documents

# A list leaves out the bodies, the transcripts, and the words of reports.
_LEFT_OUT = ("text", "html", "attachments", "attempts", "reports.text", "announcements", "idempotency")
_LISTED = dict.fromkeys(_LEFT_OUT, 0)


class HistoryFilter(msgspec.Struct, frozen=True):
    """Which messages to list; None selects all. `since` (inclusive) and `until` (exclusive) are times of acceptance.

    `test` selects only the messages of test keys.
    """

    status: State | None = None
    email_to: str | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sender: str | None = None
    test: bool = False


class History:
    """The collection `notifications` as callers see it. Blocks for MongoDB's answers; errors are the driver's.

    A message that is handed over is shown as `sending`, although only the sender's lease says so. So every method reads
    the leases first: a message whose result is written meanwhile is then shown with its result.
    """

    def __init__(self, collection: Documents, claims: Claims) -> None:
        self._collection = collection
        self._claims = claims

    def get(self, message: ObjectId) -> Document:
        """Raises `NotFound`."""
        sending = self._claims.handed_over()
        found = self._collection.find_one({"_id": message})
        if found is None:
            raise NotFound("notification.unknown", "there is no such notification")
        return as_shown(found, sending)

    def page(self, wanted: HistoryFilter, limit: int, after: Key | None = None) -> KeysetPage[Document]:
        """Newest first, beginning after the key `after`.

        An index serves each combination, except `tag` with `email_to`, `sender` or `status`, and `test` with another
        one. With `email_to` the server checks the state and the sender of each message: one person has few.

        Raises:
            Invalid: `tag` is combined with `email_to`, `sender` or `status`, or `test` with one of the four.
        """
        others = (wanted.email_to, wanted.sender, wanted.status)
        if wanted.test and (wanted.tag, *others) != (None, None, None, None):
            raise Invalid("test", "query.combination", "test cannot be combined with emailTo, sender, status or tag")
        if wanted.tag is not None and others != (None, None, None):
            raise Invalid("tag", "query.combination", "tag cannot be combined with emailTo, sender or status")
        sending = self._claims.handed_over()
        filters: Document = {}
        index: str | None = "newest"
        if wanted.status is not None:
            filters, index = self._in_state(wanted.status, sending)
        if wanted.sender is not None:
            filters, index = self._from_sender(wanted.sender, filters, index)
        if wanted.email_to is not None:
            filters, index = filters | {"addresses": addresses.key(wanted.email_to)}, "recipient"
        if wanted.tag is not None:
            filters, index = {"tags": wanted.tag}, "tag"
        if wanted.test:
            filters, index = {"test": True}, "test"
        listed = Range(NEWEST_FIRST, filters, _accepted(wanted.since, wanted.until), index)
        found = listed.page(self._collection, limit, after, _LISTED)
        return KeysetPage([as_shown(each, sending) for each in found.items], found.last)

    def counts(
        self, since: datetime | None = None, until: datetime | None = None, email_to: str | None = None
    ) -> dict[str, int]:
        """The number of messages in each state, accepted since `since` and before `until`. Scans an index.

        With `email_to`, those to this recipient alone: one person has few.
        """
        accepted = _accepted(since, until)
        which: Document = {"createdAt": accepted} if accepted else {}
        hint: dict[str, Any] = {}
        if email_to is not None:
            which, hint = which | {"addresses": addresses.key(email_to)}, {"hint": "recipient"}
        handed_over = len(self._queued(self._claims.handed_over(), which))
        counts = {state.value: self._collection.count_documents({"state": state, **which}, **hint) for state in State}
        counts[State.QUEUED] = max(0, counts[State.QUEUED] - handed_over)  # some may have been sent meanwhile
        counts[State.SENDING] += handed_over
        return counts

    def _in_state(self, state: State, sending: Set[MessageRef]) -> tuple[Document, str | None]:
        """The filter for the messages that callers see in `state`, and the index that serves it.

        The few that are being sent are found by their ids: the index is None.
        """
        if state is State.QUEUED and sending:
            return {"state": state, "$and": [{"_id": {"$nin": self._queued(sending, {})}}]}, "state"
        if state is State.SENDING:
            in_doubt = [each["_id"] for each in self._collection.find({"state": state}, {"_id": 1}).hint("state")]
            return {"$and": [{"_id": {"$in": in_doubt + self._queued(sending, {})}}]}, None
        return {"state": state}, "state"

    def _from_sender(self, sender: str, filters: Document, index: str | None) -> tuple[Document, str | None]:
        """The filter for the messages of `sender` that also meet `filters`, and the index that serves it."""
        key = {"sender": addresses.key(sender)}
        if index is None:
            return filters | key, None
        return key | {"state": {"$in": list(State)}} | filters, "sender"

    def _queued(self, sending: Set[MessageRef], others: Document) -> list[ObjectId]:
        """The messages of `sending` that meet `others` and have no result yet: their documents still say `queued`."""
        which = {"_id": {"$in": [each.id for each in sending]}, "state": State.QUEUED, **others}
        found = self._collection.find(which, {"epoch": 1}) if sending else ()
        return [each["_id"] for each in found if MessageRef(each["_id"], each["epoch"]) in sending]


def as_shown(document: Document, sending: Set[MessageRef]) -> Document:
    """The document as callers see it: with the state `sending` while it is handed over."""
    if document["state"] == State.QUEUED and MessageRef(document["_id"], document["epoch"]) in sending:
        return document | {"state": State.SENDING}
    return document


def _accepted(since: datetime | None, until: datetime | None) -> Document:
    """The bounds on the time of acceptance."""
    bounds = {"$gte": since, "$lt": until}
    return {operator: time for operator, time in bounds.items() if time is not None}
