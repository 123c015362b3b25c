"""The bytes of one SMTP connection: commands out, answers back in the same order."""

from __future__ import annotations

import asyncio
from collections import deque

# Answers are a few lines of some hundred characters. A longer one is not from an SMTP server.
_LONGEST_ANSWER = 32_768


class Channel(asyncio.Protocol):
    """Matches answers with commands, so that one write can send several commands (PIPELINING, RFC 2920).

    Takes over a connection after its greeting. Used from its event loop only.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._partial = b""  # a line without its end
        self._lines: list[bytes] = []  # an answer without its last line
        self._answers: deque[tuple[int, str]] = deque()
        self._asked = 0  # answers that are still to come
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0  # of the waiter
        self._timer: asyncio.TimerHandle | None = None
        self._error: Exception | None = None
        transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        return self._error is None and not self._transport.is_closing()

    def send(self, data: bytes, answers: int = 1) -> None:
        """Sends `data`, to which `answers` answers will come. Does not block.

        Raises:
            ConnectionError: the connection has ended.
        """
        if not self.usable:
            raise self._error or ConnectionError("the connection is closed")
        self._asked += answers
        self._transport.write(data)

    async def answer(self, timeout: float) -> tuple[int, str]:
        """Waits for the next answer. Returns its code and its text, with line feeds between the lines.

        Raises:
            TimeoutError: no answer came in `timeout` seconds.
            ConnectionError: the connection ended, or the answer is not SMTP.
        """
        if not self._answers:
            if self._error is not None:
                raise self._error
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            self._deadline = loop.time() + timeout
            self._watch()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._answers.popleft()

    def close(self) -> None:
        """Ends the connection at once, and drops data that is not sent yet."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        try:
            for line in lines:
                self._take(line.rstrip(b"\r \t"))
            if len(self._partial) + sum(map(len, self._lines)) > _LONGEST_ANSWER:
                raise ConnectionError("an endless answer")
        except ConnectionError as error:
            self._fail(error)
        else:
            if self._answers:
                self._wake(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionError("the relay closed the connection"))

    def _take(self, line: bytes) -> None:
        if not line[:3].isdigit() or line[3:4] not in (b"", b" ", b"-"):
            raise ConnectionError(f"not an SMTP answer: {line[:100].decode('utf-8', 'replace')}")
        self._lines.append(line[4:])
        if line[3:4] == b"-":
            return
        # Otherwise it would be matched with the next command.
        if not self._asked:
            raise ConnectionError(f"unasked: {line[:100].decode('utf-8', 'replace')}")
        self._asked -= 1
        self._answers.append((int(line[:3]), b"\n".join(self._lines).decode("utf-8", "replace")))
        self._lines = []

    def _watch(self) -> None:
        """Sets the timer that wakes the waiter at its deadline.

        One timer serves many answers: it is set again only when it has run out, or would come too late.
        """
        if self._timer is not None:
            if self._timer.when() <= self._deadline:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if asyncio.get_running_loop().time() < self._deadline:
            self._watch()
        else:
            self._wake(TimeoutError("no answer in time"))

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._transport.abort()
        if self._timer is not None:
            self._timer.cancel()
        self._wake(None if self._answers else self._error)

    def _wake(self, error: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            if error is None:
                self._waiter.set_result(None)
            else:
                self._waiter.set_exception(error)
