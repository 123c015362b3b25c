"""What callers are told about a message."""

from __future__ import annotations

from typing import Any

from flask import Response
from msgspec import UNSET

from mailroom.errors import Refusal
from mailroom.notifications.api import schemas
from mailroom.notifications.model import addresses, reports, topics
from mailroom.notifications.model.messages import Priority, State
from mailroom.notifications.outbox.accept import Acceptance
from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import Document
from mailroom.platform.waiting import Waiting
from mailroom.web.problems import Problem
from mailroom.web.representation import json_response
from mailroom.web.schemas import waiting_for

_WAITING = (State.QUEUED, State.SENDING)
_REFUSED = (State.FAILED, State.SUPPRESSED)

_TEXTS = {
    State.QUEUED: "The notification was accepted and will be sent",
    State.SENT: "The notification was sent",
    State.PARTIAL: "The notification was sent, but not to every recipient",
    State.UNKNOWN: "The relay did not say whether it took the notification",
    State.CANCELLED: "The notification was cancelled",
}


class NotificationRefused(Problem):
    """The relay refused the message for good. It is recorded, and can be read by `id`.

    422 and not 5xx: the same call would be refused again, and 4xx is what programs and proxies in between do not repeat
    or replace by pages of their own.
    """

    def __init__(self, document: Document) -> None:
        error = document["error"]["message"] if document["error"] else "nobody is left to send to"
        super().__init__(422, "notification.refused", f"The notification was refused: {error}")
        self.id = str(document["_id"])
        self.state: str = document["state"]


def problem_members(problem: Problem) -> dict[str, Any]:
    """What the problems of this API carry beside the standard's members."""
    members = {"result": "FAILED", "message": problem.detail}
    return members | ({"id": problem.id, "state": problem.state} if isinstance(problem, NotificationRefused) else {})


def outcome(document: Document, *, waiting: bool = False) -> Response:
    """The answer to `POST`: 200 when it ended, 202 when it is still to be sent, or `waiting` says that it was then.

    Raises:
        NotificationRefused: it ended without anybody getting it.
    """
    state = State.QUEUED if waiting or document["state"] in _WAITING else State(document["state"])
    if state in _REFUSED:
        raise NotificationRefused(document)
    return json_response(_accepted(document, state), 202 if state is State.QUEUED else 200)


def entry(accepted: Acceptance | Refusal | Problem) -> schemas.AcceptedNotification | schemas.RefusedEntry:
    """What a batch says about one of its messages."""
    if isinstance(accepted, Refusal | Problem):
        return schemas.RefusedEntry(result="FAILED", message=str(accepted), code=accepted.code, field=accepted.field)
    return _accepted(accepted.document, State.QUEUED)


def item(document: Document) -> schemas.Item:
    """A message in a list."""
    return schemas.Item.of(document, **_named_otherwise(document))


def details(document: Document, waiting: Waiting | None) -> schemas.Notification:
    """One message, with its recipients, bodies and attempts, and what it waits for."""
    return schemas.Notification.of(
        document,
        **_named_otherwise(document),
        from_name=document["from"]["name"],
        reply_to=[each["address"] for each in document["replyTo"]],
        recipients=[recipient(document, each) for each in document["recipients"]],
        headers={each["name"]: each["value"] for each in document.get("headers", ())},
        unsubscribe=schemas.Subscribed(topic=topic) if (topic := topics.of(document)) else None,
        attachments=[_attached(each) for each in document["attachments"]],
        attempts=[schemas.Attempt.of(each) for each in document["attempts"]],
        waiting_for=waiting_for(waiting),
    )


def recipient(document: Document, one: Document) -> schemas.RecipientDetails:
    """One recipient of a message, with what was reported about it."""
    report = reports.latest(document.get("reports", ()), addresses.key(one["address"]), document["dueSince"])
    delivery = report and schemas.ReportedDelivery(
        status=report["delivery"],
        code=report["code"],
        text=report["text"],
        at=rfc3339(report["at"] or report["receivedAt"]),
    )
    return schemas.RecipientDetails.of(one, status=one["fate"], delivery=delivery)


def _accepted(document: Document, state: State) -> schemas.AcceptedNotification:
    test = _is_test(document)
    return schemas.AcceptedNotification(
        result="OK",
        message=f"{_TEXTS[state]}{' (test mode: to nobody)' if test else ''}",
        id=str(document["_id"]),
        status=state,
        test=True if test else UNSET,
    )


def _is_test(document: Document) -> bool:
    return bool(document.get("test"))


def _named_otherwise(document: Document) -> dict[str, Any]:
    """The members of an item that the document has under other names."""
    return {
        "id": str(document["_id"]),
        "status": document["state"],
        "from_": document["from"]["address"],
        "priority": Priority(document["priority"]).name.lower(),
        "test": _is_test(document),
        "delivery": reports.worst(
            document.get("reports", ()),
            (addresses.key(each["address"]) for each in document["recipients"]),
            document["dueSince"],
        ),
        "next_attempt_at": rfc3339(document["dueAt"]) if document["state"] == State.QUEUED else None,
    }


def _attached(document: Document) -> schemas.Attached:
    stored = _stored(document.get("object"))
    return schemas.Attached.of(document, object=stored, content_id=document.get("contentId") or None)


def _stored(document: Document | None) -> schemas.StoredObject | None:
    return None if document is None else schemas.StoredObject.of(document, version_id=document["version_id"])
