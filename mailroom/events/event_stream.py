"""MinIO's stream of events: what happens in a bucket is heard at once, and only by those who listen just then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import urllib3
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import ReadTimeoutError

from mailroom.errors import MailroomError, Unavailable
from mailroom.events.s3_event import EVENT_NAMES
from mailroom.platform import objects
from mailroom.platform.objects import translated_errors

Record = dict[str, Any]

_CONTENT_TYPE = "text/event-stream"


class NoEventStream(MailroomError):
    """The S3 server answers something else: it has no stream of events."""


class EventStream:
    """Listens to the events that bring new bytes into a bucket.

    A stream ends with the first fault. MinIO sends a byte twice a second, so `timeout` seconds without one are a fault.
    """

    def __init__(
        self, endpoint: str, region: str, keys: Callable[[], tuple[str, str]], timeout: float, bucket: str
    ) -> None:
        self._endpoint, self._region, self._keys, self._timeout = endpoint, region, keys, timeout
        self._bucket = bucket

    def listen(self, opened: Callable[[], None]) -> Iterator[Record]:
        """The records of the events from now on; calls `opened` once it hears. Keys of objects are plain text in them.

        Raises:
            NoEventStream, Unavailable, ObjectGone (there is no such bucket), MissingSecret. It never ends otherwise.
        """
        pool = _OneAnswer(opened, timeout=urllib3.Timeout(connect=min(self._timeout, 3.0), read=self._timeout))
        client = objects.connect(self._endpoint, self._region, self._keys, self._timeout, pool)
        with translated_errors(), client.listen_bucket_notification(self._bucket, events=EVENT_NAMES) as events:
            for event in events:
                yield from event["Records"]


class _OneAnswer(urllib3.PoolManager):
    """Asks once. minio-py would begin a new stream by itself, without a pause and without telling."""

    def __init__(self, opened: Callable[[], None], **options: Any) -> None:
        super().__init__(retries=False, **options)
        self._opened = opened
        self._asked = False

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> BaseHTTPResponse:  # type: ignore[override]
        if self._asked:
            raise Unavailable("the object store has ended the stream of events")
        self._asked = True
        try:
            answer = super().urlopen(method, url, redirect, **options)
        except ReadTimeoutError as error:
            raise Unavailable(
                "the S3 server takes the request and sends no stream. It hangs, or it is a MinIO that keeps its stream "
                "back: docs/storage.md#events-at-once"
            ) from error
        if answer.status == 200:
            if answer.headers.get("Content-Type", "").partition(";")[0] != _CONTENT_TYPE:
                answer.close()
                raise NoEventStream("the S3 server has no stream of events: only MinIO has one")
            self._opened()
            return cast(BaseHTTPResponse, _Lines(answer))
        return answer


class _Lines:
    """An answer that minio-py reads line by line. urllib3 itself would read it byte by byte: 5 ms an event, not 0.2.

    The spaces that MinIO sends while nothing happens are dropped, so they take no memory, however long that is.
    """

    def __init__(self, answer: BaseHTTPResponse) -> None:
        self._answer = answer
        self._rest = b""

    @property
    def closed(self) -> bool:
        return not self._rest and self._answer.closed

    def readline(self) -> bytes:
        while b"\n" not in self._rest:
            piece = self._answer.read1()
            if not piece:
                break
            self._rest = (self._rest + piece).lstrip(b" ")
        line, end, self._rest = self._rest.partition(b"\n")
        return line + end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)
