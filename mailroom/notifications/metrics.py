"""The metrics of the functions `notifications` and `notification-sender`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from mailroom.notifications.feedback.mailbox_mark import MailboxMark
from mailroom.notifications.indexes import INDEXES
from mailroom.notifications.model import addresses
from mailroom.notifications.outbox import metrics as outbox
from mailroom.notifications.outbox.claims import Claims
from mailroom.notifications.smtp.pool import Pool
from mailroom.notifications.smtp.probe import RelayProbe
from mailroom.platform import secrets
from mailroom.platform.kick import SENDER
from mailroom.platform.metrics import Gauge, Metrics, Part, gauge, general, worker
from mailroom.services import Services


def create_api_metrics(services: Services) -> Metrics:
    """The metrics of `notifications`."""
    return Metrics(lambda: general(services.settings, services.secrets, _needed(services)))


def create_sender_metrics(services: Services) -> Metrics:
    """The metrics of `notification-sender`."""
    database, settings = services.database, services.settings
    domain = addresses.sender(settings.mail_from).domain
    probe = RelayProbe(database["notifications"], lambda: Pool(settings, domain, services.secrets))
    claims = Claims(database, timedelta(seconds=settings.send_lease_seconds))

    def read_relay() -> Iterator[Gauge]:
        yield gauge("mailroom_relay_up", "Whether the relay serves: 1 or 0.", probe.up(services.clock.now()))

    parts = [
        Part("mongodb", lambda: worker(database, SENDER, INDEXES)),
        Part("mongodb", lambda: outbox.messages(database, claims, services.clock.now())),
        Part("mongodb", lambda: outbox.attempts(database, services.clock.now())),
        Part("mongodb", lambda: outbox.reports(database, services.clock.now())),
        Part("relay", read_relay),
    ]
    if settings.bounce_imap_host:
        parts.append(Part("mongodb", lambda: _mailbox(services)))
    needed = [*_needed(services), *_needed_for_the_mailbox(services)]
    return Metrics(lambda: general(settings, services.secrets, needed), parts)


def _mailbox(services: Services) -> Iterator[Gauge]:
    read = MailboxMark(services.database["cursors"], services.clock).is_up()
    if read is not None:
        text = "Whether the mailbox of the reports could be read last time: 1 or 0."
        yield gauge("mailroom_bounce_mailbox_up", text, read)


def _needed(services: Services) -> list[str]:
    """The secrets that both functions need with these settings."""
    settings = services.settings
    needed = [secrets.ATTACHMENTS_ACCESS_KEY, secrets.ATTACHMENTS_SECRET_KEY]
    if settings.dkim_selector:
        needed.append(secrets.DKIM_KEY)
    if settings.mail_return_path or settings.public_url:
        needed.append(secrets.SIGNING_KEY)
    return needed


def _needed_for_the_mailbox(services: Services) -> list[str]:
    if not services.settings.bounce_imap_host:
        return []
    return [secrets.IMAP_USERNAME, secrets.IMAP_PASSWORD, secrets.SIGNING_KEY]
