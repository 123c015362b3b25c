"""A TCP proxy that cuts connections. It runs asyncio in its own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

CHUNK = 4096


class Proxy:
    """Forwards connections to `host:port` within `with`. Thread-safe.

    `allow` returns, for each new connection, the number of bytes (both ways together) after which it is cut, or None.
    """

    def __init__(self, host: str, port: int, allow: Callable[[], int | None]) -> None:
        self._target = (host, port)
        self._allow = allow
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self.cuts = 0

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Cuts every open connection."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut()

    async def _cut(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, to_them = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        left = _Left(self._allow())
        passing = [
            asyncio.create_task(_pass(reader, to_them, left)),
            asyncio.create_task(_pass(theirs, writer, left)),
        ]
        try:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the proxy ends; a server of asyncio would complain of a cancelled connection
            pass
        finally:
            self.cuts += left.none
            for task in passing:
                task.cancel()
            for each in (writer, to_them):
                each.transport.abort()  # a reset, like a broken network: nothing is flushed


class _Left:
    """The number of bytes that a connection may still carry."""

    def __init__(self, count: int | None) -> None:
        self._count = count

    @property
    def none(self) -> bool:
        return self._count is not None and self._count <= 0

    def take(self, wanted: int) -> int:
        if self._count is None:
            return wanted
        taken = min(wanted, self._count)
        self._count -= taken
        return taken


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: _Left) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data[: left.take(len(data))])
        await writer.drain()
        if left.none:
            return
