"""Services of the Compose stack: the router with the console and long uploads, Prometheus, and the listener."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import urllib3
import yaml

from local.client import Client
from tests.deploy.compose import CONSOLE, FUNCTIONS, PORTS, containers, places, reached
from tests.deploy.conftest import ROOT, Run
from tests.support.hostile import sent
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deploy"), pytest.mark.timeout(600)]

PREFIX = "/function/console"
LONGEST = 16 << 20
ROW = b"long-1,2026-01-31,119.00,100.00,19.00,Long,Here 1,EUR,open\n"
FILE = ROW + b"\n" * (LONGEST - len(ROW))


@pytest.fixture(scope="module")
def http(environment: Mapping[str, str], key: str) -> urllib3.HTTPConnectionPool:
    """Connections to the router of a stack that is up."""
    return urllib3.HTTPConnectionPool("127.0.0.1", int(environment["GATEWAY_PORT"]), timeout=60, retries=False)


def upload(http: urllib3.HTTPConnectionPool, key: str, name: str, body: bytes) -> urllib3.BaseHTTPResponse:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "text/csv"}
    return http.request("POST", f"/function/invoices/files?key={name}", body=body, headers=headers)


def test_the_console_signs_in_with_a_key(http: urllib3.HTTPConnectionPool, key: str) -> None:
    form = http.request("GET", f"{PREFIX}/sign-in")
    assert form.status == 200
    page = form.data.decode()
    files = set(re.findall(rf'(?:href|src)="({PREFIX}/static/[^"]+)"', page))
    assert {name.rsplit("/", 1)[1] for name in files} >= {"console.css", "console.js"}
    for name in files:
        answer = http.request("GET", name)
        assert (answer.status, bool(answer.data)) == (200, True), name
        assert "immutable" in answer.headers["Cache-Control"], name

    visitor = form.headers["Set-Cookie"].partition(";")[0]
    [token] = set(re.findall(r'name="csrf_token" value="([^"]+)"', page))
    signed_in = http.request_encode_body(
        "POST",
        f"{PREFIX}/sign-in",
        {"key": key, "csrf_token": token},
        {"Cookie": visitor, "Sec-Fetch-Site": "same-origin"},
        encode_multipart=False,
        redirect=False,
    )
    assert signed_in.status == 303, signed_in.data
    assert signed_in.headers["Location"].startswith(f"{PREFIX}/")
    [session] = [each for each in signed_in.headers.getlist("Set-Cookie") if each.startswith("mailroom-session=mr_")]
    assert {each.strip() for each in session.split(";")} >= {f"Path={PREFIX}", "HttpOnly", "SameSite=Strict"}

    first = http.request("GET", signed_in.headers["Location"], headers={"Cookie": session.partition(";")[0]})
    assert (first.status, "sign-out" in first.data.decode()) == (200, True)


def test_a_file_of_16_mib_is_uploaded_and_imported_and_a_longer_one_refused(
    http: urllib3.HTTPConnectionPool, key: str
) -> None:
    answer = upload(http, key, "long.csv", FILE)
    assert answer.status == 201, answer.data
    uploaded = answer.json()["importId"]

    def ended() -> str:
        headers = {"Authorization": f"Bearer {key}"}
        found = http.request("GET", f"/function/invoices/imports/{uploaded}", headers=headers).json()
        return "" if found["state"] in ("pending", "running") else str(found["state"])

    assert eventually(ended, 100, "the end of the import") == "done"
    refused = upload(http, key, "longer.csv", FILE + b"\n")
    assert (refused.status, refused.json()["code"]) == (413, "body.too_large")


def test_uploads_that_fill_the_temporary_files_do_not_end_the_function(
    http: urllib3.HTTPConnectionPool, environment: Mapping[str, str], key: str, run: Run
) -> None:
    """They lie in /tmp, which counts as memory of the container."""

    def life() -> tuple[int, str]:
        [found] = json.loads(run("docker", "inspect", run("docker", "compose", "ps", "--quiet", "invoices").strip()))
        return found["RestartCount"], found["State"]["StartedAt"]

    def free() -> int:
        space = run("docker", "compose", "exec", "-T", "invoices", "df", "--output=avail", "--block-size=1", "/tmp")
        return int(space.split()[-1])

    before, room = life(), free()
    many = room // LONGEST + 3
    line = b"POST /function/invoices/files?key=many.csv HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key.encode()
    with ExitStack() as stack:
        for _ in range(many):
            head = line + f"\r\nContent-Length: {LONGEST}\r\n\r\n".encode()
            connection = stack.enter_context(sent(int(environment["GATEWAY_PORT"]), head))
            with suppress(OSError):  # once the folder is full, connections are cut off
                connection.sendall(FILE[:-1])
        eventually(lambda: free() < LONGEST, 60, "a full folder")
        assert upload(http, key, "short.csv", ROW).status == 201
    eventually(lambda: free() == room, 60, "room again")
    assert upload(http, key, "long.csv", FILE).status == 201
    assert life() == before


PROMETHEUS_PORT = 9090
STATE = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:5000/').read().decode())"


@pytest.fixture(scope="module")
def prometheus(environment: Mapping[str, str], key: str, run: Run) -> Iterator[str]:
    """The URL of the API of Prometheus. Grafana, which has the same profile, stays away: no copy could be had."""
    compose = ("docker", "compose", "--profile", "monitoring")
    run(*compose, "up", "--detach", "--wait", "--no-deps", "prometheus")
    yield f"http://127.0.0.1:{environment['PROMETHEUS_PORT']}/api/v1"
    run(*compose, "rm", "--stop", "--force", "prometheus")


def test_prometheus_scrapes_every_function_and_takes_the_rules(prometheus: str, run: Run) -> None:
    def ask(what: str) -> Any:
        return urllib3.request("GET", f"{prometheus}/{what}", timeout=10).json()["data"]

    def scraped() -> set[str]:
        return {each["labels"]["function"] for each in ask("targets")["activeTargets"] if each["health"] == "up"}

    def evaluated() -> set[str]:
        [group] = ask("rules")["groups"]
        return {each["name"] for each in group["rules"] if each["health"] == "ok"}

    [written] = yaml.safe_load((ROOT / "compose/monitoring/rules.yml").read_text())["groups"]
    eventually(lambda: scraped() == {*FUNCTIONS, CONSOLE}, what="a page of each function")
    eventually(lambda: evaluated() == {each["alert"] for each in written["rules"]}, what="all rules")
    [found] = ask("query?query=count(mailroom_metrics_up)")["result"]
    assert int(found["value"][1]) >= len(FUNCTIONS) - 2  # the APIs read no server
    log = run("docker", "compose", "logs", "--no-log-prefix", "prometheus")
    assert [line for line in log.splitlines() if not re.search(r"\blevel=info\b", line, re.IGNORECASE)] == []


def test_prometheus_reaches_the_functions_only_and_no_function_reaches_its_page(prometheus: str, run: Run) -> None:
    running = containers(run)
    targets = {name: places(running, name, port) for name, port in PORTS.items()}
    assert reached(run, running["prometheus"], targets) == {*FUNCTIONS, CONSOLE, "router"}
    page = {"page": [*places(running, "prometheus", PROMETHEUS_PORT), ("prometheus-page", PROMETHEUS_PORT)]}
    for name in ("invoices", CONSOLE):  # they share a network with it, as all functions do
        assert reached(run, running[name], page) == set(), name


@pytest.fixture(scope="module")
def people(environment: Mapping[str, str], key: str) -> Client:
    """Who uploads files, and asks what became of them."""
    access, secret = ((ROOT / f"compose/secrets/people-s3-{each}-key").read_text() for each in ("access", "secret"))
    store = {"endpoint": f"http://127.0.0.1:{environment['S3_PORT']}", "accessKey": access, "secretKey": secret}
    return Client({"gateway": f"http://127.0.0.1:{environment['GATEWAY_PORT']}", "apiKey": key, "minio": store})


def test_the_listener_hands_on_each_upload_and_killed_it_loses_none(people: Client, run: Run) -> None:
    # Whether it hears anything depends on the image of MinIO: docs/storage.md.
    compose = ("docker", "compose", "--profile", "listener")
    number = secrets.token_hex(4)

    def upload(name: str) -> None:
        people.upload(f"{number}-{name}.csv", ROW.replace(b"long-1", f"{number}-{name}".encode()))

    def queryable(*names: str) -> bool:
        items = people.get("invoices", supplier="Long", limit="1000")["items"]
        return {f"{number}-{name}" for name in names} <= {each["invoiceNumber"] for each in items}

    def handed_on() -> int:
        return int(json.loads(run(*compose, "exec", "-T", "listener", "python", "-c", STATE))["handedOn"])

    run(*compose, "up", "--detach", "--wait", "--no-deps", "listener")
    try:
        targets = {name: [(name, port)] for name, port in PORTS.items()}
        assert reached(run, containers(run)["listener"], targets) == {"minio", "invoice-events"}
        upload("heard")
        eventually(lambda: handed_on() == 1, what="the hand-over")
        eventually(lambda: queryable("heard"), what="the invoice")

        upload("before")
        run(*compose, "kill", "listener")
        upload("after")
        eventually(lambda: queryable("before", "after"), what="what MinIO's queue brings")

        run(*compose, "up", "--detach", "--wait", "--no-deps", "listener")
        upload("again")
        eventually(lambda: handed_on() == 1, what="the hand-over after the new start")
    finally:
        run(*compose, "rm", "--stop", "--force", "listener")
