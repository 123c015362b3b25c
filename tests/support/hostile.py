"""Hostile requests, byte for byte."""

from __future__ import annotations

import socket

SECONDS = 10

# Headers over a body of `0\r\n\r\n` that one server may read as another length than the next.
AMBIGUOUS = (
    b"Content-Length: 6\r\nContent-Length: 0",
    b"Content-Length: 0, 6",
    b"Content-Length: +0",
    b"Content-Length: 0x0",
    b"Content-Length: -1",
    b"Content-Length : 0",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"X: a\n\nGET /smuggled HTTP/1.1",
    b"X: a\rContent-Length: 0",
    b"X\0: a",
)


def sent(port: int, data: bytes, buffer: int = 0, host: str = "127.0.0.1") -> socket.socket:
    """Sends `data` over a new connection. `buffer` is the size of its receive buffer in bytes."""
    client = socket.socket()
    if buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(SECONDS)
    client.connect((host, port))
    client.sendall(data)
    return client


def everything(port: int, data: bytes, host: str = "127.0.0.1") -> bytes:
    """All bytes received until the connection ends."""
    answered = b""
    with sent(port, data, host=host) as client:
        try:
            while more := client.recv(1 << 16):
                answered += more
        except ConnectionResetError:
            pass
    return answered
