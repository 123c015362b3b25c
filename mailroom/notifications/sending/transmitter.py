"""One attempt to send one message: composes it, and hands it to the relay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from msgspec import convert
from msgspec.structs import replace

from mailroom.notifications.feedback.tracing import Tracing
from mailroom.notifications.message.attachments import LARGEST_ATTACHMENTS
from mailroom.notifications.message.composer import CannotCompose, Composer
from mailroom.notifications.model.messages import Message, RecipientStatus, Result, Verdict
from mailroom.notifications.model.reports import Report
from mailroom.notifications.outbox.claims import ClaimedMessage
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.sending.byte_budget import ByteBudget
from mailroom.notifications.sending.recorder import Recorder
from mailroom.notifications.sending.simulator import relayed, simulate
from mailroom.notifications.smtp.delivery import Envelope, deliver
from mailroom.notifications.smtp.pool import Pool
from mailroom.platform.mongo import Document

# Bytes of attachments in memory at once, in the messages of all connections. A message in delivery takes four times its
# attachments. It takes about ten times while it is signed, which is done to one message after the other.
_ATTACHMENT_BYTES = 2 * LARGEST_ATTACHMENTS

_LOST = "the sender was lost when it handed the message over"
_SUPPRESSED = "the address is on the suppression list"


class Transmitter:
    """With `hold`, a message in doubt is not sent again. `report` takes the reports of the simulator, in any thread.

    Used from one event loop only.
    """

    def __init__(
        self,
        outbox: Outbox,
        pool: Pool,
        composer: Composer,
        tracing: Tracing,
        recorder: Recorder,
        report: Callable[[Report], object],
        *,
        hold: bool,
    ) -> None:
        self._outbox = outbox
        self._pool = pool
        self._composer = composer
        self._tracing = tracing
        self._recorder = recorder
        self._report = report
        self._hold = hold
        self._attachment_bytes = ByteBudget(_ATTACHMENT_BYTES)
        self._composing = asyncio.Lock()

    async def attempt(self, message: ClaimedMessage) -> Result:
        """Sends the message to the recipients that are pending and not suppressed.

        Raises `LeaseLost` if another sender has the message, and the driver's errors. The final dot was not sent then.
        """
        suppressed = message.suppressed
        pending = [each.wire for each in message.recipients if each.status is RecipientStatus.PENDING]
        if message.in_doubt and self._hold:
            return Result(dict.fromkeys(pending, Verdict(RecipientStatus.UNKNOWN, None, _LOST)))
        verdicts = {
            each: Verdict(RecipientStatus.SUPPRESSED, None, _SUPPRESSED) for each in pending if each in suppressed
        }
        recipients = tuple(each for each in pending if each not in suppressed)
        if not recipients:
            return Result(verdicts)
        if attached := message.document["attachments"]:
            async with self._attachment_bytes.reserve(sum(each["size"] for each in attached)):
                result = await self._send(message, recipients)
        else:
            result = await self._send(message, recipients)
        return replace(result, verdicts=verdicts | result.verdicts) if verdicts else result

    async def _send(self, message: ClaimedMessage, recipients: tuple[str, ...]) -> Result:
        try:
            envelope = await self._envelope(message, recipients)
        except CannotCompose as error:
            return Result(dict.fromkeys(recipients, Verdict(error.status, None, str(error))))
        real = relayed(message, recipients)
        if len(real) == len(recipients):
            return await deliver(envelope, self._pool, partial(self._recorder.hand_over, message))
        return await self._simulate(message, envelope, real)

    async def _simulate(self, message: ClaimedMessage, envelope: Envelope, real: tuple[str, ...]) -> Result:
        """The relay gets the message for the recipients that are `real`, the simulator for the others.

        The reports are noted with the hand-over, before the final dot: if that fails, nobody has got the message.
        """
        simulation = simulate(message, [each for each in envelope.recipients if each not in real])
        handed_over = False

        async def hand_over() -> None:
            nonlocal handed_over
            await self._recorder.hand_over(message)
            for report in simulation.reports:
                await asyncio.to_thread(self._report, report)
            handed_over = True

        result = await deliver(envelope._replace(recipients=real), self._pool, hand_over) if real else Result({})
        if simulation.takes and not handed_over:
            await hand_over()
        verdicts, steps = simulation.verdicts | result.verdicts, [*simulation.steps, *result.steps]
        return replace(result, verdicts=verdicts, steps=steps)

    async def _envelope(self, message: ClaimedMessage, recipients: tuple[str, ...]) -> Envelope:
        """The envelope with the bytes. The message they are made of is freed before they are sent."""
        document = message.document
        if not document["attachments"]:
            return await self._compose(document, recipients)
        async with self._composing:
            attachments = await asyncio.to_thread(self._outbox.attachments, message)
            return await self._compose(document | {"attachments": attachments}, recipients)

    async def _compose(self, document: Document, recipients: tuple[str, ...]) -> Envelope:
        message = convert(document, Message)
        trace = self._tracing.trace(document["_id"], document["dueSince"], message.sender.address)
        return Envelope(trace.return_path, recipients, await self._composer.compose(trace.added_to(message)))
