"""Sends what the outbox has claimed: a few messages at once, each with an attempt of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import wait as wait_for
from functools import partial

from bson import ObjectId
from msgspec.structs import replace
from pymongo.errors import PyMongoError

from mailroom.errors import LeaseLost
from mailroom.notifications.message.attachments import LARGEST_ATTACHMENTS
from mailroom.notifications.message.composer import CannotCompose, Composer
from mailroom.notifications.model.messages import Message, Outcome, RecipientStatus, Result, State, Verdict
from mailroom.notifications.outbox import documents
from mailroom.notifications.outbox.claims import ClaimedMessage
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.outbox.suppressions import Suppressions
from mailroom.notifications.sending.background import Background
from mailroom.notifications.sending.byte_budget import ByteBudget
from mailroom.notifications.sending.policy import SendPolicy
from mailroom.notifications.sending.prefetcher import Delivery, Prefetcher, jobs
from mailroom.notifications.sending.recorder import Recorder
from mailroom.notifications.sending.send_rate import SendRate
from mailroom.notifications.smtp.delivery import Envelope, deliver
from mailroom.notifications.smtp.pool import Pool
from mailroom.platform import mongo
from mailroom.platform.clock import Budget

log = logging.getLogger(__name__)

# After its budget a drain waits so long for what it has begun: 20 + 30 seconds are below the 55 of exec_timeout. What
# takes longer goes on in this process, and its lease protects it.
LINGER_SECONDS = 30.0

# At the end of the process deliveries have so long to finish, and so has the leave-taking; the runtime gives 3 s for
# both. What is cut off is sent again when its lease is over.
CLOSE_SECONDS = 1.2

# Messages claimed at once for each connection: enough that connections need not wait, few enough that a crash leaves
# few to wait for their leases; more where they are sent within a second.
_CLAIMED_AHEAD, _MOST_CLAIMED_AHEAD = 4, 16

# Bytes of attachments that are in memory at once, in messages of all connections: while a message goes out they are
# there four times over, and about ten times while it is signed, which is done to one after the other.
_ROOM = 2 * LARGEST_ATTACHMENTS

_LOST = "the sender was lost when it handed the message over"
_SUPPRESSED = "the address is on the suppression list"


class Sender:
    """Thread-safe. Deliveries run in the background and outlive the call that began them."""

    def __init__(
        self, outbox: Outbox, suppressions: Suppressions, pool: Pool, policy: SendPolicy, composer: Composer
    ) -> None:
        self._outbox = outbox
        self._suppressions = suppressions
        self._pool = pool
        self._policy = policy
        self._composer = composer
        self._background = Background()
        # What follows is used in the background only.
        self._places = asyncio.Semaphore(policy.connections)
        self._room = ByteBudget(_ROOM)
        self._composing = asyncio.Lock()
        self._pace = SendRate(policy.per_second)
        self._recorder = Recorder(outbox, suppressions, policy)
        self._running: set[asyncio.Task[State | None]] = set()
        self._relay_down = False
        self._closing = False

    def send_new(self, message: ObjectId, seconds: float) -> State | None:
        """Sends a message that was just accepted, if that can be done within `seconds`.

        Returns its state after the attempt, or None when there is none to tell yet: no connection was free, somebody
        else sends it, or the relay takes its time. The attempt then goes on, or the schedule makes one.
        """
        budget = Budget(seconds)
        delivery = self._background.start(self._send_new(message, budget))
        try:
            return delivery.result(max(0.0, budget.remaining()))
        except TimeoutError:
            return None

    def drain(self, budget: Budget) -> int:
        """Sends what is due until nothing is, the budget is spent or the relay is down. Returns how many it tried."""
        return self._background.start(self._drain(budget)).result()

    def close(self) -> None:
        """Waits a little for what is in delivery, then takes leave of the relay."""
        if self._background.running:
            wait_for([self._background.start(self._close())], 3 * CLOSE_SECONDS)
            self._background.stop()

    async def _send_new(self, message: ObjectId, budget: Budget) -> State | None:
        if not await self._place(budget.remaining()):
            return None
        job = None
        try:
            job = await asyncio.to_thread(self._claim_new, message)
        finally:
            if job is None:
                self._leave_place()
        return await self._begin(job) if job else None

    def _claim_new(self, message: ObjectId) -> Delivery | None:
        claim = self._outbox.claim_new(message)
        return jobs([claim], self._suppressions)[0] if claim else None

    async def _drain(self, budget: Budget) -> int:
        self._relay_down = False
        size, most = (each * self._policy.connections for each in (_CLAIMED_AHEAD, _MOST_CLAIMED_AHEAD))
        if self._policy.per_second:
            size = most = max(1, min(size, int(self._policy.per_second)))
        prefetcher = Prefetcher(self._outbox, self._suppressions, size, most, self._policy.lease_seconds / 2)
        tried = 0
        try:
            while (job := await self._next(prefetcher, budget)) is not None:
                tried += 1
                self._begin(job)
        finally:
            await prefetcher.give_back()
        if self._running:
            await asyncio.wait(self._running, timeout=max(0.0, budget.remaining()) + LINGER_SECONDS)
        return tried

    async def _next(self, prefetcher: Prefetcher, budget: Budget) -> Delivery | None:
        """A message that there is a place for, as long as it makes sense to go on."""
        if not await self._place(budget.remaining()):
            return None
        job = None
        try:
            if not (self._relay_down or self._closing or budget.spent()):
                job = await prefetcher.next()
        finally:
            if job is None:
                self._leave_place()
        return job

    async def _place(self, seconds: float) -> bool:
        """Waits up to `seconds` for a free connection, and for a turn to use it."""
        budget = Budget(seconds)
        if self._places.locked():
            try:
                async with asyncio.timeout(max(0.0, seconds)):
                    await self._places.acquire()
            except TimeoutError:
                return False
        else:
            await self._places.acquire()
        if not await self._pace.turn(budget.remaining()):
            self._places.release()
            return False
        return True

    def _leave_place(self) -> None:
        """Nothing was begun."""
        self._pace.give_back()
        self._places.release()

    def _begin(self, job: Delivery) -> asyncio.Task[State | None]:
        delivery = asyncio.create_task(self._deliver(job))
        self._running.add(delivery)
        delivery.add_done_callback(self._running.discard)
        return delivery

    async def _close(self) -> None:
        self._closing = True
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_SECONDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pool.close(), CLOSE_SECONDS)

    async def _deliver(self, job: Delivery) -> State | None:
        """One attempt, from the claim to the record of it. None when its outcome is not ours to write."""
        claim, failed = job.claim, True
        try:
            result = await self._attempt_in_place(job)
            try:
                state = await self._recorder.settle(job, result)
            finally:
                self._recorder.unsettled.release()
        except LeaseLost as error:
            failed = False
            log.warning("a notification is no longer ours: %s", error)
        except PyMongoError as error:
            if not mongo.is_transient(error):
                raise
            log.warning("MongoDB does not answer, notification %s waits for its lease to end", claim.id)
        except Exception:
            log.exception("the attempt to send notification %s failed", claim.id)
        else:
            failed = False
            return state
        finally:
            await self._done_with(claim, failed)
        return None

    async def _done_with(self, claim: ClaimedMessage, failed: bool) -> None:
        """Ends the claim with the last of its messages."""
        if claim.group.done(failed=failed):
            try:
                await asyncio.to_thread(self._outbox.release, [claim.group])
            except PyMongoError as error:
                log.warning("MongoDB does not answer, a claim waits for its lease to end", exc_info=error)

    async def _attempt_in_place(self, job: Delivery) -> Result:
        """Leaves the place when the attempt is over: the next message goes while this one's result is written."""
        try:
            result = await self._attempt(job)
            self._relay_down |= result.relay_down
            await self._recorder.unsettled.acquire()
            return result
        finally:
            self._places.release()

    async def _attempt(self, job: Delivery) -> Result:
        claim, suppressed = job.claim, job.suppressed
        pending = [each.address.wire for each in job.recipients if each.status is RecipientStatus.PENDING]
        if claim.in_doubt and self._policy.hold:
            return Result(dict.fromkeys(pending, Verdict(Outcome.UNKNOWN, None, _LOST)))
        verdicts = {each: Verdict(Outcome.SUPPRESSED, None, _SUPPRESSED) for each in pending if each in suppressed}
        open_to = tuple(each for each in pending if each not in suppressed)
        if not open_to:
            return Result(verdicts)
        attached = claim.document["attachments"]
        async with self._room.of(sum(each["size"] for each in attached)) if attached else contextlib.nullcontext():
            result = await self._send(job, open_to)
        return replace(result, verdicts=verdicts | result.verdicts) if verdicts else result

    async def _send(self, job: Delivery, recipients: tuple[str, ...]) -> Result:
        try:
            envelope = await self._envelope(job, recipients)
        except CannotCompose as error:
            return Result(dict.fromkeys(recipients, Verdict(error.outcome, None, str(error))))
        return await deliver(envelope, self._pool, partial(self._recorder.hand_over, job.claim))

    async def _envelope(self, job: Delivery, recipients: tuple[str, ...]) -> Envelope:
        """With the bytes. What they are made of is let go before they are sent."""
        document = job.claim.document
        if not document["attachments"]:
            return await self._compose(documents.to_message(document, job.recipients), recipients)
        async with self._composing:
            attachments = await asyncio.to_thread(self._outbox.attachments, job.claim)
            message = documents.to_message(document | {"attachments": attachments}, job.recipients)
            return await self._compose(message, recipients)

    async def _compose(self, message: Message, recipients: tuple[str, ...]) -> Envelope:
        return Envelope(message.sender.address, recipients, await self._composer.compose(message))
