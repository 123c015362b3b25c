"""Calls accepted now and made soon, as by the gateway's async route. They are lost when the router ends."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import ClientError, web
from yarl import URL

from local.proxy import CALL_ID, Proxy, UnknownFunctionError, passed_on

CAPACITY = 1000


class QueueFullError(Exception):
    """No more calls are taken."""


@dataclass(frozen=True)
class Call:
    """One accepted call."""

    id: str
    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes


class CallQueue:
    """A bounded queue and what its workers do. One call is tried once; its answer goes to the log only."""

    WORKERS = 4

    def __init__(self, proxy: Proxy, log: Callable[..., None]) -> None:
        self._proxy = proxy
        self._log = log
        self._calls: asyncio.Queue[Call] = asyncio.Queue(CAPACITY)

    def put(self, request: web.Request, body: bytes) -> str:
        """Accepts a call and answers its id. Raises QueueFullError; 404 for a function that is unknown."""
        headers = passed_on(request.headers)
        headers.popall("Content-Length", None)
        call_id = headers.setdefault(CALL_ID, str(uuid.uuid4()))
        try:
            url = self._proxy.url(request.raw_path)
            self._calls.put_nowait(Call(call_id, request.method, url, headers, body))
        except UnknownFunctionError as error:
            raise web.HTTPNotFound(text=f"{error}\n") from error
        except asyncio.QueueFull as error:
            raise QueueFullError(f"{CAPACITY} calls are waiting already.") from error
        return call_id

    async def work(self) -> None:
        """Makes calls until cancelled."""
        while True:
            call = await self._calls.get()
            started = time.monotonic()
            try:
                async with await self._proxy.call(call.method, call.url, call.headers, call.body) as answer:
                    await answer.read()
                    outcome: dict[str, object] = {"status": answer.status}
            except (ClientError, TimeoutError) as error:
                outcome = {"error": str(error) or type(error).__name__}
            elapsed = round((time.monotonic() - started) * 1000)
            self._log("async call", path=call.url.path, callId=call.id, durationMs=elapsed, **outcome)
