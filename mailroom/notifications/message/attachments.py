"""Attachments of a request: a content, or an object of the attachments' bucket."""

from __future__ import annotations

import mimetypes
import re

import msgspec

from mailroom.errors import Invalid, TooLarge
from mailroom.notifications.message.stored_files import Pin
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import Attachment

MOST_ATTACHMENTS = 20
LARGEST_ATTACHMENTS = 7_500_000  # bytes: as base64 they fit a request of 10 MiB, and MongoDB's 16 MB
LONGEST_NAME = 150  # characters of an attachment's name

# What separates folders; the byte order mark, which nobody sees; and Unicode's Bidi_Control: behind U+202E, a name is
# written backwards, so that fdp.exe looks like exe.pdf.
_NOT_IN_NAMES = re.compile("[/\\\\\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")

_ANY_TYPE = "application/octet-stream"
_CONTENT_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,100}")


class Attach(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A file: its `content` as base64, or the name of an `object` of the attachments' bucket, by default in its newest
    version. By default, an object's name gives its file name and its type.
    """

    filename: str | None = None
    content_type: str | None = None
    content: bytes | None = None
    object: str | None = None
    version_id: str = ""


def check(attachments: list[Attach], pin: Pin) -> tuple[Attachment, ...]:
    """Raises `Invalid` for the first field at fault, `TooLarge` for too many bytes in all, and what `pin` raises."""
    if len(attachments) > MOST_ATTACHMENTS:
        detail = f"a message has at most {MOST_ATTACHMENTS} attachments"
        raise Invalid("attachments", "attachments.too_many", detail)
    checked: list[Attachment] = []
    size = 0
    for index, each in enumerate(attachments):
        checked.append(_attachment(each, pin, f"attachments[{index}]"))
        size += checked[-1].size
        if size > LARGEST_ATTACHMENTS:
            detail = f"the attachments of a message have at most {LARGEST_ATTACHMENTS} bytes in all"
            raise TooLarge("attachments.too_large", detail, field="attachments")
    return tuple(checked)


def _attachment(attach: Attach, pin: Pin, field: str) -> Attachment:
    if (attach.content is None) == (attach.object is None):
        detail = "an attachment has a content or an object"
        raise Invalid(f"{field}.content", "attachment.content", detail)
    name = _name(attach, field)
    if attach.object is None:
        content = attach.content or b""
        return Attachment(name, _content_type(attach.content_type or _ANY_TYPE, field), content, len(content))
    guessed = mimetypes.guess_type(name)[0] or _ANY_TYPE
    content_type = _content_type(attach.content_type or guessed, field)
    stored, size = pin(attach.object, attach.version_id, field)
    return Attachment(name, content_type, b"", size, stored)


def _name(attach: Attach, field: str) -> str:
    name = attach.filename
    if name is None and attach.object is not None:
        name = attach.object.rpartition("/")[2]
    if (
        not name
        or not name.strip()
        or len(name) > LONGEST_NAME
        or addresses.has_control(name)
        or _NOT_IN_NAMES.search(name)
    ):
        detail = (
            f"filename must be a name of 1 to {LONGEST_NAME} characters without a path, control characters and marks "
            "that change the direction of writing"
        )
        raise Invalid(f"{field}.filename", "attachment.filename", detail)
    return name


def _content_type(content_type: str, field: str) -> str:
    if not _CONTENT_TYPE.fullmatch(content_type) or content_type.startswith(("multipart/", "message/")):
        detail = "contentType must be a type such as application/pdf"
        raise Invalid(f"{field}.contentType", "attachment.content_type", detail)
    return content_type
