"""The connections that are kept: the last used one goes first, and old ones are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from mailroom.notifications.smtp.channel import Channel
from mailroom.notifications.smtp.connection import Connection
from mailroom.notifications.smtp.pool import IDLE_SECONDS, Pool
from mailroom.platform.secrets import Secrets
from mailroom.platform.settings import Settings
from tests.unit.notifications.test_channel import Transport


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(Settings(), "ours.example.com", Secrets(tmp_path))


def connection() -> Connection:
    return Connection(Channel(Transport()), (), Settings())


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_the_last_used_connection_goes_first(pool: Pool) -> None:
    first, last = connection(), connection()
    run(pool.give_back(first))
    run(pool.give_back(last))

    assert [pool.kept(), pool.kept(), pool.kept()] == [last, first, None]


def test_old_connections_are_closed_though_a_newer_one_is_used_again_and_again(pool: Pool) -> None:
    old, used = connection(), connection()
    run(pool.give_back(old))
    run(pool.give_back(used))
    old.idle_since -= IDLE_SECONDS

    assert pool.kept() is used
    assert not old.usable
    assert used.usable
