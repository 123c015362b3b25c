"""Topics: what people unsubscribe from, such as `newsletter`."""

from __future__ import annotations

import re

from mailroom.errors import Invalid
from mailroom.platform.mongo import Document

LONGEST_TOPIC = 64

_TOPIC = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_TOPIC - 1}}}")


def topic(text: str, field: str) -> str:
    """Checks a topic. Raises `Invalid`, which names `field`."""
    if not _TOPIC.fullmatch(text):
        detail = f"{field} has 1 to {LONGEST_TOPIC} letters and digits of ASCII, and after the first one also . _ -"
        raise Invalid(field, "topic.invalid", detail)
    return text


def of(message: Document) -> str | None:
    """The topic of a stored message. A message without one cannot be unsubscribed from."""
    unsubscribe = message.get("unsubscribe")
    return unsubscribe["topic"] if unsubscribe else None
