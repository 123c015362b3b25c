"""One SMTP connection. Each command and its answer become a step of the transcript."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Iterable
from typing import NamedTuple

from mailroom.errors import MailroomError
from mailroom.notifications.model.messages import Step
from mailroom.notifications.smtp.channel import Channel
from mailroom.platform.settings import Settings

_LONGEST_TEXT = 500  # characters of an answer that are kept

# The answers to MAIL that say nothing of the message: the relay serves nobody for now, or asks for a login or for TLS
# (RFC 5321, 4954, 3207).
NOT_SERVED = (421, 530)

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class RelayDown(MailroomError):
    """No usable connection: it was refused, or had no greeting, no TLS, or wrong credentials. Nothing was sent."""


class ConnectionLost(MailroomError):
    """The connection ended, or no answer came in time. It is closed. The relay may have acted on the last command."""


class Answer(NamedTuple):
    code: int
    text: str

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def final(self) -> bool:
        """5xx, or no SMTP code at all: the next attempt would get the same answer."""
        return not self.positive and not 400 <= self.code < 500

    @property
    def not_served(self) -> bool:
        """As the answer to MAIL: the connection cannot be used for any message."""
        return self.code in NOT_SERVED

    @property
    def closing(self) -> bool:
        return self.code == 421


class Connection:
    """An open connection. After any exception it is closed.

    Answers come in the order of the commands: after each `send` of n lines, call `answer` n times.
    """

    def __init__(self, channel: Channel, extensions: Iterable[str], settings: Settings) -> None:
        self._channel = channel
        self._extensions = frozenset(extensions)
        self._settings = settings
        self._sent_at = 0.0
        self.messages = 0
        self.idle_since = time.monotonic()

    @classmethod
    async def open(
        cls, settings: Settings, helo_name: str, username: str, password: str, steps: list[Step]
    ) -> Connection:
        """Connects, waits for the greeting, starts TLS as SMTP_TLS asks, and logs in with a user name.

        Raises:
            RelayDown: its text gives the step and the relay's answer.
        """
        import aiosmtplib  # takes 10 to 70 ms, so only where mail is sent

        started = time.perf_counter()
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=username or None,
            password=password or None,
            local_hostname=helo_name,
            timeout=settings.smtp_timeout_seconds,
            use_tls=settings.smtp_tls == "implicit",
            # None means "if the relay offers it", so it is given explicitly.
            start_tls={"required": True, "opportunistic": None}.get(settings.smtp_tls, False),
            validate_certs=settings.smtp_tls != "opportunistic",
        )
        try:
            greeting = await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
            if not isinstance(client.transport, asyncio.Transport):
                raise ConnectionError("the relay closed the connection")
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            text = _clean(f"{type(error).__name__}: {error}")
            steps.append(Step("connect", getattr(error, "code", None), text, _since(started)))
            raise RelayDown(text) from error
        steps.append(Step("connect", greeting.code, _clean(greeting.message), _since(started)))
        return cls(Channel(client.transport), client.esmtp_extensions, settings)

    @property
    def usable(self) -> bool:
        return self._channel.usable

    def offers(self, extension: str) -> bool:
        return extension.lower() in self._extensions

    def send(self, *lines: bytes) -> None:
        """Sends command lines in one write. Several lines need a relay that offers PIPELINING.

        If the connection has ended, the first `answer` raises the error.
        """
        self._sent_at = time.perf_counter()
        if any(map(_CONTROL.search, lines)):
            self.close()
        if self.usable:
            self._channel.send(b"\r\n".join((*lines, b"")), len(lines))

    async def answer(self, steps: list[Step], name: str, recipient: str = "", timeout: float | None = None) -> Answer:
        """Waits for the answer to the next unanswered command, whatever its code. 421 closes the connection.

        Raises:
            ConnectionLost: there was no answer in `timeout` seconds, by default those of the settings.
        """
        if timeout is None:
            timeout = self._settings.smtp_timeout_seconds
        try:
            code, text = await self._channel.answer(timeout)
        except OSError as error:  # TimeoutError and ConnectionError are subclasses
            # The next answer could be to this command, so the connection cannot be used any more.
            self.close()
            lost = _clean(str(error))
            steps.append(Step(name, None, lost, _since(self._sent_at), recipient))
            raise ConnectionLost(lost) from error
        answer = Answer(code, _clean(text))
        steps.append(Step(name, code, answer.text, _since(self._sent_at), recipient))
        if answer.closing:
            self.close()
        return answer

    async def content(self, steps: list[Step], message: bytes) -> Answer:
        """Sends the message (with CRLF line ends) and the final dot, and waits for the answer.

        Raises:
            ConnectionLost: there was no answer. The relay may have the message, unless the connection was not usable.
        """
        self._sent_at = time.perf_counter()
        if self.usable:
            self._channel.send(_dotted(message))
        answer = await self.answer(steps, "content", timeout=self._settings.smtp_data_timeout_seconds)
        self.messages += 1
        return answer

    async def quit(self) -> None:
        """Sends QUIT, waits up to a second for the answer, and closes."""
        if self.usable:
            self._channel.send(b"QUIT\r\n")
            with contextlib.suppress(OSError):  # the answer does not matter
                await self._channel.answer(1.0)
        self.close()

    def close(self) -> None:
        self._channel.close()


def _dotted(message: bytes) -> bytes:
    """`message` with doubled dots at line starts, and with the final dot (RFC 5321, 4.5.2)."""
    end = b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n"
    start = b"." if message.startswith(b".") else b""
    return start + message.replace(b"\n.", b"\n..") + end


def _clean(text: str) -> str:
    """A text that can be stored and shown: valid Unicode, without control characters, shortened."""
    if text.isascii() and text.isprintable():
        return text[:_LONGEST_TEXT]
    readable = text.encode("utf-8", "replace").decode()
    return "".join(each if each.isprintable() else " " for each in readable)[:_LONGEST_TEXT]


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
