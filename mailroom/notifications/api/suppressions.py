"""The views of the suppression list."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from mailroom.errors import Invalid, NotFound
from mailroom.notifications.api import operations, parameters
from mailroom.notifications.api.context import context
from mailroom.notifications.api.messages import READ, SEND
from mailroom.notifications.model import addresses
from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import Document
from mailroom.web.endpoints import endpoint, json_body, query
from mailroom.web.paging import limit_of
from mailroom.web.representation import json_response

LONGEST_REASON = 500  # characters

blueprint = Blueprint("suppressions", __name__, url_prefix="/suppressions")


@blueprint.get("")
@endpoint(operations.LIST_SUPPRESSIONS, READ)
def list_suppressions() -> Response:
    address, after = query().get("address"), parameters.after(query())
    page = context().suppressions.page(address, limit_of(query()), after)
    return json_response({"items": [_item(each) for each in page.items], "nextCursor": parameters.next_cursor(page)})


@blueprint.post("")
@endpoint(operations.SUPPRESS, SEND)
def add() -> Response:
    """Adding an address that is on the list changes nothing, and is no error."""
    suppress = json_body(operations.Suppress)
    if len(suppress.reason) > LONGEST_REASON:
        raise Invalid("reason", "reason.invalid", f"reason has at most {LONGEST_REASON} characters")
    shown = addresses.address(suppress.address, "address").shown
    return json_response(_item(context().suppressions.add(shown, suppress.reason)))


@blueprint.delete("/<address>")
@endpoint(operations.UNSUPPRESS, SEND)
def remove(address: str) -> Response:
    if not context().suppressions.remove(address):
        raise NotFound("suppression.unknown", "this address is not suppressed")
    return json_response({"removed": address})


def _item(document: Document) -> dict[str, Any]:
    message = document["notificationId"]
    return {
        "address": document["address"],
        "reason": document["reason"],
        "notificationId": None if message is None else str(message),
        "createdAt": rfc3339(document["createdAt"]),
    }
