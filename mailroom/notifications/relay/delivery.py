"""One attempt to hand one message to the relay, step by step (RFC 5321).

             nothing was sent                    |  perhaps it was         |  it is the relay's
connect, MAIL, RCPT..., DATA 354, `hand_over()`  |  content and final dot  |  250
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mailroom.notifications.model import Outcome, Result, Step, Verdict
from mailroom.notifications.relay.connection import Answer, Connection
from mailroom.notifications.relay.errors import ConnectionLost, RelayDown
from mailroom.notifications.relay.pool import Pool

HandOver = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Envelope:
    """Who it is from, to whom it goes in this attempt, and the bytes."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def needs_utf8(self) -> bool:
        return not all(address.isascii() for address in self.recipients) or not self.content.isascii()


async def deliver(envelope: Envelope, pool: Pool, hand_over: HandOver) -> Result:
    """Attempts it once. `hand_over` is awaited before the final dot; what it raises is passed on, and nothing was sent.

    Takes as long as the relay does: each answer has its own time-out.
    """
    steps: list[Step] = []
    connection = pool.kept()
    if connection is not None:
        try:
            sender = await _mail(connection, envelope, steps)
        except ConnectionLost:
            connection = None  # it was closed while we kept it
        else:
            if sender.closing:
                connection = None
    if connection is None:
        try:
            connection = await pool.fresh(steps)
            sender = await _mail(connection, envelope, steps)
        except (RelayDown, ConnectionLost) as error:
            return _all(envelope.recipients, Verdict(Outcome.DEFERRED, steps[-1].code, str(error)), steps, down=True)
    try:
        return await _Transaction(connection, envelope, steps, hand_over).run(sender)
    except BaseException:
        connection.close()
        raise
    finally:
        await pool.give_back(connection)


async def _mail(connection: Connection, envelope: Envelope, steps: list[Step]) -> Answer:
    if envelope.needs_utf8 and not connection.offers("SMTPUTF8"):
        text = "the relay cannot carry addresses that are not ASCII (no SMTPUTF8)"
        steps.append(Step("mail", 553, text, 0.0))
        return Answer(553, text)
    options = b" SMTPUTF8" if envelope.needs_utf8 else b""
    if connection.offers("SIZE"):
        options += b" SIZE=%d" % len(envelope.content)
    return await connection.command(steps, "mail", b"MAIL FROM:<" + envelope.sender.encode() + b">" + options)


class _Transaction:
    """From the answer to MAIL to the end."""

    def __init__(self, connection: Connection, envelope: Envelope, steps: list[Step], hand_over: HandOver) -> None:
        self._connection = connection
        self._envelope = envelope
        self._steps = steps
        self._hand_over = hand_over
        self._verdicts: dict[str, Verdict] = {}

    async def run(self, sender: Answer) -> Result:
        if not sender.positive:
            return await self._end(_no(sender), down=sender.closing)
        lost = await self._recipients()
        if lost is not None:
            return await self._end(lost)
        if not self._open():
            return await self._end(None)
        try:
            ready = await self._connection.command(self._steps, "data", b"DATA")
        except ConnectionLost as error:
            return await self._end(Verdict(Outcome.DEFERRED, None, str(error)))
        if ready.code != 354:
            return await self._end(_no(ready))
        await self._hand_over()
        try:
            answer = await self._connection.content(self._steps, self._envelope.content)
        except ConnectionLost as error:
            return await self._end(Verdict(Outcome.UNKNOWN, None, str(error)))
        taken = 200 <= answer.code < 300
        return await self._end(Verdict(Outcome.TAKEN, answer.code, answer.text) if taken else _no(answer), reset=False)

    async def _recipients(self) -> Verdict | None:
        """Names each recipient. Gives the verdict on all that are left when the connection ended in between."""
        for recipient in self._envelope.recipients:
            line = b"RCPT TO:<" + recipient.encode() + b">"
            try:
                answer = await self._connection.command(self._steps, "rcpt", line, recipient)
            except ConnectionLost as error:
                return Verdict(Outcome.DEFERRED, None, str(error))
            if answer.closing:
                return _no(answer)
            if not answer.positive:
                self._verdicts[recipient] = _no(answer)
        return None

    def _open(self) -> list[str]:
        """The recipients that nothing has been decided about."""
        return [recipient for recipient in self._envelope.recipients if recipient not in self._verdicts]

    async def _end(self, rest: Verdict | None, *, down: bool = False, reset: bool = True) -> Result:
        """`rest` is the verdict on everybody who has none yet."""
        for recipient in self._open():
            if rest is not None:
                self._verdicts[recipient] = rest
        if reset and self._connection.usable:
            with contextlib.suppress(ConnectionLost):  # then it is closed, which forgets the transaction as well
                await self._connection.command(self._steps, "rset", b"RSET")
        return Result(self._verdicts, self._steps, relay_down=down)


def _no(answer: Answer) -> Verdict:
    return Verdict(Outcome.REFUSED if answer.final else Outcome.DEFERRED, answer.code, answer.text)


def _all(recipients: tuple[str, ...], verdict: Verdict, steps: list[Step], *, down: bool) -> Result:
    return Result(dict.fromkeys(recipients, verdict), steps, relay_down=down)
