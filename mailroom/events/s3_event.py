"""Decodes the bucket notifications that MinIO (and RustFS, Ceph) posts to a webhook.

The form is AWS S3's. Peculiarities, seen with MinIO RELEASE.2025-09: the key is query-escaped, the `sequencer` is the
object's modification time in hexadecimal nanoseconds, and `s3:ObjectCreated:*` covers changes of tags and retention.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from mailroom.errors import MailroomError
from mailroom.platform.clock import to_milliseconds
from mailroom.platform.objects import ObjectVersion

# The events called "created" that bring new bytes.
_NEW_BYTES = {"Put", "Post", "Copy", "CompleteMultipartUpload"}
_NANOSECONDS_PER_MILLISECOND = 1_000_000


class NotAnEvent(MailroomError):
    """The body is not a bucket notification."""


class Ignored(msgspec.Struct, frozen=True):
    """A record that asks for no import, with the reason."""

    reason: str


def decode(body: bytes, bucket: str) -> list[ObjectVersion | Ignored]:
    """The object versions in `bucket` that the notification in `body` tells of, and its other records.

    Raises:
        NotAnEvent: the body is not JSON, or not an object with a list of `Records`.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise NotAnEvent("the body is not JSON") from None
    records = document.get("Records") if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise NotAnEvent("the body has no list of Records: it is not a bucket notification")
    return [_record(record, bucket) for record in records]


def _record(record: Any, bucket: str) -> ObjectVersion | Ignored:
    try:
        name = str(record["eventName"]).removeprefix("s3:")
        if not (name.startswith("ObjectCreated:") and name.partition(":")[2] in _NEW_BYTES):
            return Ignored(f"{name} brings no new bytes")
        found = record["s3"]["bucket"]["name"]
        if found != bucket:
            return Ignored(f"the bucket {found} is not imported")
        described = record["s3"]["object"]
        return ObjectVersion(
            bucket=bucket,
            key=unquote_plus(described["key"], errors="strict"),
            version_id="" if described.get("versionId") in (None, "null") else str(described["versionId"]),
            etag=str(described.get("eTag", "")).strip('"'),
            size=int(described.get("size", 0)),
            modified_ms=_modified(record, described),
        )
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return Ignored(f"the record cannot be understood: {type(error).__name__} {error}")


def _modified(record: dict[str, Any], described: dict[str, Any]) -> int:
    sequencer = str(described.get("sequencer", ""))
    if sequencer:
        milliseconds = int(sequencer, 16) // _NANOSECONDS_PER_MILLISECOND
        if milliseconds < 1 << 48:
            return milliseconds
    return to_milliseconds(datetime.fromisoformat(record["eventTime"]))
