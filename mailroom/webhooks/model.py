"""The values of webhooks, and the form of the documents of both collections.

webhooks             the endpoints
  _id                ObjectId
  url, description   text
  events             the types that the endpoint wants
  secrets            [{key, createdAt, expiresAt}], the newest last; `expiresAt` is None for the newest
  enabled            False: the endpoint gets nothing
  disabledReason     why the endpoint was disabled without a person, or ""
  failingSince       when the first of its deliveries failed since one has succeeded; missing if none has failed
  createdAt, updatedAt
  idempotency        {key, digest} of the call that added the endpoint; missing without a key
  rotations          [{key, digest, at}] of the calls of the last day that made a secret; `at` is its `createdAt`

webhookDeliveries    one for each endpoint and announcement
  _id                "ENDPOINT-ANNOUNCEMENT", so that a delivery is made only once
  endpointId         ObjectId
  announcementId     the id that the receiver sees
  sourceId           ObjectId of the notification or the import
  type               the event type
  payload            text: the exact bytes that are signed and sent
  state              pending, delivered or dead
  dueAt              when it is tried next; only a pending delivery has it
  dueSince           when it was made or redelivered: the give-up age counts from here
  leaseUntil         a worker has it until then, or None
  attempts           [{at, status, error, milliseconds}], the last ones
  attemptCount       all attempts
  attemptsBefore     the attempts before the last redelivery by hand: they do not count for the backoff
  redeliveries       [{key, at}] of the last redeliveries with an Idempotency-Key; missing without any
  createdAt, deliveredAt
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
from bson import ObjectId

MOST_ATTEMPTS_KEPT = 50


class EventType(StrEnum):
    """What an endpoint can be told of."""

    IMPORT_DONE = "import.done"
    IMPORT_FAILED = "import.failed"
    IMPORT_REJECTED_ROWS = "import.rejected_rows"
    NOTIFICATION_SENT = "notification.sent"
    NOTIFICATION_DELIVERED = "notification.delivered"
    NOTIFICATION_BOUNCED = "notification.bounced"
    NOTIFICATION_COMPLAINED = "notification.complained"
    NOTIFICATION_FAILED = "notification.failed"
    NOTIFICATION_SUPPRESSED = "notification.suppressed"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up


def delivery_id(endpoint: ObjectId, announcement: str) -> str:
    """The `_id` of the only delivery of this announcement to this endpoint."""
    return f"{endpoint}-{announcement}"


class Attempted(msgspec.Struct, frozen=True):
    """How a call went. Without an answer, `status` is None and `error` says why in a few words."""

    status: int | None
    error: str
    milliseconds: float

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300
