"""The stack with Docker Compose, from set-up to a killed container. Variables name the images."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.hostile import AMBIGUOUS, everything, sent
from tests.support.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deploy")]

ROOT = Path(__file__).resolve().parents[2]
KILLED = ("invoice-events", "invoice-importer", "invoices", "notifications", "notification-sender", "router")
KILLED_SERVERS = ("mongo", "minio", "mailpit", "schedule")
SCOPES = ("invoices:read", "invoices:write", "notifications:read", "notifications:send")

Run = Callable[..., str]


@pytest.fixture(scope="module")
def environment(docker: None) -> Mapping[str, str]:
    project = f"mailroom-test-{secrets.token_hex(3)}"
    ports = {name: str(free_port()) for name in ("GATEWAY_PORT", "S3_PORT", "INBOX_PORT")}
    return {**os.environ, **ports, "COMPOSE_PROJECT_NAME": project, "REGISTRY": "mailroom", "TAG": "test"}


@pytest.fixture(scope="module")
def run(environment: Mapping[str, str]) -> Run:
    def command(*words: str) -> str:
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    return command


@pytest.fixture(scope="module")
def verify(run: Run, environment: Mapping[str, str]) -> Iterator[Callable[..., None]]:
    """Sends a file and a notification through a stack that is up."""
    run("compose/make-secrets")
    run(sys.executable, "-m", "local.manifests.compose", "compose/environment")
    run(sys.executable, "-m", "local.images")
    try:
        run("docker", "compose", "up", "--detach", "--wait")
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        key = run("compose/mailroom", "keys", "create", "--name", "test", *scopes).strip()
        once = {**environment, "API_KEY": key}

        def send(*options: str) -> None:
            command = [sys.executable, "-m", "local.verify", *options]
            done = subprocess.run(command, cwd=ROOT, env=once, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr

        yield send
    finally:
        down = ("docker", "compose", "down", "--volumes", "--timeout", "1")
        try:
            run(*down)
        except AssertionError:  # Docker may still count a removed container in the network
            assert run("docker", "compose", "ps", "--all", "--quiet") == ""


def test_a_file_and_a_notification_come_through_three_times(verify: Callable[..., None]) -> None:
    for _ in range(3):
        verify()


def test_setting_up_again_changes_nothing(run: Run, verify: Callable[..., None]) -> None:
    run("docker", "compose", "up", "--detach", "--wait")
    verify()


@pytest.mark.parametrize("service", [*KILLED, *KILLED_SERVERS])
def test_any_container_may_be_killed(service: str, run: Run, verify: Callable[..., None]) -> None:
    run("docker", "compose", "kill", service)
    run("docker", "compose", "start", service)  # not awaited: an early upload is not lost
    verify(*(["--patient"] if service == "minio" else []))


@pytest.mark.parametrize("service", ["invoice-importer", "notification-sender"])
def test_nobody_outside_reaches_a_worker(
    service: str, environment: Mapping[str, str], verify: Callable[..., None]
) -> None:
    port = int(environment["GATEWAY_PORT"])
    for path in (service, f"invoices/../{service}", f"invoices/%2e%2e/{service}", f"%69nvoices/..%2f{service}"):
        request = f"POST /function/{path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n"
        assert b'"done"' not in everything(port, request.encode()), path
    assert b" 404 " in everything(port, f"POST /function/{service} HTTP/1.0\r\n\r\n".encode()).split(b"\r\n")[0]


@pytest.mark.parametrize("headers", AMBIGUOUS)
def test_nothing_is_smuggled_past_the_router(
    headers: bytes, environment: Mapping[str, str], verify: Callable[..., None]
) -> None:
    smuggled = b"POST /_/health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    request = b"POST /function/invoices HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n0\r\n\r\n" + smuggled
    answered = everything(int(environment["GATEWAY_PORT"]), request)
    # The first is refused, by the router or for its missing key. A function knows the second path, the router does not.
    assert answered[9:12] in (b"400", b"401", b"501"), answered
    assert b" 200 " not in answered, answered


def test_slow_callers_are_cut_off_by_the_router(environment: Mapping[str, str], verify: Callable[..., None]) -> None:
    port = int(environment["GATEWAY_PORT"])
    with ExitStack() as stack:
        clients = [stack.enter_context(sent(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")) for _ in range(50)]
        ends = time.monotonic() + 30  # three times the router's limit for headers
        for client in clients:
            while True:
                assert time.monotonic() < ends, "still open"
                try:
                    client.sendall(b"a")  # a byte now and then
                except OSError:
                    break
                assert b" 200 " in everything(port, b"GET /healthz HTTP/1.0\r\n\r\n")
                time.sleep(0.1)
