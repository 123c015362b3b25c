"""For the tests of the mailbox: a real IMAP server, and a deployment that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mailroom.notifications.components import Components
from mailroom.notifications.feedback.imap import ImapAccount
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.mailbox.dovecot import PASSWORD, USERNAME, Dovecot, dovecot_server
from tests.integration.notifications.mailbox.returns import Returns
from tests.integration.notifications.relay import Relay

SECRETS = {
    "mailroom-imap-username": USERNAME,
    "mailroom-imap-password": PASSWORD,
    "mailroom-signing-key": "the signing key of this test, which is long enough",
}


@pytest.fixture(scope="session")
def _dovecot() -> Iterator[Dovecot]:
    with dovecot_server() as server:
        server.start()
        yield server


@pytest.fixture
def dovecot(_dovecot: Dovecot) -> Dovecot:
    _dovecot.empty()
    return _dovecot


@pytest.fixture
def make_returns(make_mail: Any, relay: Relay) -> Callable[..., Returns]:
    def make(dovecot: Dovecot, answer_seconds: float = 60.0, **settings: object) -> Returns:
        mailbox = {"bounce_imap_host": "127.0.0.1", "bounce_imap_port": dovecot.port, "bounce_imap_tls": "off"}
        mail: Mail = make_mail(**{**mailbox, "mail_return_path": "bounces@ours.example.com", **settings})
        for name, value in SECRETS.items():
            (mail.services.settings.secrets_dir / name).write_text(value + "\n")
        account = ImapAccount(mail.services.settings, mail.services.secrets, answer_seconds)
        return Returns(mail, relay, dovecot, Components(mail.services), account)

    return make


@pytest.fixture
def returns(make_returns: Callable[..., Returns], dovecot: Dovecot) -> Returns:
    return make_returns(dovecot)
