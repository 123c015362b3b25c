"""The mailbox of the reports, over IMAP (RFC 3501) with MOVE (RFC 6851)."""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from mailroom.errors import InvalidSetting, MailroomError, MissingSecret
from mailroom.notifications.feedback.parsing.reading import LONGEST_MAIL
from mailroom.notifications.model.addresses import has_control
from mailroom.platform.clock import Budget
from mailroom.platform.secrets import IMAP_PASSWORD, IMAP_USERNAME, Secrets
from mailroom.platform.settings import Settings

_ANSWER_SECONDS = 10.0
_MOST_MAILS = 200  # listed at once
_UID = re.compile(rb"\d+")
_FAILURES = (imaplib.IMAP4.error, OSError, ValueError)  # ValueError: a password that is not ASCII


class MailboxDown(MailroomError):
    """The mailbox does not answer, refuses the login, or lacks what we need. The text says which."""


class StoredMail(NamedTuple):
    """A mail, cut after `LONGEST_MAIL` bytes."""

    uid: str
    raw: bytes


class _Bounded(imaplib.IMAP4):
    """Takes no longer literal than it asked for, and is cut off when the budget is spent."""

    def __init__(self, budget: Budget, *arguments: Any, **options: Any) -> None:
        self._deadline = threading.Timer(max(0.0, budget.remaining()), self._cut_off)
        self._deadline.daemon = True
        super().__init__(*arguments, **options)

    def open(self, host: str = "", port: int | None = 993, timeout: float | None = None) -> None:
        super().open(host, port or 993, timeout)
        self._deadline.start()

    def read(self, size: int) -> bytes:
        if size > LONGEST_MAIL:
            raise self.abort(f"the server sends {size} bytes at once")
        return super().read(size)

    def shutdown(self) -> None:
        self._deadline.cancel()
        super().shutdown()

    def _cut_off(self) -> None:
        # `shutdown` would wait for the thread that reads.
        with contextlib.suppress(OSError):
            self.socket().shutdown(socket.SHUT_RDWR)


class _BoundedTls(_Bounded, imaplib.IMAP4_SSL):
    pass


class ImapAccount:
    """Where the mailbox is, and how to log in."""

    def __init__(self, settings: Settings, secrets: Secrets, answer_seconds: float = _ANSWER_SECONDS) -> None:
        """Raises `InvalidSetting` if a folder's name has a control character, or both are the same."""
        for folder in (settings.bounce_imap_folder, settings.bounce_imap_processed):
            if has_control(folder) or not folder.isascii():
                raise InvalidSetting(f"BOUNCE_IMAP_*: {folder!r} is no name of a folder, or is not in ASCII")
        if settings.bounce_imap_folder == settings.bounce_imap_processed:
            raise InvalidSetting("BOUNCE_IMAP_PROCESSED must be another folder than BOUNCE_IMAP_FOLDER")
        self._settings = settings
        self._secrets = secrets
        self._answer_seconds = answer_seconds

    @contextlib.contextmanager
    def open(self, budget: Budget) -> Iterator[OpenMailbox]:
        """Opens the mailbox. When the budget is spent, whatever waits for an answer of the server fails.

        Raises:
            MailboxDown: also from the block, for an answer that the block waits for.
        """
        try:
            client = self._connect(budget)
            try:
                self._log_in(client)
                yield OpenMailbox(client, self._settings)
            finally:
                with contextlib.suppress(*_FAILURES):
                    client.logout()
                with contextlib.suppress(OSError):
                    client.shutdown()  # a logout without an answer leaves the connection open
        except MissingSecret as error:
            raise MailboxDown(str(error)) from error
        except _FAILURES as error:
            raise MailboxDown(f"{type(error).__name__}: {error}"[:500]) from error

    def _connect(self, budget: Budget) -> imaplib.IMAP4:
        host, port = self._settings.bounce_imap_host, self._settings.bounce_imap_port
        if self._settings.bounce_imap_tls == "implicit":
            context = ssl.create_default_context()
            return _BoundedTls(budget, host, port, ssl_context=context, timeout=self._answer_seconds)
        return _Bounded(budget, host, port, timeout=self._answer_seconds)

    def _log_in(self, client: imaplib.IMAP4) -> None:
        if self._settings.bounce_imap_tls == "required":
            client.starttls(ssl.create_default_context())
        client.login(self._secrets.read(IMAP_USERNAME), self._secrets.read(IMAP_PASSWORD))


class OpenMailbox:
    """The folder with new mail. Errors of its methods are those that `ImapAccount.open` turns into `MailboxDown`."""

    def __init__(self, client: imaplib.IMAP4, settings: Settings) -> None:
        self._client = client
        self._folder = _quoted(settings.bounce_imap_folder)
        self._processed = _quoted(settings.bounce_imap_processed)
        _, capabilities = client.capability()  # a server may offer more after the login
        if b"MOVE" not in capabilities[0].upper().split():
            raise imaplib.IMAP4.error("the server does not offer MOVE (RFC 6851)")
        _checked(client.select(self._folder))
        if _checked(client.list('""', self._processed)) == [None]:
            # Another replica may be faster.
            client.create(self._processed)

    def uids(self) -> list[str]:
        """The UIDs of the oldest mails, at most 200."""
        count = int(_checked(self._client.select(self._folder))[-1] or 0)
        if not count:
            return []
        # A server may refuse a number beyond the last mail (RFC 3501, 9).
        found = _checked(self._client.uid("SEARCH", f"1:{min(count, _MOST_MAILS)}"))
        return [uid.decode() for uid in _UID.findall(found[0] or b"")]

    def fetch(self, uid: str) -> StoredMail | None:
        """A mail, or None if the server has it no more or cannot read it. The mail is not marked as read."""
        for each in _checked(self._client.uid("FETCH", uid, f"(BODY.PEEK[]<0.{LONGEST_MAIL}>)")):
            if isinstance(each, tuple):
                return StoredMail(uid, each[1])
        return None

    def put_away(self, uid: str, *, flagged: bool) -> None:
        """Moves a mail to the folder of processed mail. `flagged` marks it for a person."""
        if flagged:
            _checked(self._client.uid("STORE", uid, "+FLAGS", r"(\Flagged)"))
        _checked(self._client.uid("MOVE", uid, self._processed))


def _checked(answer: tuple[str, list[Any]]) -> list[Any]:
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error(f"the server answers {status}: {data!r:.200}")
    return data


def _quoted(folder: str) -> str:
    escaped = folder.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
