"""Mails as they come back, and a deployment with a mailbox that they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from mailroom.notifications.components import Components
from mailroom.notifications.feedback.imap import ImapAccount
from mailroom.notifications.feedback.mailbox import Mailbox
from mailroom.notifications.feedback.mailbox_mark import MailboxMark
from mailroom.platform.clock import Budget
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.mailbox.dovecot import Dovecot
from tests.integration.notifications.relay import Relay

DSN = """\
Return-Path: <>
From: MAILER-DAEMON@remote.example (Mail Delivery System)
To: {to}
Subject: {subject}
Message-ID: <{id}@remote.example>
Date: Sun, 29 Nov 2026 08:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; remote.example

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} the words of the server

--B
Content-Type: message/rfc822

{returned}
--B--
"""

COMPLAINT = """\
From: reports@provider.example
To: fbl@ours.example.com
Subject: complaint
Message-ID: <complaint@provider.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1

--B
Content-Type: message/rfc822

{returned}
--B--
"""


def dsn(
    sent: Sent,
    recipient: str = "anna@remote.example",
    *,
    action: str = "failed",
    status: str = "5.1.1",
    subject: str = "Undelivered Mail",
    to: str | None = None,
    returned: str | None = None,
) -> bytes:
    return DSN.format(
        to=sent.return_path if to is None else to,
        returned=sent.content if returned is None else returned,
        recipient=recipient,
        action=action,
        status=status,
        subject=subject,
        id=ObjectId(),
    ).encode()


@dataclass
class Sent:
    """A message as the relay got it."""

    id: str
    return_path: str
    content: str


@dataclass
class Returns:
    """A deployment with a mailbox."""

    mail: Mail
    relay: Relay
    dovecot: Dovecot
    components: Components
    account: ImapAccount

    def send(self, *recipients: str) -> Sent:
        body = {"emailTo": list(recipients) or ["anna@remote.example"], "subject": "Your order", "message": "Thanks"}
        answer = self.mail.client.post(body)
        assert answer.body["status"] == "sent"
        taken = self.relay.taken[-1]
        return Sent(answer.body["id"], taken.sender, taken.content.decode().replace("\r\n", "\n"))

    def poll(self, seconds: float = 60.0, feedback: Any = None) -> int:
        components = self.components
        mailbox = Mailbox(
            self.account,
            components.tokens,
            feedback or components.feedback,
            components.collection,
            components.clock,
            MailboxMark(self.mail.services.database["cursors"], components.clock),
        )
        return mailbox.poll(Budget(seconds))

    def deliveries(self, sent: Sent) -> dict[str, str | None]:
        recipients = self.mail.client.get(f"/{sent.id}").body["recipients"]
        return {each["address"]: each["delivery"] and each["delivery"]["status"] for each in recipients}

    def unclear(self) -> list[str]:
        """The subjects of the mails that a person should look at."""
        return self.dovecot.subjects("Processed", "FLAGGED")
