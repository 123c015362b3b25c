"""Requests during a write share the next one. Each caller gets the result of its own item."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mailroom.notifications.sending.group_commit import GroupCommit

GATHER = 0.001
ENOUGH = 1000


class Writer:
    """Blocks each write until it is released."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go = threading.Event()
        self.error: Exception | None = None

    def write(self, items: list[int]) -> list[int]:
        self.groups.append(items)
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        return [10 * item for item in items]


async def until_writing(writer: Writer) -> None:
    while not writer.groups:
        await asyncio.sleep(0)


def test_requests_during_a_write_are_written_together() -> None:
    writer = Writer()

    async def ask() -> list[int]:
        commit = GroupCommit(writer.write, GATHER, ENOUGH)
        first = asyncio.create_task(commit(1))
        await until_writing(writer)
        others = [asyncio.create_task(commit(item)) for item in (2, 3, 4)]
        await asyncio.sleep(0)
        writer.go.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(ask()) == [10, 20, 30, 40]
    assert writer.groups == [[1], [2, 3, 4]]


def test_a_group_is_bounded() -> None:
    writer = Writer()
    writer.go.set()

    async def ask() -> None:
        commit = GroupCommit(writer.write, GATHER, ENOUGH)
        assert await asyncio.gather(*map(commit, range(250))) == [10 * item for item in range(250)]

    asyncio.run(ask())
    assert [len(group) for group in writer.groups] == [100, 100, 50]


def test_an_error_is_told_to_its_group_and_the_next_one_is_written() -> None:
    writer = Writer()

    async def ask() -> None:
        commit = GroupCommit(writer.write, GATHER, ENOUGH)
        asked = [asyncio.create_task(commit(item)) for item in (1, 2)]
        writer.error = ConnectionError("away")
        writer.go.set()
        assert [str(each) for each in await asyncio.gather(*asked, return_exceptions=True)] == ["away", "away"]
        writer.error = None
        assert await commit(3) == 30

    asyncio.run(ask())


def test_a_caller_who_stops_waiting_affects_no_other() -> None:
    writer = Writer()

    async def ask() -> int:
        commit = GroupCommit(writer.write, GATHER, ENOUGH)
        impatient = asyncio.create_task(commit(1))
        await until_writing(writer)
        patient = asyncio.create_task(commit(2))
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        writer.go.set()
        return await patient

    assert asyncio.run(ask()) == 20


def test_a_lone_request_is_written_at_once() -> None:
    writer = Writer()
    writer.go.set()

    async def ask() -> None:
        commit = GroupCommit(writer.write, 1e6, ENOUGH)
        for item in range(5):
            async with asyncio.timeout(10):
                assert await commit(item) == 10 * item

    asyncio.run(ask())
    assert writer.groups == [[0], [1], [2], [3], [4]]


def test_after_a_group_of_several_the_next_waits_for_more() -> None:
    writer = Writer()
    writer.go.set()

    async def ask() -> None:
        commit = GroupCommit(writer.write, 0.5, ENOUGH)
        await asyncio.gather(commit(1), commit(2))
        early = asyncio.create_task(commit(3))
        for _ in range(10):
            await asyncio.sleep(0)
        await asyncio.gather(early, commit(4))
        async with asyncio.timeout(10):
            await commit(5)  # once more it waits, then it is known to be alone
        commit.gather_seconds = 1e6
        async with asyncio.timeout(10):
            await commit(6)

    asyncio.run(ask())
    assert writer.groups == [[1, 2], [3, 4], [5], [6]]


def test_a_full_group_is_written_at_once() -> None:
    writer = Writer()
    writer.go.set()

    async def ask() -> None:
        commit = GroupCommit(writer.write, 1e6, 3)
        async with asyncio.timeout(10):
            await asyncio.gather(*map(commit, range(3)))  # the next ones gather
            await asyncio.gather(*map(commit, range(3)))
            early = [asyncio.create_task(commit(item)) for item in (1, 2)]
            for _ in range(10):
                await asyncio.sleep(0)
            await asyncio.gather(*early, commit(3))

    asyncio.run(ask())
    assert writer.groups == [[0, 1, 2], [0, 1, 2], [1, 2, 3]]
