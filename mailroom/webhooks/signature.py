"""Signatures of webhooks, after Standard Webhooks: receivers check them with that project's libraries."""

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
    signed = f"{id_}.{timestamp}.{delivery['payload']}".encode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "Mailroom-Webhooks",
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_sign(key, signed)}" for key in keys),
    }


def valid_keys(endpoint: Document, now: datetime) -> list[str]:
    """The keys of an endpoint that have not expired: the newest, and earlier ones during a rotation."""
    return [each["key"] for each in endpoint["secrets"] if each["expiresAt"] is None or each["expiresAt"] > now]


def _sign(key: str, signed: bytes) -> str:
    try:
        secret = base64.b64decode(key.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a secret of an endpoint is not base64") from None
    return base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
