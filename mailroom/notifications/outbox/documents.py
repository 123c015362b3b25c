"""Messages as documents of MongoDB, to our values and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bson import ObjectId
from msgspec.structs import asdict

from mailroom.notifications.message.request import Draft
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import (
    Address,
    Attachment,
    Kind,
    MailFrom,
    Message,
    Recipient,
    RecipientStatus,
    State,
    Step,
    StoredFile,
)
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
        "from": {"name": sender.name, "address": sender.address},
        "emailTo": draft.email_to,
        "recipients": from_recipients(draft.recipients),
        "addresses": sorted({addresses.key(recipient.address.shown) for recipient in draft.recipients}),
        "replyTo": [_from_address(address) for address in draft.reply_to],
        "subject": draft.subject,
        "text": draft.text,
        "html": draft.html,
        "template": {"name": draft.template.name, "version": draft.template.version} if draft.template else None,
        "bodySince": now,
        "erasedAt": None,
        "attachments": [
            {
                "filename": each.name,
                "contentType": each.content_type,
                "size": each.size,
                "content": each.content,
                "object": asdict(each.stored) if each.stored else None,
            }
            for each in draft.attachments
        ],
        "headers": [{"name": name, "value": value} for name, value in draft.headers],
        "tags": list(draft.tags),
        "metadata": draft.metadata,
        "attempts": [],
        "attemptCount": 0,
        "attemptsBefore": 0,
        "error": None,
        "sentAt": None,
    }


def to_message(document: Document, recipients: tuple[Recipient, ...]) -> Message:
    return Message(
        message_id=document["messageId"],
        date=document["createdAt"],
        sender=MailFrom(document["from"]["name"], document["from"]["address"]),
        recipients=recipients,
        subject=document["subject"],
        text=document["text"],
        html=document["html"],
        reply_to=tuple(_to_address(address) for address in document["replyTo"]),
        attachments=tuple(_to_attachment(each) for each in document["attachments"]),
        headers=tuple((each["name"], each["value"]) for each in document.get("headers", ())),
    )


def from_recipients(recipients: tuple[Recipient, ...]) -> list[Document]:
    return [
        {
            **_from_address(recipient.address),
            "kind": recipient.kind,
            "fate": recipient.status,
            "code": recipient.code,
            "text": recipient.text,
        }
        for recipient in recipients
    ]


def to_recipients(documents: list[Document]) -> tuple[Recipient, ...]:
    return tuple(
        Recipient(_to_address(each), Kind(each["kind"]), RecipientStatus(each["fate"]), each["code"], each["text"])
        for each in documents
    )


def from_steps(steps: list[Step]) -> list[Document]:
    return [
        {
            "step": step.name,
            **({"recipient": step.recipient} if step.recipient else {}),
            "code": step.code,
            "text": step.text,
            "milliseconds": step.milliseconds,
        }
        for step in steps
    ]


def _to_attachment(document: Document) -> Attachment:
    stored = document.get("object")
    return Attachment(
        document["filename"],
        document["contentType"],
        document["content"],
        document["size"],
        StoredFile(**stored) if stored else None,
    )


def _from_address(address: Address) -> dict[str, Any]:
    return {"address": address.shown, "wire": address.wire}


def _to_address(document: Document) -> Address:
    return Address(document["address"], document["wire"])
