"""Signed tokens: texts that only this deployment can make, and that may expire (HMAC-SHA256, RFC 2104).

A token is base32 in lower case, because the local part of an address may lose its case on its way:

    4 bytes: seconds since 1970, 0: never expires  |  the payload  |  12 bytes: HMAC of purpose, expiry and payload
"""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import UTC, datetime

from mailroom.errors import MissingSecret
from mailroom.platform.secrets import SIGNING_KEY, Secrets, lines

# 96 of the 256 bits are kept: a token for a message's id has 45 characters, and fits in a local part of 64.
_MAC_BYTES = 12
_EXPIRY_BYTES = 4
_LATEST = 2 ** (8 * _EXPIRY_BYTES) - 1
_LONGEST_TOKEN = 2000  # characters; a longer one is not decoded
_SHORTEST_KEY = 32  # characters


class Signer:
    """Signs with the first key of a secret, and verifies with all of them: the secret holds one key a line.

    To change the key, put the new one into the first line and remove the old one when its tokens have expired. The
    secret is read at each call. Keys of less than 32 characters do not count.
    """

    def __init__(self, secrets: Secrets, name: str = SIGNING_KEY) -> None:
        self._secrets = secrets
        self._name = name

    @property
    def available(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys())

    def sign(self, purpose: str, payload: bytes, expires: datetime | None) -> str:
        """Makes a token. It is valid for this purpose only, and until `expires`; None: for ever.

        Raises:
            MissingSecret: there is no key.
        """
        keys = self._keys()
        if not keys:
            raise MissingSecret(f"the secret {self._name} is missing, or has no key of {_SHORTEST_KEY} characters")
        # Rounded up, so that a token with an expiry never becomes one without.
        seconds = 0 if expires is None else min(max(int(expires.timestamp()) + 1, 1), _LATEST)
        signed = seconds.to_bytes(_EXPIRY_BYTES, "big") + payload
        token = base64.b32encode(signed + _mac(keys[0], purpose, signed))
        return token.decode().rstrip("=").lower()

    def verify(self, purpose: str, token: str, now: datetime) -> bytes | None:
        """The payload of a token, or None: it is not ours, is for another purpose, or has expired."""
        content = _decode(token)
        if content is None:
            return None
        signed, mac = content[:-_MAC_BYTES], content[-_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, purpose, signed)) for key in self._keys()):
            return None
        seconds = int.from_bytes(signed[:_EXPIRY_BYTES], "big")
        if seconds and datetime.fromtimestamp(seconds, UTC) < now:
            return None
        return signed[_EXPIRY_BYTES:]

    def _keys(self) -> list[bytes]:
        keys = lines(self._secrets.read_optional(self._name))
        return [key.encode() for key in keys if len(key) >= _SHORTEST_KEY]


def _mac(key: bytes, purpose: str, signed: bytes) -> bytes:
    # The zero byte ends the purpose, so that no other purpose and payload together are the same bytes.
    return hmac.digest(key, purpose.encode() + b"\0" + signed, "sha256")[:_MAC_BYTES]


def _decode(token: str) -> bytes | None:
    """The bytes of a token in any case. None for any other text, and for a second spelling of the same bytes."""
    if len(token) > _LONGEST_TOKEN:
        return None
    text = token.upper()
    try:
        content = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return None
    if len(content) < _EXPIRY_BYTES + _MAC_BYTES or base64.b32encode(content).decode().rstrip("=") != text:
        return None
    return content
