"""The view that providers call. It needs no API key: the adapter checks who calls."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, request

from mailroom.errors import TooLarge
from mailroom.notifications.api import operations
from mailroom.notifications.api.context import context
from mailroom.notifications.api.schemas import ReceivedEvents
from mailroom.notifications.feedback.adapters.adapter import Call, Unverified
from mailroom.web.endpoints import open_endpoint
from mailroom.web.problems import Problem
from mailroom.web.representation import json_response

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 20  # SNS sends 256 KiB at most, the others a few

blueprint = Blueprint("events", __name__, url_prefix="/events")


@blueprint.post("/<adapter>")
@open_endpoint(operations.TAKE_EVENTS)
def take_events(adapter: str) -> Response:
    """The same answer to everybody who is not believed, also for an adapter that is unknown or not set up."""
    body = request.get_data()
    if len(body) > MOST_BYTES:
        raise TooLarge("body.too_large", f"the body has at most {MOST_BYTES >> 20} MiB")
    call = Call({name.lower(): value for name, value in request.headers}, body)
    try:
        received = context().receiver.receive(adapter, call)
    except Unverified as error:
        log.warning("a call that reports on mail is not believed", extra={"adapter": adapter[:50], "why": str(error)})
        raise _not_believed() from None
    return json_response(ReceivedEvents(**{name: getattr(received, name) for name in received.__struct_fields__}))


def _not_believed() -> Problem:
    detail = "the provider's signature or password is missing, wrong or too old, or this adapter is not set up"
    return Problem(401, "events.not_believed", detail, headers={"WWW-Authenticate": 'Basic realm="mailroom"'})
