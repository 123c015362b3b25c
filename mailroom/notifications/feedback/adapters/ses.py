"""Amazon SES: what its notifications and its published events say. They come through SNS: `sns.py`.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mailroom.notifications.feedback.adapters.adapter import (
    POLICY,
    Call,
    Event,
    json_of,
    list_of,
    member,
    text_of,
    time_of,
)
from mailroom.notifications.feedback.adapters.sns import Sns
from mailroom.notifications.feedback.tokens import HEADER, PROVIDER_FIELD
from mailroom.notifications.model.reports import Delivery, code_after_reply

# The token in a return path of ours: `bounces+TOKEN@ours.example.com`.
_RETURN_PATH = re.compile(r"[^+@]+\+([A-Za-z2-7]+)@.+")

_MOST = 50  # recipients of a message of SES

# Bounces that are not the address's fault. Somebody who left a list of SES's takes other mail.
_POLICY_SUBTYPES = ("ContentRejected", "AttachmentRejected", "UnsubscribedRecipient")


class Ses:
    """`sns` checks the call. The adapter's secret is that nobody else may publish in the topic."""

    def __init__(self, sns: Sns) -> None:
        self._sns = sns

    def events(self, call: Call, now: datetime) -> Sequence[Event]:
        notification = self._sns.notification(call, now)
        return [] if notification is None else _events(json_of(notification.message), notification.id)


def _events(found: Any, id_: str) -> list[Event]:
    mail = member(found, "mail")
    match text_of(found, "eventType") or text_of(found, "notificationType"):
        case "Bounce":
            return [_bounced(member(found, "bounce"), each, mail, id_) for each in _recipients(found, "bounce")]
        case "Complaint":
            return _complained(member(found, "complaint"), mail, id_)
        case "Delivery":
            return [_delivered(member(found, "delivery"), each, mail) for each in _recipients(found, "delivery")]
        case "Reject":  # SES took it from us, found a virus, and sent it to nobody
            return [_rejected(member(found, "reject"), each, mail) for each in list_of(mail, "destination")[:_MOST]]
        case _:
            return []  # SES tries again (DeliveryDelay), or it is not about delivery


def _recipients(found: Any, kind: str) -> list[Any]:
    name = {"bounce": "bouncedRecipients", "delivery": "recipients"}[kind]
    return list_of(found, kind, name)[:_MOST]


def _bounced(bounce: Any, recipient: Any, mail: Any, id_: str) -> Event:
    kind, subtype = text_of(bounce, "bounceType"), text_of(bounce, "bounceSubType")
    text = text_of(recipient, "diagnosticCode")
    default = POLICY if subtype in _POLICY_SUBTYPES else ""
    return _event(
        f"{text_of(bounce, 'feedbackId') or id_}:{text_of(recipient, 'emailAddress')}",
        text_of(recipient, "emailAddress"),
        Delivery.BOUNCED,
        mail,
        permanent=kind == "Permanent" and subtype not in _POLICY_SUBTYPES,
        code=text_of(recipient, "status") or code_after_reply(text) or default,
        text=text or f"{kind}: {subtype}",
        at=time_of(text_of(bounce, "timestamp")),
    )


def _complained(complaint: Any, mail: Any, id_: str) -> list[Event]:
    """Providers hide who complained: SES then names everybody at that provider, and nobody can be told from others."""
    recipients = list_of(complaint, "complainedRecipients")
    kind = text_of(complaint, "complaintFeedbackType")
    if len(recipients) != 1 or kind == "not-spam":
        return []
    recipient = text_of(recipients[0], "emailAddress")
    return [
        _event(
            f"{text_of(complaint, 'feedbackId') or id_}:{recipient}",
            recipient,
            Delivery.COMPLAINED,
            mail,
            text=kind or text_of(complaint, "complaintSubType"),
            at=time_of(text_of(complaint, "arrivalDate") or text_of(complaint, "timestamp")),
        )
    ]


def _rejected(reject: Any, recipient: Any, mail: Any) -> Event:
    shown = recipient if isinstance(recipient, str) else ""
    id_ = f"{text_of(mail, 'messageId')}:reject:{shown}"
    return _event(id_, shown, Delivery.BOUNCED, mail, code=POLICY, text=text_of(reject, "reason"))


def _delivered(delivery: Any, recipient: Any, mail: Any) -> Event:
    shown = recipient if isinstance(recipient, str) else ""
    text = text_of(delivery, "smtpResponse")
    # The topic of the identity and that of a configuration set may both tell: it is one event.
    return _event(
        f"{text_of(mail, 'messageId')}:delivery:{shown}",
        shown,
        Delivery.DELIVERED,
        mail,
        code=code_after_reply(text),
        text=text,
        at=time_of(text_of(delivery, "timestamp")),
    )


def _event(id_: str, recipient: str, delivery: Delivery, mail: Any, **other: Any) -> Event:
    headers = {text_of(each, "name").lower(): text_of(each, "value") for each in list_of(mail, "headers")}
    tags = [tag for tag in list_of(mail, "tags", PROVIDER_FIELD) if isinstance(tag, str)]
    source = _RETURN_PATH.fullmatch(text_of(mail, "source"))
    return Event(
        id=f"ses:{id_}",
        recipient=recipient,
        delivery=delivery,
        tokens=[headers.get(HEADER.lower(), ""), *tags[:1], source[1] if source else ""],
        message_ids=[headers.get("message-id", ""), text_of(mail, "commonHeaders", "messageId")],
        **other,
    )
