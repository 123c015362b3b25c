"""The Docker engine and the cluster of this machine."""

import os
import shutil
import subprocess

import pytest

IMAGES = ("MONGO_IMAGE", "MINIO_IMAGE", "MAILPIT_IMAGE", "CADDY_IMAGE", "PYTHON_IMAGE", "WATCHDOG_IMAGE")


@pytest.fixture(scope="session")
def docker() -> None:
    """Requires a Docker engine that can build images."""
    if not _runs("docker", "info"):
        _skip("no Docker engine answers", unless="MAILROOM_REQUIRE_DOCKER")
    if not os.environ.get("MAILROOM_REQUIRE_DOCKER") and not all(os.environ.get(name) for name in IMAGES):
        pytest.skip(
            f"images are built and pulled only when asked: set MAILROOM_REQUIRE_DOCKER=1, or {', '.join(IMAGES)}"
        )


@pytest.fixture(scope="session")
def cluster() -> None:
    """Requires a cluster."""
    if not _runs("kubectl", "version"):
        _skip("no cluster answers kubectl", unless="MAILROOM_REQUIRE_CLUSTER")


def _runs(*command: str) -> bool:
    return bool(shutil.which(command[0])) and not subprocess.run(command, capture_output=True, check=False).returncode


def _skip(reason: str, unless: str) -> None:
    """Skips the test for the reason, or fails it where CI requires what is missing."""
    if os.environ.get(unless) == "1":
        pytest.fail(f"{reason}, and {unless} is set")
    pytest.skip(reason)
