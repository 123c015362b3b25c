"""Who gets in: every route of both APIs, with every kind of key that must not open it. New ones are tested at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailroom.platform.keys import SCOPES
from mailroom.wiring import Services
from tests.integration.api.apis import NAMES, api, path_of
from tests.integration.api.conftest import Client

KINDS = ("none", "wrong secret", "unknown", "expired", "revoked", "not bearer")


def authorization(kind: str, services: Services) -> str:
    keys = services.keys
    good = keys.create("good", list(SCOPES))
    if kind == "expired":
        return f"Bearer {keys.create('old', list(SCOPES), timedelta(seconds=-1)).text}"
    if kind == "revoked":
        keys.revoke(good.id)
    return {
        "none": "",
        "wrong secret": f"Bearer mr_{good.id}_{'x' * 43}",
        "unknown": f"Bearer mr_{'0' * 24}_{good.text.split('_', 2)[2]}",
        "revoked": f"Bearer {good.text}",
        "not bearer": f"Basic {good.text}",
    }[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_no_route_opens_without_a_valid_key(indexed: Services, name: str, kind: str):
    served, header = api(name, indexed), authorization(kind, indexed)
    before = {each: indexed.database[each].count_documents({}) for each in ("imports", "notifications", "invoices")}
    assert len(served.routes) > 4
    told = set()
    for route in served.routes:
        for method in {route.method, "OPTIONS", "HEAD"}:
            answer = Client(served, "").call(
                method, path_of(route), headers={"Authorization": header} if header else {}
            )
            assert answer.status == 401, (method, route.path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            told.add(answer.body)
    # The same words everywhere: they do not tell a key that was from one that never was.
    assert len(told - {b""}) == 1
    assert before == {each: indexed.database[each].count_documents({}) for each in before}


@pytest.mark.parametrize("name", NAMES)
def test_no_route_opens_for_another_scope(indexed: Services, name: str):
    served = api(name, indexed)
    for route in served.routes:
        key = indexed.keys.create("others", [scope for scope in SCOPES if scope != route.scope])
        answer = Client(served, key.text).call(route.method, path_of(route))
        assert (answer.status, answer.json()["code"]) == (403, "auth.scope"), (route.method, route.path)


@pytest.mark.parametrize("name", NAMES)
def test_its_scope_opens_every_route(indexed: Services, name: str):
    served = api(name, indexed)
    for route in served.routes:
        key = indexed.keys.create("one", [route.scope])
        assert Client(served, key.text).call(route.method, path_of(route)).status not in (401, 403, 405)


@pytest.mark.parametrize("path", ["/openapi.json/", "/docs/x", "/docs/../imports", "//docs", "/DOCS"])
def test_nothing_near_the_public_pages_is_public(indexed: Services, path: str):
    assert Client(api("invoices", indexed), "").get(path).status == 401
