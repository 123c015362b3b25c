"""The view of the health of Mailroom."""

from __future__ import annotations

from flask import Blueprint, Response

from mailroom.invoices.api.context import context
from mailroom.invoices.api.health import schemas
from mailroom.platform.clock import rfc3339
from mailroom.web.endpoints import Operation, endpoint
from mailroom.web.representation import json_response

READ = "operations:read"

GET_HEALTH = Operation(
    "What is well and what is not",
    {200: schemas.SystemHealth},
    text="Looks at the set-up, the calls of each worker, the import that is due for longest, and the bucket; kept for "
    "15 s. The status is 200 whatever is found. Without MongoDB there is no answer but 503.",
)

blueprint = Blueprint("health", __name__, url_prefix="/health")


@blueprint.get("")
@endpoint(GET_HEALTH, READ)
def get_health() -> Response:
    found = context().health.get()
    checks = [
        schemas.CheckedPart(
            name=each.name,
            healthy=each.healthy,
            code=each.code or None,
            text=each.text,
            since=rfc3339(each.since) if each.since else None,
        )
        for each in found.checks
    ]
    healthy = all(each.healthy for each in checks)
    return json_response(schemas.SystemHealth(healthy=healthy, checks=checks, computed_at=rfc3339(found.computed_at)))
