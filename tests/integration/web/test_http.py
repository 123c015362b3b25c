"""Behaviour of every route: HEAD, OPTIONS, CORS, gzip, entity tags, ids, the rate limit, the audit line."""

from __future__ import annotations

import gzip
import json
import logging

import pytest
from pymongo.errors import AutoReconnect

from mailroom.errors import MissingSecret, NotSetUp, Unavailable
from mailroom.invoices.model.edits import Edits
from mailroom.services import Services
from mailroom.web.endpoints import routes
from mailroom.web.rate_limit import RateLimit
from tests.integration.conftest import document
from tests.integration.web.apis import NAMES, api
from tests.support.client import Client

PAGE = "https://books.example.com"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


def test_head_answers_as_get_without_a_body(client: Client, put):
    put(document("1"))
    got, head = client.get(), client.call("HEAD")
    assert (head.status, head.body, head.headers) == (200, b"", got.headers)


def test_options_lists_the_methods(client: Client):
    answer = client.call("OPTIONS", "/imports")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert client.call("OPTIONS", "/" + "0" * 24).headers["Allow"] == "GET, HEAD, OPTIONS, PATCH"
    assert client.call("OPTIONS", "/no/such/path").status == 404
    refused = client.call("DELETE", "/imports")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")


def test_by_default_no_page_of_another_origin_may_read(client: Client):
    answer = client.call("OPTIONS", "/", headers=PREFLIGHT)
    assert not any(name.startswith("Access-Control") for name in answer.headers | client.get().headers)
    assert Client(client.app, "").call("OPTIONS", "/", headers=PREFLIGHT).status == 401


def test_pages_of_the_configured_origins_may_read(make_client, indexed: Services):
    client = make_client(cors_origins=f" {PAGE}/, https://other.example.com")
    stranger = Client(client.app, "")

    preflight = stranger.call("OPTIONS", "/imports", headers=PREFLIGHT)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == PAGE
    methods = {route.method for name in NAMES for route in routes(api(name, indexed))}
    assert methods <= set(preflight.headers["Access-Control-Allow-Methods"].split(", "))
    assert preflight.headers["Access-Control-Allow-Headers"] == "authorization"

    for answer in (client.get(headers={"Origin": PAGE}), stranger.get(headers={"Origin": PAGE})):
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    for origin in ("https://evil.example.com", f"{PAGE}.evil.com", "null", ""):
        assert "Access-Control-Allow-Origin" not in client.get(headers={"Origin": origin}).headers
        assert stranger.call("OPTIONS", headers=PREFLIGHT | {"Origin": origin}).status == 401


def test_a_star_lets_pages_of_any_origin_read(make_client):
    client = make_client(cors_origins="*")
    assert client.get(headers={"Origin": PAGE}).headers["Access-Control-Allow-Origin"] == "*"


def test_a_known_etag_is_answered_304_without_a_body(client: Client, put):
    put(document("1"))
    tag = client.get().headers["ETag"]
    for known in (tag, f'W/{tag}, "x"', "*"):
        answer = client.get(headers={"If-None-Match": known})
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["ETag"] == tag
    assert client.get(headers={"If-None-Match": '"x"'}).status == 200
    put(document("2"))
    assert client.get(headers={"If-None-Match": tag}).status == 200


def test_an_answer_is_compressed_if_accepted_and_large_enough(client: Client, put):
    small = client.get(headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers
    put(*(document(str(n)) for n in range(20)))
    plain, packed = client.get(), client.get(headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 4
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert client.get(headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}).status == 304
    assert "Content-Encoding" not in client.get(headers={"Accept-Encoding": "gzip;q=0"}).headers


def test_answers_to_a_key_are_not_cached_by_others(client: Client):
    assert client.get().headers["Cache-Control"] == "private, no-cache"
    assert client.get("/export").headers["Cache-Control"] == "no-store"
    assert client.get("/nothing").headers["Cache-Control"] == "no-store"


def test_a_call_id_is_kept_and_answered(client: Client):
    call = {"X-Call-Id": "call-1"}  # the function runtime sets it
    assert client.get(headers=call | {"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
    assert client.get(headers=call).headers["X-Request-Id"] == "call-1"
    assert client.get("/x", headers=call).json()["callId"] == "call-1"
    forged = client.get(headers=call | {"X-Request-Id": "a b; Set-Cookie: b"})
    assert forged.headers["X-Request-Id"] == "call-1"


def test_a_key_that_calls_too_often_waits_and_others_do_not(make_client):
    time = [0.0]
    client = make_client(RateLimit(2, lambda: time[0]))
    other = make_client()
    assert [client.get().status for _ in range(3)] == [200, 200, 429]
    refused = client.get()
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("rate.limited", "30")
    assert Client(client.app, other.key).get().status == 200
    assert Client(client.app, "").get().status == 401
    time[0] += 30
    assert [client.get().status for _ in range(2)] == [200, 429]


def test_every_write_leaves_an_audit_line_without_its_content(client: Client, put, caplog: pytest.LogCaptureFixture):
    [id_] = put(document("1"))
    with caplog.at_level(logging.INFO, "audit"):
        client.get(f"/{id_}")
        client.call("PATCH", f"/{id_}", {"status": "hush-hush"}, headers={"If-Match": "*"})
        client.call("PATCH", f"/{id_}", {"status": "hush-hush"})
        client.call("POST", "/imports", b"hush-hush")
        Client(client.app, "").call("POST", "/imports", b"hush-hush")
    lines = [vars(record) for record in caplog.records if record.name == "audit"]
    assert [(line["keyId"], line["action"], line["objectId"], line["status"]) for line in lines] == [
        (client.key_id, "PATCH /<id>", id_, 200),
        (client.key_id, "PATCH /<id>", id_, 428),
        (client.key_id, "POST /imports", None, 400),
    ]
    assert "hush-hush" not in json.dumps(lines, default=str)
    assert client.key not in json.dumps(lines, default=str)


@pytest.mark.parametrize("error", [Unavailable("x"), MissingSecret("x"), NotSetUp("x"), AutoReconnect("x")])
def test_the_audit_line_has_the_status_of_the_answer(
    client: Client, put, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
):
    [id_] = put(document("1"))

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(Edits, "set_status", fails)
    with caplog.at_level(logging.INFO, "audit"):
        answer = client.call("PATCH", f"/{id_}", {"status": "paid"}, headers={"If-Match": "*"})
    assert [vars(record)["status"] for record in caplog.records if record.name == "audit"] == [answer.status] == [503]
