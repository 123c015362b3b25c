"""The listener: hears of uploads on MinIO's event stream and hands them on to `invoice-events` at once.

MinIO's queue brings the same events a few seconds later, and an event that comes twice makes one import. So the
listener may lose events: it keeps nothing, tries nothing twice, and may be killed at any time.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from mailroom.errors import InvalidSetting, MailroomError, MissingSecret
from mailroom.events.event_stream import EventStream, Record
from mailroom.platform import secrets
from mailroom.platform.retries import Retries
from mailroom.services import Services

log = logging.getLogger(__name__)

_PAUSES = Retries(first=0.5, longest=15.0, give_up=math.inf)
_STEADY_SECONDS = 10.0  # after a stream that lasted this long, the first pause is short again
_MOST_AT_ONCE = 100  # records in one call: about 150 kB
_MOST_WAITING = 10_000
_CALL_SECONDS = 10.0
_LAST_SECONDS = 2.5  # the runtime gives a function 3 s to close


class NotHandedOn(MailroomError):
    """`invoice-events` did not take the records. The message says why."""


class HandoverRefused(NotHandedOn):
    """`invoice-events` refuses our call, and will refuse the next one: the token or the URL is wrong."""


class Handover:
    """Gives records to `invoice-events` as MinIO would: the same body, the same token."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        """`token` gives the text of the secret, which may hold several tokens, one a line."""
        self._url, self._token = url, token
        # The function may have closed a connection that was kept open: then a new one is tried.
        again = urllib3.Retry(total=1, allowed_methods=None, redirect=False)
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=1.0, read=_CALL_SECONDS), retries=again)

    def __call__(self, records: list[Record]) -> None:
        """Blocks until they are written. Raises `NotHandedOn` or `MissingSecret`."""
        body = msgspec.json.encode({"Records": [_with_quoted_key(each) for each in records]})
        headers = {"Authorization": f"Bearer {secrets.lines(self._token())[0]}", "Content-Type": "application/json"}
        try:
            answer = self._pool.request("POST", self._url, body=body, headers=headers)
        except HTTPError as error:
            raise NotHandedOn(f"{self._url} does not answer: {type(error).__name__}") from error
        if answer.status != HTTPStatus.OK:
            refused = 400 <= answer.status < 500 and answer.status != HTTPStatus.TOO_MANY_REQUESTS
            raise (HandoverRefused if refused else NotHandedOn)(f"{self._url} answers {answer.status}")


def _with_quoted_key(record: Record) -> Record:
    """The record as a webhook gets it. There the key is query-escaped, in the stream it is not."""
    found = record["s3"]["object"]
    return record | {"s3": record["s3"] | {"object": found | {"key": quote_plus(found["key"])}}}


class Listener:
    """Two threads: one listens, one hands on, with one call at a time. What comes meanwhile goes into the next call."""

    def __init__(
        self, listen: Callable[[Callable[[], None]], Iterator[Record]], hand_on: Callable[[list[Record]], None]
    ) -> None:
        """`listen` is asked for a new stream whenever one has ended; see `EventStream.listen`."""
        self._listen, self._hand_on = listen, hand_on
        self._waiting: deque[Record] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._listening = self._refused = False
        self._handed_on = self._left = 0
        self._sender = threading.Thread(target=self._send_all, name="hand on", daemon=True)

    def start(self) -> None:
        self._sender.start()
        threading.Thread(target=self._listen_always, name="listen", daemon=True).start()

    def ready(self) -> bool:
        """Whether events are heard now, and `invoice-events` has not refused the last ones."""
        return self._listening and not self._refused and not self._closing.is_set()

    def state(self, _event: Any = None, _context: Any = None) -> dict[str, Any]:
        """What a call of the listener answers. `left`: events that MinIO's queue alone brings."""
        return {"body": {"listening": self._listening, "handedOn": self._handed_on, "left": self._left}}

    def close(self) -> None:
        """Stops listening, and hands on what was heard until then."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._sender.join(_LAST_SECONDS)

    def _listen_always(self) -> None:
        failures = 0
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                for record in self._listen(self._opened):
                    self._take(record)
                reason = "it ended"
            except MailroomError as error:
                reason = str(error)
            except Exception as error:
                log.exception("the stream of events cannot be read")
                reason = type(error).__name__
            self._listening = False
            failures = 1 if time.monotonic() - began > _STEADY_SECONDS else failures + 1
            pause = _PAUSES.wait(failures)
            log.warning("no stream of events: %s", reason, extra={"nextTrySeconds": round(pause, 1)})
            self._closing.wait(pause)

    def _opened(self) -> None:
        self._listening = True
        log.info("listening to events")

    def _take(self, record: Record) -> None:
        with self._changed:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(record)
                self._changed.notify()
            else:
                self._left += 1

    def _send_all(self) -> None:
        while records := self._next():
            try:
                self._hand_on(records)
            except Exception as error:
                self._left += len(records)
                self._refused = isinstance(error, HandoverRefused | MissingSecret)
                reason = str(error) if isinstance(error, MailroomError) else repr(error)
                log.warning("events are left to the queue: %s", reason, extra={"events": len(records)})
            else:
                self._handed_on += len(records)
                self._refused = False
                log.debug("events were handed on", extra={"events": len(records)})

    def _next(self) -> list[Record]:
        """The records that wait, once there are some; at the end none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_AT_ONCE))]


def create_listener(services: Services) -> Listener:
    """The listener, with its services. Raises `InvalidSetting` where there is nothing to listen to."""
    settings, read = services.settings, services.secrets.read
    if settings.events != "webhook":
        raise InvalidSetting("EVENTS is 'poll': the importer lists the bucket, and a listener has no use. Stop it")
    stream = EventStream(
        settings.s3_endpoint,
        settings.s3_region,
        lambda: (read(secrets.S3_ACCESS_KEY), read(secrets.S3_SECRET_KEY)),
        settings.s3_timeout_seconds,
        settings.invoices_bucket,
    )
    return Listener(stream.listen, Handover(settings.events_url, lambda: read(secrets.WEBHOOK_TOKEN)))
