"""Wires the function `notification-sender`."""

from __future__ import annotations

from mailroom.notifications.components import Components
from mailroom.notifications.model import addresses
from mailroom.platform.clock import Budget
from mailroom.platform.kick import SENDER
from mailroom.platform.worker import Worker
from mailroom.services import Services


def create_worker(services: Services) -> Worker:
    """Drains the outbox, then forgets what is old enough. Raises `InvalidSetting` when MAIL_FROM is no address."""
    parts = Components(services, addresses.sender(services.settings.mail_from).domain)

    def work(budget: Budget) -> int:
        tried = parts.sender.drain(budget)
        parts.retention.sweep(budget)
        return tried

    return Worker(work, services.settings.work_budget_seconds, more=lambda: services.kicker.kick(SENDER))
