"""An object that is written unless there is one of its name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mailroom.errors import Unavailable
from mailroom.platform.write_once import write_once
from mailroom.services import Services


def write(services: Services, content: bytes, bucket: str = "") -> bool:
    bucket = bucket or services.settings.invoices_bucket
    return write_once(services.uploads, bucket, "acme/ä b.csv", content, "text/csv", {"x-amz-meta-a": "1"})


def test_an_object_is_written_once_with_its_metadata(services: Services) -> None:
    assert write(services, b"first")
    assert not write(services, b"second")
    bucket = services.settings.invoices_bucket
    [version] = services.uploads.versions(bucket)
    with services.uploads.read(version) as chunks:
        assert b"".join(chunks) == b"first"
    assert services.uploads.metadata(version)["x-amz-meta-a"] == "1"
    assert services.uploads.metadata(version)["content-type"] == "text/csv"


def test_of_many_at_once_one_writes(services: Services) -> None:
    with ThreadPoolExecutor(8) as threads:
        written = list(threads.map(lambda number: write(services, b"%d" % number), range(8)))
    assert sum(written) == 1
    assert len(list(services.uploads.versions(services.settings.invoices_bucket))) == 1


def test_without_its_bucket_the_store_is_not_there(services: Services) -> None:
    with pytest.raises(Unavailable):
        write(services, b"x", "no-such-bucket")
