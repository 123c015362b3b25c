"""How much may be in memory at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ByteBudget:
    """So many bytes, first come, first served. Who wants more than there are gets all. Used from one event loop."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._line = asyncio.Lock()
        self._left = asyncio.Event()

    @asynccontextmanager
    async def of(self, wanted: int) -> AsyncIterator[None]:
        """Waits until so many bytes are free, and has them until the end. Who wants none waits for nobody."""
        share = min(wanted, self._size)
        if share:
            async with self._line:
                while self._free < share:
                    self._left.clear()
                    await self._left.wait()
                self._free -= share
        try:
            yield
        finally:
            self._free += share
            self._left.set()
