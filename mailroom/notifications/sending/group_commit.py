"""Group commit: items that arrive at about the same time are written with one command."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_LARGEST_GROUP = 100


class GroupCommit(Generic[T, R]):
    """While one write runs, new items wait and form the next group. A lone item is written at once.

    If the last group had several items, the next one waits up to `gather_seconds` until it has `enough` items: groups
    twice as large halve the work for both sides.

    `write` runs in a thread and returns a result for each item. If it raises, every item of the group gets the
    exception. Used from one event loop only.
    """

    def __init__(self, write: Callable[[list[T]], list[R]], gather_seconds: float, enough: int) -> None:
        self._write = write
        self.gather_seconds = gather_seconds
        self._enough = enough
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._full = asyncio.Event()
        self._busy = False  # the last group had more than one item

    async def __call__(self, item: T) -> R:
        """Returns when `item` is written."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        elif len(self._waiting) >= self._enough:
            self._full.set()
        return await done

    async def _write_all(self) -> None:
        while self._waiting:
            if self._busy and len(self._waiting) < self._enough:
                self._full.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.gather_seconds):
                        await self._full.wait()
            group, self._waiting = self._waiting[:_LARGEST_GROUP], self._waiting[_LARGEST_GROUP:]
            self._busy = len(group) > 1
            try:
                results = await asyncio.to_thread(self._write, [item for item, _ in group])
            except Exception as error:
                for _, done in group:
                    if not done.done():
                        done.set_exception(error)
            else:
                for (_, done), result in zip(group, results, strict=True):
                    if not done.done():
                        done.set_result(result)
        self._writing = None
