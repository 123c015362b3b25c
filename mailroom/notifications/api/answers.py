"""What callers are told about a message."""

from __future__ import annotations

from typing import Any

from flask import Response

from mailroom.errors import Refusal
from mailroom.notifications.model.messages import Priority, State
from mailroom.notifications.outbox.accept import Acceptance
from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import Document
from mailroom.web.paging import optional_time
from mailroom.web.problems import Problem
from mailroom.web.representation import json_response

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
    body = {"result": "OK", "message": _TEXTS[state], "id": str(document["_id"]), "status": state.value}
    return json_response(body, 202 if state is State.QUEUED else 200)


def entry(accepted: Acceptance | Refusal | Problem) -> dict[str, Any]:
    """What a batch says about one of its messages."""
    if isinstance(accepted, Refusal | Problem):
        field = accepted.field
        return {"result": "FAILED", "message": str(accepted), "code": accepted.code, "field": field}
    text = _TEXTS[State.QUEUED]
    return {"result": "OK", "message": text, "id": str(accepted.document["_id"]), "status": State.QUEUED.value}


def item(document: Document) -> dict[str, Any]:
    """A message in a list."""
    return {
        "id": str(document["_id"]),
        "status": document["state"],
        "emailTo": document["emailTo"],
        "subject": document["subject"],
        "template": document.get("template"),
        "tags": document["tags"],
        "metadata": document["metadata"],
        "priority": Priority(document["priority"]).name.lower(),
        "createdAt": rfc3339(document["createdAt"]),
        "updatedAt": rfc3339(document["updatedAt"]),
        "sentAt": optional_time(document, "sentAt"),
        "nextAttemptAt": optional_time(document, "dueAt") if document["state"] == State.QUEUED else None,
        "attemptCount": document["attemptCount"],
        "error": document["error"],
        "messageId": document["messageId"],
    }


def details(document: Document) -> dict[str, Any]:
    """One message, with its recipients, bodies and attempts."""
    return item(document) | {
        "from": document["from"]["address"],
        "replyTo": [each["address"] for each in document["replyTo"]],
        "recipients": [_recipient(each) for each in document["recipients"]],
        "headers": {each["name"]: each["value"] for each in document.get("headers", ())},
        "html": document["html"],
        "erasedAt": optional_time(document, "erasedAt"),
        "text": document["text"],
        "attachments": [
            {
                "filename": each["filename"],
                "contentType": each["contentType"],
                "size": each["size"],
                "object": _stored(each.get("object")),
            }
            for each in document["attachments"]
        ],
        "attempts": [_attempt(each) for each in document["attempts"]],
    }


def _stored(document: Document | None) -> dict[str, Any] | None:
    return None if document is None else {"key": document["key"], "versionId": document["version_id"]}


def _recipient(document: Document) -> dict[str, Any]:
    return {
        "address": document["address"],
        "kind": document["kind"],
        "status": document["fate"],
        "code": document["code"],
        "text": document["text"],
    }


def _attempt(document: Document) -> dict[str, Any]:
    return {
        "startedAt": rfc3339(document["startedAt"]),
        "endedAt": optional_time(document, "endedAt"),
        "outcome": document["outcome"],
        "steps": document["steps"],
    }
