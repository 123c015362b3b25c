"""The contract and the code agree: it has every route and parameter, and answers match its schemas."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from mailroom.invoices.api import operations as contract
from mailroom.invoices.api.figures import operations as figures
from mailroom.invoices.api.rows import operations as rows
from mailroom.invoices.imports.ledger import Ledger
from mailroom.platform.api_keys import SCOPES
from mailroom.platform.objects import ObjectVersion
from mailroom.services import Services
from mailroom.web.endpoints import KeyNeed, Route, routes
from tests.integration.conftest import document
from tests.integration.web.apis import NAMES, api, path_of
from tests.support.client import Client


@pytest.mark.parametrize("name", NAMES)
def test_the_document_has_every_route_and_no_other(indexed: Services, name: str):
    served = api(name, indexed)
    found = Client(served, "").get("/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    paths = {(method.upper(), path) for path, methods in found["paths"].items() for method in methods}
    assert paths == {(route.method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)) for route in routes(served)}
    for route in routes(served):
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)
        operation = found["paths"][path][route.method.lower()]
        by_scope = [{"key": [each]} for each in route.scopes] or [{"key": []}]
        assert (
            operation["security"]
            == {
                KeyNeed.REQUIRED: by_scope,
                KeyNeed.OPTIONAL: [*by_scope, {}],
                KeyNeed.NONE: [],
            }[route.key]
        )
        refusals = ({"401"} if route.key is not KeyNeed.NONE else set()) | ({"403"} if route.scopes else set())
        assert refusals | {"422", "429", "503"} < operation["responses"].keys()  # 422: an unknown parameter
        in_path = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
    ids = [each["operationId"] for methods in found["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere(client: Client):
    found = client.get("/openapi.json")
    names = set(re.findall(rb'"#/components/schemas/(\w+)"', found.body))
    assert {b"Invoice", b"Import", b"TotalPage", b"ChangeInvoice", b"Problem"} <= names
    assert names <= {name.encode() for name in found.json()["components"]["schemas"]}


def test_answers_match_their_schema(client: Client, put, indexed: Services):
    [id_] = put(document("1"))
    import_id, _ = Ledger.of(indexed.database, indexed.settings).submit(
        ObjectVersion("b", "k.csv", "v", "etag", 10, 1_700_000_000_000)
    )
    for operation, path in (
        (contract.LIST_INVOICES, "/"),
        (contract.GET_INVOICE, f"/{id_}"),
        (contract.TOTALS, "/totals"),
        (contract.LIST_IMPORTS, "/imports"),
        (contract.GET_IMPORT, f"/imports/{import_id}"),
        (rows.LIST_REJECTS, f"/imports/{import_id}/rejects"),
        (figures.IMPORT_FIGURES, "/figures/imports"),
        (figures.INVOICE_FIGURES, "/figures/invoices"),
        (figures.WAITING_FIGURES, "/figures/waiting"),
    ):
        shape = msgspec.json.decode(client.get(path).body, type=operation.answers[200])
        assert shape  # decoding checks names, types and patterns; what is unknown is refused
    client.call("PATCH", f"/{id_}", {"status": "paid"}, headers={"If-Match": "*"})
    assert msgspec.json.decode(client.get(f"/{id_}").body, type=contract.GET_INVOICE.answers[200]).edited


def test_refusals_match_their_schema(client: Client):
    schema = client.get("/openapi.json").json()["components"]["schemas"]["Problem"]
    for answer in (client.get("/x"), client.get(limit="0"), client.call("PUT"), Client(client.app, "").get()):
        problem = answer.json()
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert set(schema["required"]) <= problem.keys() <= schema["properties"].keys()
        assert problem["status"] == answer.status


def described(client: Client) -> list[Route]:
    return [route for route in client.routes if route.method == "GET"]


def test_every_documented_parameter_is_accepted_and_no_other(indexed: Services):
    client = Client(api("invoices", indexed), indexed.keys.create("all", list(SCOPES)).text)
    for route in described(client):
        for name in route.operation.query_names():
            answer = client.get(path_of(route), **{name: "x"})
            code: Any = answer.json()["code"] if answer.status == 422 else None
            assert code != "query.unknown", (route.path, name)
        refused = client.get(path_of(route), colour="red")
        assert (refused.status, refused.json()["field"]) == (422, "colour")


def test_the_page_of_the_document_loads_nothing(client: Client):
    stranger = Client(client.app, "")
    answer = stranger.get("/docs")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = answer.body.decode()
    assert not re.search(r"<(script|link|img|iframe)|src=|https?://", page)
    for route in client.routes:
        assert re.sub(r"<(\w+)>", r"{\1}", route.path) in page
    assert (
        stranger.get("/openapi.json", headers={"If-None-Match": stranger.get("/openapi.json").headers["ETag"]}).status
        == 304
    )
