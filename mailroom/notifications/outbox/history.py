"""Finding messages again."""

from __future__ import annotations

from collections.abc import Mapping, Set

from bson import ObjectId

from mailroom.errors import Invalid, NotFound
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import State
from mailroom.notifications.outbox.claims import MessageRef
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.platform.mongo import Document, Documents
from mailroom.web import paging

# A message's bodies and transcript are not part of a list.
_LISTED = {"text": 0, "html": 0, "attachments": 0, "attempts": 0, "idempotency": 0}


class History:
    """The collection `notifications` as callers see it: what is handed over is `sending`, though a sender's lease says
    so and the document does not. Leases are looked at first: a message whose result is there then has it.

    Blocks for MongoDB's answers; errors are the driver's.
    """

    def __init__(self, collection: Documents, outbox: Outbox) -> None:
        self._collection = collection
        self._outbox = outbox

    def get(self, message: ObjectId) -> Document:
        """Raises `NotFound`."""
        sending = self._outbox.sending()
        found = self._collection.find_one({"_id": message})
        if found is None:
            raise NotFound("notification.unknown", "there is no such notification")
        return _seen(found, sending)

    def page(self, query: Mapping[str, str]) -> tuple[list[Document], str | None]:
        """Newest first; filters `status`, `emailTo`, `tag`, `from`, `to`.

        An index serves each combination but that of `tag` with `emailTo` or `status`, which is refused. With `emailTo`
        the state is looked at message by message: one person's are few.

        Raises:
            Invalid: names the parameter.
        """
        paging.only(query, "status", "emailTo", "tag", "from", "to")
        if "tag" in query and ("emailTo" in query or "status" in query):
            raise Invalid("tag", "query.combination", "tag cannot be combined with emailTo or status")
        sending = self._outbox.sending()
        filters: Document = _accepted_in(query)
        index: str | None = "newest"
        if "status" in query:
            which, index = self._in_state(_state(query["status"]), sending)
            filters |= which
        if "emailTo" in query:
            shown = addresses.address(query["emailTo"], "emailTo").shown
            filters["addresses"], index = addresses.key(shown), "recipient"
        if "tag" in query:
            filters["tags"], index = query["tag"], "tag"
        found, cursor = paging.page(self._collection, filters, "createdAt", True, query, _LISTED, index)
        return [_seen(each, sending) for each in found], cursor

    def counts(self, query: Mapping[str, str]) -> dict[str, int]:
        """How many messages there are in each state; filters `from`, `to`. Each count is a walk along an index.

        Raises:
            Invalid: names the parameter.
        """
        paging.only(query, "from", "to")
        times = _accepted_in(query)
        handed_over = len(self._queued(self._outbox.sending(), times))
        counts = {state.value: self._collection.count_documents({"state": state, **times}) for state in State}
        counts[State.QUEUED] = max(0, counts[State.QUEUED] - handed_over)  # some may have been sent meanwhile
        counts[State.SENDING] += handed_over
        return counts

    def _in_state(self, state: State, sending: Set[MessageRef]) -> tuple[Document, str | None]:
        """The filter for what is seen in that state, and the index that serves it."""
        if state is State.QUEUED and sending:
            return {"state": state, "$and": [{"_id": {"$nin": self._queued(sending, {})}}]}, "state"
        if state is State.SENDING:
            lost = [each["_id"] for each in self._collection.find({"state": state}, {"_id": 1}).hint("state")]
            return {"$and": [{"_id": {"$in": lost + self._queued(sending, {})}}]}, None
        return {"state": state}, "state"

    def _queued(self, sending: Set[MessageRef], times: Document) -> list[ObjectId]:
        """Those of the messages that have no result yet, in whose documents they are still queued."""
        which = {"_id": {"$in": [each.id for each in sending]}, "state": State.QUEUED, **times}
        found = self._collection.find(which, {"epoch": 1}) if sending else ()
        return [each["_id"] for each in found if MessageRef(each["_id"], each["epoch"]) in sending]


def _seen(document: Document, sending: Set[MessageRef]) -> Document:
    if document["state"] == State.QUEUED and MessageRef(document["_id"], document["epoch"]) in sending:
        return document | {"state": State.SENDING}
    return document


def _accepted_in(query: Mapping[str, str]) -> Document:
    """The filter on the time that `from` (inclusive) and `to` (exclusive) give."""
    times = {
        operator: paging.time_parameter(query[name], name)
        for name, operator in (("from", "$gte"), ("to", "$lt"))
        if name in query
    }
    return {"createdAt": times} if times else {}


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise Invalid("status", "status.invalid", f"status must be one of {', '.join(State)}") from None
