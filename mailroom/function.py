"""A function, from its settings and secrets; made anew when the connection string of MongoDB changes.

A client of MongoDB keeps the credentials that it was made with. Every other secret is read whenever it is needed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mailroom.errors import MailroomError
from mailroom.services import Services

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from mailroom.platform.metrics import Metrics

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0

Handler = Callable[..., Any]


class Function:
    """Passes each call on to what `make` made: a WSGI application, or a handler of events."""

    def __init__(
        self,
        make: Callable[[Services], Handler],
        services: Callable[[], Services],
        make_metrics: Callable[[Services], Metrics],
    ) -> None:
        """Raises what `make` and `services` do: a function with wrong settings, or without a secret, does not start.

        `make_metrics` is called when the metrics are first read.
        """
        self._make, self._new_services, self._make_metrics = make, services, make_metrics
        self._metrics: Metrics | None = None
        self._lock = threading.Lock()
        self._made: list[Services] = []
        self._start()

    def __call__(self, *call: Any) -> Any:
        """Serves one call. A call that began before a change ends with the former connections."""
        self._follow_secret()
        return self._handler(*call)

    def metrics(self) -> Iterator[Metric]:
        """The function's metrics, as Prometheus' client library has them. Blocks for some seconds at most."""
        self._follow_secret()
        with self._lock:
            if self._metrics is None:
                self._metrics = self._make_metrics(self._made[-1])
            metrics = self._metrics
        return metrics.collect()

    def close(self) -> None:
        """Closes every connection, including old ones kept for calls that began before a change."""
        for services in self._made:
            services.close()

    def _follow_secret(self) -> None:
        with self._lock:
            if time.monotonic() - self._checked > CHECK_SECONDS:
                self._check()

    def _start(self) -> None:
        services = self._new_services()
        self._checked, self._uri = time.monotonic(), services.mongodb_uri()
        self._handler = self._make(services)
        self._made.append(services)
        self._metrics = None

    def _check(self) -> None:
        self._checked = time.monotonic()
        try:
            if self._made[-1].mongodb_uri() == self._uri:
                return
            self._start()
        except MailroomError:  # the file is being written, or holds a mistake: the old connection goes on
            log.exception("the new connection string of MongoDB cannot be used")
        else:
            log.info("the connection string of MongoDB has changed, and is used from now on")
