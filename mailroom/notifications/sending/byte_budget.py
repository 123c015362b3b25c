"""A limit on the bytes that are in memory at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ByteBudget:
    """`size` bytes, first come, first served. A request for more than `size` gets all of it.

    Used from one event loop only.
    """

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._queue = asyncio.Lock()
        self._released = asyncio.Event()

    @asynccontextmanager
    async def reserve(self, wanted: int) -> AsyncIterator[None]:
        """Waits until `wanted` bytes are free, and holds them inside the `with` block. 0 bytes never wait."""
        share = min(wanted, self._size)
        if share:
            async with self._queue:
                while self._free < share:
                    self._released.clear()
                    await self._released.wait()
                self._free -= share
        try:
            yield
        finally:
            self._free += share
            self._released.set()
