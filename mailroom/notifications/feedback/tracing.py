"""What a mail carries so that a report about it can be believed: its return path, and a header."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from bson import ObjectId
from msgspec.structs import replace

from mailroom.errors import Invalid, InvalidSetting
from mailroom.notifications.feedback.tokens import HEADER, LONGEST_TOKEN, PROVIDER_FIELD, MessageTokens
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import HeaderField, Message

_LONGEST_LOCAL = 64  # RFC 5321


class Trace(NamedTuple):
    """The return path and the headers of one mail."""

    return_path: str
    headers: tuple[HeaderField, ...]

    def added_to(self, message: Message) -> Message:
        """The message with these headers, but for those that its request has given."""
        own = {each.name.lower() for each in message.headers}
        added = [each for each in self.headers if each.name.lower() not in own]
        return replace(message, headers=(*message.headers, *added)) if added else message


class Tracing:
    """`return_path` is the setting MAIL_RETURN_PATH, `provider` is MAIL_PROVIDER.

    Without a key of `tokens`, mail carries nothing.
    """

    def __init__(self, tokens: MessageTokens, return_path: str, provider: str = "") -> None:
        """Raises `InvalidSetting` if there is no room for a token in the return path."""
        self._tokens = tokens
        self._provider = provider
        self._local, self._domain = _parts(return_path) if return_path else ("", "")

    @property
    def return_domain(self) -> str:
        """The domain of the return path; empty: it is that of the sender."""
        return self._domain if self._tokens.available else ""

    def trace(self, message: ObjectId, since: datetime, sender: str) -> Trace:
        """The trace of a message from `sender` that was first due at `since`. It is the same for every attempt."""
        token = self._tokens.make(message, since)
        if token is None:
            return Trace(sender, ())
        return_path = f"{self._local}+{token}@{self._domain}" if self._local else sender
        headers = (HeaderField(HEADER, token), *_of_provider(self._provider, token))
        return Trace(return_path, headers)


def _of_provider(provider: str, token: str) -> tuple[HeaderField, ...]:
    """The header that makes the provider tell the token with its reports."""
    match provider:
        case "ses":
            return (HeaderField("X-SES-MESSAGE-TAGS", f"{PROVIDER_FIELD}={token}"),)
        case "postmark":
            return (HeaderField(f"X-PM-Metadata-{PROVIDER_FIELD}", token),)
        case "mailgun":
            return (HeaderField("X-Mailgun-Variables", f'{{"{PROVIDER_FIELD}": "{token}"}}'),)
        case _:
            return ()


def _parts(text: str) -> tuple[str, str]:
    """The local part and the domain of the return path, in ASCII."""
    try:
        local, _, domain = addresses.address(text, "MAIL_RETURN_PATH").wire.rpartition("@")
    except Invalid as error:
        raise InvalidSetting(f"MAIL_RETURN_PATH is {text!r}: {error}") from None
    longest = _LONGEST_LOCAL - LONGEST_TOKEN - 1
    if not local.isascii() or "+" in local or len(local) > longest:
        raise InvalidSetting(
            f"MAIL_RETURN_PATH is {text!r}: before the @ it must have at most {longest} characters of ASCII without +, "
            "because a token follows"
        )
    return local, domain
