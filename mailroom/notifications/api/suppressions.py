"""The suppression list, by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from mailroom.notifications.model import addresses
from mailroom.notifications.outbox.suppressions import Suppressions
from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import Document
from mailroom.web import paging
from mailroom.web.api import Problem, Request, Response

LONGEST_REASON = 500


class Suppress(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `POST /suppressions`."""

    address: str
    reason: str = "by hand"


class SuppressionList:
    def __init__(self, suppressions: Suppressions) -> None:
        self._suppressions = suppressions

    def list(self, request: Request) -> Response:
        items, cursor = self._suppressions.page(request.query)
        return Response({"items": [_item(each) for each in items], "nextCursor": cursor})

    def add(self, request: Request) -> Response:
        """Adding what is there already is no error, and changes nothing."""
        suppress = request.decode(Suppress)
        if len(suppress.reason) > LONGEST_REASON:
            raise Problem(422, "reason.invalid", f"reason has at most {LONGEST_REASON} characters", field="reason")
        shown = addresses.address(suppress.address, "address").shown
        return Response(_item(self._suppressions.add(shown, suppress.reason)))

    def remove(self, request: Request) -> Response:
        paging.only(request.query)
        if not self._suppressions.remove(request.parameters["address"]):
            raise Problem(404, "suppression.unknown", "this address is not suppressed")
        return Response({"removed": request.parameters["address"]})


def _item(document: Document) -> dict[str, Any]:
    message = document["notificationId"]
    return {
        "address": document["address"],
        "reason": document["reason"],
        "notificationId": None if message is None else str(message),
        "createdAt": rfc3339(document["createdAt"]),
    }
