"""The payload of an event, after Standard Webhooks: `{"type", "timestamp", "data"}`. No bodies and no attachments."""

from __future__ import annotations

import msgspec
from bson import ObjectId

from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import Document
from mailroom.webhooks.announcements import ANNOUNCEMENTS

# The fields of a document that never change, so its announcements do not repeat them.
_FIXED = {
    "notifications": ("emailTo", "subject", "tags", "metadata", "test"),
    "imports": ("bucket", "key", "versionId"),
}

SOURCES: tuple[str, ...] = tuple(_FIXED)
"""The collections whose documents have announcements."""


def read_fields(source: str) -> dict[str, int]:
    """What to read of a document of the collection `source`, to make the payloads of its announcements."""
    return dict.fromkeys((*_FIXED[source], ANNOUNCEMENTS), 1)


def payload(source: str, document: Document, announcement: Document) -> str:
    """The JSON text of an announcement of that document. The same arguments always make the same text."""
    own = {name: document[name] for name in _FIXED[source] if name in document}
    event = {
        "type": announcement["type"],
        "timestamp": rfc3339(announcement["at"]),
        "data": {"id": str(document["_id"]), **own, **announcement["data"]},
    }
    return msgspec.json.encode(event, enc_hook=_text).decode()


def _text(value: object) -> str:
    if isinstance(value, ObjectId):
        return str(value)
    raise NotImplementedError(type(value).__name__)
