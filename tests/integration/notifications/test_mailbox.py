"""The mailbox that bounces and complaints come to, on a real IMAP server."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from mailroom.notifications.components import Components
from mailroom.notifications.feedback.feedback import Applied
from mailroom.notifications.feedback.imap import ImapAccount
from mailroom.notifications.feedback.mailbox import Mailbox
from mailroom.notifications.model.reports import Report
from mailroom.platform.clock import Budget
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.dovecot import PASSWORD, USERNAME, Dovecot, dovecot_server
from tests.integration.notifications.relay import Relay
from tests.integration.notifications.test_security import certificate, trusted  # noqa: F401  # fixtures
from tests.support.ports import free_port
from tests.support.waiting import eventually

SECRETS = {
    "mailroom-imap-username": USERNAME,
    "mailroom-imap-password": PASSWORD,
    "mailroom-signing-key": "the signing key of this test, which is long enough",
}

DSN = """\
Return-Path: <>
From: MAILER-DAEMON@remote.example (Mail Delivery System)
To: {to}
Subject: {subject}
Message-ID: <{id}@remote.example>
Date: Sun, 29 Nov 2026 08:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; remote.example

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} the words of the server

--B
Content-Type: message/rfc822

{returned}
--B--
"""

COMPLAINT = """\
From: reports@provider.example
To: fbl@ours.example.com
Subject: complaint
Message-ID: <complaint@provider.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1

--B
Content-Type: message/rfc822

{returned}
--B--
"""


def dsn(
    sent: Sent,
    recipient: str = "anna@remote.example",
    *,
    action: str = "failed",
    status: str = "5.1.1",
    subject: str = "Undelivered Mail",
    to: str | None = None,
    returned: str | None = None,
) -> bytes:
    return DSN.format(
        to=sent.return_path if to is None else to,
        returned=sent.content if returned is None else returned,
        recipient=recipient,
        action=action,
        status=status,
        subject=subject,
        id=ObjectId(),
    ).encode()


@dataclass
class Sent:
    """A message as the relay got it."""

    id: str
    return_path: str
    content: str


@dataclass
class Returns:
    """A deployment with a mailbox."""

    mail: Mail
    relay: Relay
    dovecot: Dovecot
    components: Components
    account: ImapAccount

    def send(self, *recipients: str) -> Sent:
        body = {"emailTo": list(recipients) or ["anna@remote.example"], "subject": "Your order", "message": "Thanks"}
        answer = self.mail.client.post(body)
        assert answer.body["status"] == "sent"
        taken = self.relay.taken[-1]
        return Sent(answer.body["id"], taken.sender, taken.content.decode().replace("\r\n", "\n"))

    def poll(self, seconds: float = 60.0, feedback: Any = None) -> int:
        components = self.components
        mailbox = Mailbox(
            self.account,
            components.tokens,
            feedback or components.feedback,
            components.collection,
            components.clock,
        )
        return mailbox.poll(Budget(seconds))

    def deliveries(self, sent: Sent) -> dict[str, str | None]:
        recipients = self.mail.client.get(f"/{sent.id}").body["recipients"]
        return {each["address"]: each["delivery"] and each["delivery"]["status"] for each in recipients}

    def suppressed(self) -> list[str]:
        return sorted(each["address"] for each in self.mail.client.get("/suppressions").body["items"])

    def unclear(self) -> list[str]:
        """The subjects of the mails that a person should look at."""
        return self.dovecot.subjects("Processed", "FLAGGED")


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


def test_a_bounce_to_the_return_path_is_told_and_suppresses_the_address(returns: Returns) -> None:
    sent = returns.send("anna@remote.example", "bert@remote.example")
    returns.dovecot.put(dsn(sent))

    assert returns.poll() == 1

    assert returns.deliveries(sent) == {"anna@remote.example": "bounced", "bert@remote.example": None}
    recipient = returns.mail.client.get(f"/{sent.id}").body["recipients"][0]
    assert recipient["delivery"]["code"] == "5.1.1"
    assert "the words of the server" in recipient["delivery"]["text"]
    assert recipient["delivery"]["at"] == "2026-11-29T08:00:00.000Z"
    assert returns.suppressed() == ["anna@remote.example"]
    assert returns.dovecot.subjects() == []
    assert returns.dovecot.subjects("Processed") == ["Undelivered Mail"]
    assert returns.unclear() == []


def test_the_header_is_enough_where_a_relay_changes_the_return_path(returns: Returns) -> None:
    sent = returns.send()
    returns.dovecot.put(dsn(sent, to="0102018b-0000@relay.example"))
    returns.poll()
    assert returns.deliveries(sent) == {"anna@remote.example": "bounced"}


def test_a_soft_bounce_is_told_and_suppresses_nobody_at_first(returns: Returns) -> None:
    sent = returns.send()
    returns.dovecot.put(dsn(sent, status="5.2.2"))
    returns.poll()
    assert returns.deliveries(sent) == {"anna@remote.example": "bounced"}
    assert returns.suppressed() == []


def test_a_success_report_is_told_and_a_delay_is_not(returns: Returns) -> None:
    sent = returns.send("anna@remote.example", "bert@remote.example")
    returns.dovecot.put(
        dsn(sent, "anna@remote.example", action="delivered", status="2.0.0"),
        dsn(sent, "bert@remote.example", action="delayed", status="4.4.1"),
    )
    assert returns.poll() == 2
    assert returns.deliveries(sent) == {"anna@remote.example": "delivered", "bert@remote.example": None}
    assert returns.suppressed() == returns.unclear() == []


def test_a_complaint_that_hides_the_recipient_is_that_of_the_only_recipient(returns: Returns) -> None:
    sent = returns.send()
    returns.dovecot.put(COMPLAINT.format(returned=sent.content).encode())
    returns.poll()
    assert returns.deliveries(sent) == {"anna@remote.example": "complained"}
    assert returns.suppressed() == ["anna@remote.example"]


def test_a_complaint_that_hides_one_of_two_recipients_is_left_to_a_person(returns: Returns) -> None:
    sent = returns.send("anna@remote.example", "bert@remote.example")
    shown = sent.content.replace(",\n bert@remote.example", "")  # as with a blind copy
    returns.dovecot.put(COMPLAINT.format(returned=shown).encode())
    returns.poll()
    assert set(returns.deliveries(sent).values()) == {None}
    assert returns.suppressed() == []
    assert returns.unclear() == ["complaint"]


def test_what_is_forged_expired_or_no_report_changes_nothing_and_is_left_to_a_person(returns: Returns) -> None:
    sent = returns.send()
    token = sent.return_path.partition("+")[2].partition("@")[0]
    forged = sent.return_path.replace(token, token[:-1] + ("a" if token[-1] != "a" else "b"))
    returns.dovecot.put(
        dsn(sent, subject="no token", to="bounces@ours.example.com", returned="Subject: Your order\n\nThanks"),
        dsn(sent, subject="forged", to=forged, returned=""),
        dsn(sent, "carol@remote.example", subject="another address"),
        b"Subject: Automatic reply\r\nFrom: anna@remote.example\r\nTo: "
        + sent.return_path.encode()
        + b"\r\nAuto-Submitted: auto-replied\r\n\r\nI could not read your message to\r\nanna@remote.example\r\n",
        b"Subject: a question\r\nTo: " + sent.return_path.encode() + b"\r\n\r\nWhere is my order?\r\n",
        b"\r\n\x00\xff\xfe",
    )

    assert returns.poll() == 6

    assert returns.deliveries(sent) == {"anna@remote.example": None}
    assert returns.suppressed() == []
    assert len(returns.unclear()) == 6
    assert returns.dovecot.subjects() == []


def test_the_same_mail_twice_counts_once(returns: Returns) -> None:
    sent = returns.send()
    report = dsn(sent, status="5.2.2")
    returns.dovecot.put(report, b"Received: by another way\r\n" + report)
    assert returns.poll() == 2
    document = returns.mail.collection.find_one({"_id": ObjectId(sent.id)})
    assert document is not None
    assert len(document["reports"]) == 1


DIE = """
import os, signal
from mailroom.notifications.feedback.imap import OpenMailbox
from mailroom.notifications.feedback.mailbox import Mailbox
from tests.integration.notifications.test_mailbox import poll_in_a_process

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
    root = Path(__file__).parents[3]
    killed = subprocess.run([sys.executable, "-c", DIE.format(kill=kill)], env=environment, cwd=root, check=False)
    assert killed.returncode == -9

    returns.poll()

    assert returns.deliveries(sent) == {"anna@remote.example": "bounced"}
    document = returns.mail.collection.find_one({"_id": ObjectId(sent.id)})
    assert document is not None
    assert len(document["reports"]) == 1
    assert returns.suppressed() == ["anna@remote.example"]
    assert returns.dovecot.subjects() == []


def poll_in_a_process() -> None:
    from mailroom.services import Services

    services = Services.from_environment()
    components = Components(services)
    account = ImapAccount(services.settings, services.secrets)
    Mailbox(account, components.tokens, components.feedback, components.collection, components.clock).poll(Budget(60))


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


def test_more_mails_than_are_listed_at_once(returns: Returns) -> None:
    returns.dovecot.put(*(b"Subject: %d\r\n\r\nno report\r\n" % number for number in range(210)))
    assert returns.poll() == 210
    assert returns.dovecot.subjects() == []


def test_a_report_with_a_large_message_behind_it_is_read_in_part(returns: Returns) -> None:
    sent = returns.send()
    returns.dovecot.put(dsn(sent, returned=sent.content + "line of a large attachment\n" * 200_000))
    returns.poll()
    assert returns.deliveries(sent) == {"anna@remote.example": "bounced"}


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


class Listener:
    """A server that takes connections and says `greeting`, again and again."""

    def __init__(self, greeting: bytes, pause: float) -> None:
        self.port = free_port()
        self._socket = socket.create_server(("127.0.0.1", self.port))
        self._greeting, self._pause = greeting, pause
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                try:
                    while self._greeting:
                        connection.sendall(self._greeting)
                        time.sleep(self._pause)
                    connection.recv(1)
                except OSError:
                    continue

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    listeners: list[Listener] = []

    def make(greeting: bytes = b"", pause: float = 0.0) -> Listener:
        listeners.append(Listener(greeting, pause))
        return listeners[-1]

    yield make
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("greeting", "pause"),
    [(b"", 0.0), (b"*", 0.01), (b"* a line that is no greeting\r\n", 0.0), (b"* OK ready {999999999}\r\n", 0.0)],
    ids=["silent", "a slow line", "nonsense", "an endless literal"],
)
def test_a_server_that_hangs_ends_the_poll_in_time(
    make_returns: Callable[..., Returns],
    listen: Callable[..., Listener],
    caplog: pytest.LogCaptureFixture,
    greeting: bytes,
    pause: float,
) -> None:
    server: Any = listen(greeting, pause)
    returns = make_returns(server, answer_seconds=1.0)
    started = time.monotonic()
    assert returns.poll(seconds=1.0) == 0
    assert time.monotonic() - started < 30
    assert "the mailbox of the reports" in caplog.text


def test_a_mailbox_that_hangs_holds_up_no_mail(
    make_returns: Callable[..., Returns], listen: Callable[..., Listener], relay: Relay
) -> None:
    server: Any = listen()
    returns = make_returns(server, bounce_imap_seconds=0.0)
    returns.mail.client.post(
        {"emailTo": "anna@remote.example", "subject": "Hello", "message": "Hi"}, prefer="respond-async"
    )
    started = time.monotonic()
    assert returns.mail.drain() == 1
    # The server's silence ends after 10 seconds.
    assert time.monotonic() - started < 8
    eventually(lambda: server.connections == 1)
    assert len(relay.taken) == 1


def test_the_sender_reads_the_mailbox_beside_its_work(returns: Returns) -> None:
    sent = returns.send()
    returns.dovecot.put(dsn(sent))
    returns.mail.drain()
    eventually(lambda: returns.deliveries(sent) == {"anna@remote.example": "bounced"})
