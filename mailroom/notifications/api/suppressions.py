"""The views of the suppression list."""

from __future__ import annotations

from flask import Blueprint, Response

from mailroom.errors import Invalid, NotFound
from mailroom.notifications.api import operations
from mailroom.notifications.api.context import context
from mailroom.notifications.api.messages import READ, SEND
from mailroom.notifications.api.schemas import Suppression
from mailroom.notifications.model import addresses, topics
from mailroom.platform.keyset import NEWEST_FIRST
from mailroom.web.endpoints import endpoint, json_body, query
from mailroom.web.paging import cursor_of, key_of, limit_of
from mailroom.web.representation import json_response

LONGEST_REASON = 500  # characters

blueprint = Blueprint("suppressions", __name__, url_prefix="/suppressions")


@blueprint.get("")
@endpoint(operations.LIST_SUPPRESSIONS, READ)
def list_suppressions() -> Response:
    given = query()
    after = key_of(given, NEWEST_FIRST)
    page = context().suppressions.page(given.get("address"), _topic(given.get("topic")), limit_of(given), after)
    items = [Suppression.of(each) for each in page.items]
    return json_response({"items": items, "nextCursor": cursor_of(NEWEST_FIRST, page.last)})


@blueprint.post("")
@endpoint(operations.SUPPRESS, SEND)
def add() -> Response:
    """Adding an address that is on the list changes nothing, and is no error."""
    suppress = json_body(operations.Suppress)
    if len(suppress.reason) > LONGEST_REASON:
        raise Invalid("reason", "reason.invalid", f"reason has at most {LONGEST_REASON} characters")
    shown = addresses.address(suppress.address, "address").shown
    topic = _topic(suppress.topic)
    return json_response(Suppression.of(context().suppressions.add(shown, suppress.reason, topic=topic)))


@blueprint.delete("/<path:address>")  # an address may have a slash
@endpoint(operations.UNSUPPRESS, SEND)
def remove(address: str) -> Response:
    topic = _topic(query().get("topic"))
    if not context().suppressions.remove(address, topic):
        raise NotFound("suppression.unknown", "this address is not suppressed")
    if topic is None:
        context().feedback.forget(address)
    return json_response({"removed": address})


def _topic(given: str | None) -> str | None:
    return None if given is None else topics.topic(given, "topic")
