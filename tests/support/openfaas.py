"""A stand-in for the gateway of OpenFaaS, as far as `make doctor` asks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.support import http_server


@contextmanager
def gateway(answer: Callable[[str], object]) -> Iterator[str]:
    """Answers each GET that carries a login with `answer(path)`, as JSON. Yields its URL."""

    def respond(call: BaseHTTPRequestHandler) -> http_server.Answer:
        known = call.headers.get("Authorization", "").startswith("Basic ")
        return 200 if known else 401, {}, json.dumps(answer(call.path) if known else None).encode()

    with http_server.serving(respond) as host:
        yield f"http://{host}"
