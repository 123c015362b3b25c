"""The inbox: mail from SMTP can be read as JSON, and as a page that no message can break."""

import json
import smtplib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from local.data_folder import DataFolder
from local.ready import http_ok
from tests.support.processes import running
from tests.support.waiting import eventually

EVIL = "<script>alert(1)</script>"


class Inbox:
    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        ports = DataFolder(folder / "data").ports(["smtp", "http"])
        self.smtp, self.url = ports["smtp"], f"http://127.0.0.1:{ports['http']}"
        self.command = ["-m", "local.inbox", "--mail", str(folder / "mail")]
        self.command += ["--smtp-port", str(self.smtp), "--http-port", str(ports["http"])]
        self.start()

    def start(self) -> None:
        self.process = self.stack.enter_context(running(*self.command))
        eventually(http_ok(f"{self.url}/healthz"))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def send(self, message: EmailMessage | bytes, *recipients: str) -> None:
        raw = message if isinstance(message, bytes) else message.as_bytes(policy=SMTP)
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=5) as client:
            client.sendmail("bounce@example.com", list(recipients), raw)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return bytes(answer.read())

    def messages(self) -> Any:
        return json.loads(self.get("/messages"))


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with ExitStack() as stack:
        yield Inbox(tmp_path, stack)


def mail(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Mailroom <mailroom@localhost>"
    message["To"] = "ann@example.com"
    message["Subject"] = subject
    message.set_content("Grüße & more")
    message.add_alternative(f"<p>Grüße</p>{EVIL}", subtype="html")
    return message


def test_a_message_can_be_read(inbox: Inbox) -> None:
    inbox.send(mail(f"Über {EVIL}"), "ann@example.com", "hidden@example.com")

    (summary,) = inbox.messages()
    assert summary["from"] == "Mailroom <mailroom@localhost>"
    assert summary["to"] == "ann@example.com, hidden@example.com"
    assert summary["subject"] == f"Über {EVIL}"
    assert summary["received"].endswith("Z")
    full = json.loads(inbox.get(f"/messages/{summary['id']}"))
    assert {name: full[name] for name in summary} == summary
    assert full["text"].strip() == "Grüße & more"
    assert full["html"].strip() == f"<p>Grüße</p>{EVIL}"
    assert ["To", "ann@example.com"] in full["headers"]
    assert b"\nFrom: Mailroom <mailroom@localhost>\r\n" in inbox.get(f"/messages/{summary['id']}.eml")
    for page in ("/", f"/read/{summary['id']}"):
        html = inbox.get(page).decode()
        assert EVIL not in html
        assert "&lt;script&gt;" in html
    assert 'sandbox=""' in html


def test_the_newest_comes_first_and_a_restart_loses_nothing(inbox: Inbox) -> None:
    for subject in ("one", "two", "three"):
        inbox.send(mail(subject), "ann@example.com")
    inbox.kill()
    inbox.start()
    assert [message["subject"] for message in inbox.messages()] == ["three", "two", "one"]


@pytest.mark.parametrize(
    "raw",
    [
        b"no header at all",
        b"",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xff\xfe",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: text/html; charset=utf-8\r\nSubject: =?utf-8?b?????=\r\n\r\n\xff",
        b"Subject: \xff\xfe\r\nFrom: <<<>>>\r\nTo: @\r\n\r\nx",
        b"Date: nonsense\r\nMessage-ID: <[a]>\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
    ],
)
def test_a_strange_message_does_no_harm(inbox: Inbox, raw: bytes) -> None:
    inbox.send(raw, "ann@example.com")
    (summary,) = inbox.messages()
    assert json.loads(inbox.get(f"/messages/{summary['id']}"))["to"] == "ann@example.com"
    assert b"ann@example.com" in inbox.get("/")
    assert inbox.get(f"/read/{summary['id']}")


@pytest.mark.parametrize(
    "path", ["/messages/nope", "/messages/..%2f..%2fetc%2fpasswd", "/read/nope", "/messages/x.eml"]
)
def test_an_unknown_message_is_404(inbox: Inbox, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        inbox.get(path)
