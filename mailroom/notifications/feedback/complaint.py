"""Complaints that mailbox providers send (RFC 5965, RFC 6650), and the older ones of Hotmail."""

from __future__ import annotations

import re

from mailroom.notifications.feedback.addressing import all_addresses, one_address, typed_address
from mailroom.notifications.feedback.codes import shortened
from mailroom.notifications.feedback.found import Found, Outcome
from mailroom.notifications.feedback.reading import Mail

# Of a person who wants no such mail. The others are `not-spam`, `virus`, `auth-failure`, `dmarc` and `other`.
_OF_PEOPLE = frozenset({"abuse", "fraud", "opt-out", "opt-out-list", "miscategorized"})
_FIELD = re.compile(r"^([A-Za-z-]{3,60})[ \t]*:[ \t]*(.*(?:\r?\n[ \t].*)*)", re.MULTILINE)
_HOTMAIL = re.compile(r"complaint about message from", re.IGNORECASE)
_MOST_RECIPIENTS = 20


def complaint_of(mail: Mail) -> tuple[list[Found], str]:
    """The recipients who complain, or the reason why nobody does; ("", "") if the mail is no complaint."""
    feedback = mail.texts_of("message/feedback-report")
    if feedback:
        fields = [(name.lower(), " ".join(value.split())) for name, value in _FIELD.findall(feedback[0])]
        kind = next((value.lower() for name, value in fields if name == "feedback-type"), "")
        kind = re.split(r"[\s;(]", kind, maxsplit=1)[0]
        if kind not in _OF_PEOPLE:
            return [], f"a feedback report of the type {shortened(kind)[:40]!r}, which is no complaint"
        named = [typed_address(value) for name, value in fields if name == "original-rcpt-to"][:_MOST_RECIPIENTS]
        agent = next((value for name, value in fields if name == "user-agent"), "")
        return _complaints(mail, named, f"{kind} {agent}"), ""
    if _HOTMAIL.search(mail.header("Subject")) and mail.returned is not None and mail.header("From"):
        return _complaints(mail, [], "complaint about message"), ""
    return [], ""


def _complaints(mail: Mail, named: list[str], text: str) -> list[Found]:
    addresses = [each for each in named if each]
    if not addresses and (hidden := one_address(mail.returned_header("X-HmXmrOriginalRecipient"))):
        addresses = [hidden]
    if addresses:
        return [Found(each, Outcome.COMPLAINED, text=shortened(text)) for each in dict.fromkeys(addresses)]
    written = [address for name in ("To", "Cc") for address in all_addresses(mail.returned_header(name))]
    only = written[0] if len(written) == 1 else ""
    return [Found(only, Outcome.COMPLAINED, text=shortened(text), guessed=True)]
