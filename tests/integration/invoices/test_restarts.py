"""MinIO loses the events of files that come as it starts. They are found soon, whatever the size of the bucket."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from local.servers import Servers
from mailroom.deploy import setup
from mailroom.invoices.imports import restarts
from mailroom.platform import version_pages
from mailroom.platform.settings import Settings
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, csv, line
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]


@pytest.fixture
def servers(tmp_path: Path):
    with Servers(ROOT, tmp_path / "servers") as servers:
        yield servers


@pytest.fixture
def bucket(servers: Servers, tmp_path: Path):
    """A bucket so large that its comparison with the imports is not due, on servers that the test may restart."""
    minio, folder = servers.info["minio"], tmp_path / "secrets"
    folder.mkdir()
    for name, value in {
        "mailroom-mongodb-uri": servers.info["mongoUri"],
        "mailroom-s3-access-key": minio["accessKey"],
        "mailroom-s3-secret-key": minio["secretKey"],
    }.items():
        (folder / name).write_text(value)
    services = Services(Settings(secrets_dir=folder, s3_endpoint=minio["endpoint"], mongodb_timeout_seconds=60.0))
    setup.run(services, lambda line: None)
    yield Bucket(services)
    services.close()


def keys(bucket: Bucket) -> list[str]:
    return sorted(each["key"] for each in bucket.services.database["imports"].find())


def test_after_a_restart_only_files_of_that_time_are_looked_for(
    bucket: Bucket, servers: Servers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(restarts, "_UNDER_WAY", timedelta(0))
    monkeypatch.setattr(restarts, "_TOLERANCE", timedelta(0))
    monkeypatch.setattr(restarts, "_ASK_SECONDS", 0.0)
    monkeypatch.setattr(version_pages, "_KEYS_AT_ONCE", 2)
    eventually(bucket.services.minio_started_at)  # it does not tell in its first second
    bucket.run()  # the first start is seen
    for n in range(5):
        bucket.put(f"old-{n}.csv", csv(line(f"old-{n}")))
    uploaded = time.monotonic()
    bucket.run()
    assert keys(bucket) == []  # the same start: nothing is listed again

    eventually(lambda: time.monotonic() - uploaded > 3)  # MinIO tells its start to the second
    servers.stop("minio")
    servers.start("minio")
    eventually(bucket.services.minio_started_at)
    for n in range(5):
        bucket.put(f"new-{n}.csv", csv(line(f"new-{n}")))
    bucket.run()

    assert keys(bucket) == [f"new-{n}.csv" for n in range(5)]
    assert len(bucket.invoices()) == 5


def test_a_list_that_takes_longer_than_a_slice_goes_on_in_the_same_run(
    bucket: Bucket, servers: Servers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(restarts, "_UNDER_WAY", timedelta(0))
    monkeypatch.setattr(version_pages, "_KEYS_AT_ONCE", 1)
    monkeypatch.setattr("mailroom.invoices.worker.Budget", lambda seconds: Spent())
    eventually(bucket.services.minio_started_at)
    for n in range(4):
        bucket.put(f"{n}.csv", csv(line(n)))
    bucket.run()
    assert keys(bucket) == [f"{n}.csv" for n in range(4)]


class Spent:
    """A budget that is over as soon as work has begun."""

    def remaining(self) -> float:
        return 1.0

    def spent(self) -> bool:
        return True


def test_a_store_that_does_not_tell_its_start_is_compared_as_ever(bucket: Bucket, servers: Servers):
    eventually(bucket.services.minio_started_at)
    (bucket.services.settings.secrets_dir / "mailroom-s3-secret-key").write_text("wrong")
    assert bucket.services.minio_started_at() is None
