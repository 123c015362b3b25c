"""Kicks: telling a worker function that there is work. Best effort; a lost kick costs waiting for the schedule."""

from __future__ import annotations

import logging
import threading

log = logging.getLogger(__name__)

IMPORTER, SENDER = "invoice-importer", "notification-sender"

# Behind a gateway's asynchronous route the answer is immediate; without one the worker answers when its work is done,
# and nobody waits for that.
_TIMEOUTS = {"connect": 1.0, "read": 0.5}  # seconds


class Kicker:
    """Kicks functions at `url`, where `{function}` stands for the name. An empty `url` kicks nobody.

    `kick` returns at once. Kicks that come while one is under way become a single further one: a thousand uploads do
    not become a thousand calls, and none is forgotten.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._wanted: set[str] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def kick(self, function: str) -> None:
        if not self._url:
            return
        with self._changed:
            self._wanted.add(function)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kicker", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Sends what is still wanted; waits at most as long as one call may take."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join(sum(_TIMEOUTS.values()))

    def _run(self) -> None:
        import urllib3  # 30 ms, which no start waits for here

        pool = urllib3.PoolManager()
        while True:
            with self._changed:
                while not self._wanted and not self._closed:
                    self._changed.wait()
                if not self._wanted:
                    return
                function = self._wanted.pop()
            url = self._url.replace("{function}", function)
            try:
                pool.request("POST", url, body=b"", timeout=urllib3.Timeout(**_TIMEOUTS), retries=False)
            except urllib3.exceptions.ReadTimeoutError:
                pass  # it is at work
            except urllib3.exceptions.HTTPError as error:
                log.info("kick of %s failed, its schedule will find the work: %s", function, type(error).__name__)
