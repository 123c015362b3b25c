"""Tokens that name a message: in the return path and in a header of the mail, so that a report can be believed."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from bson import ObjectId

from mailroom.errors import MissingSecret
from mailroom.platform.signing import Signer

HEADER = "Mailroom-Message"

# The name under which a provider keeps the token with a mail. Postmark takes 20 characters, and 80 of the value.
PROVIDER_FIELD = "mailroom-message"

# Bounces come within days, complaints also weeks after the mail.
VALID = timedelta(days=90)

LONGEST_TOKEN = 45  # characters

_PURPOSE = "message"
_MESSAGE_ID = re.compile(r"<?([0-9a-fA-F]{24})@[^<>@\s]+>?")


class MessageTokens:
    """Makes and reads the tokens."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    @property
    def available(self) -> bool:
        """Whether there is a key, without which no token is believed."""
        return self._signer.available

    def make(self, message: ObjectId, since: datetime) -> str | None:
        """The token of a message that was first due at `since`, or None without a key. Always the same text."""
        try:
            return self._signer.sign(_PURPOSE, message.binary, since + VALID)
        except MissingSecret:
            return None

    def message(self, token: str, now: datetime) -> ObjectId | None:
        """The message that a token names, or None if the token is not ours or has expired."""
        payload = self._signer.verify(_PURPOSE, token, now)
        return ObjectId(payload) if payload is not None and len(payload) == 12 else None


def message_of(message_id: str) -> ObjectId | None:
    """The message of a Message-ID of ours. Anybody can write one: believe it only with the reporter's own signature."""
    found = _MESSAGE_ID.fullmatch(message_id.strip())
    return ObjectId(found[1]) if found else None
