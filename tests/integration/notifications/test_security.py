"""TLS and login at the relay, and secrets that stay secret."""

from __future__ import annotations

import logging
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mailroom.notifications.metrics import create_sender_metrics
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay
from tests.support.metrics import values

# The relay of these tests asks for a password without TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

HELLO = {"emailTo": "a@example.com", "subject": "Hello", "message": "<p>x</p>"}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key in the same file."""
    folder = tmp_path_factory.mktemp("tls")
    both, key, certificate = folder / "both.pem", folder / "key.pem", folder / "certificate.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=relay.test"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *options.split(), *names], check=True, capture_output=True)
    both.write_text(key.read_text() + certificate.read_text())
    return both


@pytest.fixture
def tls_relay(relay: Relay, certificate: Path) -> Relay:
    relay.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    relay.tls.load_cert_chain(certificate)
    return relay


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the machine trust the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("mode", ["required", "opportunistic", "implicit"])
def test_the_connection_is_encrypted(make_mail: Any, tls_relay: Relay, mode: str) -> None:
    if mode == "implicit":
        tls_relay.stop()
        tls_relay.implicit_tls = True
        tls_relay.start()
    mail: Mail = make_mail(smtp_tls=mode)

    assert mail.client.post(HELLO).body["status"] == "sent"
    assert tls_relay.taken[0].encrypted


def test_with_tls_required_a_relay_without_tls_gets_no_mail(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_tls="required")

    answer = mail.client.post(HELLO)

    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert relay.commands == []
    assert "STARTTLS" in mail.client.get(f"/{answer.body['id']}").body["error"]["message"]


def test_with_tls_required_an_untrusted_certificate_gets_no_mail(make_mail: Any, tls_relay: Relay) -> None:
    mail: Mail = make_mail(smtp_tls="required")

    assert mail.client.post(HELLO).body["status"] == "queued"
    assert tls_relay.commands == []


def test_opportunistic_tls_sends_also_without_it(make_mail: Any, relay: Relay, tls_relay: Relay) -> None:
    mail: Mail = make_mail(smtp_tls="opportunistic")
    assert mail.client.post(HELLO).body["status"] == "sent"

    tls_relay.tls = None
    other: Mail = make_mail(smtp_tls="opportunistic")
    assert other.client.post(HELLO).body["status"] == "sent"
    assert [each.encrypted for each in relay.taken] == [True, False]


def log_in(mail: Mail, password: str) -> None:
    (mail.services.settings.secrets_dir / "mailroom-smtp-username").write_text("mailroom\n")
    (mail.services.settings.secrets_dir / "mailroom-smtp-password").write_text(password + "\n")


def test_the_sender_logs_in_and_takes_a_new_password_without_a_restart(mail: Mail, relay: Relay) -> None:
    relay.credentials = (b"mailroom", b"the-password")
    log_in(mail, "an-old-password")

    answer = mail.client.post(HELLO)
    assert (answer.status, answer.body["status"]) == (202, "queued")
    log_in(mail, "the-password")
    mail.let_time_pass()
    mail.drain()

    assert mail.states() == ["sent"]


def test_without_the_login_that_the_relay_asks_for_mail_waits(mail: Mail, relay: Relay) -> None:
    relay.credentials = (b"mailroom", b"the-password")

    answer = mail.client.post(HELLO)
    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert values(create_sender_metrics(mail.services))["mailroom_relay_up"] == 0.0
    log_in(mail, "the-password")
    mail.let_time_pass()
    mail.drain()

    assert mail.states() == ["sent"]


def test_nothing_secret_is_kept_or_logged(mail: Mail, relay: Relay, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    relay.credentials = (b"mailroom", b"the-password")
    log_in(mail, "wrong-password")
    message = mail.client.post(HELLO | {"message": "<p>private words</p>"}).body["id"]
    log_in(mail, "the-password")
    mail.let_time_pass()
    mail.drain()

    one = mail.client.get(f"/{message}").body
    assert one["status"] == "sent"
    kept = str(one["attempts"]) + str(mail.collection.find_one()["attempts"])  # type: ignore[index]
    logged = "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records if our(record))
    for secret in ("the-password", "wrong-password", mail.client.key.rpartition("_")[2]):
        assert secret not in kept
        assert secret not in logged
    assert "private words" not in kept
    assert "private words" not in logged


def our(record: logging.LogRecord) -> bool:
    """Leaves out the lines of the test's relay."""
    return not record.name.startswith("mail.")
