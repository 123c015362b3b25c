"""Access: every route of every function, with every kind of key that must not open it.

The routes are those that the code declares, the functions those of stack.yml: a new one is tested, or fails here.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from local.stack_file import read_stack
from mailroom.events.webhook import create_handler
from mailroom.platform.api_keys import SCOPES
from mailroom.services import Services
from mailroom.web.endpoints import KeyNeed, routes
from mailroom.web.endpoints import path_of as rule_path
from tests.integration.invoices.files import Call
from tests.integration.web.apis import NAMES, OPEN, api, path_of, with_key
from tests.support.client import Client

ROOT = Path(__file__).parents[3]

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
    assert len(with_key(served)) > 4
    public = {rule_path(rule) for rule in served.url_map.iter_rules()} - {route.path for route in with_key(served)}
    assert public == {"/docs", "/openapi.json"} | OPEN[name]
    told = set()
    for route in with_key(served):
        for method in {route.method, "OPTIONS", "HEAD"}:
            answer = Client(served, "").call(
                method, path_of(route), headers={"Authorization": header} if header else {}
            )
            assert answer.status == 401, (method, route.path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            told.add(answer.body)
    # The same text for all: it does not distinguish a revoked key from one that never existed.
    assert len(told - {b""}) == 1
    assert before == {each: indexed.database[each].count_documents({}) for each in before}


@pytest.mark.parametrize("name", NAMES)
def test_no_route_opens_for_another_scope(indexed: Services, name: str):
    served = api(name, indexed)
    for route in (each for each in with_key(served) if each.scopes):
        key = indexed.keys.create("others", [scope for scope in SCOPES if scope not in route.scopes])
        answer = Client(served, key.text).call(route.method, path_of(route))
        assert (answer.status, answer.json()["code"]) == (403, "auth.scope"), (route.method, route.path)


@pytest.mark.parametrize("name", NAMES)
def test_a_key_with_its_scope_opens_every_route(indexed: Services, name: str):
    served = api(name, indexed)
    for route in with_key(served):
        for scope in route.scopes:
            key = indexed.keys.create("one", [scope])
            assert Client(served, key.text).call(route.method, path_of(route)).status not in (401, 403, 405)


@pytest.mark.parametrize("path", ["/openapi.json/", "/docs/x", "/docs/../imports", "//docs", "/DOCS"])
def test_nothing_near_the_public_pages_is_public(indexed: Services, path: str):
    assert Client(api("invoices", indexed), "").get(path).status == 401


@pytest.mark.parametrize("name", NAMES)
def test_without_any_key_nobody_gets_in(indexed: Services, name: str):
    assert indexed.keys.all() == []
    served = api(name, indexed)
    for route in with_key(served):
        for header in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer mr_{'0' * 24}_"}):
            assert Client(served, "").call(route.method, path_of(route), headers=header).status == 401


@pytest.mark.parametrize("kind", ["none", "wrong", "part", "basic", "key"])
def test_the_webhook_opens_for_its_token_only(indexed: Services, kind: str):
    webhook = create_handler(indexed)
    sent = {
        "none": "",
        "wrong": "Bearer wrong",
        "part": "Bearer the-toke",
        "basic": "Basic the-token",
        "key": f"Bearer {indexed.keys.create('all', list(SCOPES)).text}",
    }[kind]
    for method in ("POST", "GET", "OPTIONS"):
        answer = webhook(Call(method, "/", b"{}", headers={"Authorization": sent} if sent else {}))
        assert answer["statusCode"] == 401
    assert indexed.database["imports"].count_documents({}) == 0


@pytest.mark.parametrize("content", ["", " \n \n"])
def test_without_a_token_the_webhook_serves_nobody(indexed: Services, content: str):
    (indexed.settings.secrets_dir / "mailroom-webhook-token").write_text(content)
    for header in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer the-token"}):
        answer = create_handler(indexed)(Call("POST", "/", b'{"Records": []}', headers=header))
        assert (answer["statusCode"], answer["body"]["code"]) == (503, "service.not_set_up")
        assert str(indexed.settings.secrets_dir) not in str(answer["body"])


def test_a_worker_called_by_anyone_does_due_work_and_answers_a_count(indexed: Services):
    from mailroom.invoices import worker as importer
    from mailroom.notifications import worker as mail
    from mailroom.webhooks import worker as webhooks

    for worker in (importer.create_worker(indexed), mail.create_worker(indexed), webhooks.create_worker(indexed)):
        for body in (b"", b'{"done": 9}', b"\x00" * 1000, b"[" * 10_000):
            answer = worker(Call("POST", "/../x", body, headers={"Authorization": "Bearer x"}))
            assert (answer["statusCode"], answer["body"]) == (200, {"done": 0})


def test_every_function_is_in_this_suite():
    found = {entry.name for entry in read_stack(ROOT / "stack.yml", {})}
    # The console has no data of its own: tests/unit/console shows who gets in.
    assert found == {*NAMES, "invoice-events", "invoice-importer", "notification-sender", "webhook-sender", "console"}


@pytest.mark.parametrize("name", NAMES)
def test_every_write_leaves_an_audit_line(indexed: Services, name: str, caplog: pytest.LogCaptureFixture):
    key = indexed.keys.create("all", list(SCOPES))
    served = api(name, indexed)
    writes = [route for route in list(routes(served)) if route.method not in ("GET", "HEAD", "OPTIONS")]
    assert len(writes) >= 5
    for route in writes:
        caplog.clear()
        with caplog.at_level(logging.INFO, "audit"):
            answer = Client(served, key.text).call(route.method, path_of(route), b"hush-hush")
        [line] = [vars(record) for record in caplog.records if record.name == "audit"]
        expected = (key.id if route.key is not KeyNeed.NONE else None, f"{route.method} {route.path}", answer.status)
        assert (line["keyId"], line["action"], line["status"]) == expected
        assert "hush-hush" not in str(line)
