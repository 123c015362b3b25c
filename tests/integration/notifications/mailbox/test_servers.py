"""The mailbox on IMAP servers: encryption, a wrong password, and a server that cannot move mail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.notifications.mailbox.dovecot import dovecot_server
from tests.integration.notifications.mailbox.returns import Returns, dsn
from tests.integration.notifications.test_security import certificate, trusted  # noqa: F401  # fixtures


@pytest.mark.parametrize("secret", ["wrong", "falsch-ü", ""])
def test_a_wrong_password_is_a_line_in_the_log(returns: Returns, caplog: pytest.LogCaptureFixture, secret: str) -> None:
    (returns.mail.services.settings.secrets_dir / "mailroom-imap-password").write_text(secret)
    assert returns.poll() == 0
    assert "the mailbox of the reports" in caplog.text
    assert not secret or secret not in caplog.text


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("mode", ["implicit", "required"])
def test_the_connection_is_encrypted(
    make_returns: Callable[..., Returns],
    certificate: Path,  # noqa: F811
    mode: str,
) -> None:
    with dovecot_server() as server:
        server.start(certificate, "disable_plaintext_auth = yes\nlogin_trusted_networks =")
        port = server.tls_port if mode == "implicit" else server.port
        returns = make_returns(server, bounce_imap_tls=mode, bounce_imap_port=port)
        sent = returns.send()
        server.put(dsn(sent))
        assert returns.poll() == 1
        assert returns.deliveries(sent) == {"anna@remote.example": "bounced"}
        assert "TLS" in (server.folder / "log").read_text()


@pytest.mark.parametrize("mode", ["implicit", "required"])
def test_an_untrusted_certificate_gets_no_password(
    make_returns: Callable[..., Returns],
    certificate: Path,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    mode: str,
) -> None:
    with dovecot_server() as server:
        server.start(certificate)
        before = (server.folder / "log").read_text().count("Login: user")
        port = server.tls_port if mode == "implicit" else server.port
        returns = make_returns(server, bounce_imap_tls=mode, bounce_imap_port=port)
        assert returns.poll() == 0
        assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
        assert (server.folder / "log").read_text().count("Login: user") == before


def test_a_server_without_move_is_named_in_the_log(
    make_returns: Callable[..., Returns], caplog: pytest.LogCaptureFixture
) -> None:
    with dovecot_server() as server:
        server.start(more="imap_capability = IMAP4rev1 UIDPLUS")
        returns = make_returns(server)
        server.put(dsn(returns.send()))
        assert returns.poll() == 0
        assert "MOVE" in caplog.text
        assert server.subjects() == ["Undelivered Mail"]
