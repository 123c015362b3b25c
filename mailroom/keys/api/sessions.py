"""The views of sessions."""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from mailroom.errors import Invalid
from mailroom.keys.api import operations, schemas
from mailroom.keys.api.context import context
from mailroom.keys.sessions import NewSession
from mailroom.platform.api_keys import refusal
from mailroom.platform.clock import rfc3339
from mailroom.web.endpoints import caller, has_caller, json_body, key_endpoint, optional_key_endpoint
from mailroom.web.representation import json_response

blueprint = Blueprint("sessions", __name__, url_prefix="/sessions")


@blueprint.post("")
@optional_key_endpoint(operations.START_SESSION)
def start() -> Response:
    body = json_body(operations.StartSession) if request.get_data() else operations.StartSession()
    if has_caller():
        if body.code is not None:
            raise Invalid("code", "session.code", "send a code without a key, or a key without a code")
        return _started(context().sessions.start(caller(), body.scopes))
    if body.code is None:
        raise refusal(missing=True)
    if body.scopes is not None:
        raise Invalid("scopes", "session.code", "a session that a code starts has the scopes of the code")
    return _started(context().sessions.exchange(context().codes, body.code))


@blueprint.get("/current")
@key_endpoint(operations.GET_SESSION)
def current() -> Response:
    found = context().sessions.current(caller())
    return json_response(schemas.CurrentSession.of(found, id=str(found["_id"])))


@blueprint.delete("/current")
@key_endpoint(operations.END_SESSION)
def end() -> Response:
    context().sessions.end(caller())
    g.written_id = caller().session
    return Response(status=204)


def _started(session: NewSession) -> Response:
    answer = schemas.StartedSession(
        id=session.id,
        token=session.token,
        name=session.name,
        scopes=session.scopes,
        expires_at=rfc3339(session.expires_at),
        idle_seconds=round(context().sessions.idle.total_seconds()),
    )
    return json_response(answer, 201)
