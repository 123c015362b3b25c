"""What the API answers about webhooks, field by field."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from mailroom.web.schemas import Cursor, Id, Schema, Time
from mailroom.webhooks.model import DeliveryState, EventType

Event = Annotated[str, Meta(extra_json_schema={"enum": [event.value for event in EventType]})]
State = Annotated[str, Meta(extra_json_schema={"enum": [state.value for state in DeliveryState]})]


class WebhookSecret(Schema):
    """A secret that deliveries are signed with. It is shown only once, by the call that makes it."""

    created_at: Time
    expires_at: Time | None


class WebhookEndpoint(Schema):
    """An endpoint. `disabledReason` is empty unless it was disabled because it failed."""

    id: Id
    url: str
    description: str
    events: list[Event]
    enabled: bool
    disabled_reason: str
    secrets: list[WebhookSecret]
    created_at: Time
    updated_at: Time


class NewWebhookEndpoint(WebhookEndpoint):
    """`secret` is shown only here. The receiver checks signatures with it."""

    secret: Annotated[str, Meta(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])]


class WebhookEndpointPage(Schema):
    items: list[WebhookEndpoint]
    next_cursor: Cursor | None


class DeletedWebhook(Schema):
    deleted: Id


class DeliveryAttempt(Schema):
    """`status` is that of the answer, or null without one; then `error` says why."""

    at: Time
    status: int | None
    error: str
    milliseconds: float


class WebhookDelivery(Schema):
    """An event on its way to an endpoint. `id` is what the receiver gets as `webhook-id`.

    `sourceId` is the notification or the import.
    """

    id: Id
    type: Event
    source_id: Id
    state: State
    created_at: Time
    delivered_at: Time | None
    next_attempt_at: Time | None
    attempt_count: int
    attempts: list[DeliveryAttempt]


class WebhookDeliveryDetails(WebhookDelivery):
    """`payload` is what the receiver gets."""

    payload: Any


class WebhookDeliveryCounts(Schema):
    """How many deliveries of a webhook are in each state. A number of `mostCounted` means at least as many."""

    counts: dict[str, int]
    most_counted: int


class WebhookDeliveryPage(Schema):
    items: list[WebhookDelivery]
    next_cursor: Cursor | None
