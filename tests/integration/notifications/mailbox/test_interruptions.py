"""Polls of the mailbox that are killed, run twice at once, or find no MongoDB and no signing key."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from mailroom.notifications.components import Components
from mailroom.notifications.feedback.feedback import Applied
from mailroom.notifications.feedback.imap import ImapAccount
from mailroom.notifications.feedback.mailbox import Mailbox
from mailroom.notifications.feedback.mailbox_mark import MailboxMark
from mailroom.notifications.model.reports import Report
from mailroom.platform.clock import Budget
from tests.integration.notifications.mailbox.returns import Returns, dsn

DIE = """
import os, signal
from mailroom.notifications.feedback.imap import OpenMailbox
from mailroom.notifications.feedback.mailbox import Mailbox
from mailroom.notifications.feedback.mailbox_mark import MailboxMark
from tests.integration.notifications.mailbox.test_interruptions import poll_in_a_process

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

{kill}
poll_in_a_process()
"""


@pytest.mark.parametrize(
    "kill",
    [
        "OpenMailbox.fetch = die",
        "Mailbox._apply = die",
        "OpenMailbox.put_away = die",
        "put_away = OpenMailbox.put_away\n"
        "OpenMailbox.put_away = lambda self, uid, flagged: die(put_away(self, uid, flagged=flagged))",
    ],
    ids=["before the mail is read", "before the report is applied", "before the mail is moved", "after it is moved"],
)
def test_a_poll_that_is_killed_anywhere_loses_no_report_and_doubles_none(returns: Returns, kill: str) -> None:
    sent = returns.send()
    returns.dovecot.put(dsn(sent))
    settings = returns.mail.services.settings
    environment = {
        "SECRETS_DIR": str(settings.secrets_dir),
        "MONGODB_DATABASE": settings.mongodb_database,
        "BOUNCE_IMAP_HOST": "127.0.0.1",
        "BOUNCE_IMAP_PORT": str(returns.dovecot.port),
        "BOUNCE_IMAP_TLS": "off",
    }
    root = Path(__file__).parents[4]
    killed = subprocess.run([sys.executable, "-c", DIE.format(kill=kill)], env=environment, cwd=root, check=False)
    assert killed.returncode == -9

    returns.poll()

    assert returns.deliveries(sent) == {"anna@remote.example": "bounced"}
    document = returns.mail.collection.find_one({"_id": ObjectId(sent.id)})
    assert document is not None
    assert len(document["reports"]) == 1
    assert returns.mail.suppressed() == ["anna@remote.example"]
    assert returns.dovecot.subjects() == []


def poll_in_a_process() -> None:
    from mailroom.services import Services

    services = Services.from_environment()
    components = Components(services)
    account = ImapAccount(services.settings, services.secrets)
    mark = MailboxMark(services.database["cursors"], components.clock)
    mailbox = Mailbox(account, components.tokens, components.feedback, components.collection, components.clock, mark)
    mailbox.poll(Budget(60))


def test_two_replicas_read_one_mailbox_at_the_same_time(returns: Returns) -> None:
    sent = [returns.send() for _ in range(10)]
    returns.dovecot.put(*(dsn(each) for each in sent))
    replicas = [threading.Thread(target=returns.poll) for _ in range(2)]
    for replica in replicas:
        replica.start()
    for replica in replicas:
        replica.join()
    returns.poll()
    assert all(returns.deliveries(each) == {"anna@remote.example": "bounced"} for each in sent)
    documents = returns.mail.collection.find({}, {"reports": 1})
    assert [len(each["reports"]) for each in documents] == [1] * 10
    assert returns.dovecot.subjects() == []


def test_while_mongodb_is_away_the_mail_waits(returns: Returns) -> None:
    class Away:
        def apply(self, report: Report) -> Applied:
            raise AutoReconnect("no server")

    sent = returns.send()
    returns.dovecot.put(dsn(sent))
    assert returns.poll(feedback=Away()) == 0
    assert returns.dovecot.subjects() == ["Undelivered Mail"]
    assert returns.poll() == 1
    assert returns.deliveries(sent) == {"anna@remote.example": "bounced"}


def test_without_a_signing_key_no_mail_is_touched(returns: Returns, caplog: pytest.LogCaptureFixture) -> None:
    sent = returns.send()
    returns.dovecot.put(dsn(sent))
    (returns.mail.services.settings.secrets_dir / "mailroom-signing-key").unlink()
    assert returns.poll() == 0
    assert "mailroom-signing-key" in caplog.text
    assert returns.dovecot.subjects() == ["Undelivered Mail"]
