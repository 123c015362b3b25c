"""The public key of a DKIM signature in the DNS (RFC 6376, 3.6.1)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from mailroom.notifications.domains.finding import Finding, Grade, tags
from mailroom.notifications.domains.lookup import Lookup
from mailroom.notifications.message.dkim import DkimSigner

# Receivers refuse shorter keys (RFC 8301).
_LEAST_BITS, _GOOD_BITS = 1024, 2048

_PublicKey = RSAPublicKey | Ed25519PublicKey


def check(signer: DkimSigner, lookup: Lookup, *, compare: bool) -> Finding:
    """Whether the record of the signer's selector is right, and with `compare` the public half of its key.

    Raises `Unavailable`.
    """
    name = f"{signer.selector}._domainkey.{signer.domain}"
    try:
        record = _only(lookup.texts(name), name)
        public = _public_key(record, name)
        if compare and _halves_differ(signer.key(), public):
            raise _UnusableKey(f"the key of {name} is not that of the private key in the secret")
    except _UnusableKey as error:
        return Finding("DKIM", Grade.FAILED, str(error))
    if isinstance(public, RSAPublicKey) and public.key_size < _GOOD_BITS:
        return Finding("DKIM", Grade.WARNING, f"the key of {name} has {public.key_size} bits: {_GOOD_BITS} are usual")
    if "y" in record.get("t", "").split(":"):
        return Finding("DKIM", Grade.WARNING, f"{name} has t=y: receivers take the signature for a test")
    matches = "has the key that signs" if compare else "has a key"
    return Finding("DKIM", Grade.OK, f"{name} {matches}")


class _UnusableKey(Exception):
    """No receiver can verify a signature. The text says why."""


def _only(records: list[str], name: str) -> dict[str, str]:
    keys = [tags(each) for each in records if "p" in tags(each)]
    if not keys:
        raise _UnusableKey(f"{name} has no key: publish TXT v=DKIM1; k=rsa; p=…")
    if len(keys) > 1:
        raise _UnusableKey(f"{name} has {len(keys)} keys: receivers may take any of them")
    return keys[0]


def _public_key(record: dict[str, str], name: str) -> _PublicKey:
    if record.get("v", "DKIM1") != "DKIM1":
        raise _UnusableKey(f"{name} has v={record['v'][:20]!r}, which must be DKIM1")
    if not record["p"]:
        raise _UnusableKey(f"the key of {name} is revoked (p= is empty)")
    if "h" in record and "sha256" not in record["h"].replace(" ", "").split(":"):
        raise _UnusableKey(f"{name} does not allow sha256 (h=)")
    try:
        found = _parse(record.get("k", "rsa"), base64.b64decode("".join(record["p"].split()), validate=True))
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        raise _UnusableKey(f"the key of {name} cannot be read (k=, p=)") from None
    if isinstance(found, RSAPublicKey) and found.key_size < _LEAST_BITS:
        raise _UnusableKey(f"the key of {name} has {found.key_size} bits: receivers refuse less than {_LEAST_BITS}")
    return found


def _parse(kind: str, data: bytes) -> _PublicKey:
    if kind == "ed25519":
        return Ed25519PublicKey.from_public_bytes(data)
    found: Any = serialization.load_der_public_key(data)
    if kind != "rsa" or not isinstance(found, RSAPublicKey):
        raise ValueError("another algorithm")
    return found


def _halves_differ(pem: str, public: _PublicKey) -> bool:
    try:
        private = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _UnusableKey("the private key in the secret is missing, or is no key in PEM") from None
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise _UnusableKey("the private key in the secret is neither RSA nor Ed25519")
    return _bytes(private.public_key()) != _bytes(public)


def _bytes(key: _PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
