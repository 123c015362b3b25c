"""Calls that a caller may repeat: what is remembered of a call with the header `Idempotency-Key`."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from mailroom.errors import Invalid

REMEMBERED = timedelta(hours=24)


class RepeatableCall(msgspec.Struct, frozen=True):
    """`key` is the caller's Idempotency-Key, `digest` is the hash of the request."""

    key: str
    digest: str


def reused() -> Invalid:
    """The refusal of a key that came with another request before."""
    return Invalid(None, "idempotency.reused", "this Idempotency-Key was used with another body")
