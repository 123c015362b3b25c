"""Writes down that messages are handed over, and what came of their attempts: many at a time."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from pymongo.errors import PyMongoError

from mailroom.errors import LeaseLost
from mailroom.notifications.model.messages import Result, State
from mailroom.notifications.outbox import outcomes as settling
from mailroom.notifications.outbox.changes import FinishedAttempt
from mailroom.notifications.outbox.claims import ClaimedMessage
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.outbox.suppressions import Suppressions
from mailroom.notifications.sending.group_commit import GroupCommit
from mailroom.notifications.sending.policy import SendPolicy
from mailroom.notifications.sending.prefetcher import Delivery
from mailroom.platform import mongo
from mailroom.platform.clock import Budget

log = logging.getLogger(__name__)

# Results that may wait to be written, for each connection: the messages that a crash leaves in doubt, besides those in
# delivery.
_UNSETTLED = 4

# Under load, writes wait so long for others to go with: a command costs both sides as much as several messages in it.
# Results have their own commands, for a connection waits until a hand-over is written, and not for a result.
# Neither waits for more than there can be soon: as many hand-overs as connections, twice as many results.
_GATHER_HANDOVERS_SECONDS = 0.003
_GATHER_RESULTS_SECONDS = 0.02

_WRITE_AGAIN_SECONDS = 0.5


class _Ended(NamedTuple):
    """An attempt that is over."""

    job: Delivery
    result: Result


class Recorder:
    """Used from one event loop only. Errors are the driver's, and `LeaseLost` where the message is no longer ours."""

    def __init__(self, outbox: Outbox, suppressions: Suppressions, policy: SendPolicy) -> None:
        self._outbox = outbox
        self._suppressions = suppressions
        self._policy = policy
        # Held from the end of an attempt until its result is written.
        self.unsettled = asyncio.Semaphore(_UNSETTLED * policy.connections)
        self._hand_over = GroupCommit(outbox.hand_over, _GATHER_HANDOVERS_SECONDS, policy.connections)
        self._write = GroupCommit(self._write_results, _GATHER_RESULTS_SECONDS, 2 * policy.connections)

    async def hand_over(self, claim: ClaimedMessage) -> None:
        """Notes that the final dot comes next."""
        if not await self._hand_over(claim):
            raise _lost(claim)

    async def settle(self, job: Delivery, result: Result) -> State:
        """Writes the result down. While MongoDB is away it insists: a message that went and is not noted goes twice."""
        lease = Budget(self._policy.lease_seconds)
        while True:
            try:
                state = await self._write(_Ended(job, result))
            except PyMongoError as error:
                if not mongo.is_transient(error) or lease.spent():
                    raise
                log.warning("MongoDB does not answer, the outcome of %s is still to be written", job.claim.id)
                await asyncio.sleep(_WRITE_AGAIN_SECONDS)
                continue
            if state is None:
                raise _lost(job.claim)
            return state

    def _write_results(self, ended: list[_Ended]) -> list[State | None]:
        """The state of each message whose result is written, None for those that were lost."""
        settlements = [self._decide(each) for each in ended]
        for each in settlements:
            self._suppressions.learn(each.decision.recipients, each.result, each.claim.id)
        written = self._outbox.settle(settlements)
        return [each.decision.state if done else None for each, done in zip(settlements, written, strict=True)]

    def _decide(self, ended: _Ended) -> FinishedAttempt:
        job, result = ended
        claim, policy = job.claim, self._policy
        age = self._outbox.age(claim)
        decision = settling.decide(job.recipients, result, claim.attempts, age, policy.retries, hold=policy.hold)
        return FinishedAttempt(claim, decision, result)


def _lost(claim: ClaimedMessage) -> LeaseLost:
    return LeaseLost(f"notification {claim.id} is no longer held with epoch {claim.epoch}")
