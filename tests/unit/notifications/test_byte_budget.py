"""The budget is never exceeded, and nobody is overtaken."""

from __future__ import annotations

import asyncio

import pytest

from mailroom.notifications.sending.byte_budget import ByteBudget


class Guests:
    """Tasks that hold bytes, in the order in which they got them."""

    def __init__(self, size: int) -> None:
        self.budget = ByteBudget(size)
        self.inside: dict[str, int] = {}
        self.came: list[str] = []
        self.doors: dict[str, asyncio.Event] = {}

    async def visit(self, name: str, wanted: int) -> None:
        self.doors[name] = asyncio.Event()
        async with self.budget.reserve(wanted):
            self.came.append(name)
            self.inside[name] = wanted
            await self.doors[name].wait()
            del self.inside[name]

    async def settle(self) -> None:
        """Runs every task as far as it can go."""
        for _ in range(20):
            await asyncio.sleep(0)


def test_a_request_that_does_not_fit_waits_and_is_not_overtaken() -> None:
    async def scene() -> None:
        guests = Guests(10)
        visits = [asyncio.create_task(guests.visit(*each)) for each in (("a", 6), ("b", 4), ("c", 6), ("d", 1))]
        await guests.settle()
        assert guests.inside == {"a": 6, "b": 4}
        guests.doors["b"].set()
        await guests.settle()
        assert guests.inside == {"a": 6}
        guests.doors["a"].set()
        await guests.settle()
        assert guests.inside == {"c": 6, "d": 1}
        for door in guests.doors.values():
            door.set()
        await asyncio.gather(*visits)
        assert guests.came == ["a", "b", "c", "d"]

    asyncio.run(scene())


def test_a_request_larger_than_the_budget_goes_alone_and_an_empty_one_at_once() -> None:
    async def scene() -> None:
        guests = Guests(10)
        visits = [asyncio.create_task(guests.visit(*each)) for each in (("large", 99), ("one", 1), ("none", 0))]
        await guests.settle()
        assert set(guests.inside) == {"large", "none"}
        for door in guests.doors.values():
            door.set()
        await asyncio.gather(*visits)
        assert guests.came == ["large", "none", "one"]

    asyncio.run(scene())


def test_a_request_given_up_or_failed_returns_its_bytes() -> None:
    async def scene() -> None:
        guests = Guests(10)
        first, second = (asyncio.create_task(guests.visit(name, 10)) for name in ("first", "second"))
        await guests.settle()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        with pytest.raises(ValueError, match="broken"):
            async with guests.budget.reserve(10):
                raise ValueError("broken")
        async with asyncio.timeout(10), guests.budget.reserve(10):
            pass

    asyncio.run(scene())
