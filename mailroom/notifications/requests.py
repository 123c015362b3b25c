"""What a caller may ask for, and its checks. What passes here can be sent as it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from mailroom.notifications import addresses, text
from mailroom.notifications.model import Address, Kind, Recipient
from mailroom.platform.http import Problem

MOST_RECIPIENTS = 50
LONGEST_SUBJECT = 500  # characters
LONGEST_BODY = 500_000  # characters


class Send(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The body of `POST /`. `message` is HTML; `html` and `text` are given instead of it."""

    email_to: str | list[str]
    subject: str
    message: str | None = None
    html: str | None = None
    text: str | None = None
    cc: str | list[str] = []
    bcc: str | list[str] = []
    reply_to: str | list[str] = []

    def digest(self) -> str:
        """The same for the same request, however its JSON was written."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


@dataclass(frozen=True)
class Draft:
    """A request that was found good: what is to be sent, not yet whose and when."""

    email_to: str | list[str]
    recipients: tuple[Recipient, ...]
    reply_to: tuple[Address, ...]
    subject: str
    text: str
    html: str


def check(send: Send) -> Draft:
    """Raises `Problem` 422 naming the first field at fault; nothing has been stored then."""
    recipients = _recipients(send)
    html, plain = _bodies(send)
    return Draft(
        email_to=send.email_to,
        recipients=recipients,
        reply_to=tuple(_addresses(send.reply_to, "replyTo")),
        subject=_subject(send.subject),
        text=plain,
        html=html,
    )


def _recipients(send: Send) -> tuple[Recipient, ...]:
    """Each address once, in its first place: nobody gets a message twice."""
    found: dict[str, Recipient] = {}
    for kind, field, given in (
        (Kind.TO, "emailTo", send.email_to),
        (Kind.CC, "cc", send.cc),
        (Kind.BCC, "bcc", send.bcc),
    ):
        for address in _addresses(given, field):
            found.setdefault(addresses.key(address.shown), Recipient(address, kind))
        if len(found) > MOST_RECIPIENTS:
            raise Problem(
                422, "recipients.too_many", f"a message has at most {MOST_RECIPIENTS} recipients", field=field
            )
        if not found:
            raise Problem(422, "recipients.none", f"{field} must name somebody", field=field)
    return tuple(found.values())


def _addresses(given: str | list[str], field: str) -> list[Address]:
    if isinstance(given, str):
        return [addresses.address(given, field)]
    if len(given) > MOST_RECIPIENTS:
        raise Problem(422, "recipients.too_many", f"{field} has at most {MOST_RECIPIENTS} addresses", field=field)
    return [addresses.address(each, f"{field}[{index}]") for index, each in enumerate(given)]


def _subject(subject: str) -> str:
    if not subject.strip() or len(subject) > LONGEST_SUBJECT:
        raise Problem(422, "subject.invalid", f"subject must have 1 to {LONGEST_SUBJECT} characters", field="subject")
    if addresses.has_control(subject):
        raise Problem(422, "subject.invalid", "subject must be one line without control characters", field="subject")
    return subject


def _bodies(send: Send) -> tuple[str, str]:
    """HTML and text. Each is made from the other when only one is given."""
    if send.message is not None:
        for field, given in (("html", send.html), ("text", send.text)):
            if given is not None:
                raise Problem(
                    422, "body.twice", f"give message, or html and text, not message and {field}", field=field
                )
        html = _body(send.message, "message")
        return html, text.from_html(html)
    if send.html is not None:
        html = _body(send.html, "html")
        return html, text.from_html(html) if send.text is None else _body(send.text, "text")
    if send.text is not None:
        return "", _body(send.text, "text")
    raise Problem(422, "body.missing", "message is missing", field="message")


def _body(body: str, field: str) -> str:
    if not body.strip() or len(body) > LONGEST_BODY:
        raise Problem(422, "body.invalid", f"{field} must have 1 to {LONGEST_BODY} characters", field=field)
    if "\0" in body:
        raise Problem(422, "body.invalid", f"{field} must not hold a NUL character", field=field)
    return body
