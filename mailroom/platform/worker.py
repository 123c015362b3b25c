"""A worker function's call: one run at a time in a replica, within a time budget, answering only a count."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from pymongo.errors import PyMongoError

from mailroom.errors import MissingSecret, Unavailable
from mailroom.platform import mongo
from mailroom.platform.clock import Budget
from mailroom.platform.kick_marks import WorkerMarks

log = logging.getLogger(__name__)

Work = Callable[[Budget], int]


class Worker:
    """Runs `work(budget)` when it is called. The call's body is not looked at: calling grants nothing.

    A call that comes while one runs is answered 429, but makes that run look for work once more before it ends. Else
    work written just after the last look, whose kick was refused, would wait for the schedule. A run that promised
    to look again (`marks`) does so too, because others relied on it and did not kick. When the budget ended the run,
    `more` is called after it, to have the rest done by another call.
    """

    def __init__(self, work: Work, budget_seconds: float, marks: WorkerMarks, more: Callable[[], None]) -> None:
        self._work = work
        self._budget_seconds = budget_seconds
        self._marks = marks
        self._more = more
        self._state = threading.Lock()
        self._running = False
        self._again = False

    def __call__(self, event: object = None, context: object = None) -> dict[str, Any]:
        # Before the look for work that this call leads to, here or in the run that it finds.
        self._marks.call_begins()
        with self._state:
            if self._running:
                self._again = True
                return _answer(429, {"done": 0})
            self._running, self._again = True, False
        try:
            return _answer(200, {"done": self._run()})
        except (Unavailable, MissingSecret, PyMongoError) as error:
            self._stop(error)
            if isinstance(error, PyMongoError) and not mongo.is_transient(error):
                raise
            log.warning("a server does not answer, or a secret is missing: the work waits", exc_info=error)
            return _answer(503, {"done": 0}, {"Retry-After": "5"})
        except BaseException as error:
            self._stop(error)
            raise
        finally:
            self._marks.calls.ends()

    def _stop(self, error: BaseException) -> None:
        self._marks.calls.fails(*_cause(error))
        self._marks.looks_for_the_last_time()
        self._running = False

    def _run(self) -> int:
        budget = Budget(self._budget_seconds)
        done = 0
        while True:
            done += self._work(budget)
            promised = self._marks.looks_for_the_last_time()
            with self._state:
                if (self._again or promised) and not budget.spent():
                    self._again = False
                    continue
                # Under the same lock as the question, so that no call falls between the two.
                self._running = False
            if budget.spent():
                self._more()
            return done


def _cause(error: BaseException) -> tuple[str, str]:
    """The code and the text of a failure, as people read it. It has no path of a file and no words of a server."""
    match error:
        case MissingSecret():
            return "secret", str(error).partition(":")[0]
        case Unavailable():
            return "server", str(error)
        case PyMongoError() if mongo.is_transient(error):
            return "server", "MongoDB does not answer"
        case PyMongoError() if mongo.lacks_index(error):
            return "setup", "an index is missing, so set-up must run again"
        case _:
            return "broken", "an unexpected error, which its log has"


def _answer(status: int, body: dict[str, int], headers: dict[str, str] | None = None) -> dict[str, Any]:
    return {"statusCode": status, "body": body, "headers": headers or {}}
