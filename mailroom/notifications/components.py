"""The objects that the API and the worker of the notifications share."""

from __future__ import annotations

from datetime import timedelta

from mailroom.notifications.feedback.feedback import Feedback
from mailroom.notifications.feedback.tokens import MessageTokens
from mailroom.notifications.feedback.tracing import Tracing
from mailroom.notifications.message.composer import Composer
from mailroom.notifications.message.dkim import DkimSigner
from mailroom.notifications.message.dkim_keys import DkimKeys
from mailroom.notifications.message.stored_files import Files
from mailroom.notifications.message.unsubscribe import UnsubscribeLinks
from mailroom.notifications.model import addresses
from mailroom.notifications.outbox.actions import MessageActions
from mailroom.notifications.outbox.claims import Claims
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.outbox.retention import Erasure, Retention
from mailroom.notifications.outbox.soft_bounces import SoftBounces
from mailroom.notifications.outbox.suppressions import Suppressions
from mailroom.notifications.sending.recorder import Recorder
from mailroom.notifications.sending.sender import Sender
from mailroom.notifications.sending.transmitter import Transmitter
from mailroom.notifications.smtp.pool import Pool
from mailroom.platform import secrets
from mailroom.platform.clock import days
from mailroom.platform.signing import Signer
from mailroom.services import Services
from mailroom.webhooks.history import WebhookDeliveries


class Components:
    """Makes them. The sender is closed when the process ends."""

    def __init__(self, services: Services) -> None:
        """Raises `InvalidSetting` if MAIL_FROM is no address, or DKIM_* or MAIL_RETURN_PATH are no names."""
        settings = services.settings
        self.mail_from = addresses.sender(settings.mail_from)
        self.collection = services.database["notifications"]
        self.clock = services.clock
        self.claims = Claims(services.database, timedelta(seconds=settings.send_lease_seconds))
        self.actions = MessageActions(self.collection, self.clock, self.claims)
        self.files = Files(services.attachments, settings.attachments_bucket)
        self.suppressions = Suppressions(services.database["suppressions"], self.clock)
        outbox = Outbox(self.collection, self.clock, self.claims, self.suppressions, services.announcer)
        soft_bounces = SoftBounces(
            services.database["softBounces"], settings.soft_bounces, timedelta(days=settings.soft_bounce_days)
        )
        self.feedback = Feedback(
            services.database, self.clock, self.claims, self.suppressions, soft_bounces, services.announcer
        )
        signer = Signer(services.secrets)
        self.tokens = MessageTokens(signer)
        self.links = UnsubscribeLinks(signer, settings.public_url)
        self.tracing = Tracing(self.tokens, settings.mail_return_path, settings.mail_provider)
        pool, recorder = Pool(settings, self.mail_from.domain, services.secrets), Recorder(outbox, settings)
        transmitter = Transmitter(
            outbox,
            pool,
            Composer(self.files, dkim_keys(services)),
            self.tracing,
            recorder,
            self.feedback.apply,
            hold=settings.unknown_outcome == "hold",
        )
        self.sender = Sender(outbox, pool, transmitter, recorder, settings)
        deliveries = WebhookDeliveries(services.database, self.clock)
        self.erasure = Erasure(self.collection, self.actions, deliveries, soft_bounces)
        self.retention = Retention(
            services.database,
            deliveries,
            soft_bounces,
            self.clock,
            bodies=days(settings.retention_bodies_days),
            whole=days(settings.retention_messages_days),
        )
        services.at_close(self.sender.close)


def return_domain(services: Services) -> str:
    """The domain that bounces go to; empty: that of the sender."""
    return Tracing(MessageTokens(Signer(services.secrets)), services.settings.mail_return_path).return_domain


def dkim_keys(services: Services) -> DkimKeys:
    """The keys that sign mail. Raises `InvalidSetting` if MAIL_FROM is no address, or DKIM_* are no names."""
    settings, read = services.settings, services.secrets.read_optional
    default = None
    if settings.dkim_selector:
        domain = settings.dkim_domain or addresses.sender(settings.mail_from).domain
        default = DkimSigner(domain, settings.dkim_selector, lambda: read(secrets.DKIM_KEY))
    return DkimKeys(default, lambda: read(secrets.DKIM_KEYS))
