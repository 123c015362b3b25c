"""The whole local stack, once for all tests here, with leases and retries short enough to wait for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.client import Client
from local.stack import Stack

ROOT = Path(__file__).parents[2]

ENVIRONMENT = {
    "IMPORT_LEASE_SECONDS": "2",
    "IMPORT_BATCH_ROWS": "100",
    "MONGODB_TIMEOUT_SECONDS": "4",
    "S3_TIMEOUT_SECONDS": "2",
    "RETRY_FIRST_SECONDS": "0.5",
}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(ROOT, tmp_path_factory.mktemp("stack"), ENVIRONMENT) as stack:
        yield stack


@pytest.fixture
def client(stack: Stack) -> Client:
    return Client(stack.info)
