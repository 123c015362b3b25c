"""The view of the senders of mail and webhooks."""

from __future__ import annotations

from flask import Blueprint, Response

from mailroom.notifications.api.context import context
from mailroom.notifications.api.messages import READ
from mailroom.web.endpoints import endpoint
from mailroom.web.workers import WORKERS, answer

blueprint = Blueprint("workers", __name__, url_prefix="/workers")


@blueprint.get("")
@endpoint(WORKERS, READ)
def list_workers() -> Response:
    waiting = context().waiting
    return answer([waiting.sender(), waiting.webhook_sender()], waiting.clock.now())
