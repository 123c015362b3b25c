"""The objects that the API and the worker of the notifications share."""

from __future__ import annotations

from datetime import timedelta

from mailroom.notifications.message.composer import Composer
from mailroom.notifications.message.dkim import Signer
from mailroom.notifications.message.stored_files import Files
from mailroom.notifications.outbox.actions import MessageActions
from mailroom.notifications.outbox.claims import Claims
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.outbox.retention import Retention
from mailroom.notifications.outbox.suppressions import Suppressions
from mailroom.notifications.sending.sender import Sender
from mailroom.notifications.smtp.pool import Pool
from mailroom.platform import secrets
from mailroom.services import Services
from mailroom.webhooks.history import WebhookDeliveries


class Components:
    """Makes them. The sender is closed when the process ends."""

    def __init__(self, services: Services, domain: str) -> None:
        settings = services.settings
        self.collection = services.database["notifications"]
        self.clock = services.clock
        self.claims = Claims(services.database, timedelta(seconds=settings.send_lease_seconds))
        self.actions = MessageActions(self.collection, self.clock, self.claims)
        self.files = Files(services.attachments, settings.attachments_bucket)
        self.suppressions = Suppressions(services.database["suppressions"], self.clock)
        outbox = Outbox(self.collection, self.clock, self.claims, self.suppressions, services.announcer)
        self.sender = Sender(
            outbox,
            Pool(settings, domain, services.secrets),
            Composer(self.files, _signer(services, domain)),
            settings,
        )
        self.retention = Retention(
            self.collection,
            self.actions,
            services.database["cursors"],
            WebhookDeliveries(services.database, self.clock),
            self.clock,
            bodies=_days(settings.retention_bodies_days),
            whole=_days(settings.retention_messages_days),
        )
        services.at_close(self.sender.close)


def _days(days: float) -> timedelta | None:
    """None, if the setting is 0: for ever."""
    return timedelta(days=days) if days else None


def _signer(services: Services, domain: str) -> Signer | None:
    settings = services.settings
    if not settings.dkim_selector:
        return None
    return Signer(
        settings.dkim_domain or domain, settings.dkim_selector, lambda: services.secrets.read_optional(secrets.DKIM_KEY)
    )
