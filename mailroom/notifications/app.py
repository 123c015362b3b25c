"""The notifications application put together, for the function that accepts and the function that sends."""

from __future__ import annotations

from datetime import timedelta

from mailroom.notifications import addresses, answers, contract
from mailroom.notifications.clock import ServerClock
from mailroom.notifications.composing import Composer
from mailroom.notifications.endpoints.messages import Messages
from mailroom.notifications.endpoints.sending import SENDER, Sending
from mailroom.notifications.endpoints.suppressions import SuppressionList
from mailroom.notifications.endpoints.templates import TemplateList
from mailroom.notifications.files import Files
from mailroom.notifications.headers import AllowedHeaders
from mailroom.notifications.mailbox import Mailbox
from mailroom.notifications.outbox import Outbox
from mailroom.notifications.policy import Policy
from mailroom.notifications.relay.connection import RelaySettings
from mailroom.notifications.relay.pool import Pool
from mailroom.notifications.requests import Extras
from mailroom.notifications.retention import Retention
from mailroom.notifications.retries import Retries
from mailroom.notifications.sender import Sender
from mailroom.notifications.signing import Signer
from mailroom.notifications.store import Store
from mailroom.notifications.suppressions import Suppressions
from mailroom.notifications.templates.rendering import Renderer
from mailroom.notifications.templates.store import Templates
from mailroom.platform import http, secrets
from mailroom.platform.clock import Budget
from mailroom.platform.http import Api
from mailroom.platform.settings import Settings
from mailroom.platform.worker import Worker
from mailroom.wiring import Services


def api(services: Services) -> Api:
    """What the function `notifications` serves.

    Raises:
        InvalidSetting: MAIL_FROM is no address, MAIL_HEADERS has what cannot be allowed, DKIM_* no names.
    """
    settings = services.settings
    mail_from = addresses.sender(settings.mail_from)
    parts = _Parts(services, mail_from.domain)
    store = Store(parts.collection, parts.clock, mail_from)
    mailbox = Mailbox(parts.collection, parts.outbox)
    kick = services.kicker.kick
    extras = Extras(AllowedHeaders.parse(settings.mail_headers), Renderer(parts.templates).render, parts.files.pin)
    sending = Sending(store, mailbox, extras, parts.sender.send_new, kick, settings.send_wait_seconds)
    messages = Messages(mailbox, parts.outbox, parts.retention, kick)
    suppressions = SuppressionList(parts.suppressions)
    templates = TemplateList(parts.templates)
    api = Api(
        services.keys.authenticate,
        with_problem=answers.problem_members,
        contract=contract.CONTRACT,
        policy=http.Policy.of(settings),
    )
    api.add("POST", "/", "notifications:send", sending.one, contract.SEND)
    api.add("POST", "/batch", "notifications:send", sending.batch, contract.SEND_BATCH)
    api.add("GET", "/", "notifications:read", messages.list, contract.LIST)
    api.add("GET", "/counts", "notifications:read", messages.counts, contract.COUNTS)
    api.add("DELETE", "/", "notifications:erase", messages.erase, contract.ERASE)
    api.add("GET", "/<id>", "notifications:read", messages.get, contract.GET)
    api.add("POST", "/<id>/cancel", "notifications:send", messages.cancel, contract.CANCEL)
    api.add("POST", "/<id>/resend", "notifications:send", messages.resend, contract.RESEND)
    api.add("GET", "/templates", "templates:read", templates.list, contract.LIST_TEMPLATES)
    api.add("GET", "/templates/<name>", "templates:read", templates.get, contract.GET_TEMPLATE)
    api.add("PUT", "/templates/<name>", "templates:write", templates.put, contract.PUT_TEMPLATE)
    api.add("DELETE", "/templates/<name>", "templates:write", templates.delete, contract.DELETE_TEMPLATE)
    api.add("GET", "/templates/<name>/versions", "templates:read", templates.versions, contract.LIST_VERSIONS)
    api.add("POST", "/templates/<name>/preview", "templates:read", templates.preview, contract.PREVIEW_TEMPLATE)
    api.add("GET", "/suppressions", "notifications:read", suppressions.list, contract.LIST_SUPPRESSIONS)
    api.add("POST", "/suppressions", "notifications:send", suppressions.add, contract.SUPPRESS)
    api.add("DELETE", "/suppressions/<address>", "notifications:send", suppressions.remove, contract.UNSUPPRESS)
    return api


def worker(services: Services) -> Worker:
    """Drains the outbox, then forgets what is old enough. Raises `InvalidSetting` when MAIL_FROM is no address."""
    parts = _Parts(services, addresses.sender(services.settings.mail_from).domain)

    def work(budget: Budget) -> int:
        tried = parts.sender.drain(budget)
        parts.retention.sweep(budget)
        return tried

    return Worker(work, services.settings.work_budget_seconds, more=lambda: services.kicker.kick(SENDER))


class _Parts:
    """What both functions are made of. The relay is left when the process ends."""

    def __init__(self, services: Services, domain: str) -> None:
        settings = services.settings
        self.collection = services.database["notifications"]
        self.clock = ServerClock(services.database)
        self.outbox = Outbox(services.database, self.clock, settings.send_lease_seconds)
        self.files = Files(services.attachments, settings.attachments_bucket)
        self.templates = Templates(services.database["templates"], self.clock)
        self.suppressions = Suppressions(services.database["suppressions"], self.clock)
        self.sender = Sender(
            self.outbox,
            self.suppressions,
            Pool(_relay(services, domain), settings.smtp_messages_per_connection),
            _policy(settings),
            Composer(self.files, _signer(services, domain)),
        )
        self.retention = Retention(
            self.collection,
            self.outbox,
            services.database["cursors"],
            self.clock,
            bodies=_days(settings.retention_bodies_days),
            whole=_days(settings.retention_messages_days),
        )
        services.at_close(self.sender.close)


def _days(days: float) -> timedelta | None:
    """0 is how the setting says "for ever"."""
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


def _policy(settings: Settings) -> Policy:
    return Policy(
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
