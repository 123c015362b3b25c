"""Routes without an API key: who gets in, what is counted, logged and documented. Their views check who calls."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Blueprint, Flask, Response

from mailroom.errors import Invalid
from mailroom.platform.api_keys import Caller, InvalidKey
from mailroom.platform.settings import Settings
from mailroom.web.app import create_app
from mailroom.web.endpoints import (
    Contract,
    Operation,
    endpoint,
    has_caller,
    key_endpoint,
    open_endpoint,
    optional_key_endpoint,
    query,
    routes,
)
from mailroom.web.openapi import document
from mailroom.web.rate_limit import RateLimit
from mailroom.web.representation import json_response
from tests.support.client import Answer, Client

OPERATION = Operation("Take a report", {200: dict[str, str]})


def refuse(header: str) -> Any:
    raise InvalidKey("auth.missing", "no key")


def served(limit: RateLimit | None = None) -> Flask:
    blueprint = Blueprint("reports", __name__)

    @blueprint.post("/reports/<kind>")
    @open_endpoint(OPERATION)
    def take(kind: str) -> Response:
        query()
        if kind == "forged":
            raise Invalid("signature", "signature.invalid", "the signature is wrong")
        return json_response({"kind": kind})

    @blueprint.get("/reports/<kind>")
    @endpoint(OPERATION, "reports:read")
    def read(kind: str) -> Response:
        return json_response({"kind": kind})

    app = create_app(Contract("reports", "Reports", ""), refuse, Settings(), rate_limit=limit)
    app.register_blueprint(blueprint)
    return app


def post(app: Flask, kind: str, address: str = "") -> Answer:
    return Client(app, "").call("POST", f"/reports/{kind}", headers={"X-Forwarded-For": address} if address else {})


def test_a_route_may_need_no_key_and_its_neighbours_still_do():
    client = Client(served(), "")
    assert client.call("POST", "/reports/x").json() == {"kind": "x"}
    assert client.get("/reports/x").status == 401
    assert client.call("DELETE", "/reports/x").status == 401
    assert client.call("POST", "/reports").status == 401
    assert client.call("POST", "/reports/x", query={"colour": "red"}).json()["code"] == "query.unknown"


def test_only_refused_calls_of_an_address_are_counted():
    time = [0.0]
    app = served(RateLimit(2, lambda: time[0]))
    assert [post(app, "x", "192.0.2.1").status for _ in range(5)] == [200] * 5
    assert [post(app, "forged", "192.0.2.1").status for _ in range(4)] == [422, 422, 429, 429]
    refused = post(app, "x", "192.0.2.1")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "30")
    assert post(app, "x", "192.0.2.2").status == 200
    time[0] += 30
    assert post(app, "x", "192.0.2.1").status == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1:4711", True),
        ("192.0.2.9, 192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "[2001:db8::2]:4711", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "", False),
        ("unknown", "unknown", False),
    ],
)
def test_an_address_is_the_one_that_the_nearest_proxy_names(one: str, other: str, same: bool):
    app = served(RateLimit(1))
    assert post(app, "forged", one).status == 422
    assert post(app, "forged", other).status == (429 if same else 422)


def test_the_memory_of_the_limit_does_not_grow_with_the_number_of_addresses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mailroom.web.rate_limit._MOST_BUCKETS", 3)
    limit = RateLimit(1)
    for number in range(10):
        limit.count(f"192.0.2.{number}")
    assert len(limit._buckets) == 3


def test_a_call_without_a_key_leaves_an_audit_line(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "audit"):
        post(served(), "x")
        post(served(), "forged")
    lines = [vars(record) for record in caplog.records if record.name == "audit"]
    assert [(line["keyId"], line["action"], line["status"]) for line in lines] == [
        (None, "POST /reports/<kind>", 200),
        (None, "POST /reports/<kind>", 422),
    ]


def test_the_document_says_that_no_key_is_needed():
    app = served()
    [operation] = [each["post"] for each in document(Contract("reports", "", ""), list(routes(app)))["paths"].values()]
    assert operation["security"] == []
    assert operation["description"] == "No key is needed."
    assert set(operation["responses"]) == {"200", "422", "429", "503"}


def optional(limit: RateLimit | None = None) -> Flask:
    """A route that any key opens, and one that needs none. The key is `right`."""
    blueprint = Blueprint("sessions", __name__)

    def authenticate(header: str) -> Caller:
        if header == "Bearer right":
            return Caller("1", "one", frozenset())
        raise InvalidKey("auth.invalid" if header else "auth.missing", "no key")

    @blueprint.post("/sessions")
    @optional_key_endpoint(OPERATION)
    def start() -> Response:
        if not has_caller():
            raise InvalidKey("auth.code", "a wrong code")
        return json_response({})

    @blueprint.get("/sessions")
    @key_endpoint(OPERATION)
    def current() -> Response:
        return json_response({})

    app = create_app(Contract("sessions", "Sessions", ""), authenticate, Settings(), rate_limit=limit)
    app.register_blueprint(blueprint)
    return app


def test_any_key_opens_a_route_without_scopes_and_nothing_else_does():
    app = optional()
    assert [Client(app, key).get("/sessions").status for key in ("right", "wrong", "")] == [200, 401, 401]


def test_where_a_key_is_optional_a_wrong_one_is_refused_before_the_view():
    app = optional()
    codes = [Client(app, key).call("POST", "/sessions").json().get("code") for key in ("right", "wrong", "")]
    assert codes == [None, "auth.invalid", "auth.code"]
    assert Client(app, "").call("OPTIONS", "/sessions").json()["code"] == "auth.missing"


def test_where_a_key_is_optional_refused_calls_keep_nobody_else_out():
    app = optional(RateLimit(2, lambda: 0.0))
    headers = {"X-Forwarded-For": "192.0.2.1"}
    assert [Client(app, "").call("POST", "/sessions", headers=headers).status for _ in range(4)] == [401] * 4
    assert [Client(app, "right").call("POST", "/sessions", headers=headers).status for _ in range(3)] == [200, 200, 429]


def test_the_document_says_which_key_is_needed():
    app = optional()
    paths = document(Contract("sessions", "", ""), list(routes(app)))["paths"]["/sessions"]
    assert (paths["get"]["security"], paths["post"]["security"]) == ([{"key": []}], [{"key": []}, {}])
    assert paths["get"]["description"] == "Any key serves; no scope is needed."
    assert "401" in paths["get"]["responses"].keys() & paths["post"]["responses"].keys()
