"""Serves the metrics to Prometheus on a port of their own: strangers reach only the function.

The client library of Prometheus is imported when the metrics are first read, so that no start waits for it.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from function_runtime.metrics import Calls

log = logging.getLogger("function")

READ_SECONDS = 10  # how long a reader of the metrics may keep its thread waiting


class _Collector:
    """Everything there is to tell, for the registry of the client library."""

    def __init__(self, calls: Calls, of_the_function: Callable[[], Iterable[Any]]) -> None:
        self._calls, self._of_the_function = calls, of_the_function

    def describe(self) -> list[Any]:
        """Empty, so that registering collects nothing."""
        return []

    def collect(self) -> Iterator[Any]:
        yield from self._calls.collect()
        try:
            yield from self._of_the_function()
        except Exception:
            log.warning("the function's own metrics are missing", exc_info=True)


def serve(address: tuple[str, int], calls: Calls, of_the_function: Callable[[], Iterable[Any]]) -> None:
    """Serve `GET /metrics` at `address` in the background, until the process ends. Raises OSError."""
    lock = threading.Lock()
    registry: Any = None

    def page() -> bytes:
        nonlocal registry
        from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
        from prometheus_client.exposition import generate_latest

        with lock:
            if registry is None:
                registry = CollectorRegistry(auto_describe=False)
                for collector in (ProcessCollector, PlatformCollector, GCCollector):
                    collector(registry=registry)
                registry.register(_Collector(calls, of_the_function))
        # Without the lock: the function may wait for a server, and another reader need not wait for that.
        return bytes(generate_latest(registry))

    class Handler(BaseHTTPRequestHandler):
        timeout = READ_SECONDS

        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404)
                return
            content = page()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape every 15 s is no news."""

    server = ThreadingHTTPServer(address, Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    log.info("metrics", extra={"address": f"http://{address[0]}:{server.server_address[1]}/metrics"})
