"""Hostile calls with a key: every answer is a clear refusal or a plain result, and nothing is written."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.datastructures import MultiDict

from mailroom.platform.api_keys import SCOPES
from mailroom.services import Services
from tests.integration.conftest import document
from tests.integration.web.apis import NAMES, api, path_of
from tests.support.client import Client

HOSTILE = [
    '{"$gt": ""}',
    "$where",
    "[$ne]",
    "\x00",
    "a\x00b",
    "\ud800",
    "\ufffe",
    "' || '1'=='1",
    "(a+)+$" + "a" * 100,
    "9" * 5000,
    "-1",
    "1e400",
    "NaN",
    "../../etc/passwd",
    "%00",
    "٣٤",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "2024-02-30",
    "ObjectId('" + "0" * 24 + "')",
    "eyIkZ3QiOiAiIn0",
]
BODIES: list[bytes] = [
    b"",
    b"\x00",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'"text"',
    b"1e999",
    b"9" * 10_000,
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"status": "\\ud800"}',
    b'{"status": {"$set": 1}}',
    b'{"bucket": {"$gt": ""}, "key": "x"}',
    b'{"emailTo": {"$gt": ""}, "subject": "s", "message": "m"}',
    b'{"status": "a", "status": "b", "__proto__": {}}',
    b'{"status": ' + b"9" * 5000 + b"}",
]


@pytest.fixture
def clients(indexed: Services) -> dict[str, Client]:
    key = indexed.keys.create("all", list(SCOPES))
    return {name: Client(api(name, indexed), key.text) for name in NAMES}


def collections(services: Services) -> dict[str, int]:
    return {name: services.database[name].count_documents({}) for name in ("invoices", "imports", "notifications")}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value[:12]))
def test_no_parameter_is_an_operator_or_breaks_anything(clients: dict[str, Client], put, name: str, value: str):
    put(document("1"))
    client = clients[name]
    for route in client.routes:
        if route.method != "GET":
            continue
        for parameter in route.operation.query_names():
            answer = client.call("GET", path_of(route), query=f"{parameter}={quote(value, errors='surrogatepass')}")
            assert answer.status in (200, 404, 422), (route.path, parameter, answer.body)
            if answer.status == 200 and route.path == "/":
                assert answer.json()["items"] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", BODIES, ids=lambda body: ascii(body[:14]))
def test_no_body_breaks_anything_or_is_written(
    clients: dict[str, Client], indexed: Services, put, name: str, body: bytes
):
    [id_] = put(document("1"))
    before = collections(indexed)
    client = clients[name]
    for route in client.routes:
        if (route.method in ("POST", "PATCH") and "<id>" not in route.path) or route.method == "PATCH":
            path = path_of(route) if route.method == "POST" else f"/{id_}"
            answer = client.call(route.method, path, body, headers={"If-Match": "*"})
            if body or answer.status >= 400:  # some bodies may be left out
                assert 400 <= answer.status < 500, (route.path, answer.body)
                page = answer.status == 404 and 404 in route.operation.answers  # for people
                kind = "text/html; charset=utf-8" if page else "application/problem+json"
                assert answer.headers["Content-Type"] == kind
    assert collections(indexed) == before
    stored = indexed.database["invoices"].find_one({})
    assert stored is not None
    assert stored["status"] == "open"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "path",
    [
        "/./",
        "/../",
        "/..%2f",
        "/a/b/c/d",
        "/\x00",
        "/%00",
        "/imports//",
        "/;",
        "/%3f",
        "/" + "a" * 10_000,
        "x",
        "/é",
    ],
    ids=lambda path: ascii(path[:10]),
)
def test_no_path_leads_elsewhere(clients: dict[str, Client], name: str, path: str):
    for method in ("GET", "POST", "PATCH", "DELETE", "TRACE", "get", "X" * 100):
        assert clients[name].call(method, path).status in (404, 405, 422), (method, path)


@pytest.mark.parametrize(
    "query", [MultiDict([("status", "a"), ("status", "b")]), "status=a&status=b", "limit=1&limit=2"]
)
def test_a_repeated_parameter_is_refused(client: Client, query: Any):
    answer = client.call("GET", "/", query=query)
    assert (answer.status, answer.json()["code"]) == (422, "query.repeated")


def test_two_keys_in_one_call_are_refused(client: Client):
    # A server joins repeated headers with a comma.
    stranger = Client(client.app, "")
    for header in (
        f"Bearer {client.key}, Bearer {client.key}",
        f"Bearer x,Bearer {client.key}",
        f"Bearer {client.key}\x00",
    ):
        assert stranger.get(headers={"Authorization": header}).status == 401


@pytest.mark.parametrize("value", ["\xff" * 100, '"' * 1000, ",".join(['"x"'] * 2000), "gzip;q=nan", "\x00"])
@pytest.mark.parametrize("header", ["If-None-Match", "Accept-Encoding", "X-Request-Id", "Prefer", "Origin", "Accept"])
def test_no_header_breaks_anything(client: Client, header: str, value: str):
    assert client.get(headers={header: value}).status == 200


def test_a_cursor_with_an_invalid_number_is_refused(client: Client):
    cursor = base64.urlsafe_b64encode(b'[{"$numberDecimal": "x"}]').decode()
    for path in ("/", "/totals", "/imports", "/export"):
        assert client.get(path, cursor=cursor).status == 422, path


@pytest.mark.parametrize(
    "value", [{"$binary": 5, "$type": 1}, {"$date": 1e400}, {"$numberDecimal": 1}, "\ud800"], ids=ascii
)
@pytest.mark.parametrize("name", NAMES)
def test_a_forged_cursor_is_refused_by_every_list(clients: dict[str, Client], name: str, value: Any):
    client, lists = clients[name], 0
    for route in client.routes:
        if "cursor" in route.operation.query_names():
            lists += 1
            for parts in ([value], ["createdAt", value, {"$oid": "0" * 24}], ["currency", value]):
                cursor = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
                answer = client.get(path_of(route), cursor=cursor)
                assert (answer.status, answer.json()["code"]) == (422, "cursor.invalid"), route.path
    assert lists == {"invoices": 8, "notifications": 6}[name]


def test_a_cursor_made_by_hand_reads_nothing_else(client: Client, put):
    put(document("1"))
    for parts in (
        ["invoiceDate", {"$gt": ""}, {"$oid": "0" * 24}],
        ["invoiceDate", {"$date": {"$numberLong": "9" * 40}}, {"$oid": "0" * 24}],
        ["invoiceDate", {"$regularExpression": {"pattern": "(a+)+$", "options": ""}}, {"$oid": "0" * 24}],
        ["$where", {"$date": {"$numberLong": "0"}}, {"$oid": "0" * 24}],
        {"invoiceDate": 1},
        [["invoiceDate"]],
    ):
        cursor = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
        assert client.get(cursor=cursor).status == 422, parts
        assert client.get("/totals", cursor=cursor).status == 422, parts
