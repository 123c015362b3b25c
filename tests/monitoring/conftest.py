"""The programs of Debian's package `prometheus`."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def prometheus_installed() -> None:
    """Requires `prometheus` and `promtool`."""
    if shutil.which("promtool") and shutil.which("prometheus"):
        return
    reason = "prometheus and promtool are not installed (apt-get install prometheus)"
    if os.environ.get("MAILROOM_REQUIRE_PROMETHEUS") == "1":
        pytest.fail(f"{reason}, and MAILROOM_REQUIRE_PROMETHEUS is set")
    pytest.skip(reason)
