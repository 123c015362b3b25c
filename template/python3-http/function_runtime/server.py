"""Waitress, with bodies that are bounded, errors that are problem documents, and an end that loses no call."""

import logging
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from types import FrameType
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask

from function_runtime import problems
from function_runtime.drain import Drain
from function_runtime.settings import Settings
from function_runtime.wsgi import Application

log = logging.getLogger("function")

# How much of a body that is too long is read and dropped, so that the caller gets its answer and keeps its connection.
# Beyond it the connection is cut.
DROPPED_BYTES = 64 << 20
# Output waiting for a slow reader before its stream is paused.
OUTPUT_BYTES = 1 << 20
# The head of an answer goes out with its first bytes unless these are more.
TOGETHER_BYTES = 64 << 10
CONNECTIONS = 1000
# Longer than any client of ours keeps an idle connection (of-watchdog: 0.5 s), so that it is the client who closes.
IDLE_SECONDS = 120
POLL_SECONDS = 1.0
DRAIN_POLL_SECONDS = 0.02
CODES = {400: "request.invalid", 413: "body.too_large", 431: "headers.too_large", 501: "request.unsupported"}


class BoundedBody:
    """A request body that counts all its bytes and keeps the first `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._kept = BytesIO()

    def append(self, data: bytes) -> None:
        room = self._limit - self._count
        if room > 0:
            self._kept.write(data[:room])
        self._count += len(data)

    def __len__(self) -> int:
        return self._count

    def getfile(self) -> BytesIO:
        self._kept.seek(0)
        return self._kept

    def close(self) -> None:
        self._kept.close()


class Parser(HTTPRequestParser):  # type: ignore[misc]
    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            # Waitress takes the first. A server in front that takes the second sees other requests than we do.
            raise ParsingError("Transfer-Encoding and Content-Length exclude each other")
        if self.body_rcv is not None:
            # inbuf_overflow is where Waitress would begin to write a body to a file: here, the longest body.
            self.body_rcv.buf = BoundedBody(self.adj.inbuf_overflow)


class HeadWithBody:
    """For a task of Waitress, named before its class: it writes the head of an answer with the first bytes."""

    def write(self: Any, data: bytes) -> None:
        if self.wrote_header or len(data) > TOGETHER_BYTES:
            super().write(data)  # type: ignore[misc]
        else:
            with self.channel.at_once():
                super().write(data)  # type: ignore[misc]


class Task(HeadWithBody, WSGITask):  # type: ignore[misc]
    """A call."""


class ProblemTask(HeadWithBody, ErrorTask):  # type: ignore[misc]
    """What Waitress refuses itself, before it is a call."""

    def execute(self) -> None:
        error = self.request.error
        status = HTTPStatus(error.code)
        server_side = status is HTTPStatus.INTERNAL_SERVER_ERROR
        detail = "The function failed. Its log has more." if server_side else str(error.body)
        content = problems.document(status, CODES.get(status.value, "internal"), detail)
        if not server_side:
            log.warning("refused a request", extra={"status": status.value, "reason": detail})
        self.status = f"{status.value} {status.phrase}"
        self.response_headers = [("Content-Type", problems.CONTENT_TYPE)]
        self.set_close_on_finish()
        self.content_length = len(content)
        self.write(content)


class Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = Parser
    task_class = Task
    error_task_class = ProblemTask
    # When the request that is being read began, and when a thread took the one that is being answered.
    reading_since: float | None = None
    writing_since: float | None = None
    _held: list[bytes] | None = None

    def received(self, data: bytes) -> Any:
        self.writing_since = None
        result = super().received(data)
        self.reading_since = (self.reading_since or time.monotonic()) if self.request else None
        return result

    def service(self) -> None:
        self.writing_since = time.monotonic()
        super().service()

    def write_soon(self, data: Any) -> int:
        if self._held is None:
            return int(super().write_soon(data))
        self._held.append(data)
        return len(data)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is written meanwhile goes out together: to wake the caller twice can take a tenth of a call."""
        self._held = held = []
        try:
            yield
        finally:
            self._held = None
        self.write_soon(b"".join(held))

    def too_slow(self, read_seconds: float, write_seconds: float) -> bool:
        """Whether a caller takes too long: a byte now and then is enough to seem busy."""
        now = time.monotonic()
        if self.requests or (self.total_outbufs_len and not self.request):
            return self.writing_since is not None and now - self.writing_since > write_seconds
        return self.reading_since is not None and now - self.reading_since > read_seconds

    @property
    def busy(self) -> bool:
        """A request is being read or served, or its answer is not yet with the kernel."""
        return bool(self.request or self.requests or self.total_outbufs_len)


class Server(TcpWSGIServer):  # type: ignore[misc]
    channel_class = Channel
    _checked = 0.0

    def cut_off_slow_callers(self, read_seconds: float, write_seconds: float) -> None:
        """Closes their connections, once a second. As of-watchdog does it, but its limits hold without it, too.

        To be called between two polls: within one, the number of a connection just closed may soon be another's.
        """
        now = time.monotonic()
        if now - self._checked < POLL_SECONDS:
            return
        self._checked = now
        for channel in list(self.active_channels.values()):
            if channel.too_slow(read_seconds, write_seconds):
                channel.handle_close()  # not will_close: that waits until the caller takes something


def serve(application: Application, listener: socket.socket, settings: Settings, drain: Drain) -> None:
    """Serve calls; returns when SIGTERM or SIGINT came and the drain is over. For the main thread."""
    server = Server(
        application,
        _sock=listener,
        bind_socket=False,
        adj=Adjustments(
            sockets=[listener],
            threads=settings.threads,
            ident=None,
            clear_untrusted_proxy_headers=True,
            connection_limit=CONNECTIONS,
            channel_timeout=IDLE_SECONDS,
            asyncore_use_poll=True,
            inbuf_overflow=settings.max_body_bytes,
            max_request_body_size=settings.max_body_bytes + DROPPED_BYTES,
            outbuf_high_watermark=OUTPUT_BYTES,
            # A call whose caller hung up still runs: callers who only give a kick need not wait.
            channel_request_lookahead=0,
        ),
        sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
    )

    def stop(number: int, _frame: FrameType | None) -> None:
        drain.begin(wait_for_more=number == signal.SIGTERM)
        server.pull_trigger()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("serving", extra={"address": _address(listener)})
    while not drain.over(busy=_busy(server)):
        timeout = DRAIN_POLL_SECONDS if drain.begun else POLL_SECONDS
        wasyncore.loop(timeout=timeout, use_poll=True, map=server._map, count=1)
        server.cut_off_slow_callers(settings.read_seconds, settings.write_seconds)
    # Not task_dispatcher.shutdown(): it waits for threads, and those that still run are out of time.
    wasyncore.close_all(server._map)


def _busy(server: Any) -> bool:
    return any(channel.busy for channel in server.active_channels.values())


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
