"""The API on the wire: the function `invoices` in its own process, without a gateway."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mailroom.services import Services
from tests.integration.conftest import document
from tests.support.functions import Functions
from tests.support.processes import ROOT


@pytest.fixture
def port(indexed: Services, tmp_path: Path) -> Iterator[int]:
    settings = indexed.settings
    environment = {
        "PYTHONPATH": str(ROOT),
        "MAX_BODY_BYTES": "10000",
        "SECRETS_DIR": str(settings.secrets_dir),
        "MONGODB_DATABASE": settings.mongodb_database,
        "S3_ENDPOINT": settings.s3_endpoint,
        "CORS_ORIGINS": "https://books.example.com",
        "RATE_LIMIT_PER_MINUTE": "30",
    }
    with ExitStack() as stack:
        yield Functions(tmp_path, stack).start(ROOT / "functions/invoices", **environment).port


@pytest.fixture
def key(indexed: Services) -> str:
    return indexed.keys.create("test", ["invoices:read", "invoices:write"]).text


def call(
    port: int, key: str, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Authorization": f"Bearer {key}"} | named)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_the_served_function_reads_changes_and_exports(port: int, key: str, put):
    [id_, *_] = put(*(document(str(n)) for n in range(20)))

    _, got, body = call(port, key, "GET", "/")
    status, head, nothing = call(port, key, "HEAD", "/")
    assert (status, nothing, head["Content-Length"]) == (200, b"", str(len(body)))
    assert head["ETag"] == got["ETag"]
    assert call(port, key, "GET", "/", If_None_Match=got["ETag"])[0] == 304

    _, one, _ = call(port, key, "GET", f"/{id_}", X_Request_Id="mine")
    assert one["X-Request-Id"] == "mine"
    assert one["X-Call-Id"] == "mine"
    change = json.dumps({"status": "paid"}).encode()
    assert call(port, key, "PATCH", f"/{id_}", change)[0] == 428
    assert call(port, key, "PATCH", f"/{id_}", change, If_Match=one["ETag"])[0] == 200
    assert call(port, key, "PATCH", f"/{id_}", change, If_Match=one["ETag"])[0] == 412

    status, export, packed = call(port, key, "GET", "/export", Accept_Encoding="gzip")
    assert (status, export["Content-Encoding"]) == (200, "gzip")
    assert gzip.decompress(packed).endswith(b"\r\n\r\n")
    assert gzip.decompress(packed).count(b"\r\n") == 22
    assert call(port, key, "HEAD", "/export")[1]["Content-Length"] is None


def test_hostile_requests_on_the_wire_get_a_client_error(port: int, key: str):
    assert call(port, key, "POST", "/imports", b"x" * 10_001)[0] == 413
    assert call(port, key, "GET", "/?limit=1&limit=2")[0] == 422
    assert call(port, key, "GET", "/?status=%ff%00&supplier=%7B%22$gt%22:1%7D")[0] == 200
    assert call(port, key, "GET", "/..%2f..%2fetc%2fpasswd")[0] == 404
    for lines in (
        f"Authorization: Bearer {key}\r\nAuthorization: Bearer {key}\r\n",
        f"Authorization: Bearer x\r\nAuthorization: Bearer {key}\r\n",
        f"Authorization:\r\n Bearer {key}x\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n".encode())
            assert connection.recv(12)[-3:] in (b"400", b"401")


def test_settings_limit_body_rate_and_time(port: int, key: str):
    page = {"Origin": "https://books.example.com", "Access_Control_Request_Method": "GET"}
    status, headers, _ = call(port, "", "OPTIONS", "/", **page)
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, page["Origin"])
    codes = [call(port, key, "GET", "/imports")[0] for _ in range(32)]
    assert codes[:30] == [200] * 30
    assert 429 in codes[30:]
