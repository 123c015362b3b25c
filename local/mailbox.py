"""Received mail: one .eml file each. The file names sort by time of arrival."""

import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

ID = re.compile(r"[0-9]{8}T[0-9]{9}-[0-9a-f]{8}")
TIME = "%Y%m%dT%H%M%S"


@dataclass(frozen=True)
class Mail:
    """One message as it arrived. `to` holds the recipients of the envelope, Bcc included."""

    id: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=default)

    def summary(self) -> dict[str, str]:
        """The fields that a list shows. The time is in RFC 3339 with milliseconds."""
        message = self.message
        received = datetime.strptime(self.id[:15], TIME).replace(tzinfo=UTC, microsecond=int(self.id[15:18]) * 1000)
        return {
            "id": self.id,
            "from": header(message, "From") or header(message, "Return-Path"),
            "to": ", ".join(header(message, "Delivered-To").split()),
            "subject": header(message, "Subject"),
            "received": received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }

    def full(self) -> dict[str, object]:
        """The summary, every header, and the text and HTML parts; None for a part that is missing."""
        message = self.message
        headers = [[name, _decoded(value)] for name, value in message.raw_items()]
        return {**self.summary(), "headers": headers, "text": _part(message, "plain"), "html": _part(message, "html")}


class Mailbox:
    """The folder of messages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, sender: str, recipients: list[str], content: bytes) -> str:
        """Writes a message and its envelope to disk. Returns its id."""
        now = datetime.now(UTC)
        name = f"{now.strftime(TIME)}{now.microsecond // 1000:03d}-{secrets.token_hex(4)}"
        envelope = f"Return-Path: <{sender}>\r\nDelivered-To: {' '.join(recipients)}\r\n"
        part = self._folder / f".{name}.part"
        with part.open("wb") as stream:
            stream.write(envelope.encode() + content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self._folder / f"{name}.eml")
        return name

    def newest_first(self) -> list[Mail]:
        """All messages."""
        files = sorted(self._folder.glob("[0-9]*.eml"), reverse=True)
        return [Mail(file.stem, file.read_bytes()) for file in files]

    def get(self, name: str) -> Mail | None:
        """The message of that id, if there is one."""
        file = self._folder / f"{name}.eml"
        return Mail(name, file.read_bytes()) if ID.fullmatch(name) and file.exists() else None


def header(message: EmailMessage, name: str) -> str:
    """A header's value, decoded, on one line; "" when missing."""
    return next((_decoded(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")


def _decoded(value: str) -> str:
    """A header for people to read. Python's header parser raises for some broken headers; those stay encoded."""
    try:
        text = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        text = value
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # an unknown charset or encoding: decode what is valid UTF-8
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
