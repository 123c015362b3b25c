"""The programs of Debian's package `prometheus`, and a local stack for them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import Stack
from tests.e2e.test_restore import backups

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def prometheus_installed() -> None:
    """Requires `prometheus` and `promtool`."""
    if shutil.which("promtool") and shutil.which("prometheus"):
        return
    reason = "prometheus and promtool are not installed (apt-get install prometheus)"
    if os.environ.get("MAILROOM_REQUIRE_PROMETHEUS") == "1":
        pytest.fail(f"{reason}, and MAILROOM_REQUIRE_PROMETHEUS is set")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def stack(
    request: pytest.FixtureRequest, prometheus_installed: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A local stack with a backup, and with the `SETTINGS` of the module. MongoDB and MinIO are given up soon."""
    settings = {"MONGODB_TIMEOUT_SECONDS": "2", "S3_TIMEOUT_SECONDS": "2"}
    with Stack(ROOT, tmp_path_factory.mktemp("stack"), settings | request.module.SETTINGS) as stack:
        archive = tmp_path_factory.mktemp("backup") / "archive"
        archive.mkdir()
        done = backups(stack, archive, "create")
        assert done.returncode == 0, done.stderr
        yield stack
