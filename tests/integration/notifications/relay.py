"""A scripted SMTP relay: it accepts mail, with a fault where a test wants one."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.support.ports import free_port

Fault = Callable[["Peer"], Awaitable[str | None]]


@dataclass
class Received:
    """A message up to its final dot. `taken` is true if the answer was 250."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    options: tuple[str, ...]
    encrypted: bool
    taken: bool = False

    @property
    def parsed(self) -> EmailMessage:
        message = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message

    def body(self, subtype: str) -> str:
        """The text or HTML part, as a mail reader shows it."""
        part = self.parsed.get_body((subtype,))
        assert part is not None
        content: str = part.get_content()
        return content.strip("\n")


def reply(text: str) -> Fault:
    """Answers `text` instead."""

    async def fault(peer: Peer) -> str | None:
        return text

    return fault


def reply_and_close(text: str) -> Fault:
    """Answers `text` and closes the connection, as 421 does."""

    async def fault(peer: Peer) -> str | None:
        await peer.push(text)
        peer.transport.close()
        return None

    return fault


async def disconnect(peer: Peer) -> str | None:
    """Closes the connection without an answer."""
    peer.transport.abort()
    return None


async def hang(peer: Peer) -> str | None:
    """Answers nothing, as long as the relay runs."""
    await asyncio.Event().wait()
    return None


def slow(until: threading.Event) -> Fault:
    """Answers as usual, but only when `until` is set."""

    async def fault(peer: Peer) -> str | None:
        while not until.is_set():
            await asyncio.sleep(0.005)
        return ""

    return fault


def call(action: Callable[[], None]) -> Fault:
    """Calls `action`, then answers as usual."""

    async def fault(peer: Peer) -> str | None:
        action()
        return ""

    return fault


@dataclass
class Relay:
    """`on` scripts a fault for the next time a step comes: `greeting, mail, rcpt, data, content`."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    extensions: tuple[str, ...] = ("SMTPUTF8", "PIPELINING")
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    credentials: tuple[bytes, bytes] | None = None
    _faults: dict[tuple[str, str], deque[Fault]] = field(default_factory=dict)
    _controller: Controller | None = None

    def on(self, step: str, fault: Fault, *, recipient: str = "", times: int = 1) -> None:
        self._faults.setdefault((step, recipient), deque()).extend([fault] * times)

    def next_fault(self, step: str, recipient: str = "") -> Fault | None:
        for key in ((step, recipient), (step, "")):
            if self._faults.get(key):
                return self._faults[key].popleft()
        return None

    @property
    def taken(self) -> list[Received]:
        return [each for each in self.received if each.taken]

    def start(self) -> None:
        relay = self

        class Scripted(Controller):
            def factory(self) -> SMTP:
                return Peer(relay)

        implicit = self.tls if self.implicit_tls else None
        port = self.port or free_port()
        self._controller = Scripted(_Handler(self), hostname="127.0.0.1", port=port, ssl_context=implicit)
        self._controller.start()
        self.port = self._controller.port

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None


class Peer(SMTP):
    """The relay's side of one connection."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(
            _Handler(relay),
            enable_SMTPUTF8="SMTPUTF8" in relay.extensions,
            hostname="relay.test",
            tls_context=None if relay.implicit_tls else relay.tls,
            auth_required=relay.credentials is not None,
            auth_require_tls=False,
            authenticator=self._check_login,
        )
        self.relay = relay

    def _check_login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        return AuthResult(success=(given.login, given.password) == self.relay.credentials, handled=False)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        self.relay.connections += 1
        await super().smtp_EHLO(hostname)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        await self._or_fault("mail", arg, super().smtp_MAIL)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        await self._or_fault("rcpt", arg, super().smtp_RCPT)

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        await self._or_fault("data", arg, super().smtp_DATA)

    async def smtp_RSET(self, arg: str | None) -> None:  # noqa: N802
        await self._or_fault("rset", arg, super().smtp_RSET)

    async def _or_fault(self, step: str, arg: str | None, usual: Callable[[Any], Awaitable[None]]) -> None:
        self.relay.commands.append(f"{step} {arg or ''}".strip())
        recipient = (arg or "").partition("<")[2].partition(">")[0]
        fault = self.relay.next_fault(step, recipient)
        text = "" if fault is None else await fault(self)
        if text:
            await self.push(text)
        elif text == "":
            await usual(arg)


class _Handler:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def handle_EHLO(  # noqa: N802
        self, server: Peer, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        more = ["250-PIPELINING"] if "PIPELINING" in self._relay.extensions else []
        return [responses[0], *more, *responses[1:]]

    async def handle_DATA(self, server: Peer, session: Session, envelope: Envelope) -> str | None:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        received = Received(
            envelope.mail_from or "",
            tuple(envelope.rcpt_tos),
            content,
            tuple(envelope.mail_options),
            encrypted=server.transport.get_extra_info("sslcontext") is not None,
        )
        self._relay.received.append(received)
        fault = self._relay.next_fault("content")
        text = "" if fault is None else await fault(server)
        if text is None:
            raise asyncio.CancelledError
        received.taken = text == ""
        return text or "250 taken"
