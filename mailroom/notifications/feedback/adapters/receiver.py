"""Takes the calls of providers: asks the adapter who calls, finds the message of each event, and applies the report."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
from bson import ObjectId

from mailroom.notifications.feedback.adapters.adapter import Adapter, Call, Event, Unverified
from mailroom.notifications.feedback.feedback import Applied
from mailroom.notifications.feedback.tokens import message_of
from mailroom.notifications.model import addresses
from mailroom.notifications.model.reports import Report
from mailroom.platform.server_clock import ServerClock

log = logging.getLogger(__name__)

_ID = re.compile("[0-9a-f]{24}")
_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


class Received(msgspec.Struct, frozen=True):
    """What became of the events of one call. `ignored` are those about mail that is not ours."""

    applied: int = 0
    repeated: int = 0
    ignored: int = 0


class Receiver:
    """`apply` is that of `Feedback`. `message_of_token` is `MessageTokens.message`."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        apply: Callable[[Report], Applied],
        message_of_token: Callable[[str, datetime], ObjectId | None],
        clock: ServerClock,
    ) -> None:
        self._adapters = adapters
        self._apply = apply
        self._message_of_token = message_of_token
        self._clock = clock

    def receive(self, name: str, call: Call) -> Received:
        """Applies what the call reports. A repeat of the call changes nothing.

        Raises:
            Unverified: there is no such adapter, it is not set up, or the call is not the provider's.
            Busy, Unavailable: it cannot be checked now.
        """
        adapter = self._adapters.get(name)
        if adapter is None:
            raise Unverified("there is no such adapter")
        count = dict.fromkeys(Applied, 0)
        for event in adapter.events(call, self._clock.now()):
            count[self._applied(event)] += 1
        ignored = sum(count.values()) - count[Applied.APPLIED] - count[Applied.REPEATED]
        return Received(count[Applied.APPLIED], count[Applied.REPEATED], ignored)

    def _applied(self, event: Event) -> Applied:
        message = self._message(event)
        if message is None:
            applied = Applied.UNKNOWN_MESSAGE
        elif not 0 < len(event.recipient) <= addresses.LONGEST:
            applied = Applied.NOT_A_RECIPIENT
        else:
            applied = self._apply(_report(event, message))
        if applied not in (Applied.APPLIED, Applied.REPEATED):
            log.info("a provider reports about mail that is not ours", extra={"event": event.id[:200], "why": applied})
        return applied

    def _message(self, event: Event) -> ObjectId | None:
        """The message that the event is about. An id or a Message-ID will do, for the call is verified."""
        if _ID.fullmatch(event.message):
            return ObjectId(event.message)
        now = self._clock.now()
        by_token = (self._message_of_token(token, now) for token in event.tokens if token)
        by_id = (message_of(text) for text in event.message_ids)
        return next((message for message in (*by_token, *by_id) if message), None)


def _report(event: Event, message: ObjectId) -> Report:
    code = event.code if _CODE.fullmatch(event.code) else ""
    return Report(
        id=event.id,
        message=message,
        recipient=event.recipient,
        delivery=event.delivery,
        permanent=event.permanent,
        code=code,
        text=event.text,
        at=event.at,
    )
