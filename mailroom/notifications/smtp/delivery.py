"""One attempt to hand one message to the relay, step by step (RFC 5321).

      the relay does not have the message        |  the relay may have it  |  the relay has it
connect, MAIL, RCPT..., DATA 354, `hand_over()`  |  content and final dot  |  250
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from mailroom.notifications.model.messages import RecipientStatus, Result, Step, Verdict
from mailroom.notifications.smtp.connection import Answer, Connection, ConnectionLost, RelayDown
from mailroom.notifications.smtp.pool import Pool

HandOver = Callable[[], Awaitable[None]]


class Envelope(NamedTuple):
    """The sender, the recipients of this attempt, and the bytes of the message."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def needs_utf8(self) -> bool:
        return not all(address.isascii() for address in self.recipients) or not self.content.isascii()


async def deliver(envelope: Envelope, pool: Pool, hand_over: HandOver) -> Result:
    """Makes one attempt. Each answer of the relay has its own time-out.

    Awaits `hand_over` before the final dot. If it raises, the error is passed on and the message is not sent.
    """
    steps: list[Step] = []
    connection, sender = pool.kept(), None
    if connection is not None:
        transaction = _Transaction(connection, envelope, steps, hand_over)
        with contextlib.suppress(ConnectionLost):  # the relay has closed the idle connection
            sender = await transaction.begin()
    if connection is None or sender is None or sender.not_served:
        try:
            connection = await pool.fresh(steps)
            transaction = _Transaction(connection, envelope, steps, hand_over)
            sender = await transaction.begin()
        except (RelayDown, ConnectionLost) as error:
            verdict = Verdict(RecipientStatus.PENDING, steps[-1].code, str(error))
            return Result(dict.fromkeys(envelope.recipients, verdict), steps, relay_down=True)
    try:
        return await transaction.run(sender)
    except BaseException:
        connection.close()
        raise
    finally:
        await pool.give_back(connection)


class _Transaction:
    """MAIL, RCPT and DATA, then the content. One write sends all commands if the relay offers PIPELINING."""

    def __init__(self, connection: Connection, envelope: Envelope, steps: list[Step], hand_over: HandOver) -> None:
        self._connection = connection
        self._envelope = envelope
        self._steps = steps
        self._hand_over = hand_over
        self._verdicts: dict[str, Verdict] = {}
        self._together = connection.offers("PIPELINING")

    async def begin(self) -> Answer:
        """Sends MAIL and returns its answer; `not_served` closes the connection. Raises `ConnectionLost`."""
        envelope = self._envelope
        if envelope.needs_utf8 and not self._connection.offers("SMTPUTF8"):
            text = "the relay cannot carry addresses that are not ASCII (no SMTPUTF8)"
            self._steps.append(Step("mail", 553, text, 0.0))
            self._together = False  # nothing was sent, so no more answers come
            return Answer(553, text)
        options = b" SMTPUTF8" if envelope.needs_utf8 else b""
        if self._connection.offers("SIZE"):
            options += b" SIZE=%d" % len(envelope.content)
        mail = b"MAIL FROM:<" + envelope.sender.encode() + b">" + options
        if self._together:
            self._connection.send(mail, *map(_rcpt, envelope.recipients), b"DATA")
        else:
            self._connection.send(mail)
        answer = await self._connection.answer(self._steps, "mail")
        if answer.not_served:
            self._connection.close()
        return answer

    async def run(self, sender: Answer) -> Result:
        """Goes on from the answer to MAIL to the result."""
        if sender.not_served:
            return await self._end(Verdict(RecipientStatus.PENDING, sender.code, sender.text), down=True)
        if not sender.positive:
            await self._skip(self._envelope.recipients)
            return await self._end(_no(sender))
        lost = await self._recipients()
        if lost is not None:
            return await self._end(lost)
        if not self._open():
            await self._skip(())
            return await self._end(None)
        try:
            ready = await self._next("data", b"DATA")
        except ConnectionLost as error:
            return await self._end(Verdict(RecipientStatus.PENDING, None, str(error)))
        if ready.code != 354:
            return await self._end(_no(ready))
        await self._hand_over()
        sending = self._connection.usable  # it may have ended meanwhile: then the relay gets no content
        try:
            answer = await self._connection.content(self._steps, self._envelope.content)
        except ConnectionLost as error:
            status = RecipientStatus.UNKNOWN if sending else RecipientStatus.PENDING
            return await self._end(Verdict(status, None, str(error)))
        taken = 200 <= answer.code < 300
        verdict = Verdict(RecipientStatus.SENT, answer.code, answer.text) if taken else _no(answer)
        return await self._end(verdict, reset=False)

    async def _recipients(self) -> Verdict | None:
        """Sends each RCPT. Returns the verdict on the remaining recipients if the connection ended meanwhile."""
        for recipient in self._envelope.recipients:
            try:
                answer = await self._next("rcpt", _rcpt(recipient), recipient)
            except ConnectionLost as error:
                return Verdict(RecipientStatus.PENDING, None, str(error))
            if answer.closing:
                return _no(answer)
            if not answer.positive:
                self._verdicts[recipient] = _no(answer)
        return None

    async def _next(self, name: str, line: bytes, recipient: str = "") -> Answer:
        """Sends a command, unless it went with MAIL, and returns its answer."""
        if not self._together:
            self._connection.send(line)
        return await self._connection.answer(self._steps, name, recipient)

    async def _skip(self, recipients: tuple[str, ...]) -> None:
        """Reads the answers to commands that went with MAIL and are no longer needed: these recipients, and DATA.

        If the relay accepts DATA all the same, it waits for a message, and the connection is closed. RFC 2920 suggests
        a lone dot, but a relay could take that for an empty mail.
        """
        if not self._together:
            return
        with contextlib.suppress(ConnectionLost):
            for recipient in recipients:
                if self._connection.usable:
                    await self._connection.answer(self._steps, "rcpt", recipient)
            if self._connection.usable and (await self._connection.answer(self._steps, "data")).code == 354:
                self._connection.close()

    def _open(self) -> list[str]:
        """The recipients without a verdict."""
        return [recipient for recipient in self._envelope.recipients if recipient not in self._verdicts]

    async def _end(self, rest: Verdict | None, *, down: bool = False, reset: bool = True) -> Result:
        """Makes the result. `rest` is the verdict on the recipients that have none."""
        for recipient in self._open():
            if rest is not None:
                self._verdicts[recipient] = rest
        if reset and self._connection.usable:
            with contextlib.suppress(ConnectionLost):  # a closed connection ends the transaction too
                self._connection.send(b"RSET")
                if not (await self._connection.answer(self._steps, "rset")).positive:
                    self._connection.close()  # the next MAIL would be refused, as one within this transaction
        return Result(self._verdicts, self._steps, relay_down=down)


def _rcpt(recipient: str) -> bytes:
    return b"RCPT TO:<" + recipient.encode() + b">"


def _no(answer: Answer) -> Verdict:
    return Verdict(RecipientStatus.FAILED if answer.final else RecipientStatus.PENDING, answer.code, answer.text)
