"""Custom headers: which names and values are allowed (RFC 5322, 3.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from mailroom.errors import Invalid, InvalidSetting
from mailroom.notifications.message.relay_headers import is_obeyed
from mailroom.notifications.model.messages import HeaderField

MOST_HEADERS = 20
LONGEST_NAME = 76
LONGEST_VALUE = 900  # with its name it fits in a line of 998 characters, even if it cannot be folded

# Fields of the request, or we, set the headers that decide where a message goes, who sends it and how it is read.
_OURS = re.compile(
    r"(?i)(from|sender|reply-to|to|cc|bcc|subject|date|message-id|return-path|received|mime-version|dkim-signature"
    r"|authentication-results|delivered-to|(content|resent|arc|mailroom|x-mailroom)-.*)"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9-]*\*?")


class AllowedHeaders(msgspec.Struct, frozen=True):
    """The allowed names, in lower case. `prefixes` allow every name that begins with one of them.

    A header that relays obey is allowed by its full name only.
    """

    names: frozenset[str]
    prefixes: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> AllowedHeaders:
        """Reads the setting MAIL_HEADERS: names separated by commas. A `*` at the end allows any ending.

        Raises:
            InvalidSetting: it is malformed, or names a header that requests must not set.
        """
        given = [part.strip() for part in text.split(",") if part.strip()]
        for each in given:
            if not _PATTERN.fullmatch(each) or _OURS.fullmatch(each):
                raise InvalidSetting(f"MAIL_HEADERS has {each!r}: must be names of headers such as List-Id or X-*")
        return cls(
            frozenset(each.lower() for each in given if not each.endswith("*")),
            tuple(each[:-1].lower() for each in given if each.endswith("*")),
        )

    def check(self, headers: Mapping[str, str]) -> tuple[HeaderField, ...]:
        """Checks the headers of a request. Raises `Invalid` for the first one at fault."""
        if len(headers) > MOST_HEADERS:
            raise Invalid("headers", "header.too_many", f"a message has at most {MOST_HEADERS} headers")
        seen: set[str] = set()
        for name, value in headers.items():
            field = f"headers.{name}"
            if is_obeyed(name) and name.lower() not in self.names:
                detail = "relays obey this header: it is allowed if MAIL_HEADERS has its full name"
                raise Invalid(field, "header.denied", detail)
            if not self._allows(name) or name.lower() in seen:
                raise Invalid(field, "header.not_allowed", "this header is not allowed, or is there twice")
            seen.add(name.lower())
            if fault := _fault(name, value):
                raise Invalid(field, "header.invalid", fault)
        return tuple(HeaderField(name, value) for name, value in headers.items())

    def _allows(self, name: str) -> bool:
        if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME or _OURS.fullmatch(name):
            return False
        return name.lower() in self.names or name.lower().startswith(self.prefixes)


def _fault(name: str, value: str) -> str:
    """The fault of a value, or an empty text."""
    if not 1 <= len(value) <= LONGEST_VALUE or value != value.strip():
        return f"a header has 1 to {LONGEST_VALUE} characters, and no space around them"
    if not value.isprintable():
        return "a header is one line without control characters"
    if not value.isascii() and not is_free_text(name):
        return "only headers that begin with X- may have other characters than those of ASCII"
    if "=?" in value and not is_free_text(name):
        return "only headers that begin with X- may hold =?, which begins an encoded word for many readers"
    return ""


def is_free_text(name: str) -> bool:
    """Whether the header may have encoded words (RFC 2047). Headers with a grammar of their own may not."""
    return name.lower().startswith("x-")
