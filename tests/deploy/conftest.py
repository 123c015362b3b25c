"""The Docker engine and the cluster of this machine, and the stack with Docker Compose."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.deploy.stand_ins import stand_ins
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("MONGO_IMAGE", "MINIO_IMAGE", "MAILPIT_IMAGE", "CADDY_IMAGE", "PYTHON_IMAGE", "WATCHDOG_IMAGE")
SCOPES = ("invoices:read", "invoices:write", "notifications:read", "notifications:send")

Run = Callable[..., str]


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


@pytest.fixture(scope="module")
def environment(docker: None) -> Mapping[str, str]:
    """The variables of a stack of its own."""
    project = f"mailroom-test-{secrets.token_hex(3)}"
    ports = {name: str(free_port()) for name in ("GATEWAY_PORT", "S3_PORT", "INBOX_PORT", "PROMETHEUS_PORT")}
    names = {"COMPOSE_PROJECT_NAME": project, "REGISTRY": "mailroom", "TAG": "test", "PYTHON": sys.executable}
    return {**os.environ, **ports, **names, **stand_ins(os.environ)}


@pytest.fixture(scope="module")
def run(environment: Mapping[str, str]) -> Run:
    """Runs a command for the stack and returns what it prints."""

    def command(*words: str) -> str:
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    return command


@pytest.fixture(scope="module")
def key(run: Run) -> Iterator[str]:
    """The API key of a stack that is up."""
    run("compose/make-secrets")
    run(sys.executable, "-m", "local.manifests.compose", "compose/environment")
    run(sys.executable, "-m", "local.images")
    try:
        run("docker", "compose", "up", "--detach", "--wait")
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        yield run("compose/mailroom", "keys", "create", "--name", "test", *scopes).strip()
    finally:
        down = ("docker", "compose", "--profile", "*", "down", "--volumes", "--timeout", "1")
        try:
            run(*down)
        except AssertionError:  # Docker may still count a removed container in the network
            assert run("docker", "compose", "ps", "--all", "--quiet") == ""


@pytest.fixture(scope="module")
def verify(environment: Mapping[str, str], key: str) -> Callable[..., None]:
    """Sends a file and a notification through a stack that is up."""

    def send(*options: str) -> None:
        command = [sys.executable, "-m", "local.verify", *options]
        once = {**environment, "API_KEY": key}
        done = subprocess.run(command, cwd=ROOT, env=once, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return send


def _runs(*command: str) -> bool:
    return bool(shutil.which(command[0])) and not subprocess.run(command, capture_output=True, check=False).returncode


def _skip(reason: str, unless: str) -> None:
    """Skips the test for the reason, or fails it where CI requires what is missing."""
    if os.environ.get(unless) == "1":
        pytest.fail(f"{reason}, and {unless} is set")
    pytest.skip(reason)
