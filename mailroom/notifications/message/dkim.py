"""DKIM signatures (RFC 6376, 8463): they show receivers that a message is ours and unchanged."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

import msgspec

from mailroom.errors import InvalidSetting, MailroomError
from mailroom.notifications.message.relay_headers import is_obeyed

_LABELS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_PEM = re.compile(r"-----BEGIN (?:RSA )?PRIVATE KEY-----\s(.*?)-----END", re.DOTALL)

# The PKCS#8 form of an Ed25519 key is this prefix and the 32 bytes of the key (RFC 8410).
_ED25519 = bytes.fromhex("302e020100300506032b657004220420")

# These headers are signed even if a message lacks them, so that nobody can add one. Other headers are signed only if
# the message has them: mailing lists add their own List-* headers.
_ALWAYS_SIGNED = b"from to cc reply-to subject date message-id mime-version content-type".split()


class SigningFailed(MailroomError):
    """The key is missing or unusable. The message waits: it must not be sent unsigned."""


class DkimSigner(msgspec.Struct, frozen=True):
    """`key` returns the private key as PEM (RSA or Ed25519). It is called for each message, so the key can change."""

    domain: str
    selector: str
    key: Callable[[], str]

    def __post_init__(self) -> None:
        """Raises `InvalidSetting` if the domain or the selector is not valid in a signature."""
        for name, value in (("DKIM_DOMAIN", self.domain), ("DKIM_SELECTOR", self.selector)):
            if not _LABELS.fullmatch(value):
                raise InvalidSetting(f"{name} is {value!r}: must be a name in the DNS")

    def sign(self, content: bytes) -> bytes:
        """Returns the signature and `content`. Takes 5 to 30 ms of processor time with RSA, 1 ms with Ed25519.

        Raises:
            SigningFailed: its text gives the reason, without the key.
        """
        import dkim  # type: ignore[import-untyped]  # takes 60 ms, so only where mail is signed

        algorithm, key = _read(self.key())
        own = [name for name in _names(content) if _is_signed(name)]
        try:
            signature: bytes = dkim.sign(
                content,
                self.selector.encode(),
                self.domain.encode(),
                key,
                signature_algorithm=algorithm,
                canonicalize=(b"relaxed", b"relaxed"),
                # Signing "From" twice prevents a second one.
                include_headers=[b"from", *_ALWAYS_SIGNED, *own],
            )
        except (dkim.DKIMException, ArithmeticError, ValueError, TypeError, IndexError) as error:
            raise SigningFailed(f"the DKIM key cannot be used: {type(error).__name__}") from error
        return signature + content


def _read(pem: str) -> tuple[bytes, bytes]:
    """The name of the algorithm, and the key in the library's form."""
    found = _PEM.search(pem)
    if found is None:
        raise SigningFailed("the DKIM key is missing, or is no private key in PEM")
    try:
        der = base64.b64decode("".join(found[1].split()), validate=True)
    except binascii.Error:
        raise SigningFailed("the DKIM key is not valid PEM") from None
    if der.startswith(_ED25519):
        return b"ed25519-sha256", base64.b64encode(der[len(_ED25519) :])
    return b"rsa-sha256", pem.encode()


def _is_signed(name: bytes) -> bool:
    """Whether a header is signed if the message has it. Relays take out the headers that they obey."""
    return name not in _ALWAYS_SIGNED and not is_obeyed(name.decode("ascii", "replace"))


def _names(content: bytes) -> list[bytes]:
    """The names of the headers in lower case."""
    head = content.partition(b"\r\n\r\n")[0]
    return [line.partition(b":")[0].lower() for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
