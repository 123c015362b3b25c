"""Delivers what is due, many at once. An endpoint that is slow or down keeps nobody else waiting."""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from bson import ObjectId

from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document
from mailroom.platform.server_clock import ServerClock
from mailroom.webhooks import signature
from mailroom.webhooks.deliveries import Deliveries
from mailroom.webhooks.model import Attempted
from mailroom.webhooks.outgoing import Outgoing

log = logging.getLogger(__name__)

_AT_ONCE = 16
_AT_ONCE_PER_ENDPOINT = 2
# After so many failures an endpoint is left alone for the rest of the call.
_MOST_FAILURES = 2


class Courier:
    """Made for one call of the function. Used by one thread at a time."""

    def __init__(self, deliveries: Deliveries, outgoing: Outgoing, clock: ServerClock) -> None:
        self._deliveries = deliveries
        self._outgoing = outgoing
        self._clock = clock
        self._failures: Counter[ObjectId] = Counter()

    def run(self, budget: Budget) -> int:
        """Delivers until nothing is due or the budget is spent. Returns how many attempts it made.

        Attempts that have begun then are waited for. Raises the driver's errors.
        """
        tour = _Tour(self._deliveries.endpoints(), self._failures)
        tried = 0
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook") as pool:
            while True:
                while not budget.spent() and len(tour.running) < _AT_ONCE:
                    delivery = self._deliveries.claim(tour.free()) if tour.free() else None
                    if delivery is None:
                        break
                    tour.begin(delivery, pool.submit(self._deliver, delivery, tour.endpoints[delivery["endpointId"]]))
                    tried += 1
                if not tour.running:
                    return tried
                tour.finish_some()

    def _deliver(self, delivery: Document, endpoint: Document) -> bool:
        """One attempt. Returns whether the endpoint took it."""
        now = self._clock.now()
        headers = signature.headers(delivery, signature.valid_keys(endpoint, now), now)
        attempted = self._outgoing.post(endpoint["url"], headers, delivery["payload"].encode())
        self._deliveries.record(delivery, attempted, now)
        _log(delivery, attempted)
        return attempted.taken


class _Tour:
    """The deliveries that are under way, by endpoint. Counts the failures of each endpoint."""

    def __init__(self, endpoints: dict[ObjectId, Document], failures: Counter[ObjectId]) -> None:
        self.endpoints = endpoints
        self.running: dict[Future[bool], ObjectId] = {}
        self._failures = failures

    def free(self) -> list[ObjectId]:
        """The endpoints that may get another delivery now."""
        busy = Counter(self.running.values())
        return [
            each
            for each in self.endpoints
            if busy[each] < _AT_ONCE_PER_ENDPOINT and self._failures[each] < _MOST_FAILURES
        ]

    def begin(self, delivery: Document, attempt: Future[bool]) -> None:
        self.running[attempt] = delivery["endpointId"]

    def finish_some(self) -> None:
        """Waits until an attempt has ended. Raises what it raised."""
        done, _ = wait(self.running, return_when=FIRST_COMPLETED)
        for each in done:
            endpoint = self.running.pop(each)
            if not each.result():
                self._failures[endpoint] += 1


def _log(delivery: Document, attempted: Attempted) -> None:
    if not attempted.taken:
        told = {"deliveryId": delivery["_id"], "status": attempted.status, "error": attempted.error}
        log.warning("a webhook was not taken", extra=told)
