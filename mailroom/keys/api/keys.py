"""The views of keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bson import ObjectId
from flask import Blueprint, Response

from mailroom.errors import Invalid
from mailroom.keys.api import operations, schemas
from mailroom.keys.api.context import context
from mailroom.keys.managed import KeyRequest
from mailroom.keys.managers import MANAGE
from mailroom.platform.keyset import NEWEST_FIRST
from mailroom.platform.mongo import Document
from mailroom.web.endpoints import caller, endpoint, json_body, query
from mailroom.web.idempotency import repeatable_call
from mailroom.web.paging import cursor_of, key_of, limit_of
from mailroom.web.representation import json_response

blueprint = Blueprint("keys", __name__, url_prefix="/keys")


@blueprint.get("")
@endpoint(operations.LIST_KEYS, MANAGE)
def list_keys() -> Response:
    given = query()
    sessions = _flag(given.get("sessions", "false"), "sessions")
    page = context().keys.page(limit_of(given), key_of(given, NEWEST_FIRST), sessions=sessions)
    items = [schemas.ListedKey.of(each, **_members(each)) for each in page.items]
    return json_response(schemas.KeyList(items=items, next_cursor=cursor_of(NEWEST_FIRST, page.last)))


@blueprint.get("/<id:id>")
@endpoint(operations.GET_KEY, MANAGE)
def get_key(id: ObjectId) -> Response:
    stored = context().keys.get(id)
    answer = schemas.KeyDetails.of(
        stored,
        **_members(stored),
        open_sessions=context().keys.count_open_sessions(id),
        current=str(id) in (caller().id, caller().session),
    )
    return json_response(answer)


@blueprint.post("")
@endpoint(operations.MAKE_KEY, MANAGE)
def make_key() -> Response:
    body = json_body(operations.MakeKey)
    expires = timedelta(days=body.expires_days) if body.expires_days is not None else None
    key, stored = context().keys.make(
        KeyRequest(body.name, body.scopes, body.senders, expires),
        caller(),
        repeatable_call(body),
    )
    return json_response(schemas.MadeKey.of(stored, **_members(stored), key=key.text), 201)


@blueprint.delete("/<id:id>")
@endpoint(operations.REVOKE_KEY, MANAGE)
def revoke_key(id: ObjectId) -> Response:
    context().keys.revoke(id)
    return Response(status=204)


def _members(document: Document) -> dict[str, object]:
    """The members of a key that its document lacks, or has under other names."""
    parent = document.get("parent")
    return {
        "id": str(document["_id"]),
        "senders": document.get("senders", []),  # a key of an earlier version has none
        "state": _state(document),
        "parent": None if parent is None else str(parent),
    }


def _state(document: Document) -> schemas.KeyState:
    if document["revokedAt"] is not None:
        return schemas.KeyState.REVOKED
    limits = (document["expiresAt"], document.get("idleExpiresAt"))
    over = any(limit is not None and limit <= datetime.now(UTC) for limit in limits)
    return schemas.KeyState.EXPIRED if over else schemas.KeyState.VALID


def _flag(text: str, field: str) -> bool:
    if text not in ("true", "false"):
        raise Invalid(field, "flag.invalid", f"{field} must be true or false")
    return text == "true"
