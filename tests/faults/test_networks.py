"""Connections to MongoDB and to the object store break in the middle of a batch."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mailroom.errors import Unavailable
from mailroom.platform.settings import Settings
from mailroom.services import Services
from tests.faults.proxy import Proxy
from tests.faults.world import World

CUTS = 6


class Cuts:
    """Cuts each of the first `connections` after a random number of bytes, and no later one."""

    def __init__(self, least: int, most: int, connections: int) -> None:
        seed = int(os.environ.get("MAILROOM_SEED", time.time_ns() % 1_000_000))
        print(f"MAILROOM_SEED={seed}")
        self._random = random.Random(seed)
        self._bounds = (least, most)
        self._left = connections
        self._lock = threading.Lock()

    def __call__(self) -> int | None:
        with self._lock:
            self._left -= 1
            return self._random.randint(*self._bounds) if self._left >= 0 else None


def _with_secret(settings: Settings, folder: Path, name: str, value: str) -> Settings:
    folder.mkdir()
    for file in settings.secrets_dir.iterdir():
        (folder / file.name).write_text(file.read_text())
    (folder / name).write_text(value)
    return replace(settings, secrets_dir=folder)


def test_connections_to_mongodb_cut_in_mid_batch_change_no_result(make_world: Callable[[int], World], tmp_path: Path):
    world = make_world(300)
    world.again()
    uri = urlsplit((world.settings.secrets_dir / world.settings.mongodb_secret).read_text().strip())
    assert uri.hostname
    assert uri.port

    with Proxy(uri.hostname, uri.port, Cuts(2_000, 25_000, 5 * CUTS)) as proxy:
        # A direct connection: the server would name its own address, and the driver would connect there.
        broken = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
        settings = _with_secret(world.settings, tmp_path / "broken", world.settings.mongodb_secret, broken)
        importer = world.start(settings=settings, mongodb_timeout_seconds=2.0)
        assert importer.wait() == 0
        assert proxy.cuts >= CUTS

    world.check()


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [False, True])
def test_connections_to_the_object_store_cut_in_mid_batch_change_no_result(
    make_world: Callable[..., World], compressed: bool
):
    world = make_world(900, compressed=compressed)
    world.again()
    endpoint = urlsplit(world.settings.s3_endpoint)
    assert endpoint.hostname
    assert endpoint.port

    with Proxy(endpoint.hostname, endpoint.port, Cuts(200, len(world.body), 2 * CUTS)) as proxy:
        importer = world.start(s3_endpoint=f"http://127.0.0.1:{proxy.port}")
        assert importer.wait() == 0
        assert proxy.cuts  # how many more depends on how much one connection carries

    world.check()


@pytest.mark.slow
def test_an_answer_cut_anywhere_is_never_taken_for_a_whole_one(make_world: Callable[..., World]):
    world = make_world(300)
    endpoint = urlsplit(world.settings.s3_endpoint)
    assert endpoint.hostname
    assert endpoint.port
    direct = world.bucket.services.objects.metadata(world.version)
    for size in range(100, 2_000, 50):  # of a request, of the headers of its answer, of the first of its body
        with Proxy(endpoint.hostname, endpoint.port, lambda size=size: size) as proxy:
            services = Services(replace(world.settings, s3_endpoint=f"http://127.0.0.1:{proxy.port}"))
            with pytest.raises(Unavailable), services.objects.read(world.version) as chunks:
                b"".join(chunks)
            with suppress(Unavailable):
                assert services.objects.metadata(world.version).keys() >= direct.keys()
            with suppress(Unavailable):
                assert services.objects.find(world.bucket.name, world.version.key)
            services.close()
