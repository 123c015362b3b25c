"""How a form hands over a message to be sent."""

from __future__ import annotations

from typing import Any

from mailroom.console import forms, session


def submit(message: dict[str, Any]) -> Any:
    """Has the API accept the message of this form. Returns its answer. Raises ApiError.

    With `respond-async` the call ends at once, so that a form that was sent twice finds its first answer.
    """
    headers = {"Prefer": "respond-async"}
    return session.call("POST", "notifications", json=message, headers=headers, idempotency_key=forms.idempotency_key())
