"""The words of the outbox: what a message is, what became of it and of each of its recipients."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec


class State(StrEnum):
    """Where a message is. The diagram is in `outbox.py`."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    PARTIAL = "partial"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class RecipientStatus(StrEnum):
    """What the relay said about one recipient, last."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """How an attempt ended for one recipient; an attempt as a whole has the best of them."""

    TAKEN = "taken"  # 250 after the final dot
    REFUSED = "refused"  # 5xx: final
    DEFERRED = "deferred"  # 4xx, or the relay could not be reached: try again
    SUPPRESSED = "suppressed"  # not tried: the address is on the suppression list
    UNKNOWN = "unknown"  # the final dot was sent and no answer came


class Priority(IntEnum):
    """Which of the due messages goes first: the lesser number."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class Kind(StrEnum):
    """Where a recipient stands. Blind copies are in the envelope only."""

    TO = "to"
    CC = "cc"
    BCC = "bcc"


class Address(msgspec.Struct, frozen=True):
    """An address as it is shown, and as it is written on the wire: ASCII, unless only SMTPUTF8 can carry it."""

    shown: str
    wire: str


class Recipient(msgspec.Struct, frozen=True):
    address: Address
    kind: Kind = Kind.TO
    status: RecipientStatus = RecipientStatus.PENDING
    code: int | None = None
    text: str = ""


class StoredFile(msgspec.Struct, frozen=True):
    """One version of an object of the attachments' bucket. Without versions (an empty id) its etag pins it."""

    key: str
    version_id: str
    etag: str


class Attachment(msgspec.Struct, frozen=True):
    """A file. `name` and `content_type` were checked: they can stand in a header.

    One that is `stored` has no content until it is read; `size` is in bytes.
    """

    name: str
    content_type: str
    content: bytes
    size: int
    stored: StoredFile | None = None


class Message(msgspec.Struct, frozen=True):
    """What is sent. It does not change between attempts, so every attempt sends the same bytes to the letter."""

    message_id: str
    date: datetime
    sender: MailFrom
    recipients: tuple[Recipient, ...]
    subject: str
    text: str
    html: str
    reply_to: tuple[Address, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def of_kind(self, kind: Kind) -> tuple[Address, ...]:
        return tuple(recipient.address for recipient in self.recipients if recipient.kind is kind)


class MailFrom(msgspec.Struct, frozen=True):
    """Who the mail is from: `name <address>`."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


class Step(NamedTuple):
    """One line of an attempt's transcript. `code` is None when no answer came; `text` is the relay's, cut."""

    name: str
    code: int | None
    text: str
    milliseconds: float
    recipient: str = ""


class Verdict(NamedTuple):
    """The outcome for one recipient, and the answer that decided it."""

    outcome: Outcome
    code: int | None
    text: str


class Result(msgspec.Struct, frozen=True):
    """What an attempt came to: a verdict for each recipient it was for, by its address on the wire.

    `relay_down` says that the relay, not the message, was the trouble: the next message would fare no better now.
    """

    verdicts: dict[str, Verdict]
    steps: list[Step] = msgspec.field(default_factory=list)
    relay_down: bool = False
