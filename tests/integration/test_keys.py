"""API keys: access, refusals, and how soon a revocation takes effect."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from mailroom.cli.main import main
from mailroom.invoices.app import create_app
from mailroom.platform.api_keys import ApiKeys, InvalidKey
from mailroom.services import Services
from tests.support.client import Client


def test_a_key_is_hashed_and_authenticates(services: Services):
    key = services.keys.create("ci", ["invoices:read"])
    caller = services.keys.authenticate(f"Bearer {key.text}")
    assert (caller.name, caller.scopes) == ("ci", {"invoices:read"})
    assert key.text.split("_", 2)[2] not in str(services.database["apiKeys"].find_one())


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic {key}", "Bearer {key}x", "Bearer mr_{zeros}_x"]
)
def test_anything_but_a_key_is_refused(services: Services, authorization: str):
    key = services.keys.create("ci", ["invoices:read"]).text
    with pytest.raises(InvalidKey):
        services.keys.authenticate(authorization.format(key=key, zeros="0" * 24))


def test_an_expired_key_is_refused(services: Services):
    key = services.keys.create("ci", ["invoices:read"], timedelta(seconds=-1))
    with pytest.raises(InvalidKey, match="valid API key"):
        services.keys.authenticate(f"Bearer {key.text}")


def test_a_revoked_key_is_refused_by_a_replica_that_had_not_seen_it(services: Services):
    key = services.keys.create("ci", ["invoices:read"])
    assert services.keys.revoke(key.id)
    with pytest.raises(InvalidKey):
        services.keys.authenticate(f"Bearer {key.text}")
    assert not services.keys.revoke("0" * 24)
    assert not services.keys.revoke("nonsense")


def test_a_revocation_reaches_a_replica_that_trusts_the_key(services: Services, monkeypatch: pytest.MonkeyPatch):
    replica = ApiKeys(services.database["apiKeys"])
    key = services.keys.create("ci", ["invoices:read"])
    replica.authenticate(f"Bearer {key.text}")
    services.keys.revoke(key.id)
    monkeypatch.setattr("mailroom.platform.api_keys.CACHE_SECONDS", 0.0)  # the time is over
    with pytest.raises(InvalidKey):
        replica.authenticate(f"Bearer {key.text}")


@pytest.mark.parametrize("scopes", [[], ["invoices:fly"]])
def test_a_key_needs_known_scopes(services: Services, scopes: list[str]):
    with pytest.raises(ValueError, match="scope"):
        services.keys.create("ci", scopes)


def test_a_stranger_learns_nothing_and_a_scope_is_needed(services: Services):
    app = create_app(services)
    for path in ("/", "/imports", "/nothing/here"):
        assert Client(app, "").get(path).status == 401
    key = services.keys.create("mail only", ["notifications:send"])
    answer = Client(app, key.text).get()
    assert (answer.status, answer.json()["code"]) == (403, "auth.scope")


def test_a_key_has_the_senders_that_were_given(services: Services, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Services, "from_environment", lambda: services)
    monkeypatch.setattr(services, "close", lambda: None)
    create = ["keys", "create", "--name", "shop", "--scope", "notifications:send"]
    text = CliRunner().invoke(main, [*create, "--from", "*@Shop.Example", "--from", "a@b.example"]).stdout.strip()
    CliRunner().invoke(main, create)

    assert services.keys.authenticate(f"Bearer {text}").senders == ("*@shop.example", "a@b.example")
    with_senders, without = CliRunner().invoke(main, ["keys", "list"]).stdout.splitlines()
    assert with_senders.split("\t")[-1] == "from *@shop.example a@b.example"
    assert without.split("\t")[-1] == "valid"


@pytest.mark.parametrize("days", ["0", "-1", "36501"])
def test_the_command_makes_no_key_with_a_life_that_is_none(
    services: Services, monkeypatch: pytest.MonkeyPatch, days: str
):
    monkeypatch.setattr(Services, "from_environment", lambda: services)
    monkeypatch.setattr(services, "close", lambda: None)
    create = ["keys", "create", "--name", "shop", "--scope", "invoices:read", "--expires-days", days]
    assert CliRunner().invoke(main, create).exit_code == 2
    assert services.keys.all() == []


def test_a_key_of_an_earlier_version_has_no_senders(services: Services):
    key = services.keys.create("ci", ["notifications:send"])
    services.database["apiKeys"].update_one({}, {"$unset": {"senders": ""}})
    assert services.keys.authenticate(f"Bearer {key.text}").senders == ()


def test_what_was_read_before_a_revocation_is_not_trusted_after_it(services: Services, monkeypatch: pytest.MonkeyPatch):
    """Another thread reads the key, the key is revoked, and only then the thread keeps what it has read."""
    key = services.keys.create("ci", ["invoices:read"])
    collection = services.database["apiKeys"]
    keys = ApiKeys(collection)
    find = collection.find_one

    def slow(query: Any) -> Any:
        found = find(query)
        monkeypatch.undo()
        keys.revoke(key.id)
        return found

    monkeypatch.setattr(collection, "find_one", slow)
    keys.authenticate(f"Bearer {key.text}")
    with pytest.raises(InvalidKey):
        keys.authenticate(f"Bearer {key.text}")


def test_the_command_lists_no_sessions(services: Services, monkeypatch: pytest.MonkeyPatch):
    services.keys.create("ci", ["invoices:read"])
    services.keys.insert("a session", ["invoices:read"], (), services.clock.now(), None, session=True)
    monkeypatch.setattr(Services, "from_environment", lambda: services)
    monkeypatch.setattr(services, "close", lambda: None)
    [line] = CliRunner().invoke(main, ["keys", "list"]).stdout.splitlines()
    assert line.split("\t")[1] == "ci"
