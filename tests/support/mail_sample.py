"""Messages as the notifications API answers them, for pages to show."""

from __future__ import annotations

from typing import Any

ID = "b" * 24
ANNA = "anna@example.com"
COMPUTED = "2024-05-31T10:00:00.000Z"
LATER = "2024-05-31T10:05:00.000Z"

WAITING = {"code": "relay", "text": "The relay said 451 (rcpt): 4.7.1 come back later.", "since": COMPUTED}


def item(status: str = "queued", subject: str = "Your invoice", id: str = ID, **changes: Any) -> dict[str, Any]:
    """A message in a list."""
    return {
        "id": id,
        "status": status,
        "from": "billing@shop.example",
        "emailTo": ["anna@example.com", "bob@example.com"],
        "subject": subject,
        "template": {"name": "invoice", "version": 3},
        "tags": ["may"],
        "metadata": {"order": "4711"},
        "priority": "normal",
        "createdAt": COMPUTED,
        "updatedAt": COMPUTED,
        "sentAt": None,
        "nextAttemptAt": LATER if status == "queued" else None,
        "attemptCount": 1,
        "error": {"code": "smtp.451", "message": "451 come back later"} if status in ("queued", "failed") else None,
        "delivery": None,
        "messageId": "<1@shop.example>",
        "test": False,
    } | changes


def recipient(address: str, status: str = "pending", text: str = "", **changes: Any) -> dict[str, Any]:
    code = {"pending": 451, "sent": 250, "failed": 550}.get(status)
    return {"address": address, "kind": "to", "status": status, "code": code, "text": text, "delivery": None} | changes


def message(status: str = "queued", subject: str = "Your invoice", **changes: Any) -> dict[str, Any]:
    """One message, with its attempts."""
    bounced = {"status": "bounced", "code": "5.1.1", "text": "no such user", "at": LATER}
    steps = [
        {"step": "connect", "code": 220, "text": "relay ready", "milliseconds": 1.5},
        {"step": "mail", "code": 250, "text": "ok", "milliseconds": 0.4},
        {"step": "rcpt", "code": 451, "text": "4.7.1 come back later", "milliseconds": 31.0, "recipient": ANNA},
        {"step": "data", "code": None, "text": "timed out", "milliseconds": 10000.0},
    ]  # fmt: skip
    return (
        item(status, subject)
        | {
            "fromName": "Shop",
            "replyTo": ["office@shop.example"],
            "recipients": [
                recipient("anna@example.com", "pending", "4.7.1 come back later"),
                recipient("bob@example.com", "sent", "ok", delivery=bounced),
            ],
            "headers": {"X-Order": "4711"},
            "unsubscribe": {"topic": "news"},
            "html": "<p>Hello <b>Anna</b></p>",
            "erasedAt": None,
            "text": "Hello Anna",
            "attachments": [
                {"filename": "a.pdf", "contentType": "application/pdf", "size": 1400, "object": None, "contentId": None}
            ],
            "attempts": [{"startedAt": COMPUTED, "endedAt": LATER, "outcome": "queued", "steps": steps}],
            "waitingFor": WAITING if status in ("queued", "sending") else None,
        }
        | changes
    )
