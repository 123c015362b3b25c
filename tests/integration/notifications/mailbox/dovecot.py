"""A mailbox for tests: Debian's dovecot as a process without root."""

from __future__ import annotations

import grp
import imaplib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.ports import free_port
from tests.support.waiting import eventually

USERNAME, PASSWORD = "bounces", "the-password-of-the-mailbox"  # pragma: allowlist secret

CONFIGURATION = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_location = maildir:{folder}/mail
mail_max_userip_connections = 100
disable_plaintext_auth = no
auth_mechanisms = plain login
passdb {{
  driver = static
  args = password={{PLAIN}}{password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/home
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service stats {{
  chroot =
}}
{tls}
{more}
"""


class Dovecot:
    """`port` offers STARTTLS if there is a certificate, `tls_port` is for TLS from the start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, certificate: Path | None = None, more: str = "") -> None:
        # As root, dovecot would need users of its own.
        user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        tls = "ssl = no"
        if certificate is not None:
            own = self.folder / "certificate.pem"
            shutil.copy(certificate, own)
            tls = f"ssl = yes\nssl_cert = <{own}\nssl_key = <{own}"
        configuration = self.folder / "dovecot.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                user=user.pw_name,
                group=grp.getgrgid(user.pw_gid).gr_name,
                password=PASSWORD,
                port=self.port,
                tls_port=self.tls_port,
                tls=tls,
                more=more,
            )
        )
        if os.getuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
        self._process = subprocess.Popen([_program(), "-F", "-c", str(configuration)], **as_user)  # type: ignore[call-overload]
        eventually(self._answers, what=f"dovecot ({self.folder / 'log'})")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
            self._process = None

    def put(self, *mails: bytes, folder: str = "INBOX") -> None:
        with self._client() as client:
            for mail in mails:
                status, answer = client.append(folder, None, None, mail)  # type: ignore[arg-type]
                assert status == "OK", answer

    def empty(self) -> None:
        with self._client() as client:
            client.delete("Processed")
            if client.select("INBOX")[1] != [b"0"]:
                client.store("1:*", "+FLAGS", r"(\Deleted)")
                client.expunge()

    def subjects(self, folder: str = "INBOX", which: str = "ALL") -> list[str]:
        """The subjects of the mails in a folder, of all or of those that are `which`."""
        with self._client() as client:
            if client.select(folder, readonly=True)[0] != "OK":
                return []
            numbers = client.search(None, which)[1][0].split()
            heads = [client.fetch(number, "(BODY.PEEK[HEADER])")[1][0][1] for number in numbers]
            return [str(message_from_bytes(head)["Subject"]) for head in heads]

    @contextmanager
    def _client(self) -> Iterator[imaplib.IMAP4]:
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=60)
        client.login(USERNAME, PASSWORD)
        yield client
        client.logout()

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            log = self.folder / "log"
            pytest.fail(f"dovecot has ended: {log.read_text() if log.exists() else ''}")
        try:
            imaplib.IMAP4("127.0.0.1", self.port, timeout=5).logout()
        except (OSError, imaplib.IMAP4.error):
            return False
        return True


@contextmanager
def dovecot_server() -> Iterator[Dovecot]:
    """Skips the test where there is no dovecot."""
    if _program() is None:
        reason = "there is no dovecot: apt-get install dovecot-imapd"
        (pytest.fail if os.environ.get("MAILROOM_REQUIRE_DOVECOT") else pytest.skip)(reason)
    # Sockets have short paths, and another user must get in.
    with TemporaryDirectory(prefix="dovecot-", dir="/tmp") as name:
        server = Dovecot(Path(name))
        try:
            yield server
        finally:
            server.stop()


def _program() -> str | None:
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
