"""Headers of the caller's own: which there may be, and what they may hold (RFC 5322, 3.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from mailroom.errors import Invalid, InvalidSetting

MOST_HEADERS = 20
LONGEST_NAME = 76
LONGEST_VALUE = 900  # with its name within the 998 characters that a line may have, even where it cannot be folded

# What decides where a message goes, who it is from and how it is read is said by fields of the request, or by us.
_OURS = re.compile(
    r"(?i)(from|sender|reply-to|to|cc|bcc|subject|date|message-id|return-path|received|mime-version|dkim-signature"
    r"|authentication-results|delivered-to|(content|resent|arc|x-mailroom)-.*)"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9-]*\*?")


class AllowedHeaders(msgspec.Struct, frozen=True):
    """Names in lower case; `prefixes` stand for every name that begins so."""

    names: frozenset[str]
    prefixes: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> AllowedHeaders:
        """Reads the setting MAIL_HEADERS: names with commas between them, a `*` at the end for any ending.

        Raises:
            InvalidSetting: it has something else, or a header that requests must not set.
        """
        given = [part.strip() for part in text.split(",") if part.strip()]
        for each in given:
            if not _PATTERN.fullmatch(each) or _OURS.fullmatch(each):
                raise InvalidSetting(f"MAIL_HEADERS has {each!r}: must be names of headers such as List-Id or X-*")
        return cls(
            frozenset(each.lower() for each in given if not each.endswith("*")),
            tuple(each[:-1].lower() for each in given if each.endswith("*")),
        )

    def check(self, headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """The headers as they can be written. Raises `Invalid` for the first one at fault."""
        if len(headers) > MOST_HEADERS:
            raise Invalid("headers", "header.too_many", f"a message has at most {MOST_HEADERS} headers")
        seen: set[str] = set()
        for name, value in headers.items():
            field = f"headers.{name}"
            if not self._allows(name) or name.lower() in seen:
                raise Invalid(field, "header.not_allowed", "this header is not allowed, or is there twice")
            seen.add(name.lower())
            if fault := _fault(name, value):
                raise Invalid(field, "header.invalid", fault)
        return tuple(headers.items())

    def _allows(self, name: str) -> bool:
        if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME or _OURS.fullmatch(name):
            return False
        return name.lower() in self.names or name.lower().startswith(self.prefixes)


NO_HEADERS = AllowedHeaders(frozenset(), ())


def _fault(name: str, value: str) -> str:
    """What is wrong with a value; empty when nothing is."""
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
    """Whether encoded words (RFC 2047) may stand in it: in what has a grammar of its own they may not."""
    return name.lower().startswith("x-")
