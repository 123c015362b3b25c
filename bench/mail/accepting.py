"""Measures how long the local stack takes to accept a message: POST with `Prefer: respond-async`, at a steady rate."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import aiohttp

from bench.mail.messages import Plain, messages
from bench.processes import ROOT
from bench.servers import BenchStack
from local.stack import Stack

LATE_SECONDS = 30.0


@dataclass(frozen=True)
class Accepted:
    """`milliseconds` of each call, sorted, from its planned start. `refused` counts the answers other than 202."""

    milliseconds: list[float]
    refused: int

    def line(self) -> str:
        cuts = quantiles(self.milliseconds, n=100)
        return (
            f"{len(self.milliseconds):,} calls, {self.refused} not answered 202: p50 {cuts[49]:.1f} ms,"
            f" p90 {cuts[89]:.1f} ms, p99 {cuts[98]:.1f} ms, longest {self.milliseconds[-1]:.1f} ms"
        )


def accept(folder: Path, per_second: int, seconds: int, *, fast: bool) -> Accepted:
    """Makes each call at its planned time and waits for no earlier answer. `fast` takes BenchStack's MongoDB."""
    with (BenchStack if fast else Stack)(ROOT, folder) as stack:
        url = f"{stack.info['gateway']}/function/notifications"
        headers = {"Authorization": f"Bearer {stack.info['apiKey']}", "Prefer": "respond-async"}
        return asyncio.run(_calls(url, headers, per_second, seconds))


async def _calls(url: str, headers: dict[str, str], per_second: int, seconds: int) -> Accepted:
    connector, patience = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=LATE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=patience) as session:
        await _steady(session, url, per_second, 2)  # opens connections and warms up
        return await _steady(session, url, per_second, seconds)


async def _steady(session: aiohttp.ClientSession, url: str, per_second: int, seconds: int) -> Accepted:
    begin = time.perf_counter()
    calls: list[asyncio.Task[tuple[float, int]]] = []
    for number, message in enumerate(messages(per_second * seconds)):
        due = begin + number / per_second
        await asyncio.sleep(due - time.perf_counter())
        calls.append(asyncio.create_task(_call(session, url, message, due)))
    answers = await asyncio.gather(*calls)
    return Accepted(sorted(each for each, _ in answers), sum(status != 202 for _, status in answers))


async def _call(session: aiohttp.ClientSession, url: str, message: Plain, due: float) -> tuple[float, int]:
    body = {"emailTo": message.to, "subject": message.subject, "html": message.html, "text": message.text}
    try:
        async with session.post(url, json=body) as answer:
            await answer.read()
            status = answer.status
    except (aiohttp.ClientError, TimeoutError):
        status = 0
    return (time.perf_counter() - due) * 1000, status
