"""The contract of the calls about webhooks: what each route takes and answers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mailroom.web.endpoints import PAGE, Operation, Parameter
from mailroom.webhooks.api import schemas
from mailroom.webhooks.model import EventType

MOST_OVERLAP_HOURS = 168

Events = Annotated[list[EventType], Meta(min_length=1, max_length=100)]


class AddWebhook(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `POST /webhooks`. `events` are the types to tell of."""

    url: str
    events: Events
    description: str = ""
    enabled: bool = True


class ChangeWebhook(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `PATCH /webhooks/{id}`: what is to change. Enabling begins anew after failures."""

    url: str | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class RotateSecret(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `POST /webhooks/{id}/rotate`. For `overlapHours` deliveries are signed with the old secret too."""

    overlap_hours: Annotated[float, Meta(ge=0, le=MOST_OVERLAP_HOURS)] = 24


_KEY = Parameter("Idempotency-Key", "A repeat within 24 hours gets the first secret again.", where="header")

LIST = Operation("A page of the webhooks, newest first", {200: schemas.WebhookEndpointPage}, parameters=PAGE)
ADD = Operation(
    "Add a webhook",
    {201: schemas.NewWebhookEndpoint},
    body=AddWebhook,
    parameters=(_KEY,),
    problems=(409,),
    text="Its endpoint is told of what happens from now on, within a few seconds.",
)
GET = Operation("A webhook", {200: schemas.WebhookEndpoint}, problems=(404,))
CHANGE = Operation("Change a webhook", {200: schemas.WebhookEndpoint}, body=ChangeWebhook, problems=(404,))
DELETE = Operation("Delete a webhook and its deliveries", {200: schemas.DeletedWebhook}, problems=(404,))
ROTATE = Operation(
    "Give a webhook a new secret",
    {200: schemas.NewWebhookEndpoint},
    body=RotateSecret,
    body_required=False,
    parameters=(_KEY,),
    problems=(404, 409),
    text="With `overlapHours` 0, for a secret that is known to others, the old one ends at once.",
)
LIST_DELIVERIES = Operation(
    "A page of the deliveries of a webhook, newest first",
    {200: schemas.WebhookDeliveryPage},
    parameters=(Parameter("state", "Where they stand.", schemas.State), *PAGE),
    problems=(404,),
)
COUNT_DELIVERIES = Operation(
    "The numbers of deliveries of a webhook by state", {200: schemas.WebhookDeliveryCounts}, problems=(404,)
)
GET_DELIVERY = Operation(
    "A delivery, with its payload and its attempts", {200: schemas.WebhookDeliveryDetails}, problems=(404,)
)
REDELIVER = Operation(
    "Deliver again, at once",
    {202: schemas.WebhookDelivery},
    parameters=(Parameter("Idempotency-Key", "A repeat within 24 hours delivers no more.", where="header"),),
    problems=(404, 409),
    text="With the same id and payload, whatever became of it.",
)
