"""Keys through the API: a caller gives only what it has, makes no key twice, and one manager always stays."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from bson import ObjectId

from mailroom.invoices.app import create_app
from mailroom.platform.api_keys import ApiKeys
from mailroom.services import Services
from tests.support.client import Answer, Client

MANAGE = "keys:manage"


class Killed(BaseException):
    """Ends a call as the death of its process would: nothing of ours handles it."""


def manager(services: Services, *scopes: str, senders: tuple[str, ...] = (), **options: Any) -> Client:
    made = services.keys.create("manager", [MANAGE, *scopes], senders=senders, **options)
    return Client(create_app(services), made.text, made.id)


def make(client: Client, idempotency_key: str = "", **body: Any) -> Answer:
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    return client.call("POST", "/keys", {"name": "shop", "scopes": ["invoices:read"]} | body, headers=headers)


def test_a_key_is_made_used_listed_and_revoked(indexed: Services):
    ada = manager(indexed, "invoices:read")
    answer = make(ada, expiresDays=2)
    body = answer.json()
    assert (answer.status, answer.headers["Cache-Control"]) == (201, "no-store")
    assert (body["name"], body["scopes"], body["state"]) == ("shop", ["invoices:read"], "valid")
    assert body["createdBy"] == ada.key_id
    left = datetime.fromisoformat(body["expiresAt"]) - datetime.now(UTC)
    assert timedelta(hours=47) < left <= timedelta(days=2)
    made = Client(ada.app, body["key"])
    assert made.get("/imports").status == 200

    listed = ada.get("/keys").json()["items"]
    assert [each["id"] for each in listed] == [body["id"], ada.key_id]
    assert body["key"].split("_", 2)[2] not in ada.get("/keys").body.decode()
    assert "hash" not in listed[0]

    assert ada.call("DELETE", f"/keys/{body['id']}").status == 204
    assert made.get("/imports").status == 401
    assert ada.get("/keys").json()["items"][0]["state"] == "revoked"
    revoked_at = ada.get("/keys").json()["items"][0]["revokedAt"]
    assert ada.call("DELETE", f"/keys/{body['id']}").status == 204  # once more changes nothing
    assert ada.get("/keys").json()["items"][0]["revokedAt"] == revoked_at


def test_one_key_says_what_would_end_with_it(indexed: Services):
    ada = manager(indexed, "invoices:read")
    other = make(ada).json()
    sessions = [ada.call("POST", "/sessions").json() for _ in range(3)]
    in_session = Client(ada.app, sessions[0]["token"])
    ada.call("DELETE", f"/keys/{sessions[2]['id']}")

    own = in_session.get(f"/keys/{ada.key_id}").json()
    assert (own["name"], own["state"], own["openSessions"], own["current"]) == ("manager", "valid", 2, True)
    assert "hash" not in own
    assert in_session.get(f"/keys/{sessions[0]['id']}").json()["current"]
    not_own = in_session.get(f"/keys/{other['id']}").json()
    assert (not_own["openSessions"], not_own["current"]) == (0, False)
    missing = in_session.get(f"/keys/{ObjectId()}")
    assert (missing.status, missing.json()["code"]) == (404, "keys.unknown")


def test_a_list_has_pages_and_sessions_apart(indexed: Services):
    ada = manager(indexed, "invoices:read")
    ids = [make(ada).json()["id"] for _ in range(4)]
    session = ada.call("POST", "/sessions").json()["id"]
    pages = [ada.get("/keys", limit="3").json()]
    pages.append(ada.get("/keys", limit="3", cursor=pages[0]["nextCursor"]).json())
    assert [each["id"] for page in pages for each in page["items"]] == [*reversed(ids), ada.key_id]
    assert pages[1]["nextCursor"] is None
    [listed] = ada.get("/keys", sessions="true").json()["items"]
    assert (listed["id"], listed["parent"], listed["state"]) == (session, ada.key_id, "valid")
    assert listed["idleExpiresAt"] < listed["expiresAt"]
    assert ada.get("/keys", sessions="yes").json()["code"] == "flag.invalid"


def test_a_manager_ends_a_session(indexed: Services):
    ada = manager(indexed)
    session = ada.call("POST", "/sessions").json()
    assert ada.call("DELETE", f"/keys/{session['id']}").status == 204
    assert Client(ada.app, session["token"]).get("/keys").status == 401
    assert ada.get("/keys").status == 200


def test_an_unknown_key_cannot_be_revoked(indexed: Services):
    answer = manager(indexed).call("DELETE", f"/keys/{'0' * 24}")
    assert (answer.status, answer.json()["code"]) == (404, "keys.unknown")


def test_a_key_gives_only_scopes_that_it_has(indexed: Services):
    ada = manager(indexed, "invoices:read")
    answer = make(ada, scopes=["invoices:read", "invoices:write"])
    assert (answer.status, answer.json()["code"], answer.json()["field"]) == (403, "scopes.not_allowed", "scopes")
    assert make(ada, scopes=["invoices:fly"]).json()["code"] == "scopes.invalid"
    assert make(ada, scopes=[]).status == 422
    assert make(ada, scopes=[MANAGE]).status == 201
    assert indexed.database["apiKeys"].count_documents({}) == 2


@pytest.mark.parametrize(
    ("own", "asked", "outcome"),
    [
        ((), None, []),
        ((), [], []),
        ((), ["a@shop.example"], "senders.not_allowed"),
        (("*@shop.example",), None, ["*@shop.example"]),
        (("*@shop.example",), ["A@Shop.example"], ["a@shop.example"]),
        (("*@shop.example",), ["*@shop.example"], ["*@shop.example"]),
        (("*@shop.example",), ["*@eu.shop.example"], "senders.not_allowed"),
        (("*@shop.example",), [], "senders.not_allowed"),
        (("a@shop.example",), ["*@shop.example"], "senders.not_allowed"),
        (("a@shop.example",), ["a@shop.example", "b@shop.example"], "senders.not_allowed"),
        (("a@shop.example",), ["nonsense"], "senders.invalid"),
    ],
)
def test_a_key_gives_only_senders_that_it_has(indexed: Services, own: Any, asked: Any, outcome: Any):
    ada = manager(indexed, "notifications:send", senders=own)
    body = {} if asked is None else {"senders": asked}
    answer = make(ada, scopes=["notifications:send"], **body).json()
    assert answer.get("senders", answer.get("code")) == outcome


def test_a_session_makes_keys_of_its_own_scopes(indexed: Services):
    ada = manager(indexed, "invoices:read", "invoices:write")
    token = ada.call("POST", "/sessions", {"scopes": [MANAGE, "invoices:read"]}).json()["token"]
    session = Client(ada.app, token)
    made = make(session).json()
    assert made["createdBy"] == ada.key_id
    assert make(session, scopes=["invoices:write"]).json()["code"] == "scopes.not_allowed"
    session.call("DELETE", "/sessions/current")
    assert Client(ada.app, made["key"]).get("/").status == 200  # what it made stays


@pytest.mark.parametrize("name", ["", " ", "a\tb", "a\nb", "x" * 101])
def test_a_name_is_printable(indexed: Services, name: str):
    assert make(manager(indexed, "invoices:read"), name=name).status == 422


@pytest.mark.parametrize("days", [0, -1, 1e300, 36501, "x"])
def test_a_key_expires_within_reason(indexed: Services, days: Any):
    answer = make(manager(indexed, "invoices:read"), expiresDays=days)
    assert (answer.status, answer.json()["field"]) == (422, "expiresDays")


def test_a_key_with_the_shortest_life_is_none_that_stays(indexed: Services):
    """So short that it is rounded to nothing: the key has expired at once."""
    ada = manager(indexed, "invoices:read")
    made = make(ada, expiresDays=1e-13).json()
    assert (made["state"], made["expiresAt"] is None) == ("expired", False)
    assert Client(ada.app, made["key"]).get("/").status == 401


def test_a_repeated_call_makes_no_second_key(indexed: Services):
    ada = manager(indexed, "invoices:read")
    first = make(ada, "form-1")
    again = make(ada, "form-1")
    assert (first.status, again.status, again.json()["code"]) == (201, 409, "keys.made")
    assert first.json()["id"] in again.json()["detail"]
    assert first.json()["key"] not in again.body.decode()
    other = make(ada, "form-1", name="another")
    assert (other.status, other.json()["code"]) == (422, "idempotency.reused")
    assert indexed.database["apiKeys"].count_documents({}) == 2
    bob = manager(indexed, "invoices:read")
    assert make(bob, "form-1").status == 201  # the keys of two callers are not the same
    assert make(ada, "x" * 256).json()["code"] == "idempotency.invalid"


def test_of_many_repeated_calls_at_once_one_makes_a_key(indexed: Services):
    ada = manager(indexed, "invoices:read")
    answers = at_once(16, lambda _: make(ada, "form-1").status)
    assert sorted(answers) == [201] + [409] * 15
    assert indexed.database["apiKeys"].count_documents({"name": "shop"}) == 1


def test_without_the_index_no_repeatable_call_makes_a_key(make_services: Callable[..., Services]):
    services = make_services()
    answer = make(manager(services, "invoices:read"), "form-1")
    assert (answer.status, answer.json()["code"]) == (503, "service.not_set_up")
    assert services.database["apiKeys"].count_documents({"name": "shop"}) == 0


def test_the_last_manager_stays(indexed: Services):
    ada = manager(indexed, "invoices:read")
    manager(indexed, expires=timedelta(seconds=-1))
    indexed.keys.revoke(manager(indexed).key_id)
    indexed.keys.create("no manager", ["invoices:read"])
    ada.call("POST", "/sessions")  # a session is no key that stays
    answer = ada.call("DELETE", f"/keys/{ada.key_id}")
    assert (answer.status, answer.json()["code"]) == (409, "keys.last")
    made = make(ada, scopes=[MANAGE]).json()
    assert ada.call("DELETE", f"/keys/{ada.key_id}").status == 204
    assert ada.get("/keys").status == 401
    bob = Client(ada.app, made["key"])
    assert bob.call("DELETE", f"/keys/{ada.key_id}").status == 204  # revoked already
    assert bob.call("DELETE", f"/keys/{made['id']}").json()["code"] == "keys.last"


def test_of_managers_who_revoke_each_other_at_once_one_stays(indexed: Services, make_services: Callable[..., Services]):
    """Each calls an application of its own, as in replicas, for the key of the next one."""
    for _ in range(5):
        indexed.database["apiKeys"].delete_many({})
        managers = [manager(make_services()) for _ in range(6)]
        targets = [each.key_id for each in managers[1:] + managers[:1]]

        def revoke(n: int, managers: list[Client] = managers, targets: list[str] = targets) -> Answer:
            return managers[n].call("DELETE", f"/keys/{targets[n]}")

        answers = at_once(len(managers), revoke)
        left = [each for each in indexed.keys.all() if each["revokedAt"] is None]
        assert len(left) == 1
        refused = [answer for answer in answers if answer.status != 204]
        assert {answer.json()["code"] for answer in refused} <= {"keys.last", "auth.invalid"}
        assert len(refused) == 1


def test_a_revocation_that_was_cut_off_is_finished_before_the_next(indexed: Services, monkeypatch: pytest.MonkeyPatch):
    """The process dies after it has decided and before it has revoked; then the other key is to go."""
    ada, bob = manager(indexed), manager(indexed)
    with monkeypatch.context() as patch:
        patch.setattr(indexed.keys, "revoke", killed)
        with pytest.raises(Killed):
            ada.call("DELETE", f"/keys/{bob.key_id}")
    assert bob.get("/keys").status == 200  # decided, and not done yet
    answer = ada.call("DELETE", f"/keys/{ada.key_id}")
    assert answer.json()["code"] == "keys.last"
    assert bob.get("/keys").status == 401


def test_a_revocation_that_was_cut_off_can_be_repeated(indexed: Services, monkeypatch: pytest.MonkeyPatch):
    ada, bob = manager(indexed), manager(indexed)
    with monkeypatch.context() as patch:
        patch.setattr(indexed.keys, "revoke", killed)
        with pytest.raises(Killed):
            ada.call("DELETE", f"/keys/{bob.key_id}")
    assert ada.call("DELETE", f"/keys/{bob.key_id}").status == 204
    assert bob.get("/keys").status == 401


@pytest.mark.parametrize("seed", range(3))
def test_however_calls_are_cut_off_a_manager_stays(
    indexed: Services, make_services: Callable[..., Services], seed: int, monkeypatch: pytest.MonkeyPatch
):
    chance = random.Random(seed)
    revoke = ApiKeys.revoke

    def sometimes(self: ApiKeys, key_id: str) -> bool:
        if chance.random() < 0.4:
            raise Killed
        return revoke(self, key_id)

    managers = [manager(make_services()) for _ in range(5)]
    ids = [each.key_id for each in managers]
    monkeypatch.setattr(ApiKeys, "revoke", sometimes)

    def try_to_revoke_all(n: int) -> None:
        for id_ in chance.sample(ids, len(ids)):
            try:
                managers[n].call("DELETE", f"/keys/{id_}")
            except Killed:
                continue

    at_once(len(managers), try_to_revoke_all)
    assert indexed.database["apiKeys"].count_documents({"revokedAt": None, "scopes": MANAGE}) >= 1


def test_a_replica_that_lost_its_answer_finds_its_own_key(indexed: Services, monkeypatch: pytest.MonkeyPatch):
    """The driver repeats an insert whose answer was lost, and the server then knows the id already."""
    collection = indexed.database["apiKeys"]
    keys = ApiKeys(collection)
    insert = collection.insert_one
    monkeypatch.setattr(collection, "insert_one", lambda document: [insert(document), insert(document)])
    key = keys.insert("x", ["invoices:read"], (), datetime.now(UTC), None)
    assert keys.authenticate(f"Bearer {key.text}").id == key.id
    assert collection.count_documents({"_id": ObjectId(key.id)}) == 1


def killed(_: str) -> bool:
    raise Killed


def at_once(calls: int, call: Callable[[int], Any]) -> list[Any]:
    """What `call` returns in so many threads that begin together."""
    together = Barrier(calls)

    def begin(n: int) -> Any:
        together.wait()
        return call(n)

    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(begin, range(calls)))
