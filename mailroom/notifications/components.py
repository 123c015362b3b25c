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
from mailroom.notifications.outbox.retries import Retries
from mailroom.notifications.outbox.suppressions import Suppressions
from mailroom.notifications.sending.policy import SendPolicy
from mailroom.notifications.sending.sender import Sender
from mailroom.notifications.smtp.connection import RelaySettings
from mailroom.notifications.smtp.pool import Pool
from mailroom.platform import secrets
from mailroom.platform.server_clock import ServerClock
from mailroom.platform.settings import Settings
from mailroom.services import Services


class Components:
    """Makes them. The sender is closed when the process ends."""

    def __init__(self, services: Services, domain: str) -> None:
        settings = services.settings
        self.collection = services.database["notifications"]
        self.clock = ServerClock(services.database)
        claims = Claims(services.database, timedelta(seconds=settings.send_lease_seconds))
        self.actions = MessageActions(self.collection, self.clock, claims)
        self.files = Files(services.attachments, settings.attachments_bucket)
        self.suppressions = Suppressions(services.database["suppressions"], self.clock)
        self.outbox = Outbox(self.collection, self.clock, claims, self.suppressions)
        self.sender = Sender(
            self.outbox,
            Pool(_relay(services, domain), settings.smtp_messages_per_connection),
            _policy(settings),
            Composer(self.files, _signer(services, domain)),
        )
        self.retention = Retention(
            self.collection,
            self.actions,
            services.database["cursors"],
            self.clock,
            bodies=_days(settings.retention_bodies_days),
            whole=_days(settings.retention_messages_days),
        )
        services.at_close(self.sender.close)


def _days(days: float) -> timedelta | None:
    """None, if the setting is 0: for ever."""
    return timedelta(days=days) if days else None


def _relay(services: Services, domain: str) -> RelaySettings:
    settings = services.settings

    def credentials() -> tuple[str, str]:
        return services.secrets.read_optional(secrets.SMTP_USERNAME), services.secrets.read_optional(
            secrets.SMTP_PASSWORD
        )

    return RelaySettings(
        host=settings.smtp_host,
        port=settings.smtp_port,
        tls=settings.smtp_tls,
        credentials=credentials,
        helo_name=domain,
        timeout=settings.smtp_timeout_seconds,
        data_timeout=settings.smtp_data_timeout_seconds,
    )


def _signer(services: Services, domain: str) -> Signer | None:
    settings = services.settings
    if not settings.dkim_selector:
        return None
    return Signer(
        settings.dkim_domain or domain, settings.dkim_selector, lambda: services.secrets.read_optional(secrets.DKIM_KEY)
    )


def _policy(settings: Settings) -> SendPolicy:
    return SendPolicy(
        connections=settings.smtp_connections,
        per_second=settings.smtp_messages_per_second,
        retries=Retries(
            first=settings.retry_first_seconds,
            longest=settings.retry_longest_seconds,
            give_up=settings.retry_give_up_hours * 3600,
        ),
        hold=settings.unknown_outcome == "hold",
        lease_seconds=settings.send_lease_seconds,
    )
