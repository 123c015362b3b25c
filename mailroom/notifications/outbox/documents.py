"""The document of a new message."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from msgspec import to_builtins

from mailroom.notifications.message.request import Draft
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import MailFrom, State
from mailroom.platform.mongo import Document


def from_draft(draft: Draft, message_id: ObjectId, sender: MailFrom, key_id: str, now: datetime) -> Document:
    """A new message. Its Message-ID and its date are made here and never change."""
    return {
        "_id": message_id,
        "keyId": key_id,
        "createdAt": now,
        "updatedAt": now,
        "dueAt": draft.send_at or now,
        "dueSince": draft.send_at or now,
        "priority": draft.priority,
        "state": State.QUEUED,
        "epoch": 0,
        "messageId": f"<{message_id}@{sender.domain}>",
        "from": to_builtins(sender),
        "emailTo": draft.email_to,
        "recipients": to_builtins(draft.recipients),
        "addresses": sorted({addresses.key(recipient.shown) for recipient in draft.recipients}),
        "replyTo": to_builtins(draft.reply_to),
        "subject": draft.subject,
        "text": draft.text,
        "html": draft.html,
        "template": {"name": draft.template.name, "version": draft.template.version} if draft.template else None,
        "bodySince": now,
        "erasedAt": None,
        "attachments": to_builtins(draft.attachments, builtin_types=(bytes,)),
        "headers": to_builtins(draft.headers),
        "tags": draft.tags,
        "metadata": draft.metadata,
        "attempts": [],
        "attemptCount": 0,
        "attemptsBefore": 0,
        "error": None,
        "sentAt": None,
    }
