"""A program that webhooks call: it keeps what it was told, and answers what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.support.http_server import Answer, serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # pragma: allowlist secret


@dataclass
class Receiver:
    """`received` has the headers and the body of each call. It answers `status`, once `gate` is open."""

    url: str = ""
    status: int = 204
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.received]

    def verified(self, secret: str = SECRET) -> list[Any]:
        """The bodies, each checked by the library that receivers use."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.received]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.gate.set()

    def answer(call: BaseHTTPRequestHandler) -> Answer:
        body = call.rfile.read(int(call.headers["Content-Length"]))
        receiver.received.append(({name.lower(): value for name, value in call.headers.items()}, body))
        receiver.gate.wait(60)
        return receiver.status, {}, b""

    with serving(answer) as address:
        receiver.url = f"http://{address}/hooks"
        try:
            yield receiver
        finally:
            receiver.gate.set()
