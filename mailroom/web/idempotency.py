"""The header `Idempotency-Key`: a caller's own name for a request, so that a repeat does not do the work again."""

from __future__ import annotations

from hashlib import sha256

import msgspec
from flask import request

from mailroom.errors import Invalid
from mailroom.platform.idempotency import RepeatableCall
from mailroom.web.endpoints import caller

_LONGEST = 255  # characters


def idempotency_key() -> str | None:
    """The key of this call, or None. Raises `Invalid`."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= _LONGEST and key.isascii() and key.isprintable()):
        detail = f"Idempotency-Key must have 1 to {_LONGEST} printable ASCII characters"
        raise Invalid("Idempotency-Key", "idempotency.invalid", detail)
    return key


def callers_key() -> str | None:
    """The key of this call, made unique among all callers, or None. Raises `Invalid`."""
    key = idempotency_key()
    return None if key is None else f"{caller().id}:{key}"


def repeatable_call(asked: object) -> RepeatableCall | None:
    """What is remembered of this call, which asks for `asked`; None without a key. Raises `Invalid`."""
    key = callers_key()
    return None if key is None else RepeatableCall(key, sha256(msgspec.json.encode(asked)).hexdigest())
