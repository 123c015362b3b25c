"""Answers are matched with commands, however the bytes arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.notifications.smtp.channel import Channel

ANSWERS = b"250-first\r\n250 second\r\n354 go\r\n550 5.1.1 not here\r\n250\r\n"
PARSED = [(250, "first\nsecond"), (354, "go"), (550, "5.1.1 not here"), (250, "")]


class Transport(asyncio.Transport):
    """Records what is written. As with a socket, the protocol learns of the end later."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner() as runner:
        return runner.run(coroutine)


def asked(count: int) -> tuple[Channel, Transport]:
    transport = Transport()
    channel = Channel(transport)
    channel.send(b"RSET\r\n" * count, count)
    return channel, transport


@given(st.sets(st.integers(1, len(ANSWERS) - 1)))
def test_answers_are_the_same_wherever_the_bytes_were_cut(cuts: set[int]) -> None:
    async def read() -> list[tuple[int, str]]:
        channel, _ = asked(len(PARSED))
        edges = [0, *sorted(cuts), len(ANSWERS)]
        loop = asyncio.get_running_loop()
        for begin, end in pairwise(edges):
            loop.call_soon(channel.data_received, ANSWERS[begin:end])
        return [await channel.answer(1.0) for _ in PARSED]

    assert run(read()) == PARSED


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"hello\r\n", "not an SMTP answer: hello"),
        (b"25\xc2\xb2 superscript\r\n", "not an SMTP answer"),
        (b"250_no\r\n", "not an SMTP answer"),
        (b"250-" + b"x" * 40_000, "endless"),
        (b"250-again\r\n" * 10_000, "endless"),
    ],
)
def test_an_answer_that_is_no_smtp_ends_the_connection(data: bytes, error: str) -> None:
    channel, transport = asked(1)

    channel.data_received(data)

    assert transport.aborted
    assert not channel.usable
    with pytest.raises(ConnectionError, match=error):
        run(channel.answer(1.0))
    with pytest.raises(ConnectionError):
        channel.send(b"NOOP\r\n")


def test_an_answer_that_nothing_asked_for_is_not_kept_for_the_next_command() -> None:
    channel, transport = asked(1)

    channel.data_received(b"250 ok\r\n421 4.4.2 idle for too long\r\n")

    assert transport.aborted
    assert run(channel.answer(1.0)) == (250, "ok")
    with pytest.raises(ConnectionError, match="unasked: 421"):
        run(channel.answer(1.0))


def test_lines_before_the_end_of_the_connection_are_reported() -> None:
    async def read() -> None:
        channel, _ = asked(2)
        loop = asyncio.get_running_loop()
        loop.call_soon(channel.data_received, b"250 ok\r\n")
        loop.call_soon(channel.connection_lost, None)
        assert await channel.answer(1.0) == (250, "ok")
        with pytest.raises(ConnectionError, match="closed the connection"):
            await channel.answer(1.0)

    run(read())


def test_no_answer_in_time_is_an_error() -> None:
    channel, _ = asked(1)

    with pytest.raises(TimeoutError):
        run(channel.answer(0.01))
