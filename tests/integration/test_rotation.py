"""Secrets change under a running function: it uses the new ones without a restart."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from mailroom import function
from mailroom.errors import InvalidSetting, Unavailable
from mailroom.function import Function
from mailroom.invoices.app import create_app, create_metrics
from mailroom.platform import mongo
from mailroom.services import Services
from tests.faults.proxy import Proxy
from tests.support.client import Client


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function, "CHECK_SECONDS", 0.0)


def status(running: Function, key: str) -> int:
    return Client(running, key).get().status


def test_a_new_connection_string_is_used_at_once(services: Services, impatient: None):
    key = services.keys.create("test", ["invoices:read"]).text
    file = services.settings.secrets_dir / services.settings.mongodb_secret
    good = file.read_text()
    server = urlsplit(good.strip())
    assert server.port
    settings = replace(services.settings, mongodb_timeout_seconds=2.0)
    with Proxy("127.0.0.1", server.port, lambda: None) as proxy:
        file.write_text(f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true")
        running = Function(create_app, lambda: Services(settings), create_metrics)
        assert status(running, key) == 200
    assert status(running, key) == 503  # that server can no longer be reached
    file.write_text(good)
    assert status(running, key) == 200
    running.close()


def test_an_unusable_connection_string_stops_nothing_and_is_not_logged(
    services: Services, impatient: None, caplog: pytest.LogCaptureFixture
):
    key = services.keys.create("test", ["invoices:read"]).text
    running = Function(create_app, lambda: Services(services.settings), create_metrics)
    file = services.settings.secrets_dir / services.settings.mongodb_secret
    bad_port, bad_user = "mongodb://user:hush/hush@host", "mongodb://user:hush@hush@host"  # pragma: allowlist secret
    for wrong in ("", "hush-hush", bad_port, bad_user):
        file.write_text(wrong)
        assert status(running, key) == 200
    file.unlink()
    assert status(running, key) == 200
    assert "cannot be used" in caplog.text
    assert "hush" not in caplog.text
    running.close()


# pragma: allowlist nextline secret
@pytest.mark.parametrize("uri", ["hush-hush", "mongodb://user:hush/hush@host", "mongodb://u:hush@h:99x/?hush"])
def test_an_invalid_connection_string_is_refused_without_repeating_it(uri: str):
    with pytest.raises(InvalidSetting) as caught:
        mongo.connect(uri, "any", 1.0)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_new_keys_of_the_object_store_are_used_at_once(services: Services):
    file = services.settings.secrets_dir / "mailroom-s3-secret-key"
    good = file.read_text()
    assert list(services.objects.versions(services.settings.invoices_bucket)) == []
    file.write_text("another")
    with pytest.raises(Unavailable, match="refuses our access"):
        list(services.objects.versions(services.settings.invoices_bucket))
    file.write_text(good)
    assert list(services.objects.versions(services.settings.invoices_bucket)) == []
