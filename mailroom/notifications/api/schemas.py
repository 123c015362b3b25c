"""What the notifications API answers, field by field. `answers.py` and the views make it from documents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mailroom.notifications.model.messages import Kind, RecipientStatus, State
from mailroom.notifications.model.reports import Delivery
from mailroom.web.schemas import Cursor, Fault, Id, Schema, Time, WaitingFor

Status = Annotated[str, Meta(extra_json_schema={"enum": [state.value for state in State]})]


class AcceptedNotification(Schema):
    """`result` and `message` are the original's answer. `status` is where the notification stands now.

    A `test` is handed to nobody: the key may not send.
    """

    result: Literal["OK"]
    message: str
    id: Id
    status: Status
    test: bool | UnsetType = UNSET


class ReceivedEvents(Schema):
    """How many of a provider's events were applied, were known, or are about mail that is not ours."""

    applied: int
    repeated: int
    ignored: int


class RefusedEntry(Schema):
    """A message of a batch that was refused; nothing of it was stored."""

    result: Literal["FAILED"]
    message: str
    code: str
    field: str | None


class BatchAnswer(Schema):
    """`items` are in the order of the request, each like the answer to a call of its own."""

    accepted: int
    refused: int
    items: list[dict[str, Any]]


class Made(Schema):
    """The template that a notification was made from."""

    name: str
    version: int


class Item(Schema):
    """A notification in a list. `error` is the answer that kept it from somebody. A `test` is handed to nobody.

    `delivery` is what was reported after the relay took it: of several recipients, the worst; null without a report.
    """

    id: Id
    status: Status
    from_: str = msgspec.field(name="from")
    email_to: str | list[str]
    subject: str
    template: Made | None
    tags: list[str]
    metadata: dict[str, str]
    priority: Literal["high", "normal", "low"]
    created_at: Time
    updated_at: Time
    sent_at: Time | None
    next_attempt_at: Time | None
    attempt_count: int
    error: Fault | None
    delivery: Annotated[str, Meta(extra_json_schema={"enum": [delivery.value for delivery in Delivery]})] | None
    message_id: str
    test: bool


class Page(Schema):
    items: list[Item]
    next_cursor: Cursor | None


class ReportedDelivery(Schema):
    """What was reported after the relay took the mail. `code` is an enhanced status code such as `5.1.1`, or empty."""

    status: Annotated[str, Meta(extra_json_schema={"enum": [delivery.value for delivery in Delivery]})]
    code: str
    text: str
    at: Time


class RecipientDetails(Schema):
    """What became of one recipient, and the relay's last answer about it. `delivery` is null without a report."""

    address: str
    kind: Annotated[str, Meta(extra_json_schema={"enum": [kind.value for kind in Kind]})]
    status: Annotated[str, Meta(extra_json_schema={"enum": [status.value for status in RecipientStatus]})]
    code: int | None
    text: str
    delivery: ReportedDelivery | None


class StoredObject(Schema):
    """One version of an object of the attachments' bucket."""

    key: str
    version_id: str


class Attached(Schema):
    """A file that was sent with it. `size` is in bytes. Without an `object` its content came with the request.

    With a `contentId` it is an image that the HTML shows.
    """

    filename: str
    content_type: str
    size: int
    object: StoredObject | None
    content_id: str | None


class Transcript(Schema):
    """One step of the talk with the relay. Without a `code` there was no answer."""

    step: str
    code: int | None
    text: str
    milliseconds: float
    recipient: str | UnsetType = UNSET


class Attempt(Schema):
    """`outcome` is a state, or `interrupted` when the sender was lost before the relay could have the message."""

    started_at: Time
    ended_at: Time | None
    outcome: str
    steps: list[Transcript]


class Subscribed(Schema):
    """The topic that the recipient can unsubscribe from."""

    topic: str


class Notification(Item):
    """One notification, with what it says and what became of it. `waitingFor` is null once it has ended."""

    from_name: str
    reply_to: list[str]
    recipients: list[RecipientDetails]
    headers: dict[str, str]
    unsubscribe: Subscribed | None
    html: str
    erased_at: Time | None
    text: str
    attachments: list[Attached]
    attempts: list[Attempt]
    waiting_for: WaitingFor | None


class MessageContent(Schema):
    """What a notification says, in the form that was asked for."""

    html: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    source: str | UnsetType = UNSET


class OldestWaiting(Schema):
    """The notification that has been due for longest, since when, and what it waits for."""

    id: Id
    since: Time
    waiting_for: WaitingFor | None


class MailFigures(Schema):
    """`counts` has all that wait, and those that were accepted in the last 30 days and have ended.

    A number of `mostCounted` means at least as many.
    """

    counts: dict[str, int]
    most_counted: int
    oldest_waiting: OldestWaiting | None
    computed_at: Time


class NotificationCounts(Schema):
    """How many notifications there are in each state."""

    counts: dict[str, int]


class Erased(Schema):
    """`left` are being sent just now: erase again."""

    erased: int
    left: int


class Suppression(Schema):
    """Without a `topic` the address gets no mail. `notificationId` is the one that bounced or was unsubscribed from."""

    address: str
    topic: str | None
    reason: str
    notification_id: Id | None
    created_at: Time


class SuppressionPage(Schema):
    items: list[Suppression]
    next_cursor: Cursor | None


class Removed(Schema):
    removed: str


class TemplateHead(Schema):
    """`keyId` is the key that made this version, or `command`."""

    name: str
    version: int
    created_at: Time
    key_id: str


class TemplatePage(Schema):
    items: list[TemplateHead]
    next_cursor: Cursor | None


class TemplateVersion(TemplateHead):
    deleted: bool


class TemplateVersions(Schema):
    items: list[TemplateVersion]
    next_cursor: Cursor | None


class StoredTemplate(TemplateHead):
    subject: str
    html: str | None
    text: str | None


class DeletedTemplate(Schema):
    """`version` is the last one that can be read."""

    deleted: str
    version: int


class Preview(Schema):
    """Without `text`, it would be made from the HTML."""

    name: str
    version: int
    subject: str
    html: str | None
    text: str | None
