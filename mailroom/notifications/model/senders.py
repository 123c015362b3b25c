"""Senders: reading `from` of a request, and which senders an API key may use."""

from __future__ import annotations

import re

import msgspec

from mailroom.errors import Forbidden, Invalid
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import MailFrom

LONGEST_NAME = 200  # characters

_LONGEST = 2 * LONGEST_NAME + addresses.LONGEST + 10  # each character of a quoted name may have a backslash

# `"Name" <address>` or `Name <address>`. A name without quotes has no character that separates addresses.
_NAMED = re.compile(r'(?:"((?:[^"\\]|\\.)*)"\s*|([^"<>@,;:\\]*))<([^<>]*)>', re.DOTALL)

_LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PATTERN = re.compile(rf"{_LOCAL}@{_LABEL}(?:\.{_LABEL})*")


class AllowedSenders(msgspec.Struct, frozen=True):
    """The senders that a key may use: those that meet one of its `patterns`; without any, MAIL_FROM alone."""

    mail_from: MailFrom
    patterns: tuple[str, ...] = ()

    def choose(self, given: str | None) -> MailFrom:
        """The sender of a message whose request has `given` as its `from`. Without it, it is MAIL_FROM.

        Raises:
            Invalid: it is neither an address nor `Name <address>`.
            Forbidden: the key may not use it.
        """
        sender = self.mail_from if given is None else self._read(given)
        if not self._allows(sender.address):
            detail = f"this key may not send from {sender.address}"
            if given is None:
                detail = f"{detail}, which is MAIL_FROM: name a sender"
            raise Forbidden("from.not_allowed", detail, field="from")
        return sender

    def check_resend(self, address: str) -> None:
        """Checks that the key may resend a message from `address`. A key without patterns may resend every message.

        Raises:
            Forbidden: the key has patterns, and none of them allows the address.
        """
        if self.patterns and not self._allows(address):
            raise Forbidden("from.not_allowed", f"this key may not send from {address}")

    def _allows(self, address: str) -> bool:
        key = addresses.key(address)
        if not self.patterns:
            return key == addresses.key(self.mail_from.address)
        return key in self.patterns or f"*@{key.rpartition('@')[2]}" in self.patterns

    def _read(self, text: str) -> MailFrom:
        if len(text) > _LONGEST:
            raise _invalid("it is too long")
        if addresses.has_control(text):
            raise _invalid("it has control characters")
        stripped = text.strip()
        named = _NAMED.fullmatch(stripped)
        name, address = _parts(named) if named else ("", stripped)
        found = address_of(address, "from", self.mail_from)
        if not found.isascii():
            raise _invalid("before the @, only characters of ASCII are possible")
        return MailFrom(name, found)


def address_of(text: str, field: str, mail_from: MailFrom) -> str:
    """The address of a sender, as SMTP transmits it. MAIL_FROM may be an address that only its own network knows.

    Raises:
        Invalid: names `field` and says what is wrong with the address.
    """
    if addresses.key(text) == addresses.key(mail_from.address):
        return mail_from.address
    return addresses.address(text, field).wire


def pattern(text: str) -> str:
    """Reads what `keys create --from` takes: an address, or `*@` and a domain for all of its addresses.

    The result is in lower case. The domain does not stand for its subdomains.

    Raises:
        ValueError: it is neither.
    """
    found = text.strip().lower()
    if len(found) > addresses.LONGEST or not _PATTERN.fullmatch(found):
        raise ValueError(f"{text!r} is neither an address nor *@DOMAIN, in ASCII (xn--… for other characters)")
    local = found.partition("@")[0]
    if "*" in local and local != "*":
        raise ValueError(f"{text!r}: a * stands for the whole part before the @")
    return found


def _parts(named: re.Match[str]) -> tuple[str, str]:
    """The name, without quotes, and the address."""
    quoted, plain, address = named.groups()
    name = (plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)).strip()
    if len(name) > LONGEST_NAME:
        raise _invalid(f"a name has at most {LONGEST_NAME} characters")
    return name, address.strip()


def _invalid(detail: str) -> Invalid:
    return Invalid("from", "from.invalid", f"from must be an address, or Name <address>: {detail}")
