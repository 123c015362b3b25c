"""Addresses as reports write them."""

from __future__ import annotations

import re

from mailroom.notifications.model import addresses

# A quoted local part may have nearly anything in it. A domain without a dot is a host of a local network.
_ADDRESS = re.compile(
    r"""(?:"(?:[^"\\\r\n]|\\.){1,100}"|[^\s@<>()\[\],;:"\\]{1,200})@(?:[\w-][\w.-]{0,250}|\[[\w.:]{3,60}\])""", re.ASCII
)
_ANGLE = re.compile(r"<([^<>]{3,300})>")
_ROUTE = re.compile(r"^@[^:]{1,250}:")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_XTEXT = re.compile(r"\+(2B|3D)")
_QUOTED_NAME = re.compile(r'"[^"]{0,200}"\s*(?=<)')
_COMMENT = re.compile(r"\([^()]{0,200}\)")
_TYPES = frozenset({"rfc822", "utf-8", "utf8", "smtp", "internet", "mailto", ""})
# Exchange packs addresses that are none of the internet's into such local parts.
_ENCAPSULATED = re.compile(r"imcea[a-z]*-", re.IGNORECASE)


def one_address(text: str) -> str:
    """The address that `text` is, without brackets, comments, a route and a final dot. "" if it is none."""
    text = text.strip()
    if (angle := _ANGLE.search(text)) is not None:
        text = angle[1].strip()
    text = _ROUTE.sub("", text.removeprefix("mailto:"))
    if text.startswith('"') and text.endswith('"') and text.count('"') == 2:
        text = text.strip('"')
    text = re.split(r"[\s(;,]", text, maxsplit=1)[0] if not text.startswith('"') else text
    local, at, domain = text.rpartition("@")
    if not domain.isascii():  # the pattern is for ASCII; `addresses.key` reads other domains
        domain = addresses.key(f"a@{domain}").partition("@")[2]
    text = f"{local}{at}{domain}".rstrip(".'`")
    shown = "".join(character if character.isascii() else "x" for character in text)
    if len(text) > addresses.LONGEST or not _ADDRESS.fullmatch(shown) or "\ufffd" in text:
        return ""
    return "" if _ENCAPSULATED.match(text) or addresses.has_control(text) else text


def all_addresses(field: str) -> list[str]:
    """The addresses of a header such as To.

    The standard library's `getaddresses` fails with `RecursionError` for many brackets.
    """
    plain = _COMMENT.sub(" ", _QUOTED_NAME.sub(" ", field))
    return [address for each in plain.split(",") if (address := one_address(each))]


def typed_address(field: str) -> str:
    """The address of a field such as `rfc822; anna@example.com` (RFC 3464, 2.1.2). "" if it is no mail address."""
    kind, semicolon, rest = field.partition(";")
    if not semicolon or "@" in kind:
        kind, rest = "", field
    kind = kind.strip().lower()
    if kind not in _TYPES:
        return ""
    return one_address(_ESCAPED.sub(_unescape, rest))


def xtext_decoded(address: str) -> str:
    """The address with `+2B` and `+3D` read as xtext (RFC 3461, 4). Some servers forget to decode it."""
    return _XTEXT.sub(lambda match: chr(int(match[1], 16)), address)


def same(one: str, other: str) -> bool:
    return addresses.key(one) == addresses.key(other)


def _unescape(match: re.Match[str]) -> str:
    """A character of an address in `utf-8` form (RFC 6533, 3)."""
    code = int(match[1], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
