"""Calls functions at the times of their cron expressions, in UTC, as cron-connector does."""

import asyncio
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import ClientError
from croniter import croniter  # type: ignore[import-untyped]

from local.proxy import CALL_ID, Proxy


async def keep_schedule(proxy: Proxy, name: str, expression: str, log: Callable[..., None]) -> None:
    """Calls the function until cancelled. A running call does not delay the next one."""
    running: set[asyncio.Task[None]] = set()
    while True:
        await asyncio.sleep(_seconds_to_next(expression, datetime.now(UTC)))
        call = asyncio.create_task(_fire(proxy, name, log))
        running.add(call)
        call.add_done_callback(running.discard)


def _seconds_to_next(expression: str, now: datetime) -> float:
    """From `now` to the next time that matches, plus a little: waking too early would call twice."""
    following: datetime = croniter(expression, now).get_next(datetime)
    return (following - now).total_seconds() + 0.01


async def _fire(proxy: Proxy, name: str, log: Callable[..., None]) -> None:
    call_id = str(uuid.uuid4())
    started = time.monotonic()
    try:
        async with await proxy.call("POST", proxy.url(f"/function/{name}"), {CALL_ID: call_id}, b"") as answer:
            await answer.read()
            outcome: dict[str, object] = {"status": answer.status}
    except (ClientError, TimeoutError) as error:
        outcome = {"error": str(error) or type(error).__name__}
    log("schedule", function=name, callId=call_id, durationMs=round((time.monotonic() - started) * 1000), **outcome)
