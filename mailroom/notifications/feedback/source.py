"""The source of a message, to look at: what is handed to the relay, without the contents of its files."""

from __future__ import annotations

from msgspec import convert
from msgspec.structs import replace

from mailroom.notifications.feedback.tracing import Tracing
from mailroom.notifications.message import mime
from mailroom.notifications.model.messages import Message
from mailroom.platform.mongo import Document


def source(document: Document, tracing: Tracing) -> str:
    """The headers and the parts of a stored message. Attachments are empty, and there is no DKIM signature."""
    message = convert(document, Message)
    trace = tracing.trace(document["_id"], document["dueSince"], message.sender.address)
    empty = tuple(replace(each, content=b"") for each in message.attachments)
    return mime.assemble(trace.added_to(replace(message, attachments=empty))).decode("utf-8", "replace")
