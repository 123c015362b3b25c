"""Records hand-overs and results of attempts, many at a time."""

from __future__ import annotations

import asyncio
import logging

from pymongo.errors import PyMongoError

from mailroom.errors import LeaseLost
from mailroom.notifications.model.messages import Result, State
from mailroom.notifications.outbox import outcomes
from mailroom.notifications.outbox.changes import FinishedAttempt
from mailroom.notifications.outbox.claims import ClaimedMessage
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.sending.group_commit import GroupCommit
from mailroom.platform import mongo
from mailroom.platform.clock import Budget
from mailroom.platform.retries import Retries
from mailroom.platform.settings import Settings

log = logging.getLogger(__name__)

# How many results may wait for their write, for each connection. A crash leaves these messages in doubt, besides those
# in delivery.
_UNRECORDED = 4

# How long a write waits under load for others to join it: a command costs both sides as much as several messages in it.
# Hand-overs and results have separate commands, because a connection waits for a hand-over and not for a result.
# Neither waits for more than can come soon: one hand-over for each connection, two results for each.
_GATHER_HANDOVERS_SECONDS = 0.003
_GATHER_RESULTS_SECONDS = 0.02

_WRITE_AGAIN_SECONDS = 0.5


class Recorder:
    """Used from one event loop only. Raises the driver's errors, and `LeaseLost` if another sender has the message."""

    def __init__(self, outbox: Outbox, settings: Settings) -> None:
        self._outbox = outbox
        self._lease_seconds = settings.send_lease_seconds
        self._hold = settings.unknown_outcome == "hold"
        self._retries = Retries(
            settings.retry_first_seconds, settings.retry_longest_seconds, settings.retry_give_up_hours * 3600
        )
        connections = settings.smtp_connections
        # Each attempt holds it from its end until its result is written.
        self.unrecorded = asyncio.Semaphore(_UNRECORDED * connections)
        self._hand_over = GroupCommit(outbox.hand_over, _GATHER_HANDOVERS_SECONDS, connections)
        self._write = GroupCommit(self._write_results, _GATHER_RESULTS_SECONDS, 2 * connections)

    async def hand_over(self, message: ClaimedMessage) -> None:
        """Notes that the final dot comes next."""
        if not await self._hand_over(message):
            raise _lost(message)

    async def record(self, message: ClaimedMessage, result: Result) -> State:
        """Writes the result, and returns the new state of the message.

        While MongoDB does not answer it tries again, as long as a lease lasts: a message that was sent and is not
        recorded is sent twice.
        """
        lease = Budget(self._lease_seconds)
        while True:
            try:
                state = await self._write((message, result))
            except PyMongoError as error:
                if not mongo.is_transient(error) or lease.spent():
                    raise
                log.warning("MongoDB does not answer, the outcome of %s is still to be written", message.id)
                await asyncio.sleep(_WRITE_AGAIN_SECONDS)
                continue
            if state is None:
                raise _lost(message)
            return state

    def _write_results(self, ended: list[tuple[ClaimedMessage, Result]]) -> list[State | None]:
        """Returns the new state of each message, or None if another sender has it."""
        attempts = [self._decide(message, result) for message, result in ended]
        written = self._outbox.record(attempts)
        return [each.decision.state if done else None for each, done in zip(attempts, written, strict=True)]

    def _decide(self, message: ClaimedMessage, result: Result) -> FinishedAttempt:
        age = self._outbox.age(message)
        decision = outcomes.decide(message.recipients, result, message.attempts, age, self._retries, hold=self._hold)
        return FinishedAttempt(message, decision, result)


def _lost(message: ClaimedMessage) -> LeaseLost:
    return LeaseLost(f"notification {message.id} is no longer held with epoch {message.epoch}")
