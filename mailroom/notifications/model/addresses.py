"""Addresses: which are accepted, how they are written, and who the mail is from."""

from __future__ import annotations

import unicodedata
from email.utils import parseaddr
from functools import cache
from typing import Any

from mailroom.errors import Invalid, InvalidSetting
from mailroom.notifications.model.messages import Address, MailFrom

LONGEST = 254  # RFC 5321: a path has 256 octets, with its angle brackets


def address(text: str, field: str) -> Address:
    """`text` as an address. Nothing is looked up: whether it exists is for the relay to say.

    Raises:
        Invalid: names `field` and says what is wrong with the address.
    """
    if len(text) > LONGEST:
        raise Invalid(field, "address.invalid", f"{field}: an address has at most {LONGEST} characters")
    validator = _validator()
    try:
        found = validator.validate_email(text, check_deliverability=False, strict=True)
    except validator.EmailNotValidError as error:
        raise Invalid(field, "address.invalid", f"{field}: {error}") from None
    return Address(shown=found.normalized, wire=found.ascii_email or found.normalized)


def key(shown: str) -> str:
    """What addresses are found by: mailboxes that differ only in case are one person's."""
    return unicodedata.normalize("NFC", shown).casefold()


def sender(text: str) -> MailFrom:
    """The sender that MAIL_FROM gives, as `Name <address>` or an address alone.

    Raises:
        InvalidSetting: it is neither, or holds a control character.
    """
    name, found = parseaddr(text)
    if not found.isascii() or "@" not in found.strip("@") or has_control(text) or " " in found:
        raise InvalidSetting(f"MAIL_FROM is {text!r}: must be an address, or Name <address>")
    return MailFrom(name, found)


def has_control(text: str) -> bool:
    """Whether `text` holds what could end a header line anywhere: control characters and line separators."""
    if text.isascii():  # nearly always, and then a tenth of the work
        return not text.isprintable()
    return any(unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") for character in text)


@cache
def _validator() -> Any:
    import email_validator  # 20 ms that only the first message should pay

    # Mail stays inside many networks that use these names; the others of the list can have no mailbox.
    # The list is replaced, not changed: two first calls at once do the same twice, and neither fails.
    email_validator.SPECIAL_USE_DOMAIN_NAMES = [
        name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in ("local", "localhost", "test")
    ]
    return email_validator
