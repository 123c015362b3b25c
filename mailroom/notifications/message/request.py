"""The request for a message, and its checks. A checked message can be sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from mailroom.errors import Invalid
from mailroom.notifications.message import attachments
from mailroom.notifications.message.attachments import Attach
from mailroom.notifications.message.headers import AllowedHeaders
from mailroom.notifications.message.html_to_text import CannotConvert, from_html
from mailroom.notifications.message.stored_files import Pin
from mailroom.notifications.message.unsubscribe import HEADER, POST_HEADER
from mailroom.notifications.model import addresses, topics
from mailroom.notifications.model.messages import (
    LONGEST_BODY,
    LONGEST_SUBJECT,
    Address,
    Attachment,
    HeaderField,
    Kind,
    Priority,
    Recipient,
)
from mailroom.notifications.templates.rendering import Rendered, Use
from mailroom.platform.clock import parse_time

MOST_RECIPIENTS = 50
LAST_YEAR = 2200  # near the end of the calendar, computing with times fails
MOST_TAGS, LONGEST_TAG = 10, 64
MOST_METADATA, LONGEST_VALUE = 20, 500


class Unsubscribe(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The mail gets a link that unsubscribes its recipient from the topic."""

    topic: str


class Send(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The body of `POST /`. `message` is HTML; `html` and `text` are given instead of it, or all by a `template`.

    `from` is an address, or `Name <address>`; by default it is the setting MAIL_FROM.
    """

    email_to: str | list[str]
    subject: str | None = None
    message: str | None = None
    html: str | None = None
    text: str | None = None
    template: Use | None = None
    cc: str | list[str] = []
    bcc: str | list[str] = []
    reply_to: str | list[str] = []
    headers: dict[str, str] = {}
    attachments: list[Attach] = []
    tags: list[str] = []
    metadata: dict[str, str] = {}
    priority: Literal["high", "normal", "low"] = "normal"
    send_at: str | None = None
    from_: str | UnsetType | None = msgspec.field(default=UNSET, name="from")
    unsubscribe: Unsubscribe | UnsetType | None = UNSET

    def digest(self) -> str:
        """A hash of the request. It does not depend on how the JSON was written.

        It stays the same from version to version: a repeat may come after an upgrade. So a new field is UNSET by
        default, which leaves it out.
        """
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class Draft(msgspec.Struct, frozen=True):
    """A checked request, without sender and time of acceptance. `send_at` is None for "now"."""

    email_to: str | list[str]
    recipients: tuple[Recipient, ...]
    reply_to: tuple[Address, ...]
    subject: str
    text: str
    html: str
    template: Rendered | None
    headers: tuple[HeaderField, ...]
    attachments: tuple[Attachment, ...]
    tags: tuple[str, ...]
    metadata: dict[str, str]
    priority: Priority
    send_at: datetime | None
    topic: str | None = None


def _unused(*_: object) -> Any:
    raise AssertionError("this caller has no templates, stored attachments or unsubscribe links")


class Extras(msgspec.Struct, frozen=True):
    """The custom headers, templates, stored attachments and unsubscribe links that are allowed; by default none.

    `require_links` raises `Invalid` if no unsubscribe links can be made.
    """

    headers: AllowedHeaders = AllowedHeaders(frozenset(), ())
    render: Callable[[Use], Rendered] = _unused
    pin: Pin = _unused
    require_links: Callable[[], None] = _unused


NO_EXTRAS = Extras()


def check(send: Send, extras: Extras = NO_EXTRAS) -> Draft:
    """Raises `Refusal` for the first field at fault. Nothing is stored."""
    recipients = _recipients(send)
    rendered = None if send.template is None else _rendered(send, send.template, extras)
    if rendered is None:
        subject, html, plain = _content(send)
    else:  # checked like the texts of a request: a parameter may have a line end
        subject, (html, plain) = _subject(rendered.subject), _bodies(rendered.html, rendered.text)
    return Draft(
        email_to=send.email_to,
        recipients=recipients,
        reply_to=tuple(_addresses(send.reply_to, "replyTo")),
        subject=subject,
        text=plain,
        html=html,
        template=rendered,
        headers=extras.headers.check(send.headers),
        attachments=attachments.check(send.attachments, extras.pin, with_html=bool(html)),
        tags=_tags(send.tags),
        metadata=_metadata(send.metadata),
        priority=Priority[send.priority.upper()],
        send_at=_time(send.send_at),
        topic=_topic(send, recipients, extras),
    )


def _recipients(send: Send) -> tuple[Recipient, ...]:
    """Each address once, where it is named first, so that nobody gets a message twice."""
    found: dict[str, Recipient] = {}
    for kind, field, given in (
        (Kind.TO, "emailTo", send.email_to),
        (Kind.CC, "cc", send.cc),
        (Kind.BCC, "bcc", send.bcc),
    ):
        for address in _addresses(given, field):
            found.setdefault(addresses.key(address.shown), Recipient(address.shown, address.wire, kind))
        if len(found) > MOST_RECIPIENTS:
            raise Invalid(field, "recipients.too_many", f"a message has at most {MOST_RECIPIENTS} recipients")
        if not found:
            raise Invalid(field, "recipients.none", f"{field} must name somebody")
    return tuple(found.values())


def _addresses(given: str | list[str], field: str) -> list[Address]:
    if isinstance(given, str):
        return [addresses.address(given, field)]
    if len(given) > MOST_RECIPIENTS:
        raise Invalid(field, "recipients.too_many", f"{field} has at most {MOST_RECIPIENTS} addresses")
    return [addresses.address(each, f"{field}[{index}]") for index, each in enumerate(given)]


def _topic(send: Send, recipients: tuple[Recipient, ...], extras: Extras) -> str | None:
    if not send.unsubscribe:
        return None
    topic = topics.topic(send.unsubscribe.topic, "unsubscribe.topic")
    if len(recipients) != 1:
        detail = "with unsubscribe a message has exactly one recipient: whoever has the link can unsubscribe them"
        raise Invalid("unsubscribe", "unsubscribe.recipients", detail)
    for name in send.headers:
        if name.lower() in (HEADER.lower(), POST_HEADER.lower()):
            raise Invalid(f"headers.{name}", "header.twice", f"unsubscribe sets this header: leave {name} out")
    extras.require_links()
    return topic


def _subject(subject: str) -> str:
    if not subject.strip() or len(subject) > LONGEST_SUBJECT:
        raise Invalid("subject", "subject.invalid", f"subject must have 1 to {LONGEST_SUBJECT} characters")
    if addresses.has_control(subject):
        raise Invalid("subject", "subject.invalid", "subject must be one line without control characters")
    return subject


def _rendered(send: Send, use: Use, extras: Extras) -> Rendered:
    for field in ("subject", "message", "html", "text"):
        if getattr(send, field) is not None:
            raise Invalid(field, "body.twice", f"the template gives all texts: leave {field} out")
    return extras.render(use)


def _content(send: Send) -> tuple[str, str, str]:
    """Subject, HTML and text of a request without a template."""
    if send.subject is None:
        raise Invalid("subject", "subject.missing", "subject is missing")
    subject = _subject(send.subject)
    if send.message is not None:
        for field, given in (("html", send.html), ("text", send.text)):
            if given is not None:
                raise Invalid(field, "body.twice", f"give message, or html and text, not message and {field}")
        html = _body(send.message, "message")
        return subject, html, _text_of(html, "message")
    if send.html is None and send.text is None:
        raise Invalid("message", "body.missing", "message is missing")
    return subject, *_bodies(send.html, send.text)


def _bodies(html: str | None, text: str | None) -> tuple[str, str]:
    """HTML and text. If only HTML is given, the text is made from it."""
    if html is None:
        return "", _body(text or "", "text")
    html = _body(html, "html")
    return html, _text_of(html, "html") if text is None else _body(text, "text")


def _body(body: str, field: str) -> str:
    if not body.strip() or len(body) > LONGEST_BODY:
        raise Invalid(field, "body.invalid", f"{field} must have 1 to {LONGEST_BODY} characters")
    if "\0" in body:
        raise Invalid(field, "body.invalid", f"{field} must not hold a NUL character")
    return body


def _text_of(html: str, field: str) -> str:
    """The text that is made from HTML. It may be empty."""
    own = "give html and a text of your own"
    try:
        shown = from_html(html)
    except CannotConvert as error:
        raise Invalid(field, "body.invalid", f"no text can be made from {field}: {error}; {own}") from None
    if len(shown) > LONGEST_BODY:
        raise Invalid(field, "body.invalid", f"as text, {field} has more than {LONGEST_BODY} characters: {own}")
    return shown


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = parse_time(text)
    except ValueError as error:
        raise Invalid("sendAt", "time.invalid", f"sendAt {error}") from None
    if time.year > LAST_YEAR:
        raise Invalid("sendAt", "time.invalid", f"sendAt must not be after {LAST_YEAR}")
    return time


def _tags(tags: list[str]) -> tuple[str, ...]:
    for index, tag in enumerate(tags):
        if index >= MOST_TAGS or not 1 <= len(tag) <= LONGEST_TAG or not tag.isprintable():
            detail = f"tags are up to {MOST_TAGS} words of 1 to {LONGEST_TAG} printable characters"
            raise Invalid(f"tags[{index}]", "tag.invalid", detail)
    return tuple(dict.fromkeys(tags))


def _metadata(metadata: dict[str, str]) -> dict[str, str]:
    if len(metadata) > MOST_METADATA:
        raise Invalid("metadata", "metadata.invalid", f"metadata has at most {MOST_METADATA} entries")
    for name, value in metadata.items():
        # These characters have a meaning in the names of MongoDB's fields.
        if not 1 <= len(name) <= LONGEST_TAG or set(name) & set(".$\0") or len(value) > LONGEST_VALUE:
            detail = f"a name has 1 to {LONGEST_TAG} characters without . and $, a value at most {LONGEST_VALUE}"
            raise Invalid(f"metadata.{name}", "metadata.invalid", detail)
    return metadata
