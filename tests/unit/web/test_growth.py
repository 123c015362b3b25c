"""No header, path, query or cursor costs more than linear time. Waitress takes up to 256 KiB of them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress

import pytest
from flask import Blueprint, Flask, Response, request
from werkzeug.http import parse_set_header
from werkzeug.test import Client

from mailroom.errors import Invalid
from mailroom.invoices.api.parameters import import_filter, invoice_filter, last_group
from mailroom.invoices.views.filters import plan_imports, plan_invoices
from mailroom.platform.api_keys import Caller
from mailroom.platform.keyset import NEWEST_FIRST
from mailroom.platform.settings import Settings
from mailroom.web import paging
from mailroom.web.app import create_app
from mailroom.web.endpoints import PAGE, Contract, Operation, endpoint, query
from mailroom.web.representation import entity_tag, json_response, precondition_holds
from tests.support.growth import grows_like_its_size

LARGEST = 100_000

UNITS = [
    " ",
    ",",
    '"',
    "\\",
    ";",
    "=",
    "a",
    "a,",
    "a;",
    "a=",
    'a="',
    '"a",',
    "W/",
    "a;q=",
    "a;q=0.5,",
    "*",
    "*0*=",
    "a b",
]
HEADERS = [
    *("If-None-Match", "If-Match", "Accept-Encoding", "Accept", "Prefer", "Origin", "X-Request-Id", "Content-Type"),
    *("Access-Control-Request-Headers", "Host", "Cookie"),
]


@pytest.fixture(scope="module")
def client() -> Client:
    settings = Settings(cors_origins="https://a.example.com")
    caller = Caller("1", "a", frozenset(["read"]))
    app: Flask = create_app(Contract("notifications", "", ""), lambda _: caller, settings)
    blueprint = Blueprint("lists", __name__)

    @blueprint.route("/", methods=["GET", "OPTIONS"])
    @blueprint.get("/<name>/versions")
    @blueprint.get("/<id:id>")
    @endpoint(Operation("A list", {200: None}, parameters=PAGE), "read")
    def listed(**path: str) -> Response:
        query()
        precondition_holds(request.headers.get("If-Match", ""), entity_tag("x"))
        parse_set_header(request.headers.get("Prefer"))
        return json_response({"items": ["x" * 2000]})

    app.register_blueprint(blueprint)
    return Client(app)


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_takes_linear_time(client: Client, name: str) -> None:
    preflight = {"Origin": "https://a.example.com", "Access-Control-Request-Method": "GET"}
    others = preflight if name.startswith("Access-Control") else {}

    def call(value: str) -> None:
        client.open(method="OPTIONS" if others else "GET", headers={**others, name: value})

    for unit in UNITS:
        assert grows_like_its_size(lambda size: "a" + unit * (size // len(unit)) + "a", call, LARGEST), unit  # noqa: B023 - it is called at once


@pytest.mark.parametrize("unit", ["/", "//", "/a", "%2f", ";", "a", ".", "/..", "%", "%c3%a9"])
def test_a_path_takes_linear_time(client: Client, unit: str) -> None:
    assert grows_like_its_size(lambda size: "/" + unit * (size // len(unit)) + "/versions", client.get, LARGEST)


@pytest.mark.parametrize("unit", ["&", "=", "a=1&", "{}=1&", "%61", "+", "%", "a&", ";"])
def test_a_query_takes_linear_time(client: Client, unit: str) -> None:
    def make(size: int) -> str:
        return "/?" + "".join(unit.format(n) for n in range(size // (len(unit) + 3)))

    assert grows_like_its_size(make, client.get, LARGEST)


CURSORS = {
    "lists": "[",
    "objects": '{"a":',
    "times": '{"$date":1},',
    "digits": "9",
    "texts": '"a",',
    "spaces": " ",
    "quotes": '"',
    "escapes": '\\"',
    "patterns": '{"$regularExpression":{"pattern":"(a+)+$","options":""}},',
}


@pytest.mark.parametrize("before", ["", "[", '["', '[{"$numberLong":"', '[{"$numberDecimal":"', '[{"$oid":"'])
@pytest.mark.parametrize("unit", CURSORS.values(), ids=CURSORS)
def test_a_cursor_takes_linear_time(unit: str, before: str) -> None:
    def make(size: int) -> str:
        return base64.urlsafe_b64encode((before + unit * (size * 3 // 4 // len(unit))).encode()).decode()

    def read(cursor: str) -> None:
        for parse in (lambda given: paging.key_of(given, NEWEST_FIRST), lambda given: last_group(given, ["month"])):
            with suppress(Invalid):
                parse({"cursor": cursor})

    assert grows_like_its_size(make, read, LARGEST)


TEXTS: dict[str, Callable[[int], str]] = {
    "letters": lambda size: "\u00fc" * (size // 6),
    "spaces": lambda size: " " * size,
    "marks in disorder": lambda size: "a" + "\u0301\u0316" * (size // 12),
    "marks that decompose": lambda size: "a" + "\u0f73" * (size // 9),
    "ligatures": lambda size: "\ufdfa" * (size // 9),
    "digits": lambda size: "9" * size,
}


@pytest.mark.parametrize("make", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    "name",
    ["supplier", "invoiceNumber", "status", "currency", "importId", "dateFrom", "updatedSince", "sort", "key", "state"],
)
def test_a_parameter_takes_linear_time(name: str, make: Callable[[int], str]) -> None:
    def read(text: str) -> None:
        with suppress(Invalid):
            plan_invoices(invoice_filter({name: text}))
        with suppress(Invalid):
            plan_imports(import_filter({name: text}))

    assert grows_like_its_size(make, read, LARGEST)
