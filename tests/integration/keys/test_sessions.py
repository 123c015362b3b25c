"""Sessions: what starts one, what it may do, and what ends it, on both APIs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from bson import ObjectId
from click.testing import CliRunner

from mailroom.cli.main import main
from mailroom.invoices.app import create_app as create_invoices
from mailroom.keys.codes import LoginCodes
from mailroom.notifications.app import create_app as create_notifications
from mailroom.platform.api_keys import SCOPES, ApiKeys
from mailroom.services import Services
from mailroom.web.rate_limit import RateLimit
from tests.support.client import Answer, Client
from tests.support.commands import RECORDER


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def key(indexed: Services) -> Client:
    """A caller with a key, before the function `invoices`."""
    made = indexed.keys.create("Ada", ["invoices:read", "notifications:read"], senders=("*@shop.example",))
    return Client(create_invoices(indexed), made.text, made.id)


def start(client: Client, **body: Any) -> Answer:
    return client.call("POST", "/sessions", body) if body else client.call("POST", "/sessions")


def session_of(client: Client, **body: Any) -> Client:
    answer = start(client, **body)
    assert answer.status == 201, answer.body
    return Client(client.app, answer.json()["token"], answer.json()["id"])


def set_(services: Services, session: Client, **values: Any) -> None:
    """Changes the session in the database, as time would, and has this process read it anew."""
    services.database["apiKeys"].update_one({"_id": ObjectId(session.key_id)}, {"$set": values})
    services.keys.forget(ObjectId(session.key_id))


def test_a_key_starts_a_session_that_opens_both_apis(indexed: Services, key: Client):
    answer = start(key)
    body = answer.json()
    assert (answer.status, body["name"], body["idleSeconds"]) == (201, "Ada", 3600)
    assert body["scopes"] == ["invoices:read", "notifications:read"]
    assert answer.headers["Cache-Control"] == "no-store"
    session = Client(key.app, body["token"])
    assert session.get("/imports").status == 200
    assert Client(create_notifications(indexed), body["token"]).get("/").status == 200

    stored = indexed.database["apiKeys"].find_one({"_id": ObjectId(body["id"])})
    assert stored is not None
    assert body["token"].split("_", 2)[2] not in str(stored)
    assert (stored["parent"], stored["senders"]) == (ObjectId(key.key_id), ["*@shop.example"])
    left = stored["expiresAt"] - now()
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)


def test_a_session_may_have_fewer_scopes_and_never_more(key: Client):
    session = session_of(key, scopes=["invoices:read"])
    assert session.get("/").status == 200
    assert session.call("POST", "/uploads").json()["code"] == "auth.scope"
    more = start(key, scopes=["invoices:read", "keys:manage"])
    assert (more.status, more.json()["code"], more.json()["field"]) == (403, "scopes.not_allowed", "scopes")
    for scopes in ([], ["invoices:fly"]):
        assert (start(key, scopes=scopes).status, start(key, scopes=scopes).json()["code"]) == (422, "scopes.invalid")


def test_a_session_starts_no_session(key: Client):
    answer = start(session_of(key))
    assert (answer.status, answer.json()["code"]) == (403, "session.nested")


def test_a_session_lives_no_longer_than_its_key(indexed: Services):
    made = indexed.keys.create("guest", ["invoices:read"], timedelta(minutes=5))
    body = start(Client(create_invoices(indexed), made.text)).json()
    [stored] = [each for each in indexed.keys.all() if str(each["_id"]) == made.id]
    assert datetime.fromisoformat(body["expiresAt"]) == stored["expiresAt"]


def test_a_session_ends_with_its_key(indexed: Services, key: Client):
    session = session_of(key)
    assert session.get("/").status == 200
    indexed.keys.revoke(key.key_id)
    assert (session.get("/").status, session.get("/").json()["code"]) == (401, "auth.invalid")
    assert start(key).status == 401


def test_a_key_that_is_revoked_while_it_starts_a_session_opens_nothing(indexed: Services, key: Client):
    key.get("/")  # this replica trusts the key from now on
    ApiKeys(indexed.database["apiKeys"]).revoke(key.key_id)
    assert key.get("/").status == 200
    assert start(key).status == 401


@pytest.mark.parametrize("limit", ["expiresAt", "idleExpiresAt"])
def test_a_session_that_is_too_old_or_idle_is_refused_by_both_apis(indexed: Services, key: Client, limit: str):
    session = session_of(key)
    set_(indexed, session, **{limit: now() - timedelta(seconds=1)})
    refusals = [session.get("/"), session.get("/sessions/current"), session.call("DELETE", "/sessions/current")]
    refusals += [Client(create_notifications(indexed), session.key).get("/")]
    assert {(answer.status, answer.json()["code"]) for answer in refusals} == {(401, "auth.invalid")}


def test_asking_for_the_session_moves_its_idle_limit_at_most_once_a_minute(indexed: Services, key: Client):
    session = session_of(key)
    set_(indexed, session, idleExpiresAt=(soon := now() + timedelta(minutes=3)))
    moved = session.get("/sessions/current").json()
    assert (moved["name"], moved["scopes"]) == ("Ada", ["invoices:read", "notifications:read"])
    assert datetime.fromisoformat(moved["idleExpiresAt"]) > soon + timedelta(minutes=50)
    assert session.get("/sessions/current").json() == moved
    session.get("/imports")
    assert session.get("/sessions/current").json() == moved


def test_the_idle_limit_is_never_beyond_the_end(indexed: Services, key: Client):
    session = session_of(key)
    end = now() + timedelta(minutes=10)
    set_(indexed, session, idleExpiresAt=now() + timedelta(minutes=3), expiresAt=end)
    assert (
        session.get("/sessions/current").json()["idleExpiresAt"] <= session.get("/sessions/current").json()["expiresAt"]
    )


def test_near_its_end_a_session_is_read_without_a_write(indexed: Services, key: Client):
    """Its idle limit is its end, and cannot move any more."""
    session = session_of(key)
    end = now() + timedelta(minutes=10)
    set_(indexed, session, idleExpiresAt=end, expiresAt=end)
    with RECORDER.of("invoices") as used:
        assert session.get("/sessions/current").status == 200
    assert used == {("apiKeys", "find")}


def test_another_replica_sees_that_the_idle_limit_has_moved(indexed: Services, key: Client):
    """It trusts what it read for two seconds, but asks again before it refuses."""
    session = session_of(key)
    set_(indexed, session, idleExpiresAt=now() + timedelta(milliseconds=300))
    replica = ApiKeys(indexed.database["apiKeys"])
    replica.authenticate(f"Bearer {session.key}")
    session.get("/sessions/current")
    read = replica._cache[ObjectId(session.key_id)][1]
    assert read is not None
    read["idleExpiresAt"] = now()  # as if the time had passed
    assert replica.authenticate(f"Bearer {session.key}").session == session.key_id


def test_a_session_that_was_signed_out_opens_nothing_at_once(indexed: Services, key: Client):
    session = session_of(key)
    assert session.get("/").status == 200
    answer = session.call("DELETE", "/sessions/current")
    assert (answer.status, answer.body) == (204, b"")
    assert session.get("/").status == session.get("/sessions/current").status == 401
    assert Client(create_notifications(indexed), session.key).get("/").status == 401
    assert key.get("/").status == 200  # the key itself goes on


def test_a_key_is_no_session(key: Client):
    for method in ("GET", "DELETE"):
        answer = key.call(method, "/sessions/current")
        assert (answer.status, answer.json()["code"]) == (404, "session.none")


def test_sessions_are_removed_and_keys_are_not(indexed: Services, key: Client):
    session = session_of(key)
    index = indexed.database["apiKeys"].index_information()["old"]
    assert (index["key"], index["expireAfterSeconds"]) == ([("removeAt", 1)], 0)
    members = {str(each["_id"]): each for each in indexed.database["apiKeys"].find()}
    assert "removeAt" not in members[key.key_id]
    assert members[session.key_id]["removeAt"] > members[session.key_id]["expiresAt"]
    assert [str(each["_id"]) for each in indexed.keys.all()] == [key.key_id]  # `keys list` shows no sessions


def test_the_calls_of_sessions_count_for_their_key(indexed: Services):
    made = indexed.keys.create("Ada", ["invoices:read"])
    key = Client(create_invoices(indexed, RateLimit(4, lambda: 0.0)), made.text)
    sessions = [session_of(key), session_of(key)]
    assert [each.get("/").status for each in (*sessions, *sessions)] == [200, 200, 429, 429]


def test_the_audit_log_names_the_key_and_the_session(key: Client, caplog: pytest.LogCaptureFixture):
    session = session_of(key)
    with caplog.at_level(logging.INFO, "audit"):
        session.call("POST", "/uploads")
        session.call("DELETE", "/sessions/current")
    lines = [vars(record) for record in caplog.records if record.name == "audit"]
    assert [(line["keyId"], line["sessionId"], line["status"]) for line in lines] == [
        (key.key_id, session.key_id, 403),
        (key.key_id, session.key_id, 204),
    ]
    assert lines[1]["objectId"] == session.key_id


@pytest.fixture
def codes(indexed: Services) -> LoginCodes:
    return LoginCodes(indexed.database, indexed.clock)


@pytest.fixture
def stranger(indexed: Services) -> Client:
    return Client(create_invoices(indexed), "")


def test_a_code_starts_one_session(indexed: Services, codes: LoginCodes, stranger: Client):
    code = codes.create("console", list(SCOPES), timedelta(minutes=5))
    assert code not in str(list(indexed.database["loginCodes"].find()))
    answer = start(stranger, code=code)
    assert (answer.status, answer.json()["name"], answer.json()["scopes"]) == (201, "console", sorted(SCOPES))
    session = Client(stranger.app, answer.json()["token"], answer.json()["id"])
    assert session.get("/").status == session.get("/sessions/current").status == 200
    again = start(stranger, code=code)
    assert (again.status, again.json()["code"]) == (401, "auth.code")
    assert start(session).json()["code"] == "session.nested"


def test_the_command_prints_a_code_or_its_link(make_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch):
    url = "https://mail.shop.example/"
    plain, public = make_services(), make_services(public_url=url)
    elsewhere = make_services(public_url=url, console_prefix="/pages")
    own_host = make_services(public_url=url, console_prefix="/")
    monkeypatch.setattr(Services, "close", lambda _: None)
    printed = []
    for services in (plain, public, elsewhere, own_host):
        monkeypatch.setattr(Services, "from_environment", lambda services=services: services)
        command = ["keys", "code", "--scope", "invoices:read", "--scope", "keys:manage"]
        printed.append(CliRunner().invoke(main, command).stdout.strip())
    link, code = printed[1], printed[1].rpartition("=")[2]
    assert link == f"https://mail.shop.example/function/console/enter?code={code}"
    assert printed[2].startswith("https://mail.shop.example/pages/enter?code=")
    assert "/" not in printed[3]  # the URL of that host is not known
    for shown in (printed[0], code):
        answer = start(Client(create_invoices(plain), ""), code=shown)
        assert (answer.status, answer.json()["scopes"]) == (201, ["invoices:read", "keys:manage"])


def test_of_many_who_show_a_code_at_once_one_gets_a_session(indexed: Services, codes: LoginCodes, stranger: Client):
    code = codes.create("console", ["invoices:read"], timedelta(minutes=5))
    together = Barrier(16)

    def exchange(_: int) -> int:
        together.wait()
        return start(stranger, code=code).status

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(exchange, range(16))) == [201] + [401] * 15
    assert indexed.database["apiKeys"].count_documents({"session": True}) == 1


def test_a_code_whose_exchange_was_cut_off_is_spent(
    indexed: Services, codes: LoginCodes, stranger: Client, monkeypatch: pytest.MonkeyPatch
):
    """The process dies after the code is spent and before the session is there. Nobody gets a session twice."""

    class Killed(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> Any:
        raise Killed

    code = codes.create("console", ["invoices:read"], timedelta(minutes=5))
    with monkeypatch.context() as patch:
        patch.setattr(indexed.keys, "insert", killed)
        with pytest.raises(Killed):
            start(stranger, code=code)
    assert start(stranger, code=code).json()["code"] == "auth.code"
    assert indexed.database["apiKeys"].count_documents({}) == 0


def test_sessions_that_start_while_their_key_is_revoked_open_nothing(
    indexed: Services, make_services: Callable[..., Services], key: Client
):
    clients = [Client(create_invoices(make_services()), key.key) for _ in range(8)]
    together = Barrier(len(clients) + 1)

    def begin(client: Client) -> list[str]:
        together.wait()
        answers = [start(client) for _ in range(5)]
        return [answer.json()["token"] for answer in answers if answer.status == 201]

    with ThreadPoolExecutor(len(clients)) as pool:
        begun = [pool.submit(begin, client) for client in clients]
        together.wait()
        indexed.keys.revoke(key.key_id)
        tokens = [token for each in begun for token in each.result()]
    anew = create_invoices(make_services())
    assert {Client(anew, token).get("/").status for token in tokens} <= {401}


def test_a_code_expires(codes: LoginCodes, stranger: Client):
    code = codes.create("console", ["invoices:read"], timedelta(seconds=-1))
    assert start(stranger, code=code).json()["code"] == "auth.code"


@pytest.mark.parametrize("body", [{"code": "x"}, {"code": ""}, {"code": "\u0000"}, {"code": "ß" * 200}])
def test_a_wrong_code_is_refused(stranger: Client, body: dict[str, str]):
    answer = stranger.call("POST", "/sessions", body)
    assert (answer.status, answer.json()["code"]) == (401, "auth.code")


def test_neither_a_key_nor_a_code_is_refused_as_a_missing_key(stranger: Client):
    for body in (b"", b"{}", {"scopes": ["invoices:read"]}):
        assert stranger.call("POST", "/sessions", body).json()["code"] == "auth.missing"


def test_a_code_goes_without_a_key_and_without_scopes(key: Client, codes: LoginCodes, stranger: Client):
    code = codes.create("console", ["invoices:read"], timedelta(minutes=5))
    assert start(key, code=code).json()["code"] == "session.code"
    assert start(stranger, code=code, scopes=["invoices:read"]).json()["code"] == "session.code"
    assert start(stranger, code=code).status == 201  # none of these has spent it


def test_a_wrong_key_is_refused_even_with_a_right_code(codes: LoginCodes, stranger: Client):
    code = codes.create("console", ["invoices:read"], timedelta(minutes=5))
    assert start(Client(stranger.app, "mr_x"), code=code).json()["code"] == "auth.invalid"
    assert start(stranger, code=code).status == 201


def test_who_shows_wrong_codes_keeps_nobody_else_out(indexed: Services, codes: LoginCodes):
    """The console calls for everybody who signs in, from one address."""
    code = codes.create("console", ["invoices:read"], timedelta(minutes=5))
    app = create_invoices(indexed, RateLimit(3, lambda: 0.0))

    def show(code: str, address: str) -> int:
        headers = {"X-Forwarded-For": address}
        return Client(app, "").call("POST", "/sessions", {"code": code}, headers=headers).status

    assert [show("wrong", "192.0.2.1") for _ in range(5)] == [401] * 5
    assert show(code, "192.0.2.1") == 201


def test_without_an_index_for_them_sessions_still_work(make_services: Callable[..., Services]):
    """A set-up of the version before has no index of sessions; they are only not removed."""
    services = make_services()
    made = services.keys.create("Ada", ["invoices:read"])
    assert session_of(Client(create_invoices(services), made.text)).get("/sessions/current").status == 200
