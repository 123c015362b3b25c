"""The values of the outbox: messages, recipients, states, and results of attempts.

`msgspec.convert` and `msgspec.to_builtins` translate them from and to stored documents; `name=` is a stored name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec
from msgspec import field

LONGEST_SUBJECT = 500  # characters
LONGEST_BODY = 500_000  # characters


class State(StrEnum):
    """The state of a message. The diagram is in `outbox/outbox.py`."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    PARTIAL = "partial"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class RecipientStatus(StrEnum):
    """The status of one recipient of a message, and how an attempt ended for the recipient."""

    PENDING = "pending"  # not tried; or 4xx, or no connection to the relay: try again
    SENT = "sent"  # 250 after the final dot
    FAILED = "failed"  # 5xx, or given up: do not try again
    SUPPRESSED = "suppressed"  # not tried: the address is on the suppression list
    UNKNOWN = "unknown"  # no answer after the final dot


class Priority(IntEnum):
    """The due message with the lesser number is sent first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class Kind(StrEnum):
    """The header that names a recipient. Blind copies are only in the envelope."""

    TO = "to"
    CC = "cc"
    BCC = "bcc"


class Address(msgspec.Struct, frozen=True):
    """An address as people see it, and as SMTP transmits it: in ASCII, unless only SMTPUTF8 can carry it."""

    shown: str = field(name="address")
    wire: str


class Recipient(Address, frozen=True):
    """`code` and `text` are the relay's last answer about this recipient."""

    kind: Kind = Kind.TO
    status: RecipientStatus = field(default=RecipientStatus.PENDING, name="fate")
    code: int | None = None
    text: str = ""


class StoredFile(msgspec.Struct, frozen=True):
    """One version of an object in the attachments' bucket. Without versions, the id is empty and the etag pins it."""

    key: str
    version_id: str
    etag: str


class Attachment(msgspec.Struct, frozen=True, rename="camel"):
    """A file. `name` and `content_type` are safe in a header. `size` is in bytes.

    If the file is `stored` in the bucket, `content` is empty until it is read. With a `content_id`, it is an image
    that the HTML shows.
    """

    name: str = field(name="filename")
    content_type: str
    content: bytes
    size: int
    stored: StoredFile | None = field(default=None, name="object")
    content_id: str = ""


class HeaderField(msgspec.Struct, frozen=True):
    """A header that the request adds."""

    name: str
    value: str


class Unsubscription(msgspec.Struct, frozen=True):
    """How the recipient unsubscribes from the topic of a message. `url` is made once, when it is accepted."""

    topic: str
    url: str


class Message(msgspec.Struct, frozen=True, rename="camel"):
    """A message to send. It does not change between attempts, so every attempt sends the same bytes."""

    message_id: str
    date: datetime = field(name="createdAt")
    sender: MailFrom = field(name="from")
    recipients: tuple[Recipient, ...]
    subject: str
    text: str
    html: str
    reply_to: tuple[Address, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[HeaderField, ...] = ()
    unsubscribe: Unsubscription | None = None

    def of_kind(self, kind: Kind) -> tuple[Address, ...]:
        return tuple(recipient for recipient in self.recipients if recipient.kind is kind)


class MailFrom(msgspec.Struct, frozen=True):
    """The sender of the mail: `name <address>`."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step in the transcript of an attempt. `code` is None without an answer. `text` is the relay's, shortened."""

    name: str = field(name="step")
    code: int | None
    text: str
    milliseconds: float
    recipient: str = ""


def refusal_in(steps: Sequence[Step]) -> str:
    """What the relay refused, as a sentence without its full stop; empty if it refused nothing.

    Of several refusals it is the first that may end: to pipelined commands after it, the relay answers by the way. On
    a new connection, what the old one ended with does not count.
    """
    newest = steps[newest_connection([step.name for step in steps]) :]
    refused = [step for step in newest if step.code is None or step.code >= 400]
    step = next((each for each in refused if each.code is None or each.code < 500), next(iter(refused), None))
    if step is None:
        return ""
    answer = "did not answer" if step.code is None else f"said {step.code}"
    return f"the relay {answer} ({step.name}): {step.text}"


def newest_connection(steps: Sequence[str]) -> int:
    """Where the steps on the newest connection begin, by the names of all steps of an attempt."""
    return max((at for at, name in enumerate(steps) if name == "connect"), default=0)


class Verdict(NamedTuple):
    """How an attempt ended for one recipient, and the answer that decided it."""

    status: RecipientStatus
    code: int | None
    text: str


class Result(msgspec.Struct, frozen=True):
    """The result of an attempt: a verdict for each of its recipients, by their wire addresses.

    `relay_down`: the relay failed, not the message. The next message would fail too.
    """

    verdicts: dict[str, Verdict]
    steps: list[Step] = field(default_factory=list)
    relay_down: bool = False
