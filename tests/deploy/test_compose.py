"""The stack with Docker Compose, from set-up to a killed container. Variables name the images."""

import io
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import urllib3
from minio import Minio
from minio.error import MinioException

from tests.deploy.compose import CONSOLE, FUNCTIONS, PORTS, containers, places, reached
from tests.deploy.conftest import ROOT, Run
from tests.support.hostile import AMBIGUOUS, everything, sent

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deploy"), pytest.mark.timeout(600)]

KILLED = (*FUNCTIONS, CONSOLE, "router")
KILLED_SERVERS = ("mongo", "minio", "mailpit", "schedule")
# Capabilities that a service has nevertheless. docker-compose.yml says why.
CAPABILITIES = {"router": {"NET_BIND_SERVICE"}, "owners": {"CHOWN", "DAC_OVERRIDE"}}
INBOX_PAGE = 8025
# Whom each service reaches, and no other. A function reaches all others, for kicks have a network of their own.
REACHED = {
    "router": {"invoices", "notifications", CONSOLE},
    CONSOLE: {"router"},
    "invoice-events": {*FUNCTIONS, "mongo", "minio"},
    "invoice-importer": {*FUNCTIONS, "mongo", "minio"},
    "invoices": {*FUNCTIONS, "mongo", "minio", "router"},
    "notifications": {*FUNCTIONS, "mongo", "minio", "router", "mailpit"},
    "notification-sender": {*FUNCTIONS, "mongo", "minio", "mailpit"},
    "webhook-sender": {*FUNCTIONS, "mongo"},
    "schedule": {*FUNCTIONS},
    "mongo": {*FUNCTIONS},
    "minio": {*FUNCTIONS} - {"webhook-sender"},
    "mailpit": {"notifications", "notification-sender"},
    "backups": {*FUNCTIONS, "mongo", "minio"},
}
# The networks that are not internal: a published port needs one; a relay, and a bucket for backups, may be outside.
WAYS_OUT = {
    "edge": {"router"},
    "s3": {"minio"},
    "inbox": {"mailpit"},
    "outside": {"notifications", "notification-sender", "webhook-sender", "backups"},
}


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


@pytest.mark.parametrize("service", ["invoice-events", "invoice-importer", "notification-sender", "webhook-sender"])
def test_nobody_outside_reaches_a_worker(
    service: str, environment: Mapping[str, str], verify: Callable[..., None]
) -> None:
    port = int(environment["GATEWAY_PORT"])
    for path in (service, f"invoices/../{service}", f"invoices/%2e%2e/{service}", f"%69nvoices/..%2f{service}"):
        request = f"POST /function/{path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n"
        assert b'"done"' not in everything(port, request.encode()), path
    assert b" 404 " in everything(port, f"POST /function/{service} HTTP/1.0\r\n\r\n".encode()).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "path",
    [
        *("invoices/metrics", "notifications/metrics", "console/metrics", "invoice-importer/metrics", "metrics"),
        *("invoices:9464/metrics", "invoices%3a9464/metrics", "../metrics", "console/../../metrics"),
    ],
)
def test_nobody_outside_reads_the_metrics(
    path: str, environment: Mapping[str, str], verify: Callable[..., None]
) -> None:
    answered = everything(int(environment["GATEWAY_PORT"]), f"GET /function/{path} HTTP/1.0\r\n\r\n".encode())
    assert answered.split(b"\r\n")[0][9:12] in (b"401", b"404")
    assert b"function_call" not in answered


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


def room_of_tmp(service: Mapping[str, Any]) -> int:
    """Bytes that /tmp of a service may hold; 0 without a limit."""
    [options] = (each.partition(":")[2] for each in service["tmpfs"] if each.partition(":")[0] == "/tmp")
    found = re.fullmatch(r"size=(\d+)m", options)
    return int(found[1]) << 20 if found else 0


def test_every_service_is_confined(run: Run) -> None:
    config = json.loads(run("docker", "compose", "--profile", "*", "config", "--format", "json"))
    assert {"mongo", "minio", "restore", *FUNCTIONS} <= set(config["services"])
    for name, service in config["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert set(service.get("cap_add", [])) == CAPABILITIES.get(name, set()), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert 0 < room_of_tmp(service) < int(service["mem_limit"]), name  # it counts as memory
        assert int(service["pids_limit"]) > 0, name
        assert "default" not in service.get("networks", {}), name
        assert not {"privileged", "devices", "pid", "ipc"} & set(service), name
        assert service.get("network_mode", "none") == "none", name


def test_nothing_that_runs_is_root(run: Run, verify: Callable[..., None]) -> None:
    for name, container in containers(run).items():
        lines = run("docker", "top", container["Id"], "-eo", "pid,uid").splitlines()[1:]
        users = {line.split()[1] for line in lines}
        assert users == {"999" if name == "mongo" else "1000"}, name


def test_a_service_reaches_only_those_it_talks_to(run: Run, verify: Callable[..., None]) -> None:
    running = containers(run)
    assert set(running) == set(REACHED)

    targets = {name: places(running, name, port) for name, port in PORTS.items()}
    targets["page of the inbox"] = [*places(running, "mailpit", INBOX_PAGE), ("inbox-page", INBOX_PAGE)]
    for name, container in running.items():
        itself = {name, "page of the inbox"} if name == "mailpit" else {name}
        others = {target: addresses for target, addresses in targets.items() if target not in itself}
        assert reached(run, container, others) == REACHED[name] - {name}, name


def test_only_some_services_have_a_way_out(run: Run, verify: Callable[..., None]) -> None:
    # Docker forwards nothing from and to an internal network; a test has no address outside to try it with.
    ways_out: dict[str, set[str]] = {}
    for name, container in containers(run).items():
        for network in container["NetworkSettings"]["Networks"].values():
            [described] = json.loads(run("docker", "network", "inspect", network["NetworkID"]))
            if not described["Internal"]:
                role = described["Labels"]["com.docker.compose.network"]
                ways_out.setdefault(role, set()).add(name)
    assert ways_out == WAYS_OUT


def test_the_page_of_the_inbox_is_for_this_machine(environment: Mapping[str, str], verify: Callable[..., None]) -> None:
    verify()
    answer = urllib3.request("GET", f"http://127.0.0.1:{environment['INBOX_PORT']}/api/v1/messages")
    assert answer.status == 200
    assert answer.json()["total"] > 0


AS_BEFORE = """
services:
  minio: {user: "0:0", cap_drop: !reset [], read_only: false}
  backups: {user: "0:0"}
"""


def uploads(port: str, until: threading.Event) -> int:
    """Uploads one file after the other. Returns the number of those that were accepted."""
    people = (ROOT / "compose/secrets/people-s3-secret-key").read_text()
    http = urllib3.PoolManager(timeout=2, retries=False)
    store = Minio(f"127.0.0.1:{port}", "people", people, secure=False, http_client=http, region="us-east-1")
    accepted = 0
    while not until.is_set():
        try:
            store.put_object("attachments", f"during/{secrets.token_hex(8)}", io.BytesIO(b"x"), 1)
            accepted += 1
        except (urllib3.exceptions.HTTPError, MinioException):
            until.wait(0.1)
    return accepted


def test_volumes_that_belong_to_root_go_on_working(
    run: Run, environment: Mapping[str, str], verify: Callable[..., None], tmp_path: Path
) -> None:
    """MinIO and the backups ran as root in earlier versions. The upgrade comes while files are uploaded."""
    backups = ("docker", "compose", "exec", "-T", "backups", "python", "-m", "mailroom", "backups")
    run(*backups, "create")
    made = run(*backups, "list")
    run("docker", "compose", "stop", "minio", "backups")
    project = environment["COMPOSE_PROJECT_NAME"]
    mounted = [f"--volume={project}_{name}:/volumes/{name}" for name in ("minio", "backups")]
    as_root = ("docker", "run", "--rm", "--user", "0:0", *mounted, "mailroom/invoices:test")
    run(*as_root, "chown", "--recursive", "0:0", "/volumes")
    (tmp_path / "as-before.yml").write_text(AS_BEFORE)
    files = ("--file", "docker-compose.yml", "--file", str(tmp_path / "as-before.yml"))
    run("docker", "compose", *files, "up", "--detach", "--wait", "--no-deps", "minio", "backups")
    key, ended = ROOT / "compose/secrets/api-key", threading.Event()
    had_key = key.exists()
    with ThreadPoolExecutor() as pool:
        accepted = pool.submit(uploads, environment["S3_PORT"], ended)
        try:
            run("compose/up")
        finally:
            ended.set()
            if not had_key:  # it is of this stack, which does not last
                key.unlink(missing_ok=True)
        assert accepted.result() > 0
    assert run(*as_root, "find", "/volumes", "-uid", "0", "-not", "-path", "/volumes") == ""
    verify()
    assert set(made.splitlines()) <= set(run(*backups, "list").splitlines())
    run(*backups, "create")  # copies what was uploaded since, and lists what is in the archive already
    run(*backups, "check")


def test_only_what_belongs_to_root_gets_another_owner(run: Run, verify: Callable[..., None]) -> None:
    """Also what a run that was killed left behind, in folders that are closed to others."""
    script = """
        mkdir -p /tmp/v/bucket/object /tmp/v/done && touch /tmp/v/bucket/object/part /tmp/v/done/part /tmp/v/another
        ln -s /etc /tmp/v/bucket/link
        chmod 700 /tmp/v/bucket/object && chown 1000:1000 /tmp/v/bucket/object/part /tmp/v/bucket/object
        chown 5:5 /tmp/v/another
        python /owners.py /tmp/v=1000:1000 && python /owners.py /tmp/v=1000:1000
        find /tmp/v /etc -maxdepth 3 -path '/tmp/v*' -printf '%U:%G %P\\n' -o -path /etc -printf '%U:%G etc\\n'
    """
    confined = ("--cap-drop=ALL", "--cap-add=CHOWN", "--cap-add=DAC_OVERRIDE", "--read-only", "--tmpfs=/tmp")
    mounted = f"--volume={ROOT}/compose/owners.py:/owners.py:ro"
    line = ("docker", "run", "--rm", "--user=0:0", *confined, mounted, "mailroom/invoices:test", "sh", "-ec", script)
    said, *owners = run(*line).splitlines()
    assert "5 files and folders were root's" in said  # the second run finds nothing to do
    assert dict(reversed(each.split(" ")) for each in owners) == {
        "": "1000:1000",
        "bucket": "1000:1000",
        "bucket/object": "1000:1000",
        "bucket/object/part": "1000:1000",
        "bucket/link": "1000:1000",
        "done": "1000:1000",
        "done/part": "1000:1000",
        "another": "5:5",
        "etc": "0:0",
    }
