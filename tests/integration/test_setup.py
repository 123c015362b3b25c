"""Set-up names what is wrong and what to do. Every other test here uses what it makes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailroom.deploy import setup
from mailroom.errors import InvalidSetting, MissingSecret
from mailroom.services import Services
from tests.support.ports import free_port

Make = Callable[..., Services]


def run(services: Services) -> list[str]:
    said: list[str] = []
    setup.run(services, said.append)
    return said


def write(services: Services, name: str, value: str) -> None:
    (services.settings.secrets_dir / name).write_text(value)


def test_a_second_run_changes_nothing(services: Services) -> None:
    assert run(services) == run(services)


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


def test_a_missing_webhook_target_is_named(make_services: Make) -> None:
    services = make_services(webhook_arn="arn:minio:sqs::OTHER:webhook")
    with pytest.raises(setup.SetupFailed, match=r"arn:minio:sqs::OTHER:webhook.*MINIO_NOTIFY_WEBHOOK_ENABLE"):
        run(services)
