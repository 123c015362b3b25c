"""Stands in for the OpenFaaS gateway and cron-connector: `python -m local.router`, on 127.0.0.1.

It forwards `/function/NAME` to the function and calls functions with a schedule on time. It has no asynchronous queue:
a kick is a plain call. The kicker hangs up after half a second, and the worker goes on.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from local.proxy import Proxy
from local.schedule import keep_schedule

PATH = r"/function/{tail:[\s\S]+}"  # %0A, a line end, may be in it


def log(message: str, **fields: Any) -> None:
    """Writes one line of JSON to stderr."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print(json.dumps({"time": now, "logger": "router", "message": message, **fields}), file=sys.stderr, flush=True)


async def application(routes: Mapping[str, Mapping[str, str | None]]) -> web.Application:
    """The router for these functions, given as `{name: {url, schedule}}`."""
    proxy = Proxy({name: str(route["url"]) for name, route in routes.items()})

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="OK\n")

    async def background(_: web.Application) -> AsyncIterator[None]:
        schedules = {name: expression for name, route in routes.items() if (expression := route.get("schedule"))}
        tasks = [asyncio.create_task(keep_schedule(proxy, *schedule, log)) for schedule in schedules.items()]
        yield
        for task in tasks:
            task.cancel()
        await proxy.close()

    app = web.Application()
    app.router.add_get("/healthz", healthy)
    app.router.add_route("*", PATH, proxy.forward)
    app.cleanup_ctx.append(background)
    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="local.router", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--routes", type=Path, required=True, help="a JSON file: {function: {url, schedule}}")
    options = parser.parse_args()
    web.run_app(
        application(json.loads(options.routes.read_text())),
        host="127.0.0.1",
        port=options.port,
        print=None,
        access_log=None,
        shutdown_timeout=2.0,
        auto_decompress=False,
        handler_cancellation=True,  # a caller who hangs up frees the router's connection to the function
    )


if __name__ == "__main__":
    main()
