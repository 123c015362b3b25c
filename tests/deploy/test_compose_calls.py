"""What comes through the router of the Compose stack: the pages of the console, and uploads of the greatest length."""

import json
import re
from collections.abc import Mapping
from contextlib import ExitStack, suppress

import pytest
import urllib3

from tests.deploy.conftest import Run
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
