"""What every adapter of a provider takes and gives.

call -> the adapter checks who calls -> events -> `receiver.py` finds the message of each -> reports
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from mailroom.errors import MailroomError
from mailroom.notifications.model.reports import Delivery
from mailroom.platform.clock import parse_time
from mailroom.platform.secrets import lines

# How far a signed time may be from ours, in either direction (Standard Webhooks).
TOLERANCE = timedelta(minutes=5)

# The code of a refusal for what the message is, or for who sends it, where the provider gives none. Such a refusal does
# not count against the address.
POLICY = "5.7.0"


class Unverified(MailroomError):
    """The call does not come from the provider, or too late. The text is for our log: the caller does not see it."""


class Call(msgspec.Struct, frozen=True):
    """A call of the provider. The names of its headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes


class Event(msgspec.Struct, frozen=True):
    """What the provider says about one recipient of one message.

    The same `id` means the same event. `message` is the id of our message as the API shows it; `tokens` may be ours;
    `message_ids` are values of the header Message-ID. `permanent`: the provider says that the address is bad for good.
    """

    id: str
    recipient: str
    delivery: Delivery
    message: str = ""
    tokens: Sequence[str] = ()
    message_ids: Sequence[str] = ()
    permanent: bool = False
    code: str = ""
    text: str = ""
    at: datetime | None = None


class Adapter(Protocol):
    """Understands one provider. Raises `Unverified` for a call that is not the provider's.

    Events that say nothing about delivery are left out, and so is what the adapter does not understand.
    """

    def events(self, call: Call, now: datetime) -> Sequence[Event]: ...


class SharedSecret:
    """A secret that the provider knows too. The file holds one a line, so that a new one and the old one overlap."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    def all(self) -> list[str]:
        """Raises `Unverified` when there is none: the adapter is off."""
        found = lines(self._read())
        if not found:
            raise Unverified("its secret is missing")
        return found


def is_among(given: str, wanted: Iterable[str]) -> bool:
    """Whether a secret or a signature is one of these. Compares each in constant time. Takes any text."""
    sent = given.encode("utf-8", "replace")
    return any(hmac.compare_digest(sent, each.encode()) for each in wanted)


def check_time(signed: datetime, now: datetime, oldest: timedelta = TOLERANCE) -> None:
    """Raises `Unverified` for a time too far from ours."""
    if not now - oldest <= signed <= now + TOLERANCE:
        seconds = (signed - now).total_seconds()
        raise Unverified(f"its time is {seconds:+.0f} seconds from ours")


def unix_time(text: str) -> datetime:
    """Raises `Unverified` for what is no count of seconds."""
    if not re.fullmatch(r"[0-9]{1,11}", text):
        raise Unverified("its time is no number of seconds")
    return datetime.fromtimestamp(int(text), UTC)


def json_of(body: bytes | str) -> Any:
    """The JSON value; None for what is no JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def member(value: Any, *path: str) -> Any:
    """The member at `path`; None when one of the objects on the way is missing or is no object."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text_of(value: Any, *path: str) -> str:
    """The text at `path`; empty when there is none."""
    found = member(value, *path)
    return found if isinstance(found, str) else ""


def list_of(value: Any, *path: str) -> list[Any]:
    """The list at `path`; empty when there is none."""
    found = member(value, *path)
    return found if isinstance(found, list) else []


def time_of(text: str) -> datetime | None:
    """A time of RFC 3339, such as `2019-11-05T16:33:54.9070259Z`; None for anything else, and without an offset."""
    try:
        return parse_time(text)
    except ValueError:
        return None
