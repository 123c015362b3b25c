"""What a mail reports about sent mail: delivery reports, complaints, and the odd forms of older servers.

The rule is that a wrong report is worse than none. A mail that may be anything else than a report is left to a person,
with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial

from mailroom.notifications.feedback.parsing import prose
from mailroom.notifications.feedback.parsing.complaint import complaint_of
from mailroom.notifications.feedback.parsing.delivery_status import has_fields, recipients_of
from mailroom.notifications.feedback.parsing.found import Found, Outcome, ParsedMail
from mailroom.notifications.feedback.parsing.reading import Mail
from mailroom.notifications.feedback.tokens import HEADER

_TOKEN = re.compile(rf"^[>|\t ]*{HEADER}:\s*([a-z2-7]{{20,64}})\s*$", re.IGNORECASE | re.MULTILINE)
_TAGGED = re.compile(r"\+([a-z2-7]{20,64})@", re.IGNORECASE)
_MOST_TOKENS = 5
_DELIVERED_TO = ("To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "Cc")

_AUTO_REPLY_SUBJECT = re.compile(
    r"out\s+of\s+(?:the\s+)?office|automatic\s+(?:reply|response)|auto(?:matic|mated)?[\s-]*(?:reply|response|answer)|autoreply"
    r"|vacation|on\s+(?:holiday|leave)|away\s+from\s+(?:my\s+)?(?:office|desk)|abwesenheit|automatische\s+antwort"
    r"|absence\s+du\s+bureau|réponse\s+automatique|respuesta\s+automática|fuera\s+de\s+la\s+oficina|risposta\s+automatica",
    re.IGNORECASE,
)
_SIEVE_REJECT = re.compile(
    r"your\s+message\s+to\s+<?([^\s<>]{3,250}@[^\s<>]{1,250}?)>?\s+was\s+automatically\s+rejected", re.IGNORECASE
)


def parse(raw: bytes) -> ParsedMail:
    """Reads a mail. Takes any bytes, in bounded time and memory; what lies behind `LONGEST_MAIL` is not read."""
    mail = Mail(raw)
    found, reason = _read(mail)
    return ParsedMail(
        found=tuple(found),
        reason="" if found else reason,
        tokens=tuple(dict.fromkeys(_tokens(mail)))[:_MOST_TOKENS],
        message_id=mail.header("Message-ID"),
        date=_date(mail.header("Date")),
    )


def _read(mail: Mail) -> tuple[list[Found], str]:
    if _returns_a_report(mail):
        return [], "a report about a report"
    complaints, reason = complaint_of(mail)
    if complaints or reason:
        return complaints, reason
    statuses = mail.statuses
    if statuses:
        found = recipients_of("\n\n".join(statuses), partial(prose.words_about, prose.own_text(mail).split("\n")))
        if found:
            return found, ""
        if any(has_fields(each) for each in statuses):
            return [], "a delivery report without a final result for an address"
    if mail.texts_of("message/disposition-notification"):
        return _rejected_by_a_rule(mail), "a receipt of a person, not of a mail server"
    if _is_auto_reply(mail):
        return [], "an automatic reply of a person"
    if not prose.looks_like_a_report(mail):
        return [], "no report"
    text = prose.own_text(mail)
    found = recipients_of(text, lambda address: "") if has_fields(text) else prose.recipients_in(mail)
    return found, "a report that names no address in a known way"


def _returns_a_report(mail: Mail) -> bool:
    returned = mail.returned_header("Content-Type").lower()
    return returned.startswith("multipart/report") or "mailer-daemon" in mail.returned_header("From").lower()


def _is_auto_reply(mail: Mail) -> bool:
    """Servers, too, say `auto-replied` of a report. They do not say which message of a person is answered."""
    if prose.is_daemon(mail):
        return False  # its subject may be that of the message that comes back
    if _AUTO_REPLY_SUBJECT.search(mail.header("Subject")):
        return True
    if any(mail.header(name) for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response-From", "X-Vacation")):
        return True
    replied = mail.header("Auto-Submitted").lower().startswith("auto-replied")
    return replied and bool(mail.header("In-Reply-To")) and mail.kind != "multipart/report"


def _rejected_by_a_rule(mail: Mail) -> list[Found]:
    """A mailbox's own rule has rejected the message, or its quota has. The address exists."""
    match = _SIEVE_REJECT.search(mail.prose[:20_000])
    if match is None:
        return []
    text = " ".join(mail.prose[match.start() :][:400].split())
    return [Found(match[1], Outcome.BOUNCED, text=text)]


def _tokens(mail: Mail) -> Iterator[str]:
    """What may be a token: in the address that the report went to, or in the message that it returns."""
    for name in _DELIVERED_TO:
        for value in mail.headers(name):
            yield from _TAGGED.findall(value)
    yield from _TOKEN.findall(mail.everything)
    yield from _TAGGED.findall(mail.returned_header("Return-Path"))


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return date.astimezone(UTC) if 2000 <= date.year <= 2100 else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
