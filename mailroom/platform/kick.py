"""Kicks: telling a worker function that there is work. Best effort; a lost kick costs waiting for the schedule."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from mailroom.platform.kick_marks import KickMarks

if TYPE_CHECKING:
    from urllib3 import PoolManager

log = logging.getLogger(__name__)

IMPORTER, SENDER, WEBHOOK_SENDER = "invoice-importer", "notification-sender", "webhook-sender"

# Behind a gateway's asynchronous route the answer is immediate; without one the worker answers when its work is done,
# and nobody waits for that.
_TIMEOUTS = {"connect": 1.0, "read": 0.5}  # seconds


class Kicker:
    """Kicks functions at `url`, where `{function}` stands for the name. An empty `url` kicks nobody.

    `kick` returns at once. Kicks that come while one is under way become a single further one. `marks` spares those
    that no worker needs: a thousand uploads do not become a thousand calls, and none is forgotten.
    """

    def __init__(self, url: str, marks: KickMarks) -> None:
        self._url = url
        self._marks = marks
        self._wanted: dict[str, bool] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def kick(self, function: str) -> None:
        """Call it when the work is written."""
        self._want(function, help_=False)

    def call_help(self, function: str) -> None:
        """Kicks also while a worker is at work that will look for work again."""
        self._want(function, help_=True)

    def close(self) -> None:
        """Sends what is still wanted, but waits only briefly: a kick that is not sent is left to the schedule."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join(sum(_TIMEOUTS.values()))

    def _want(self, function: str, *, help_: bool) -> None:
        if not self._url:
            return
        with self._changed:
            self._wanted[function] = help_ or self._wanted.get(function, False)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kicker", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        import urllib3  # 30 ms, which no start waits for here

        pool = urllib3.PoolManager()
        while True:
            with self._changed:
                while not self._wanted and not self._closed:
                    self._changed.wait()
                if not self._wanted:
                    return
                function, help_ = self._wanted.popitem()
            try:
                mark = self._marks.begin_kick(function, help_=help_)
                if mark and not self._send(pool, function):
                    self._marks.kick_failed(function, mark)
            except PyMongoError as error:
                log.info("kicks of %s are not marked: %s", function, type(error).__name__)
                self._send(pool, function)

    def _send(self, pool: PoolManager, function: str) -> bool:
        """Whether the kick has arrived."""
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        url = self._url.replace("{function}", function)
        try:
            answer = pool.request("POST", url, body=b"", timeout=Timeout(**_TIMEOUTS), retries=False)
        except ReadTimeoutError:
            return True  # it is at work
        except HTTPError as error:
            log.info("kick of %s failed, its schedule will find the work: %s", function, type(error).__name__)
            return False
        return answer.status < 400
