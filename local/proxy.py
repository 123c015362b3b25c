"""Forwards HTTP calls to functions over a pool of connections. Path, query and body stay unchanged."""

import asyncio
import time
import uuid
from collections.abc import Mapping

from aiohttp import ClientConnectorError, ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict, CIMultiDictProxy, MultiMapping
from yarl import URL

CALL_SECONDS = 60.0  # the limit of the OpenFaaS gateway
RESTART_SECONDS = 3.0  # how long a call waits for a function that restarts
RETRY_SECONDS = 0.05
IDLE_SECONDS = 30.0  # functions keep an idle connection longer, so they never close it first
WHOLE_BYTES = 64 * 1024  # answers up to this size are read whole, larger ones are streamed
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",  # the router answers it
    "host",
}
CALL_ID = "X-Call-Id"


class UnknownFunctionError(LookupError):
    """stack.yml has no such function."""


class Proxy:
    """A pool of connections to each function. Make it in a running event loop, and close it at the end."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._session = ClientSession(
            connector=TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS),
            timeout=ClientTimeout(total=CALL_SECONDS, sock_connect=RESTART_SECONDS),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept", "Content-Type"),
        )

    async def close(self) -> None:
        await self._session.close()

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """The function's answer; else 404 (unknown), 502 (broke off), 503 (not running) or 504 (too slow)."""
        headers = end_to_end(request.headers)
        headers.setdefault(CALL_ID, str(uuid.uuid4()))
        headers["X-Forwarded-For"] = request.remote or ""
        headers["X-Forwarded-Host"] = request.host
        body = request.content if request.can_read_body else None
        try:
            url = self.url(request.raw_path)
            async with await self.call(request.method, url, headers, body) as answer:
                return await _send_back(request, answer)
        except UnknownFunctionError as error:
            return web.Response(status=404, text=f"{error}\n")
        except ClientConnectorError:
            return web.Response(status=503, text="The function is not running.\n", headers={"Retry-After": "1"})
        except TimeoutError:
            return web.Response(status=504, text=f"The function took more than {CALL_SECONDS:.0f} s.\n")
        except ClientError as error:
            return web.Response(status=502, text=f"The function broke off: {error}\n")

    def url(self, raw_path: str) -> URL:
        """The function's URL for `/function/NAME/rest?query`, still encoded. Raises UnknownFunctionError."""
        if not raw_path.startswith("/"):  # `http://host/...`, meant for a forward proxy
            raise UnknownFunctionError("Only paths are served.")
        path, mark, query = raw_path.partition("?")
        name, slash, rest = path.split("/", 2)[2].partition("/")
        if name not in self._urls:
            raise UnknownFunctionError(f"There is no function {name!r}.")
        return URL(f"{self._urls[name]}/{rest if slash else ''}{mark}{query}", encoded=True)

    async def call(self, method: str, url: URL, headers: Mapping[str, str], body: object) -> ClientResponse:
        """Starts a call. While nobody listens it tries again; `body` is sent once, after a connection is there."""
        deadline = time.monotonic() + RESTART_SECONDS
        while True:
            try:
                return await self._session.request(method, url, headers=headers, data=body, allow_redirects=False)
            except ClientConnectorError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(RETRY_SECONDS)


async def _send_back(request: web.Request, answer: ClientResponse) -> web.StreamResponse:
    headers = end_to_end(answer.headers)
    length = answer.content_length
    if length is not None and length <= WHOLE_BYTES and request.method != "HEAD":
        headers.popall("Content-Length", None)
        return web.Response(status=answer.status, headers=headers, body=await answer.read())
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    try:
        async with asyncio.timeout(CALL_SECONDS):  # a caller who does not read must not block for ever
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
    except (ClientError, TimeoutError):  # the status is sent already, so break the connection
        if request.transport:
            request.transport.abort()
    return response


def end_to_end(headers: CIMultiDictProxy[str] | MultiMapping[str]) -> CIMultiDict[str]:
    """The end-to-end headers: all but those for this connection only."""
    named = {name.strip().lower() for value in headers.getall("Connection", []) for name in value.split(",")}
    return CIMultiDict((key, value) for key, value in headers.items() if key.lower() not in HOP_BY_HOP | named)
