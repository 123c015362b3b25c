"""Both APIs as a real HTTP server in a thread, with answers that a test sets. It notes what it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KEY = "mr_0123456789abcdef01234567_key"
SCOPES = ["invoices:read", "invoices:write", "notifications:read", "notifications:send"]
CODE = "a-one-time-code"


@dataclass(frozen=True)
class Asked:
    """A call that the API got."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FakeApi:
    """`answers` has (status, headers, body) for `METHOD path`, such as `GET invoices/imports`. Sessions work."""

    url: str = ""
    answers: dict[str, tuple[int, dict[str, str], Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    scopes: list[str] = field(default_factory=lambda: [*SCOPES])
    sessions: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=lambda: {CODE})

    def answer(self, call: str, body: Any = None, status: int = 200, **headers: str) -> None:
        """Sets the answer to `METHOD path`. Underscores in the names of headers stand for hyphens."""
        self.answers[call] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)

    def refuse(self, call: str, status: int, code: str, detail: str, **members: Any) -> None:
        """Answers a problem document from now on."""
        problem = {"type": "about:blank", "title": "", "status": status, "code": code, "detail": detail} | members
        retry = {"Retry-After": str(members["retry_after"])} if "retry_after" in members else {}
        self.answers[call] = (status, {"Content-Type": "application/problem+json", **retry}, problem)

    def calls(self, name: str) -> list[Asked]:
        """What was asked of `METHOD path`."""
        return [each for each in self.asked if f"{each.method} {each.path}" == name]

    def _serve(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        self.asked.append(asked)
        name, token = f"{asked.method} {asked.path}", asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if name == "POST invoices/sessions" and name not in self.answers:
            return self._open(asked, token)
        if token not in self.sessions:
            return 401, {}, {"status": 401, "code": "auth.key", "detail": "the key is not valid"}
        if name in self.answers:
            return self.answers[name]
        if name == "GET invoices/sessions/current":
            times = {"expiresAt": "2031-01-31T12:00:00.000Z", "idleExpiresAt": "2031-01-31T01:00:00.000Z"}
            return 200, {}, {"name": "Anna <accountant>", "scopes": self.scopes, **times}
        if name == "DELETE invoices/sessions/current":
            self.sessions.discard(token)
            return 204, {}, None
        return 404, {}, {"status": 404, "code": "path.unknown", "detail": "there is nothing at this path"}

    def _open(self, asked: Asked, token: str) -> tuple[int, dict[str, str], Any]:
        code = (asked.json() or {}).get("code")
        if token != KEY and code not in self.codes:
            return 401, {}, {"status": 401, "code": "auth.key", "detail": "the key is not valid"}
        self.codes.discard(code)
        made = f"session-{len(self.asked)}"
        self.sessions.add(made)
        return 201, {}, {"token": made, "name": "Anna", "scopes": self.scopes, "expiresAt": None, "idleSeconds": 3600}


@contextmanager
def fake_api() -> Iterator[FakeApi]:
    """A server that runs within the block."""
    fake = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = url.path.removeprefix("/function/")
            status, headers, answer = fake._serve(
                Asked(self.command, path, dict(parse_qsl(url.query)), dict(self.headers), body)
            )
            content = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            usual = {"Content-Type": "application/json", "Content-Length": str(len(content))}
            for name, value in (usual | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._do)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
