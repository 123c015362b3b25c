"""The mailbox of the reports on a server that keeps to the letter of IMAP, and has a mail that it cannot read."""

from __future__ import annotations

import imaplib
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mailroom.notifications.feedback.imap import ImapAccount, OpenMailbox
from mailroom.notifications.feedback.mailbox import Mailbox
from mailroom.notifications.feedback.tokens import MessageTokens
from mailroom.platform.clock import Budget
from mailroom.platform.secrets import IMAP_PASSWORD, IMAP_USERNAME, SIGNING_KEY, Secrets
from mailroom.platform.settings import Settings
from mailroom.platform.signing import Signer


class StrictServer(socketserver.ThreadingTCPServer):
    """Refuses a sequence number beyond the number of messages, as RFC 3501 (9, seq-number) asks."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), StrictHandler)
        self.uids: list[int] = []
        self.fetched: list[int] = []

    def answer(self, words: list[str]) -> tuple[list[str], str]:
        """The untagged lines, and the result."""
        match words:
            case ["CAPABILITY"]:
                return ["CAPABILITY IMAP4rev1 MOVE"], "OK"
            case ["SELECT", *_]:
                return [f"{len(self.uids)} EXISTS"], "OK"
            case ["LIST", *_]:
                return ['LIST () "/" "Processed"'], "OK"
            case ["UID", "SEARCH", numbers]:
                first, _, last = numbers.partition(":")
                if int(last) > len(self.uids):
                    return [], "BAD"
                found = self.uids[int(first) - 1 : int(last)]
                return [" ".join(["SEARCH", *map(str, found)])], "OK"
            case ["UID", "FETCH", uid, _]:
                self.fetched.append(int(uid))
                return [f"{self.uids.index(int(uid)) + 1} FETCH (UID {uid} BODY[]<0> NIL)"], "OK"
            case ["UID", "MOVE", uid, _]:
                place = self.uids.index(int(uid))
                del self.uids[place]
                return [f"{place + 1} EXPUNGE"], "OK"
            case _:
                return [], "OK"


class StrictHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        self.wfile.write(b"* OK ready\r\n")
        while line := self.rfile.readline():
            tag, *words = line.decode().split()
            lines, result = server.answer(words)
            self.wfile.write("".join(f"* {each}\r\n" for each in lines).encode() + f"{tag} {result} done\r\n".encode())


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def test_no_mail_is_asked_for_that_is_not_there(server: StrictServer) -> None:
    with imaplib.IMAP4("127.0.0.1", server.server_address[1], timeout=10) as client:
        client.login("user", "word")
        mailbox = OpenMailbox(client, Settings())
        assert mailbox.uids() == []
        server.uids = list(range(11, 311))
        assert mailbox.uids() == [str(uid) for uid in range(11, 211)]
        server.uids = [11, 12]
        mailbox.put_away("11", flagged=False)
        assert mailbox.uids() == ["12"]
        mailbox.put_away("12", flagged=True)
        assert mailbox.uids() == []


def test_a_mail_that_the_server_cannot_read_is_asked_for_once(server: StrictServer, tmp_path: Path) -> None:
    for name in (IMAP_USERNAME, IMAP_PASSWORD, SIGNING_KEY):
        (tmp_path / name).write_text("word" * 10)
    settings = Settings(bounce_imap_host="127.0.0.1", bounce_imap_port=server.server_address[1], bounce_imap_tls="off")
    secrets = Secrets(tmp_path)
    nothing: Any = SimpleNamespace(note=lambda *, up: None)
    account = ImapAccount(settings, secrets)
    mailbox = Mailbox(account, MessageTokens(Signer(secrets)), nothing, nothing, nothing, nothing)
    server.uids = [11, 12]
    assert mailbox.poll(Budget(3.0)) == 0
    assert server.fetched == [11, 12]
