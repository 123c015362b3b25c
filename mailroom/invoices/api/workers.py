"""The view of the importer."""

from __future__ import annotations

from flask import Blueprint, Response

from mailroom.invoices.api.context import context
from mailroom.invoices.api.invoices import READ
from mailroom.web.endpoints import endpoint
from mailroom.web.workers import WORKERS, answer

blueprint = Blueprint("workers", __name__, url_prefix="/workers")


@blueprint.get("")
@endpoint(WORKERS, READ)
def list_workers() -> Response:
    waiting = context().waiting
    return answer([waiting.importer()], waiting.clock.now())
