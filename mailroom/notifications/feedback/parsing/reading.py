"""Reads the parts of a mail from strangers, in bounded time and memory.

The standard library's parser takes quadratic time for deep nesting and for long headers. So the mail is cut first: a
report begins with what it says, and ends with the message that it returns. Parts are cut again when they are decoded.
"""

from __future__ import annotations

import html
import re
from email.header import Header
from email.message import Message as ParsedMessage
from email.parser import BytesHeaderParser, BytesParser
from functools import cached_property

LONGEST_MAIL = 256 << 10  # bytes that are read of a mail
_MOST_LINES = 10_000
_LONGEST_LINE = 4_000  # bytes; also of a run of continued lines, such as one header
_MOST_BOUNDARIES = 30  # each level of nesting has one
_MOST_PARTS = 50
_LONGEST_HEADER = 2_000  # characters

_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
_RETURNED_TYPES = ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers",
                   "message/global-headers")  # fmt: skip
_TAG = re.compile(r"<[^@<>]{0,1000}>")
_INVISIBLE = ("style", "script", "head")
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d|/td)\b[^<>]{0,200}>", re.IGNORECASE)


class _Part(ParsedMessage):
    """A part whose `message/…` content stays text: a report's fields, and the message that it returns."""

    def get_content_type(self) -> str:
        kind = super().get_content_type()
        return f"application/{kind.replace('/', '-')}" if kind.startswith("message/") else kind

    @property
    def kind(self) -> str:
        return super().get_content_type()


class Mail:
    """A mail that was read. Every text of it is bounded."""

    def __init__(self, raw: bytes) -> None:
        top = BytesParser(_class=_Part).parsebytes(_cut(raw))
        self._top = top
        self._parts = [part for part in top.walk() if not part.is_multipart()][:_MOST_PARTS]

    def header(self, name: str) -> str:
        return _header(self._top, name)

    def headers(self, name: str) -> list[str]:
        return [_plain(value) for value in self._top.get_all(name, [])[:20]]

    @property
    def kind(self) -> str:
        return self._top.kind

    def texts_of(self, *kinds: str) -> list[str]:
        """The texts of the parts of these types. The parts of a returned message are not among them."""
        return [_text(part) for part in self._parts if part.kind in kinds]

    @property
    def statuses(self) -> list[str]:
        return self.texts_of(*_STATUS_TYPES)

    @cached_property
    def returned(self) -> ParsedMessage | None:
        """The headers of the message that the mail returns."""
        for text in self.texts_of(*_RETURNED_TYPES):
            head = re.split(r"\r?\n[ \t]*\r?\n", text.lstrip(), maxsplit=1)[0]
            if head:
                return BytesHeaderParser().parsebytes(head.encode("utf-8", "replace"))
        return None

    def returned_header(self, name: str) -> str:
        return "" if self.returned is None else _header(self.returned, name)

    @cached_property
    def prose(self) -> str:
        """What the mail says to people: its plain text, or else its HTML without tags."""
        plain = [_text(part) for part in self._parts if part.kind == "text/plain"]
        if any(text.strip() for text in plain):
            return "\n".join(plain)
        return "\n".join(_without_tags(_text(part)) for part in self._parts if part.kind == "text/html")

    @cached_property
    def everything(self) -> str:
        """All texts, also of the returned message: tokens are looked for here."""
        return "\n".join(_text(part) for part in self._parts if part.get_content_maintype() != "image")


def _cut(raw: bytes) -> bytes:
    """The beginning of the mail, with no long line, no long header and few boundaries."""
    lines, boundaries, run = [], 0, 0
    for line in raw[:LONGEST_MAIL].split(b"\n", _MOST_LINES)[:_MOST_LINES]:
        boundaries += line.lower().count(b"boundary")
        if boundaries > _MOST_BOUNDARIES:
            break
        run = run + len(line) if line[:1] in (b" ", b"\t") else len(line)
        if run <= _LONGEST_LINE:
            lines.append(line)
        elif len(line) == run:
            lines.append(line[:_LONGEST_LINE])
    return b"\n".join(lines)


def _header(message: ParsedMessage, name: str) -> str:
    return _plain(message.get(name, ""))


def _plain(value: str | Header) -> str:
    return " ".join(str(value)[:_LONGEST_HEADER].split())


def _text(part: ParsedMessage) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    text = _decoded(content, part.get_content_charset("utf-8"))
    return _cut(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _decoded(content: bytes, charset: str) -> str:
    for each in (charset, "utf-8"):
        try:
            return content.decode(each)
        except (LookupError, ValueError):
            continue
    return content.decode("latin-1")


def _without_tags(text: str) -> str:
    for element in _INVISIBLE:
        text = _without(element, text)
    return html.unescape(_TAG.sub(" ", _BREAK.sub("\n", text)))


def _without(element: str, text: str) -> str:
    """The text of an HTML document without these elements. The tag of one that never ends is left."""
    end = max((tag.end() for tag in re.finditer(rf"</{element}\s*>", text, re.IGNORECASE)), default=0)
    # Only up to `end`: each opening tag behind it would be compared with all that follows.
    rest = re.sub(rf"<{element}\b.*?</{element}\s*>", " ", text[:end], flags=re.IGNORECASE | re.DOTALL)
    return rest + text[end:]
