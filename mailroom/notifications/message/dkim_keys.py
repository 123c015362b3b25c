"""Which DKIM key signs the mail of a domain: the one of the settings, or one of the secret `mailroom-dkim-keys`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from mailroom.errors import InvalidSetting
from mailroom.notifications.message.dkim import DkimSigner, SigningFailed
from mailroom.platform.secrets import DKIM_KEYS


class DkimKeys:
    """`default` is the signer of the settings DKIM_*, or None. `read` returns the secret, which may change.

    The secret is JSON: `{"shop.example": {"selector": "s1", "key": "-----BEGIN …"}}`.
    """

    def __init__(self, default: DkimSigner | None, read: Callable[[], str]) -> None:
        self._default = default
        self._read = read

    def signer(self, domain: str) -> DkimSigner | None:
        """The signer for mail from `domain`: that of the domain itself, else of its nearest parent, else the default.

        For one domain, the settings come before the secret. None: the mail is not signed.

        Raises:
            SigningFailed: the secret is malformed. Its text has no part of a key.
        """
        domain = domain.lower()
        own = self._default.domain.lower() if self._default else ""
        if domain == own:
            return self._default
        entries = _entries(self._read())
        for name in _with_parents(domain):
            if name == own:
                return self._default
            if name in entries:
                return _signer(name, entries[name])
        return self._default


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    selector: str
    key: str


@lru_cache(4)
def _entries(text: str) -> dict[str, Any]:
    """The entries by domain. Each is checked only when it is used, so that a wrong one stops no other domain."""
    if not text:
        return {}
    try:
        entries = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise SigningFailed(f"the secret {DKIM_KEYS} is not a JSON object of domains") from None
    return {name.lower(): entry for name, entry in entries.items()}


def _signer(domain: str, entry: Any) -> DkimSigner:
    try:
        found = msgspec.convert(entry, _Entry)
        return DkimSigner(domain, found.selector, lambda: found.key)
    except (msgspec.ValidationError, InvalidSetting):
        detail = "must be {selector, key} with a selector that is a name in the DNS"
        raise SigningFailed(f"the secret {DKIM_KEYS} has a wrong entry for {domain}: {detail}") from None


def _with_parents(domain: str) -> list[str]:
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]
