"""Headers that relays obey: they may add recipients that no record names, or decide who signs, tracks and delivers."""

from __future__ import annotations

import re

# A `*` at the end stands for any ending. The comments name the relay, what it does, and where that is documented.
_OBEYED = (
    # SendGrid, SendCloud: recipients. twilio.com/docs/sendgrid, "Building an X-SMTPAPI Header"
    "X-SMTPAPI",
    # Mailchimp Transactional: a blind copy, the account. mailchimp.com/developer/transactional/docs/smtp-integration
    "X-MC-*",
    # SparkPost, Bird, Momentum: copies, an archive. developers.sparkpost.com/api/smtp
    "X-MSYS-*",
    # Postmark: the stream, tracking. postmarkapp.com/developer/user-guide/send-email-with-smtp
    "X-PM-*",
    # Mailgun: no delivery, tracking, the sending address. documentation.mailgun.com, "pass sending options"
    "X-Mailgun-*",
    # Amazon SES: the identity, the configuration set, lists. docs.aws.amazon.com/ses, "sending authorization"
    "X-SES-*",
    # Mailjet: a template, variables, a campaign. dev.mailjet.com/smtp-relay/custom-headers
    "X-MJ-*",
    "X-Mailjet-*",
    # Brevo: a template, the sending address, no delivery. developers.brevo.com/docs/smtp-integration
    "X-Mailin-*",
    "X-Sib-*",
    # SMTP2GO uses such names itself. support.smtp2go.com, "Custom Headers"
    "X-SMTP2GO-*",
    # Mailtrap: a category, variables. docs.mailtrap.io, "SMTP integration"
    "X-MT-*",
    # MailerSend: tags. mailersend.com/help, "SMTP relay"
    "X-MailerSend-*",
    # Alibaba Cloud Direct Mail: tracking. alibabacloud.com/help, "track opens and clicks based on tags"
    "X-AliDM-*",
    # Emailit: no signature. emailit.com/docs/email-api/headers-and-metadata
    "X-Emailit-*",
    # SMTPeter: tracking. github.com/CopernicaMarketingSoftware/Documentation, SMTPeter/en/smtp-headers.md
    "X-SMTPeter-*",
    # Sendmachine: a campaign. developers.sendmachine.com/smtp_headers.html. SEPPmail: the route
    "X-SM-*",
    # Postal: a tag. github.com/postalserver/postal
    "X-Postal-*",
    # GreenArrow: the class, the sending address. greenarrowemail.com/docs, "headers"
    "X-GreenArrow-*",
    # PowerMTA: the sending address; there and in the pickup folders of Microsoft's servers: sender and recipients.
    # User's guide of PowerMTA, "process-x-virtual-mta"; learn.microsoft.com, "pickup directory"
    "X-Virtual-MTA",
    "X-Sender",
    "X-Receiver",
    # ReachMail: the signature. reachmail.zendesk.com, "Special Header Processing"
    "X-DKIM-Options",
    # Exchange: filters, journals, routes. learn.microsoft.com, "header firewall"
    "X-MS-Exchange-*",
)

_NAMES = re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in _OBEYED), re.IGNORECASE)


def is_obeyed(name: str) -> bool:
    """Whether a relay is known to act on the header of that name."""
    return _NAMES.fullmatch(name) is not None
