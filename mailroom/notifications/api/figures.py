"""The view of the figures of mail."""

from __future__ import annotations

from flask import Blueprint, Response

from mailroom.notifications.api import operations, schemas
from mailroom.notifications.api.context import context
from mailroom.notifications.api.messages import READ
from mailroom.notifications.outbox.figures import OldestMessage
from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import MOST_COUNTED
from mailroom.web.endpoints import endpoint
from mailroom.web.representation import json_response
from mailroom.web.schemas import waiting_for

blueprint = Blueprint("figures", __name__, url_prefix="/figures")


@blueprint.get("/messages")
@endpoint(operations.FIGURES, READ)
def of_messages() -> Response:
    found = context().figures.get()
    return json_response(
        schemas.MailFigures(
            counts=found.counts,
            most_counted=MOST_COUNTED,
            oldest_waiting=None if found.oldest is None else _oldest(found.oldest),
            computed_at=rfc3339(found.computed_at),
        )
    )


def _oldest(found: OldestMessage) -> schemas.OldestWaiting:
    return schemas.OldestWaiting(id=str(found.id), since=rfc3339(found.since), waiting_for=waiting_for(found.waiting))
