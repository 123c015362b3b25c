"""Set-up names what is wrong and what to do. Every other test here uses what it makes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from mailroom.deploy import setup
from mailroom.errors import InvalidSetting, MissingSecret
from mailroom.platform.setup_note import SETUP_ID, note_of
from mailroom.services import Services
from tests.support.mongo_proxy import Command, MongoProxy, Reply, failure
from tests.support.ports import free_port

Make = Callable[..., Services]

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def run(services: Services) -> list[str]:
    said: list[str] = []
    setup.run(services, said.append)
    return said


def write(services: Services, name: str, value: str) -> None:
    (services.settings.secrets_dir / name).write_text(value)


def test_a_second_run_changes_nothing(services: Services) -> None:
    assert run(services) == run(services)


def test_a_run_of_an_earlier_version_takes_nothing_from_the_note_of_a_later_one(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = setup.INDEXES
    monkeypatch.setattr(setup, "INDEXES", later | {"notifications": later["notifications"][:1]})
    run(services)
    note = note_of(services.database["workers"].find_one({"_id": SETUP_ID}))
    assert note is not None
    assert note.lacks(later) == []


@pytest.mark.parametrize("name", ["mailroom-mongodb-uri", "mailroom-s3-access-key", "mailroom-s3-secret-key"])
def test_a_missing_secret_is_named(services: Services, make_services: Make, name: str) -> None:
    again = make_services()
    (services.settings.secrets_dir / name).unlink()
    with pytest.raises(MissingSecret, match=f"{name} is missing"):
        run(again)


def test_a_mongodb_that_does_not_answer_is_named(services: Services, make_services: Make) -> None:
    again = make_services(mongodb_timeout_seconds=1.0)
    port = free_port()
    address = f"somebody:private@127.0.0.1:{port}"
    write(services, "mailroom-mongodb-uri", f"mongodb://{address}/?directConnection=true")
    with pytest.raises(setup.SetupFailed, match=f"(?s)MongoDB does not answer.*{port}.*mailroom-mongodb-uri") as raised:
        run(again)
    assert "private" not in str(raised.value)
    assert "Topology" not in str(raised.value)


def test_only_messages_that_wait_are_in_the_index_of_due_messages(services: Services) -> None:
    notifications = services.database["notifications"]
    notifications.insert_many([{"priority": 1, "dueAt": LONG_AGO}, {"priority": 1}, {"priority": 2}])
    assert [each.get("dueAt") for each in notifications.find().hint("waiting")] == [LONG_AGO]


def test_an_index_of_an_earlier_version_is_dropped_after_its_successor_is_made(
    services: Services, make_services: Make, mongo_proxy: MongoProxy
) -> None:
    notifications = services.database["notifications"]
    notifications.drop_index("waiting")
    notifications.create_index([("priority", 1), ("dueAt", 1)], name="due")
    found: list[set[str]] = []

    def look(command: Command) -> None:
        if "dropIndexes" in command:
            found.append(set(notifications.index_information()))

    mongo_proxy.intercept = look
    said = run(make_services(mongodb_secret="by-proxy"))

    [at_drop] = found
    assert {"due", "waiting"} <= at_drop
    assert "notifications: dropped the index due, which another one replaces" in said
    assert "also found" not in " ".join(said)
    assert {"due", "waiting"} & set(notifications.index_information()) == {"waiting"}


def test_an_index_may_take_longer_than_other_commands(
    services: Services, make_services: Make, mongo_proxy: MongoProxy
) -> None:
    notifications = services.database["notifications"]
    notifications.drop_index("newest")
    notifications.insert_many([{"createdAt": number} for number in range(3)])
    limit = 3.0

    def slow(command: Command) -> Reply | None:
        if command.get("createIndexes") == "notifications":
            time.sleep(limit + 1)
        return None

    mongo_proxy.intercept = slow
    said = run(make_services(mongodb_secret="by-proxy", mongodb_timeout_seconds=limit))

    [told] = [line for line in said if "builds" in line]
    assert "newest" in told
    assert "3 documents" in told
    assert "newest" in notifications.index_information()


def test_an_index_that_is_not_built_in_time_is_told(make_services: Make, mongo_proxy: MongoProxy) -> None:
    mongo_proxy.intercept = lambda command: (
        failure(50, "operation exceeded time limit") if "createIndexes" in command else None
    )
    with pytest.raises(setup.SetupFailed, match=r"has not ended in time.*Run the set-up again"):
        run(make_services(mongodb_secret="by-proxy"))  # pragma: allowlist secret


def test_an_invalid_connection_string_is_named(services: Services, make_services: Make) -> None:
    again = make_services()
    write(services, "mailroom-mongodb-uri", "mongodb://somebody:pri/vate@mongo.example.com/")
    with pytest.raises(InvalidSetting, match="the connection string of MongoDB") as raised:
        run(again)
    assert "vate" not in str(raised.value)


def test_an_s3_server_that_does_not_answer_is_named(make_services: Make) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(setup.SetupFailed, match=f"does not answer: {endpoint}.*S3_ENDPOINT"):
        run(make_services(s3_endpoint=endpoint))


@pytest.mark.parametrize("name", ["mailroom-s3-access-key", "mailroom-s3-secret-key"])
def test_wrong_credentials_are_named(make_services: Make, name: str) -> None:
    services = make_services()
    write(services, name, "of-nobody")
    with pytest.raises(setup.SetupFailed, match=f"refuses our access.*{name}"):
        run(services)


@pytest.mark.minio
def test_a_missing_webhook_target_is_named(make_services: Make) -> None:
    services = make_services(webhook_arn="arn:minio:sqs::OTHER:webhook")
    with pytest.raises(setup.SetupFailed, match=r"arn:minio:sqs::OTHER:webhook.*MINIO_NOTIFY_WEBHOOK_ENABLE"):
        run(services)
