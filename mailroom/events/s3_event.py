"""Decodes the bucket notifications that MinIO (and RustFS, Ceph) posts to a webhook.

The form is AWS S3's. Peculiarities, seen with MinIO RELEASE.2025-09: the key is query-escaped, the `sequencer` is the
object's modification time in hexadecimal nanoseconds, and `s3:ObjectCreated:*` covers changes of tags and retention.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import unquote_plus

import msgspec

from mailroom.errors import MailroomError
from mailroom.platform.clock import to_milliseconds
from mailroom.platform.objects import ObjectVersion

# Tags and retention are "created" events too, but bring no new bytes.
EVENT_NAMES = tuple(f"s3:ObjectCreated:{each}" for each in ("Put", "Post", "Copy", "CompleteMultipartUpload"))

_NANOSECONDS_PER_MILLISECOND = 1_000_000

_LONGEST_BYTES = 1024  # S3's limit for a key and for a version id
_LONGEST_REASON = 200  # characters
_LONGEST_INTEGER = 20  # digits; Python refuses to read very long ones, and with them the whole body
_MOST_MILLISECONDS = 1 << 48  # the order of imports has 12 hexadecimal digits for the time


class NotAnEvent(MailroomError):
    """The body is not a bucket notification."""


class Ignored(msgspec.Struct, frozen=True):
    """A record that asks for no import, with the reason: at most 200 characters of ASCII."""

    reason: str


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct, rename="camel"):
    key: str
    size: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] = 0
    e_tag: str = ""
    version_id: str | None = None
    sequencer: str = ""


class _Contents(msgspec.Struct):
    bucket: _Bucket
    object: _Object


class _Record(msgspec.Struct, rename="camel"):
    """The fields of a record that are read here."""

    s3: _Contents
    event_time: str = ""


def decode(body: bytes, bucket: str) -> list[ObjectVersion | Ignored]:
    """The object versions in `bucket` that the notification in `body` tells of, and its other records.

    Every version can be stored, and every other record is `Ignored`, whatever it holds.

    Raises:
        NotAnEvent: the body is not JSON, or not an object with a list of `Records`.
    """
    try:
        document = json.loads(body, parse_int=_integer)
    except RecursionError:
        return [Ignored("the notification cannot be read: it is nested too deeply")]
    except ValueError:
        raise NotAnEvent("the body is not JSON") from None
    records = document.get("Records") if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise NotAnEvent("the body has no list of Records: it is not a bucket notification")
    return [_decode_record(record, bucket) for record in records]


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else digits


def _decode_record(record: Any, bucket: str) -> ObjectVersion | Ignored:
    try:
        name = str(record["eventName"]).removeprefix("s3:")
        if f"s3:{name}" not in EVENT_NAMES:
            return _ignored(f"{name} brings no new bytes")
        found = msgspec.convert(record, _Record)
        if found.s3.bucket.name != bucket:
            return _ignored(f"the bucket {found.s3.bucket.name} is not imported")
        return _version(found, bucket)
    except (LookupError, TypeError, ValueError, OverflowError, RecursionError) as error:
        return _ignored(f"the record cannot be understood: {type(error).__name__} {error}")


def _version(record: _Record, bucket: str) -> ObjectVersion:
    """The version that a record tells of. Raises `ValueError` for one that cannot be stored."""
    described = record.s3.object
    key = unquote_plus(described.key, errors="strict")
    if not 0 < len(key.encode()) <= _LONGEST_BYTES:
        raise ValueError(f"the key must have 1 to {_LONGEST_BYTES} bytes")
    return ObjectVersion(
        bucket=bucket,
        key=key,
        version_id="" if described.version_id in (None, "null") else _word(described.version_id),
        etag=_word(described.e_tag.strip('"')),
        size=described.size,
        modified_ms=_modified(record),
    )


def _word(text: str) -> str:
    """The same text. Raises `ValueError` if it cannot be a part of a URL or of a header."""
    if len(text) > _LONGEST_BYTES or not (text.isascii() and text.isprintable()):
        raise ValueError(f"{text!a:.50} is no version id and no ETag")
    return text


def _modified(record: _Record) -> int:
    """The modification time of the object in Unix milliseconds: that of the event, if the sequencer gives none."""
    sequencer = record.s3.object.sequencer
    if sequencer:
        milliseconds = int(sequencer, 16) // _NANOSECONDS_PER_MILLISECOND
        if 0 <= milliseconds < _MOST_MILLISECONDS:
            return milliseconds
    milliseconds = to_milliseconds(datetime.fromisoformat(record.event_time))
    if milliseconds < 0:
        raise ValueError("the event was before 1970")
    return milliseconds


def _ignored(reason: str) -> Ignored:
    return Ignored(reason.encode("ascii", "backslashreplace").decode()[:_LONGEST_REASON])
