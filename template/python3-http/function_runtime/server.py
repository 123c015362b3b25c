"""Waitress, with bounded bodies and buffers, and an end that loses no call."""

import logging
import signal
import socket
import threading
from typing import Any
from wsgiref.types import WSGIApplication

import waitress

from function_runtime.calls import PIECE_BYTES
from function_runtime.drain import Drain
from function_runtime.settings import Settings

log = logging.getLogger("function")

CONNECTIONS = 1000
# A longer body is in a file.
BODY_BYTES_IN_MEMORY = 1 << 20
# Longer than any client of ours keeps an idle connection (of-watchdog: 0.5 s), so that it is the client who closes.
IDLE_SECONDS = 120


def serve(app: WSGIApplication, listener: socket.socket, settings: Settings, drain: Drain) -> None:
    """Serve calls until SIGTERM or SIGINT came and the drain is over. For the main thread.

    A body of up to MAX_BODY_BYTES, and of up to 1 MiB, is in memory. A longer one is in a file without a name in the
    folder for temporary files; above MAX_BODY_BYTES it is answered 413. Beyond twice MAX_BODY_BYTES Waitress answers
    413 itself and ends the connection. So that folder holds at most 1000 (connections) times twice MAX_BODY_BYTES.
    """
    server = waitress.create_server(
        app,
        sockets=[listener],
        threads=settings.threads,
        ident=None,
        connection_limit=CONNECTIONS,
        channel_timeout=IDLE_SECONDS,
        asyncore_use_poll=True,
        inbuf_overflow=min(settings.max_body_bytes, BODY_BYTES_IN_MEMORY) + 1,
        max_request_body_size=2 * settings.max_body_bytes + 1,
        outbuf_high_watermark=PIECE_BYTES,
        # The function decides whom it believes: only the gateway's network reaches it.
        clear_untrusted_proxy_headers=False,
    )
    signal.signal(signal.SIGTERM, drain.signal)
    signal.signal(signal.SIGINT, drain.signal)
    threading.Thread(target=_run, args=(server, drain), name="server", daemon=True).start()
    log.info("serving", extra={"address": _address(listener)})
    if drain.wait():
        server.close()  # no new connections; not while calls are in flight, which may still need the server


def _run(server: Any, drain: Drain) -> None:
    try:
        server.run()
    finally:
        drain.signal(signal.SIGTERM)  # a process without its server is of no use


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
