"""The header `Idempotency-Key`: a caller's own name for a request, so that a repeat does not do the work again."""

from __future__ import annotations

from flask import request

from mailroom.errors import Invalid

_LONGEST = 255  # characters


def idempotency_key() -> str | None:
    """The key of this call, or None. Raises `Invalid`."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= _LONGEST and key.isascii() and key.isprintable()):
        detail = f"Idempotency-Key must have 1 to {_LONGEST} printable ASCII characters"
        raise Invalid("Idempotency-Key", "idempotency.invalid", detail)
    return key
