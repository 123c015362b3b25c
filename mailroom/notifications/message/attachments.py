"""Attachments of a request: a content, or an object of the attachments' bucket."""

from __future__ import annotations

import mimetypes
import re

import msgspec
from msgspec import UNSET, UnsetType

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
# It needs no escape in a header, nor in the address cid:… of the HTML (RFC 2392).
_CONTENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}(@[A-Za-z0-9][A-Za-z0-9.-]{0,99})?")
_CONTENT_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,100}")


class Attach(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A file: its `content` as base64, or the name of an `object` of the attachments' bucket, by default in its newest
    version. By default, an object's name gives its file name and its type.

    With a `content_id`, it is an image that the HTML shows: `<img src="cid:CONTENT_ID">`.
    """

    filename: str | None = None
    content_type: str | None = None
    content: bytes | None = None
    object: str | None = None
    version_id: str = ""
    content_id: str | UnsetType | None = UNSET


def check(attachments: list[Attach], pin: Pin, *, with_html: bool) -> tuple[Attachment, ...]:
    """Checks the attachments of a message. Only a message `with_html` can show images.

    Raises `Invalid` for the first field at fault, `TooLarge` for too many bytes in all, and what `pin` raises.
    """
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
    _check_images(checked, with_html=with_html)
    return tuple(checked)


def _attachment(attach: Attach, pin: Pin, field: str) -> Attachment:
    if (attach.content is None) == (attach.object is None):
        detail = "an attachment has a content or an object"
        raise Invalid(f"{field}.content", "attachment.content", detail)
    name, content_id = _name(attach, field), _content_id(attach.content_id or "", field)
    guessed = mimetypes.guess_type(name)[0] if content_id or attach.object is not None else None
    content_type = _content_type(attach.content_type or guessed or _ANY_TYPE, field)
    if content_id and not content_type.startswith("image/"):
        raise Invalid(f"{field}.contentType", "attachment.content_type", "only an image may have a contentId")
    if attach.object is None:
        content = attach.content or b""
        return Attachment(name, content_type, content, len(content), content_id=content_id)
    stored, size = pin(attach.object, attach.version_id, field)
    return Attachment(name, content_type, b"", size, stored, content_id)


def _content_id(content_id: str, field: str) -> str:
    if content_id and not _CONTENT_ID.fullmatch(content_id):
        detail = "contentId must be letters, digits and . _ + -, with or without an @ in the middle"
        raise Invalid(f"{field}.contentId", "attachment.content_id", detail)
    return content_id


def _check_images(checked: list[Attachment], *, with_html: bool) -> None:
    seen: set[str] = set()
    for index, each in enumerate(checked):
        if not each.content_id:
            continue
        if not with_html or each.content_id in seen:
            no_html = "only HTML can show an image, and the message has none"
            detail = "another attachment has this contentId" if with_html else no_html
            raise Invalid(f"attachments[{index}].contentId", "attachment.content_id", detail)
        seen.add(each.content_id)


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
