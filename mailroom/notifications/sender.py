"""Sends what the outbox has claimed: a few messages at once, each with an attempt of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, replace
from functools import partial

from bson import ObjectId
from pymongo.errors import PyMongoError

from mailroom.errors import LeaseLost
from mailroom.notifications import documents, settling
from mailroom.notifications.background import Background
from mailroom.notifications.composing import CannotCompose, Composer
from mailroom.notifications.model import Fate, Outcome, Recipient, Result, State, Verdict
from mailroom.notifications.outbox import Claim, Outbox
from mailroom.notifications.relay.delivery import Envelope, deliver
from mailroom.notifications.relay.pool import Pool
from mailroom.notifications.retries import Retries
from mailroom.notifications.suppressions import Suppressions
from mailroom.platform import mongo
from mailroom.platform.clock import Budget

log = logging.getLogger(__name__)

# After its budget a drain waits so long for what it has begun: 20 + 30 seconds are below the 55 of exec_timeout. What
# takes longer goes on in this process, and its lease protects it.
LINGER_SECONDS = 30.0

# At the end of the process deliveries have so long to finish, and so has the leave-taking; the runtime gives 3 s for
# both. What is cut off is sent again when its lease is over.
CLOSE_SECONDS = 1.2

_AT_ONCE = 100  # due messages looked up by one query

_WRITE_AGAIN_SECONDS = 0.5

_LOST = "the sender was lost when it handed the message over"
_SUPPRESSED = "the address is on the suppression list"


@dataclass(frozen=True)
class Policy:
    """`connections` is how many messages are in delivery at once; `hold`: an unknown outcome waits for a person."""

    connections: int
    retries: Retries
    hold: bool
    lease_seconds: float


class Sender:
    """Thread-safe. Deliveries run in the background and outlive the call that began them."""

    def __init__(
        self, outbox: Outbox, suppressions: Suppressions, pool: Pool, policy: Policy, composer: Composer
    ) -> None:
        self._outbox = outbox
        self._suppressions = suppressions
        self._pool = pool
        self._policy = policy
        self._composer = composer
        self._background = Background()
        self._slots = threading.BoundedSemaphore(policy.connections)
        self._running: set[Future[State | None]] = set()
        self._lock = threading.Lock()
        self._relay_down = threading.Event()

    def send_new(self, message: ObjectId, seconds: float) -> State | None:
        """Sends a message that was just accepted, if that can be done within `seconds`.

        Returns its state after the attempt, or None when there is none to tell yet: no connection was free, somebody
        else sends it, or the relay takes its time. The attempt then goes on, or the schedule makes one.
        """
        budget = Budget(seconds)
        delivery = self._start(lambda: self._outbox.claim_new(message), seconds)
        if delivery is None:
            return None
        try:
            return delivery.result(max(0.0, budget.remaining()))
        except TimeoutError:
            return None

    def drain(self, budget: Budget) -> int:
        """Sends what is due until nothing is, the budget is spent or the relay is down. Returns how many it tried."""
        started: set[Future[State | None]] = set()
        tried = 0
        self._relay_down.clear()
        for message in self._due(budget):
            delivery = self._start(partial(self._outbox.claim_due, message), budget.remaining())
            if delivery is not None:
                tried += 1
                started = {each for each in started if not each.done()} | {delivery}
        wait_for(started, max(0.0, budget.remaining()) + LINGER_SECONDS)
        return tried

    def _due(self, budget: Budget) -> Iterator[ObjectId]:
        """What is due, as long as it makes sense to go on."""
        while found := self._outbox.due(_AT_ONCE):
            for message in found:
                if self._relay_down.is_set() or budget.spent():
                    return
                yield message

    def close(self) -> None:
        """Waits a little for what is in delivery, then takes leave of the relay."""
        with self._lock:
            running = set(self._running)
        wait_for(running, CLOSE_SECONDS)
        if self._background.running:
            wait_for([self._background.start(self._pool.close())], CLOSE_SECONDS)
            self._background.stop()

    def _start(self, claim: Callable[[], Claim | None], seconds: float) -> Future[State | None] | None:
        """Waits up to `seconds` for a free place, claims a message and begins to send it. None when there is none."""
        if not self._slots.acquire(timeout=max(0.0, seconds)):
            return None
        try:
            claimed = claim()
        except BaseException:
            self._slots.release()
            raise
        if claimed is None:
            self._slots.release()
            return None
        delivery = self._background.start(self._deliver(claimed))
        with self._lock:
            self._running.add(delivery)
        delivery.add_done_callback(self._ended)
        return delivery

    def _ended(self, delivery: Future[State | None]) -> None:
        with self._lock:
            self._running.discard(delivery)
        self._slots.release()

    async def _deliver(self, claim: Claim) -> State | None:
        """One attempt, from the claim to the record of it. None when its outcome is not ours to write."""
        try:
            result = await self._attempt(claim)
            if result.relay_down:
                self._relay_down.set()
            return await self._settle(claim, result)
        except LeaseLost as error:
            log.warning("the lease of a notification was lost: %s", error)
        except PyMongoError as error:
            if not mongo.is_transient(error):
                raise
            log.warning("MongoDB does not answer, notification %s waits for its lease to end", claim.id)
        except Exception:
            log.exception("the attempt to send notification %s failed", claim.id)
        return None

    async def _attempt(self, claim: Claim) -> Result:
        pending = [each for each in _recipients(claim) if each.fate is Fate.PENDING]
        if claim.interrupted:
            await asyncio.to_thread(self._outbox.take_over, claim)
            if claim.handed_over and self._policy.hold:
                return Result({each.address.wire: Verdict(Outcome.UNKNOWN, None, _LOST) for each in pending})
        suppressed = await asyncio.to_thread(self._suppressions.among, pending)
        verdicts = dict.fromkeys(suppressed, Verdict(Outcome.SUPPRESSED, None, _SUPPRESSED))
        open_to = tuple(each.address.wire for each in pending if each.address.wire not in suppressed)
        if not open_to:
            return Result(verdicts)
        message = documents.to_message(claim.document)
        try:
            content = await self._composer.compose(message)
        except CannotCompose as error:
            verdict = Verdict(error.outcome, None, str(error))
            return Result(verdicts | dict.fromkeys(open_to, verdict))
        envelope = Envelope(message.sender.address, open_to, content)
        result = await deliver(envelope, self._pool, lambda: asyncio.to_thread(self._outbox.hand_over, claim))
        return replace(result, verdicts=verdicts | result.verdicts)

    async def _settle(self, claim: Claim, result: Result) -> State:
        """Writes the result down. While MongoDB is away it insists: a message that went and is not noted goes twice."""
        lease = Budget(self._policy.lease_seconds)
        insisted = False
        while True:
            try:
                return await asyncio.to_thread(self._write, claim, result)
            except PyMongoError as error:
                if not mongo.is_transient(error) or lease.spent():
                    raise
                log.warning("MongoDB does not answer, the outcome of notification %s is still to be written", claim.id)
                insisted = True
                await asyncio.sleep(_WRITE_AGAIN_SECONDS)
            except LeaseLost:
                if insisted:
                    log.info("the outcome of notification %s seems to have been written at first", claim.id)
                raise

    def _write(self, claim: Claim, result: Result) -> State:
        age, policy = self._outbox.age(claim), self._policy
        decision = settling.decide(_recipients(claim), result, claim.attempts, age, policy.retries, hold=policy.hold)
        self._suppressions.learn(decision.recipients, result, claim.id)
        self._outbox.settle(claim, decision, result)
        return decision.state


def _recipients(claim: Claim) -> tuple[Recipient, ...]:
    return documents.to_recipients(claim.document["recipients"])
