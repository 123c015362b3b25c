"""One SMTP connection: commands with their answers, each noted in a transcript."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailroom.notifications.model import Step
from mailroom.notifications.relay.errors import ConnectionLost, RelayDown

if TYPE_CHECKING:
    import aiosmtplib

_LONGEST_TEXT = 500  # characters of an answer that are kept
_LINE_START = re.compile(rb"(?m)^\.")


@dataclass(frozen=True)
class RelaySettings:
    """Where the relay is and how it is spoken to. Seconds; `tls` as the setting SMTP_TLS.

    `credentials` gives user name and password for each new connection, both empty when none are needed.
    """

    host: str
    port: int
    tls: str
    credentials: Callable[[], tuple[str, str]]
    helo_name: str
    timeout: float
    data_timeout: float


@dataclass(frozen=True)
class Answer:
    code: int
    text: str

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def final(self) -> bool:
        """5xx, and what is no SMTP code at all, would be the same next time."""
        return not self.positive and not 400 <= self.code < 500

    @property
    def closing(self) -> bool:
        return self.code == 421


class Connection:
    """An open connection. After any exception it is closed and of no further use."""

    def __init__(self, client: aiosmtplib.SMTP, settings: RelaySettings) -> None:
        self._client = client
        self._settings = settings
        self.messages = 0
        self.idle_since = time.monotonic()

    @classmethod
    async def open(cls, settings: RelaySettings, steps: list[Step]) -> Connection:
        """A connection that has been greeted, is as secret as the settings ask, and is logged in.

        Raises:
            RelayDown: the text says at which step, and what the relay answered.
        """
        import aiosmtplib  # 10 to 70 ms that only those who send should pay

        started = time.perf_counter()
        username, password = settings.credentials()
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=username or None,
            password=password or None,
            local_hostname=settings.helo_name,
            timeout=settings.timeout,
            use_tls=settings.tls == "implicit",
            # Explicit, since its None means "if the relay offers it".
            start_tls={"required": True, "opportunistic": None}.get(settings.tls, False),
            validate_certs=settings.tls != "opportunistic",
        )
        try:
            greeting = await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            text = _clean(f"{type(error).__name__}: {error}")
            steps.append(Step("connect", getattr(error, "code", None), text, _since(started)))
            raise RelayDown(text) from error
        steps.append(Step("connect", greeting.code, _clean(greeting.message), _since(started)))
        return cls(client, settings)

    @property
    def usable(self) -> bool:
        return self._client.is_connected

    def offers(self, extension: str) -> bool:
        return self._client.supports_extension(extension)

    async def command(self, steps: list[Step], name: str, line: bytes, recipient: str = "") -> Answer:
        """Sends one command line and returns the answer, whatever its code; 421 closes the connection.

        Raises:
            ConnectionLost: there was no answer.
        """
        started = time.perf_counter()
        try:
            code, text = await self._client.execute_command(line)
        except Exception as error:
            raise self._lost(steps, name, started, error, recipient) from error
        return self._answered(steps, name, started, code, text, recipient)

    async def content(self, steps: list[Step], message: bytes) -> Answer:
        """Sends the message (CRLF line ends) and the final dot, and waits for what the relay says to it.

        Raises:
            ConnectionLost: there was no answer. The relay may have taken the message, or not.
        """
        started = time.perf_counter()
        protocol = self._client.protocol
        if protocol is None:
            raise self._lost(steps, "content", started, ConnectionError("connection lost"))
        try:
            protocol.write(_LINE_START.sub(b"..", message) + b".\r\n")
            code, text = await protocol.read_response(self._settings.data_timeout)
        except Exception as error:
            raise self._lost(steps, "content", started, error) from error
        self.messages += 1
        return self._answered(steps, "content", started, code, text)

    async def quit(self) -> None:
        """Takes leave, without insisting on an answer."""
        try:
            if self._client.is_connected:
                await self._client.quit(timeout=1.0)
        except Exception:  # noqa: S110 - whatever it says, we are gone
            pass
        finally:
            self.close()

    def close(self) -> None:
        self._client.close()

    def _answered(self, steps: list[Step], name: str, started: float, code: int, text: str, to: str = "") -> Answer:
        answer = Answer(code, _clean(text))
        steps.append(Step(name, code, answer.text, _since(started), to))
        if answer.closing:
            self.close()
        return answer

    def _lost(self, steps: list[Step], name: str, started: float, error: Exception, to: str = "") -> ConnectionLost:
        # After anything that is not an answer, the next answer could belong to this command: the connection is spoilt.
        self.close()
        text = _clean(f"{type(error).__name__}: {error}")
        steps.append(Step(name, None, text, _since(started), to))
        return ConnectionLost(text)


def _clean(text: str) -> str:
    """What can be stored and shown: no halves of characters, no control characters, not endless."""
    readable = text.encode("utf-8", "replace").decode()
    return "".join(each if each.isprintable() else " " for each in readable)[:_LONGEST_TEXT]


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
