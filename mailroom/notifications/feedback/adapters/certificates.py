"""The certificates that SNS signs with: fetched once, kept for a day, and never more than a few at a time.

Strangers may name certificates that do not exist. So a failure is remembered too, and a call does not wait while others
fetch: SNS sends the message again.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from mailroom.errors import Busy, Unavailable
from mailroom.notifications.feedback.adapters.adapter import Unverified
from mailroom.notifications.feedback.adapters.sns_urls import is_certificate_url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

log = logging.getLogger(__name__)

_KEPT = timedelta(days=1)
_FAILURE_KEPT = timedelta(minutes=1)
_MOST_KEPT = 64
_LEAST_BITS = 2048
_RETRY_AFTER_SECONDS = 20


class _KeyOrFailure(msgspec.Struct, frozen=True):
    key: RSAPublicKey | None  # None: a failure
    until: datetime


class FetchedCertificates:
    """`fetch` gets the bytes of a URL. Raises `Unavailable` when it cannot."""

    def __init__(self, fetch: Callable[[str], bytes], at_once: int = 2) -> None:
        self._fetch = fetch
        self._slots = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _KeyOrFailure] = OrderedDict()

    def key(self, url: str, now: datetime) -> RSAPublicKey:
        """The public key of the certificate at `url`.

        Raises:
            Unverified: the URL is not of SNS, or there is no valid certificate.
            Busy: other certificates are being fetched.
            Unavailable: it could not be fetched.
        """
        if not is_certificate_url(url):
            raise Unverified("its certificate is not one of SNS")
        entry = self._entry(url, now)
        if entry is None:
            if not self._slots.acquire(blocking=False):
                raise Busy("events.busy", "certificates are being fetched", retry_after=_RETRY_AFTER_SECONDS)
            try:
                entry = self._new(url, now)
            finally:
                self._slots.release()
            self._keep(url, entry)
        if entry.key is None:
            raise Unavailable("the certificate of SNS could not be fetched")
        return entry.key

    def _entry(self, url: str, now: datetime) -> _KeyOrFailure | None:
        with self._lock:
            entry = self._entries.get(url)
            return entry if entry and entry.until > now else None

    def _new(self, url: str, now: datetime) -> _KeyOrFailure:
        try:
            return _KeyOrFailure(_public_key(self._fetch(url), now), now + _KEPT)
        except Unavailable as error:
            log.warning("a certificate of SNS could not be fetched", extra={"url": url}, exc_info=error)
            return _KeyOrFailure(None, now + _FAILURE_KEPT)

    def _keep(self, url: str, entry: _KeyOrFailure) -> None:
        with self._lock:
            self._entries[url] = entry
            if len(self._entries) > _MOST_KEPT:
                self._entries.popitem(last=False)


def _public_key(pem: bytes, now: datetime) -> RSAPublicKey:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unverified("its certificate cannot be read") from error
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Unverified("its certificate has expired, or is not valid yet")
    if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_BITS:
        raise Unverified("its certificate has a key that we do not accept")
    return key
