"""The function `notifications`: a Flask application."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask

from mailroom.notifications.api import (
    answers,
    events,
    figures,
    messages,
    operations,
    sending,
    suppressions,
    templates,
    unsubscribe,
)
from mailroom.notifications.api.context import NotificationsContext
from mailroom.notifications.components import Components
from mailroom.notifications.feedback.adapters.fetching import fetch as fetch_by_https
from mailroom.notifications.feedback.adapters.providers import providers
from mailroom.notifications.feedback.adapters.receiver import Receiver
from mailroom.notifications.feedback.adapters.used_tokens import UsedTokens
from mailroom.notifications.message.headers import AllowedHeaders
from mailroom.notifications.message.request import Extras
from mailroom.notifications.outbox.accept import Submissions
from mailroom.notifications.outbox.figures import MessageFigures
from mailroom.notifications.outbox.history import History
from mailroom.notifications.outbox.waiting_facts import MessageWaiting
from mailroom.notifications.templates import rendering
from mailroom.notifications.templates.store import Templates
from mailroom.platform.kick import SENDER, WEBHOOK_SENDER
from mailroom.services import Services
from mailroom.web.app import create_app as create_web_app
from mailroom.webhooks.api import views as webhooks
from mailroom.webhooks.api.context import WebhooksContext
from mailroom.webhooks.endpoints import WebhookEndpoints
from mailroom.webhooks.history import WebhookDeliveries

if TYPE_CHECKING:
    from mailroom.platform.metrics import Metrics


def create_app(services: Services, fetch: Callable[[str], bytes] = fetch_by_https) -> Flask:
    """The application. `fetch` gets what is at a URL of a provider of mail.

    Raises:
        InvalidSetting: MAIL_FROM is no address, MAIL_HEADERS allows what cannot be allowed, DKIM_* are no names.
    """
    context = _context(services, fetch)
    app = create_web_app(
        operations.CONTRACT,
        services.keys.authenticate,
        services.settings,
        problem_members=answers.problem_members,
    )
    context.attach(app)
    for module in (sending, messages, figures, templates, suppressions, events, unsubscribe, webhooks):
        app.register_blueprint(module.blueprint)
    WebhooksContext(
        WebhookEndpoints(services.database, services.clock, insecure=services.settings.webhook_allow_private == "yes"),
        WebhookDeliveries(services.database, services.clock),
        partial(services.kicker.kick, WEBHOOK_SENDER),
    ).attach(app)
    return app


def _context(services: Services, fetch: Callable[[str], bytes]) -> NotificationsContext:
    settings = services.settings
    components = Components(services)
    used_tokens = UsedTokens(services.database["eventTokens"], components.clock)
    stored_templates = Templates(services.database, components.clock)
    render = partial(rendering.render, stored_templates)
    waiting = MessageWaiting(services.database, components.clock, components.claims)
    return NotificationsContext(
        submissions=Submissions(components.collection, components.clock, components.links),
        history=History(components.collection, components.claims),
        waiting=waiting,
        figures=MessageFigures(components.collection, components.claims, waiting, components.clock),
        tracing=components.tracing,
        actions=components.actions,
        erasure=components.erasure,
        suppressions=components.suppressions,
        feedback=components.feedback,
        templates=stored_templates,
        extras=Extras(
            AllowedHeaders.parse(settings.mail_headers), render, components.files.pin, components.links.require
        ),
        files=components.files,
        unsubscribe_links=components.links,
        mail_from=components.mail_from,
        receiver=Receiver(
            providers(settings, services.secrets, used_tokens, fetch),
            components.feedback.apply,
            components.tokens.message,
            components.clock,
        ),
        send_new=components.sender.send_new,
        kick=partial(services.kicker.kick, SENDER),
        wait_seconds=settings.send_wait_seconds,
    )


def create_metrics(services: Services) -> Metrics:
    """The metrics of the function."""
    from mailroom.notifications import metrics  # no start waits for it

    return metrics.create_api_metrics(services)
