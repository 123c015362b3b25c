"""The views of webhooks: endpoints, and the deliveries to them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from bson import ObjectId
from flask import Blueprint, Response, request

from mailroom.errors import Conflict, Invalid
from mailroom.platform.clock import rfc3339
from mailroom.platform.keyset import NEWEST_FIRST
from mailroom.platform.mongo import MOST_COUNTED, Document
from mailroom.web.endpoints import endpoint, json_body, query
from mailroom.web.idempotency import callers_key, repeatable_call
from mailroom.web.paging import cursor_of, key_of, limit_of
from mailroom.web.representation import json_response
from mailroom.webhooks.api import operations, schemas
from mailroom.webhooks.api.context import context
from mailroom.webhooks.endpoints import NewSecret
from mailroom.webhooks.model import DeliveryState

READ, WRITE = "webhooks:read", "webhooks:write"

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")


@blueprint.get("")
@endpoint(operations.LIST, READ)
def list_webhooks() -> Response:
    given = query()
    page = context().endpoints.page(limit_of(given), key_of(given, NEWEST_FIRST))
    items = [_webhook(each) for each in page.items]
    return json_response(schemas.WebhookEndpointPage(items=items, next_cursor=cursor_of(NEWEST_FIRST, page.last)))


@blueprint.post("")
@endpoint(operations.ADD, WRITE)
def add() -> Response:
    body = json_body(operations.AddWebhook)
    made = context().endpoints.add(
        body.url, body.events, body.description, enabled=body.enabled, call=repeatable_call(body)
    )
    return json_response(_new_webhook(made), 201)


@blueprint.get("/<id:id>")
@endpoint(operations.GET, READ)
def get_webhook(id: ObjectId) -> Response:
    return json_response(_webhook(context().endpoints.get(id)))


@blueprint.patch("/<id:id>")
@endpoint(operations.CHANGE, WRITE)
def change(id: ObjectId) -> Response:
    body = json_body(operations.ChangeWebhook)
    given: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET
    }
    return json_response(_webhook(context().endpoints.change(id, **given)))


@blueprint.delete("/<id:id>")
@endpoint(operations.DELETE, WRITE)
def delete(id: ObjectId) -> Response:
    context().endpoints.remove(id)
    return json_response({"deleted": str(id)})


@blueprint.post("/<id:id>/rotate")
@endpoint(operations.ROTATE, WRITE)
def rotate(id: ObjectId) -> Response:
    body = json_body(operations.RotateSecret) if request.get_data() else operations.RotateSecret()
    call = repeatable_call([str(id), body.overlap_hours])
    return json_response(_new_webhook(context().endpoints.rotate(id, timedelta(hours=body.overlap_hours), call)))


@blueprint.get("/<id:id>/deliveries")
@endpoint(operations.LIST_DELIVERIES, READ)
def list_deliveries(id: ObjectId) -> Response:
    given = query()
    state, limit, after = _state(given.get("state")), limit_of(given), key_of(given, NEWEST_FIRST, str)
    context().endpoints.get(id)
    page = context().deliveries.page(id, state, limit, after)
    items = [schemas.WebhookDelivery.of(each, **_members(each)) for each in page.items]
    return json_response(schemas.WebhookDeliveryPage(items=items, next_cursor=cursor_of(NEWEST_FIRST, page.last)))


@blueprint.get("/<id:id>/deliveries/counts")
@endpoint(operations.COUNT_DELIVERIES, READ)
def count_deliveries(id: ObjectId) -> Response:
    context().endpoints.get(id)
    counts = context().deliveries.counts(id)
    return json_response(schemas.WebhookDeliveryCounts(counts=counts, most_counted=MOST_COUNTED))


@blueprint.get("/<id:id>/deliveries/<id:delivery>")
@endpoint(operations.GET_DELIVERY, READ)
def get_delivery(id: ObjectId, delivery: ObjectId) -> Response:
    found = context().deliveries.get(id, delivery)
    payload = msgspec.Raw(found["payload"].encode())
    return json_response(schemas.WebhookDeliveryDetails.of(found, **_members(found), payload=payload))


@blueprint.post("/<id:id>/deliveries/<id:delivery>/redeliver")
@endpoint(operations.REDELIVER, WRITE)
def redeliver(id: ObjectId, delivery: ObjectId) -> Response:
    if not context().endpoints.get(id)["enabled"]:
        raise Conflict("webhook.disabled", "this webhook is disabled: enable it first")
    found = context().deliveries.redeliver(id, delivery, callers_key())
    context().kick()
    return json_response(schemas.WebhookDelivery.of(found, **_members(found)), 202)


def _state(text: str | None) -> DeliveryState | None:
    try:
        return None if text is None else DeliveryState(text)
    except ValueError:
        raise Invalid("state", "state.invalid", f"state must be one of {', '.join(DeliveryState)}") from None


def _webhook(document: Document) -> schemas.WebhookEndpoint:
    return schemas.WebhookEndpoint.of(document, **_endpoint_members(document))


def _new_webhook(made: NewSecret) -> schemas.NewWebhookEndpoint:
    return schemas.NewWebhookEndpoint.of(made.endpoint, **_endpoint_members(made.endpoint), secret=made.secret)


def _endpoint_members(document: Document) -> dict[str, Any]:
    secrets = [schemas.WebhookSecret.of(each) for each in document["secrets"]]
    return {"id": str(document["_id"]), "secrets": secrets}


def _members(delivery: Document) -> dict[str, Any]:
    """The members of a delivery that the document has under other names."""
    due = delivery.get("dueAt")
    return {
        "id": delivery["announcementId"],
        "next_attempt_at": None if due is None else rfc3339(due),
        "attempts": [schemas.DeliveryAttempt.of(each) for each in delivery["attempts"]],
    }
