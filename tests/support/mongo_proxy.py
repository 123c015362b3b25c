"""A proxy in front of MongoDB that sees each command, and can answer, hold up or cut off instead of the server."""

from __future__ import annotations

import itertools
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import bson

Command = dict[str, Any]
Reply = dict[str, Any]
Intercept = Callable[[Command], Reply | None]

OP_MSG = 2013
_HEADER = struct.Struct("<iiii")  # size, id, id of the request, kind
_CHECKSUM = 1  # a flag: the last four bytes are a checksum
_BODY, _SEQUENCE = 0, 1  # kinds of sections


def failure(code: int, message: str = "made by a test") -> Reply:
    """The answer to a command that fails."""
    return {"ok": 0.0, "code": code, "codeName": f"Code{code}", "errmsg": message}


class MongoProxy:
    """Forwards connections to the server of `uri` within `with`.

    `intercept` is called with each command, in the thread of its connection. Its answer is sent to the client and the
    server sees nothing; None lets the command through. It may block. Tests may replace it at any time.
    """

    def __init__(self, uri: str) -> None:
        target = urlsplit(uri.strip())
        assert target.hostname
        assert target.port
        self._uri = target
        self._target = (target.hostname, target.port)
        self.intercept: Intercept = lambda _: None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        forward = self._forward

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                forward(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, name="proxy of MongoDB", daemon=True)

    @property
    def uri(self) -> str:
        """The address for clients. The connection is direct: the server would name its own address."""
        user = f"{self._uri.username}:{self._uri.password}@" if self._uri.username else ""
        options = "&".join([*filter(None, [self._uri.query]), "directConnection=true"])
        return f"mongodb://{user}127.0.0.1:{self._server.server_address[1]}{self._uri.path or '/'}?{options}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.cut()
        self._thread.join(10)

    def cut(self) -> None:
        """Cuts every open connection."""
        with self._lock:
            for each in self._open:
                _shut(each)

    def _forward(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, timeout=10)
        except OSError:
            return
        server.settimeout(None)
        with server:
            with self._lock:
                self._open |= {client, server}
            answers = threading.Thread(target=_copy, args=(server, client), daemon=True)
            answers.start()
            try:
                self._requests(client, server)
            except OSError:
                pass
            finally:
                for each in (client, server):
                    _shut(each)
                answers.join(10)
                with self._lock:
                    self._open -= {client, server}

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        numbers = itertools.count(1)
        while header := _read(client, _HEADER.size):
            size, request, _, kind = _HEADER.unpack(header)
            content = _read(client, size - _HEADER.size)
            reply = self.intercept(_command(content)) if kind == OP_MSG else None
            if reply is None:
                server.sendall(header + content)
            else:
                body = bytes(4) + bytes([_BODY]) + bson.encode(reply)
                client.sendall(_HEADER.pack(_HEADER.size + len(body), next(numbers), request, OP_MSG) + body)


def _command(content: bytes) -> Command:
    """The command of a message, with its document sequences as lists."""
    flags = int.from_bytes(content[:4], "little")
    at, end = 4, len(content) - (4 if flags & _CHECKSUM else 0)
    command: Command = {}
    sequences: dict[str, list[Any]] = {}
    while at < end:
        kind, size = content[at], int.from_bytes(content[at + 1 : at + 5], "little")
        section = content[at + 1 : at + 1 + size]
        if kind == _BODY:
            command = bson.decode(section)
        elif kind == _SEQUENCE:
            name, _, documents = section[4:].partition(b"\0")
            sequences[name.decode()] = bson.decode_all(documents)
        at += 1 + size
    return command | sequences


def _copy(source: socket.socket, to: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            to.sendall(data)
    except OSError:
        pass
    finally:
        _shut(to)


def _read(source: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes, or none if the connection ended. Raises OSError if it ended in between."""
    data = b""
    while len(data) < size:
        more = source.recv(size - len(data))
        if not more:
            if data:
                raise ConnectionResetError("the client ended a connection in the middle of a message")
            return b""
        data += more
    return data


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended already
        connection.shutdown(socket.SHUT_RDWR)
