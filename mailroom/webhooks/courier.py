"""Delivers what is due, many at once. An endpoint that is slow or down keeps nobody else waiting."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from bson import ObjectId

from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document
from mailroom.platform.outgoing import NoAnswer, Outgoing
from mailroom.platform.server_clock import ServerClock
from mailroom.webhooks import signature
from mailroom.webhooks.deliveries import Deliveries
from mailroom.webhooks.model import Attempted

log = logging.getLogger(__name__)

AT_ONCE = 16
_AT_ONCE_PER_ENDPOINT = 2
# Endpoints that fail have these connections at most, all together: they may hang, and the others must not wait.
_AT_ONCE_OF_FAILING = AT_ONCE // 2
# After so many failures in one call an endpoint is left alone until the next call.
_MOST_FAILURES = 2

# How often a call looks for new events and changed endpoints while deliveries are under way.
_LOOK_SECONDS = 0.5


class Courier:
    """Used by one thread at a time."""

    def __init__(self, deliveries: Deliveries, outgoing: Outgoing, clock: ServerClock) -> None:
        self._deliveries = deliveries
        self._outgoing = outgoing
        self._clock = clock

    def run(self, budget: Budget, expand: Callable[[], int], will_look_again: Callable[[], object]) -> int:
        """Delivers until nothing is due or the budget is spent. Returns how many attempts it made.

        `expand` makes deliveries of some new events, and returns of how many. Attempts that have begun when the budget
        ends are waited for. Raises the driver's errors.
        """
        tour, tried = _Tour(), 0
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
            while not budget.spent():
                expanded = 0
                if tour.looks_now():
                    expanded = expand()
                    tour.look(self._deliveries.endpoints(), again=expanded > 0)
                while not budget.spent() and (delivery := self._next(tour)) is not None:
                    tour.begin(delivery, pool.submit(self._deliver, delivery, tour.endpoints[delivery["endpointId"]]))
                    tried += 1
                if not expanded and not tour.running:
                    break
                taken = tour.finish_some(0.0 if expanded else _LOOK_SECONDS)
                # Failures alone promise nothing: the call would go on with endpoints that are down.
                if expanded or taken:
                    will_look_again()
            while tour.running:
                tour.finish_some(None)
        return tried

    def _next(self, tour: _Tour) -> Document | None:
        """Claims a delivery for an endpoint that may get one now."""
        while (endpoint := tour.next_free()) is not None:
            if (delivery := self._deliveries.claim(endpoint)) is not None:
                return delivery
            tour.nothing_due(endpoint)
        return None

    def _deliver(self, delivery: Document, endpoint: Document) -> bool:
        """One attempt. Returns whether the endpoint took it."""
        now = self._clock.now()
        try:
            headers = signature.headers(delivery, signature.valid_keys(endpoint, now), now)
        except ValueError as error:
            attempted = Attempted(None, str(error), 0.0)
        else:
            attempted = attempt(self._outgoing, endpoint["url"], headers, delivery["payload"].encode())
        self._deliveries.record(delivery, endpoint, attempted, now)
        if not attempted.taken:
            told = {"deliveryId": delivery["_id"], "status": attempted.status, "error": attempted.error}
            log.warning("a webhook was not taken", extra=told)
        return attempted.taken


def attempt(outgoing: Outgoing, url: str, headers: Mapping[str, str], body: bytes) -> Attempted:
    """Calls an endpoint. What it does wrong is in the answer."""
    began = time.monotonic()
    status, error = None, ""
    try:
        status = outgoing.call("POST", url, headers, body).status
    except NoAnswer as failure:
        error = str(failure)
    return Attempted(status, error, round((time.monotonic() - began) * 1000, 1))


class _Tour:
    """The endpoints of one call, each in its turn, and the deliveries to them that are under way."""

    def __init__(self) -> None:
        self.endpoints: dict[ObjectId, Document] = {}
        self.running: dict[Future[bool], ObjectId] = {}
        self._failures: Counter[ObjectId] = Counter()
        self._turns: deque[ObjectId] = deque()  # those with deliveries that may be due
        self._look_at = 0.0

    def looks_now(self) -> bool:
        """Whether it is time to look for new events. Also when nothing is left to do."""
        return not self.running or time.monotonic() >= self._look_at

    def look(self, endpoints: dict[ObjectId, Document], *, again: bool) -> None:
        """Takes what was found. `again`: there may be more events, so the next look comes at once."""
        self.endpoints = endpoints
        known = set(self._turns)
        self._turns = deque(each for each in (*self._turns, *(endpoints.keys() - known)) if each in endpoints)
        self._look_at = time.monotonic() + (0.0 if again else _LOOK_SECONDS)

    def next_free(self) -> ObjectId | None:
        """The endpoint whose turn it is, of those that may get another delivery now."""
        if len(self.running) >= AT_ONCE:
            return None
        busy = Counter(self.running.values())
        failing = sum(count for each, count in busy.items() if self._is_failing(each))
        for each in self._turns:
            if busy[each] >= _AT_ONCE_PER_ENDPOINT or self._failures[each] >= _MOST_FAILURES:
                continue
            if failing >= _AT_ONCE_OF_FAILING and self._is_failing(each):
                continue
            self._turns.remove(each)
            self._turns.append(each)
            return each
        return None

    def nothing_due(self, endpoint: ObjectId) -> None:
        """Leaves the endpoint out until the next look."""
        self._turns.remove(endpoint)

    def begin(self, delivery: Document, attempt: Future[bool]) -> None:
        self.running[attempt] = delivery["endpointId"]

    def finish_some(self, seconds: float | None) -> int:
        """Waits until an attempt has ended, for so long at most. Returns how many were taken.

        Raises what an attempt raised.
        """
        done, _ = wait(self.running, seconds, return_when=FIRST_COMPLETED)
        ended = [(self.running.pop(each), each) for each in done]
        taken = 0
        for endpoint, attempt in ended:
            if attempt.result():
                taken += 1
            else:
                self._failures[endpoint] += 1
        return taken

    def _is_failing(self, endpoint: ObjectId) -> bool:
        return self._failures[endpoint] > 0 or "failingSince" in self.endpoints.get(endpoint, ())
