"""Signatures after Standard Webhooks: receivers check those of our webhooks with that project's libraries."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime

from mailroom.platform.mongo import Document

PREFIX = "whsec_"  # pragma: allowlist secret


def headers(delivery: Document, keys: Iterable[str], now: datetime) -> Mapping[str, str]:
    """The headers of a delivery at the time `now`, with a signature for each of the keys.

    The id is the same at each attempt, so that a receiver can tell a repeat.
    """
    id_, timestamp = delivery["announcementId"], str(int(now.timestamp()))
    body = delivery["payload"].encode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "Mailroom-Webhooks",
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{sign(_decoded(key), id_, timestamp, body)}" for key in keys),
    }


def valid_keys(endpoint: Document, now: datetime) -> list[str]:
    """The keys of an endpoint that have not expired: the newest, and earlier ones during a rotation."""
    return [each["key"] for each in endpoint["secrets"] if each["expiresAt"] is None or each["expiresAt"] > now]


def sign(key: bytes, id_: str, timestamp: str, body: bytes) -> str:
    """The signature of a call, in Base64 and without its version. `id_` and `timestamp` may be any text."""
    signed = f"{id_}.{timestamp}.".encode("utf-8", "replace") + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _decoded(key: str) -> bytes:
    try:
        return base64.b64decode(key.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a secret of an endpoint is not base64") from None
