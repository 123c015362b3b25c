"""Reading messages, and deciding about them by hand."""

from __future__ import annotations

from bson import ObjectId

from mailroom.notifications.api import answers
from mailroom.notifications.api.sending import Kick
from mailroom.notifications.model import addresses
from mailroom.notifications.outbox.history import Mailbox
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.outbox.retention import Retention
from mailroom.platform.kick import SENDER
from mailroom.web import paging
from mailroom.web.api import Problem, Request, Response


class Messages:
    def __init__(self, mailbox: Mailbox, outbox: Outbox, retention: Retention, kick: Kick) -> None:
        self._mailbox = mailbox
        self._outbox = outbox
        self._retention = retention
        self._kick = kick

    def list(self, request: Request) -> Response:
        items, cursor = self._mailbox.page(request.query)
        return Response({"items": [answers.item(each) for each in items], "nextCursor": cursor})

    def counts(self, request: Request) -> Response:
        return Response({"counts": self._mailbox.counts(request.query)})

    def erase(self, request: Request) -> Response:
        """Erases one person's messages; those that are being sent just now are left, and told."""
        paging.only(request.query, "emailTo")
        if "emailTo" not in request.query:
            raise Problem(422, "query.missing", "say whose messages: emailTo", field="emailTo")
        erased, left = self._retention.erase(addresses.address(request.query["emailTo"], "emailTo").shown)
        return Response({"erased": erased, "left": left})

    def get(self, request: Request) -> Response:
        return Response(answers.details(self._mailbox.get(_id(request))))

    def cancel(self, request: Request) -> Response:
        """Cancels a message that is not being sent just now."""
        message = _id(request)
        if not self._outbox.cancel(message):
            state = self._mailbox.get(message)["state"]
            raise Problem(409, "notification.state", f"a notification that is {state} cannot be cancelled")
        return Response(answers.item(self._mailbox.get(message)))

    def resend(self, request: Request) -> Response:
        """Sends a message again to everybody who has not got it for certain; to all when all have."""
        message = _id(request)
        if not self._outbox.resend(self._mailbox.get(message)):
            current = self._mailbox.get(message)
            if current["erasedAt"] is not None:
                raise Problem(409, "notification.erased", "what it said was erased, it cannot be sent again")
            raise Problem(409, "notification.state", f"a notification that is {current['state']} is sent anyway")
        self._kick(SENDER)
        return Response(answers.item(self._mailbox.get(message)), 202)


def _id(request: Request) -> ObjectId:
    paging.only(request.query)
    return paging.object_id(request.parameters["id"], "id")
