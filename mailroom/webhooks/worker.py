"""The function `webhook-sender`: its worker."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from mailroom.platform.clock import Budget, days
from mailroom.platform.kick import WEBHOOK_SENDER
from mailroom.platform.retries import Retries
from mailroom.platform.worker import Worker
from mailroom.services import Services
from mailroom.webhooks.deliveries import Deliveries
from mailroom.webhooks.expansion import Expansion

if TYPE_CHECKING:
    from mailroom.platform.metrics import Metrics

# A delivery takes its time-out at most. A worker that is paused for longer loses it.
_LEASE_BEYOND_TIMEOUT_SECONDS = 45.0


def create_worker(services: Services) -> Worker:
    """Makes the worker. It makes deliveries of announcements, delivers what is due, and removes what is old."""
    settings, marks = services.settings, services.worker_marks(WEBHOOK_SENDER)
    retries = Retries(
        settings.webhook_retry_first_seconds,
        settings.webhook_retry_longest_seconds,
        settings.webhook_give_up_hours * 3600,
    )
    deliveries = Deliveries(
        services.database,
        services.clock,
        timedelta(seconds=settings.webhook_timeout_seconds + _LEASE_BEYOND_TIMEOUT_SECONDS),
        retries,
        kept=days(settings.webhook_retention_days),
        disable_after=days(settings.webhook_disable_days),
    )
    expansion = Expansion(services.database, services.clock)

    def work(budget: Budget) -> int:
        from mailroom.platform.outgoing import Outgoing  # loads the HTTP client, which the start does not wait for
        from mailroom.webhooks.courier import Courier

        outgoing = Outgoing(settings.webhook_timeout_seconds, allow_private=settings.webhook_allow_private == "yes")
        courier = Courier(deliveries, outgoing, services.clock)
        done = courier.run(budget, expansion.run, marks.will_look_again)
        deliveries.give_up()
        deliveries.remove_old(budget)
        return done

    return Worker(work, settings.work_budget_seconds, marks, more=lambda: services.kicker.kick(WEBHOOK_SENDER))


def create_metrics(services: Services) -> Metrics:
    """The metrics of the function."""
    # No start waits for them.
    from mailroom.platform.metrics import Metrics, Part, general, worker
    from mailroom.webhooks.indexes import INDEXES
    from mailroom.webhooks.metrics import webhooks

    return Metrics(
        lambda: general(services.settings, services.secrets, ()),
        (
            Part("mongodb", lambda: worker(services.database, WEBHOOK_SENDER, INDEXES)),
            Part("mongodb", lambda: webhooks(services.database, services.clock.now())),
        ),
    )
