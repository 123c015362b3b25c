"""Sends messages of the outbox, a few at once, each with an attempt of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import wait as wait_for
from functools import partial

from bson import ObjectId
from pymongo.errors import PyMongoError

from mailroom.errors import LeaseLost
from mailroom.notifications.model.messages import Result, State, refusal_in
from mailroom.notifications.outbox.claims import Claim, ClaimedMessage
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.sending.background import Background
from mailroom.notifications.sending.prefetcher import Prefetcher
from mailroom.notifications.sending.recorder import Recorder
from mailroom.notifications.sending.slots import SendRate, Slots
from mailroom.notifications.sending.transmitter import Transmitter
from mailroom.notifications.smtp.pool import Pool
from mailroom.platform import mongo
from mailroom.platform.clock import Budget
from mailroom.platform.settings import Settings

log = logging.getLogger(__name__)

# How long a drain waits after its budget for the deliveries it has begun: 20 + 30 seconds are below the 55 of
# exec_timeout. A longer delivery goes on in this process, protected by its lease.
LINGER_SECONDS = 30.0

# How long deliveries have to finish when the process ends, and again for the QUITs; the runtime gives 3 s for both. A
# message that is cut off is sent again when its lease has expired.
CLOSE_SECONDS = 1.2

# Messages claimed at once for each connection: enough that no connection waits, few enough that few must wait for their
# leases after a crash. More where they are sent within a second.
_CLAIMED_AHEAD, _MOST_CLAIMED_AHEAD = 4, 16


class Sender:
    """Thread-safe. Deliveries run in the background and outlive the call that began them.

    `pool` is that of `transmitter`. This class closes it.
    """

    def __init__(
        self, outbox: Outbox, pool: Pool, transmitter: Transmitter, recorder: Recorder, settings: Settings
    ) -> None:
        self._outbox = outbox
        self._pool = pool
        self._settings = settings
        self._background = Background()
        # Everything below is used in the background only.
        self._slots = Slots(settings.smtp_connections, SendRate(settings.smtp_messages_per_second))
        self._recorder = recorder
        self._transmitter = transmitter
        self._running: set[asyncio.Task[State | None]] = set()
        self._relay_down = False
        self._relay_refusal = ""
        self._closing = False

    def send_new(self, message: ObjectId, seconds: float) -> State | None:
        """Tries to send a message that was just accepted within `seconds`.

        Returns its state after the attempt, or None if there is none yet: no connection was free, another sender has
        it, or the relay is slow. The attempt then goes on, or the schedule makes one.
        """
        budget = Budget(seconds)
        delivery = self._background.start(self._send_new(message, budget))
        try:
            return delivery.result(max(0.0, budget.remaining()))
        except TimeoutError:
            return None

    def drain(self, budget: Budget, will_look_again: Callable[[], object] = lambda: None) -> int:
        """Sends due messages until none is left, the budget is spent or the relay is down.

        Calls `will_look_again`, in another thread, when it has found some. Returns how many it tried.
        """
        return self._background.start(self._drain(budget, will_look_again)).result()

    @property
    def relay_is_down(self) -> bool:
        """Whether that ended the last drain. Another one now would only use up attempts."""
        return self._relay_down

    @property
    def relay_refusal(self) -> str:
        """The relay's answer, or that there was none, if that ended the last drain. Otherwise empty."""
        return self._relay_refusal if self._relay_down else ""

    def close(self) -> None:
        """Waits a little for the deliveries, then closes the connections."""
        if self._background.running:
            wait_for([self._background.start(self._close())], 3 * CLOSE_SECONDS)
            self._background.stop()

    async def _send_new(self, message: ObjectId, budget: Budget) -> State | None:
        claimed = await self._claim(partial(asyncio.to_thread, self._outbox.claim_new, message), budget)
        return await self._begin(claimed) if claimed else None

    async def _drain(self, budget: Budget, will_look_again: Callable[[], object]) -> int:
        self._relay_down = False
        prefetcher = self._prefetcher(will_look_again)
        tried = 0

        async def next_message() -> ClaimedMessage | None:
            ended = self._relay_down or self._closing or budget.spent()
            return None if ended else await prefetcher.next()

        try:
            while (message := await self._claim(next_message, budget)) is not None:
                tried += 1
                self._begin(message)
        finally:
            await prefetcher.release()
        if self._running:
            await asyncio.wait(self._running, timeout=max(0.0, budget.remaining()) + LINGER_SECONDS)
        return tried

    def _prefetcher(self, will_look_again: Callable[[], object]) -> Prefetcher:
        settings = self._settings
        size, most = (each * settings.smtp_connections for each in (_CLAIMED_AHEAD, _MOST_CLAIMED_AHEAD))
        if settings.smtp_messages_per_second:
            size = most = max(1, min(size, int(settings.smtp_messages_per_second)))
        return Prefetcher(self._outbox, size, most, settings.send_lease_seconds / 2, will_look_again)

    async def _claim(
        self, claim: Callable[[], Awaitable[ClaimedMessage | None]], budget: Budget
    ) -> ClaimedMessage | None:
        """Waits for a slot, then claims a message for it. Returns None without a slot or a message."""
        if not await self._slots.acquire(budget.remaining()):
            return None
        claimed = None
        try:
            claimed = await claim()
        finally:
            if claimed is None:
                self._slots.release_unused()
        return claimed

    def _begin(self, message: ClaimedMessage) -> asyncio.Task[State | None]:
        task = asyncio.create_task(self._deliver(message))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _deliver(self, message: ClaimedMessage) -> State | None:
        """One attempt, from the claim to the record of its result. Returns None if there is no result to record."""
        failed = True
        try:
            result = await self._attempt(message)
            try:
                state = await self._recorder.record(message, result)
            finally:
                self._recorder.unrecorded.release()
        except LeaseLost as error:
            failed = False
            log.warning("a notification is no longer ours: %s", error)
        except PyMongoError as error:
            if not mongo.is_transient(error):
                raise
            log.warning("MongoDB does not answer, notification %s waits for its lease to end", message.id)
        except Exception:
            log.exception("the attempt to send notification %s failed", message.id)
        else:
            failed = False
            return state
        finally:
            await self._finish(message.claim, failed)
        return None

    async def _attempt(self, message: ClaimedMessage) -> Result:
        """Frees the slot when the attempt is over: the next message is sent while this result is written."""
        try:
            result = await self._transmitter.attempt(message)
            if result.relay_down:
                self._relay_down, self._relay_refusal = True, refusal_in(result.steps)
            await self._recorder.unrecorded.acquire()
            return result
        finally:
            self._slots.release()

    async def _finish(self, claim: Claim, failed: bool) -> None:
        """Counts a message of the claim as finished. The last one releases the claim."""
        if claim.finish_one(failed=failed):
            try:
                await asyncio.to_thread(self._outbox.release, [claim])
            except PyMongoError as error:
                log.warning("MongoDB does not answer, a claim waits for its lease to end", exc_info=error)

    async def _close(self) -> None:
        self._closing = True
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_SECONDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pool.close(), CLOSE_SECONDS)
