"""Addresses: checking them, comparing them, and reading MAIL_FROM."""

from __future__ import annotations

import string
import unicodedata
from email.utils import parseaddr
from functools import cache
from typing import Any

from mailroom.errors import Invalid, InvalidSetting
from mailroom.notifications.model.messages import Address, MailFrom
from mailroom.platform.normalization import normalize

LONGEST = 254  # RFC 5321: a path has 256 octets, with its angle brackets

# Mail to this domain is for trying: no relay gets it. See `sending/simulator.py`.
SIMULATOR_DOMAIN = "simulator.mailroom"

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def address(text: str, field: str) -> Address:
    """Reads `text` as an address. It is not looked up: the relay knows whether it exists.

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
    """The key to find an address by.

    The case of ASCII letters makes no difference. Other characters are compared as they are in NFC: a mail server may
    have a mailbox for `straße` and one for `strasse`. The domain is in ASCII (RFC 5890). Takes any text.
    """
    if shown.isascii():
        return shown.lower()
    local, at, domain = shown.rpartition("@")
    return normalize("NFC", local).translate(_LOWER) + at + _in_ascii(domain)


def is_simulated(shown: str) -> bool:
    """Whether mail to the address goes to the simulator."""
    return key(shown).endswith(f"@{SIMULATOR_DOMAIN}")


def _in_ascii(domain: str) -> str:
    if domain.isascii() or len(domain) > LONGEST:
        return domain.translate(_LOWER)
    validator = _validator()
    try:
        found: str = validator.validate_email(f"a@{domain}", check_deliverability=False).ascii_domain
    except validator.EmailNotValidError:
        return domain.translate(_LOWER)
    return found.lower()


def sender(text: str) -> MailFrom:
    """Reads the setting MAIL_FROM: `Name <address>`, or an address alone.

    Raises:
        InvalidSetting: it is neither, or has a control character.
    """
    name, found = parseaddr(text)
    if not found.isascii() or "@" not in found.strip("@") or has_control(text) or " " in found:
        raise InvalidSetting(f"MAIL_FROM is {text!r}: must be an address, or Name <address>")
    return MailFrom(name, found)


def has_control(text: str) -> bool:
    """Whether `text` has a character that may end a header line: control characters and line separators."""
    if text.isascii():  # nearly always true, and ten times faster
        return not text.isprintable()
    return any(unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") for character in text)


@cache
def _validator() -> Any:
    import email_validator  # takes 20 ms, so only when the first message comes

    # Many networks use these three names internally. The other names of the list can have no mailbox.
    # Replacing the list, rather than changing it, is safe when two first calls run at once.
    email_validator.SPECIAL_USE_DOMAIN_NAMES = [
        name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in ("local", "localhost", "test")
    ]
    return email_validator
