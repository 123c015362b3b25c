"""A program that calls an API with a key, without a server: through the function's WSGI application."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.test import Client as WsgiClient
from werkzeug.test import TestResponse

from mailroom.web.endpoints import Route, routes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """A program with a key."""

    app: Any
    key: str
    key_id: str = ""

    @property
    def routes(self) -> list[Route]:
        assert isinstance(self.app, Flask)
        return list(routes(self.app))

    def call(
        self,
        method: str,
        path: str = "/",
        body: Any = b"",
        query: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """`body` is sent as JSON unless it is bytes."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = ({"Authorization": f"Bearer {self.key}"} if self.key else {}) | (headers or {})
        answer = WsgiClient(self.app).open(
            path, method=method, data=raw, query_string=query or None, headers=sent, buffered=True
        )
        return Answer(answer.status_code, dict(answer.headers), answer.get_data())

    def stream(self, path: str, **query: str) -> TestResponse:
        """An answer with an unread body: iterate over `response`, and close it."""
        return WsgiClient(self.app).get(path, query_string=query, headers={"Authorization": f"Bearer {self.key}"})

    def get(self, path: str = "/", headers: dict[str, str] | None = None, **query: str) -> Answer:
        return self.call("GET", path, query=query, headers=headers)
