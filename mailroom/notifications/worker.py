"""The function `notification-sender`: its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailroom.notifications.components import Components
from mailroom.platform.clock import Budget
from mailroom.platform.kick import SENDER
from mailroom.platform.worker import Worker
from mailroom.services import Services

if TYPE_CHECKING:
    from mailroom.notifications.feedback.mailbox import MailboxPoller
    from mailroom.platform.metrics import Metrics


def create_worker(services: Services) -> Worker:
    """Makes the worker. It drains the outbox, then erases old messages. Beside that it reads the mailbox of reports.

    Raises:
        InvalidSetting: MAIL_FROM is no address, or DKIM_*, MAIL_RETURN_PATH or BOUNCE_IMAP_* are no names.
    """
    marks = services.worker_marks(SENDER)
    components = Components(services)
    poller = _mailbox_poller(services, components)

    def work(budget: Budget) -> int:
        if poller is not None:
            poller.begin()
        tried = components.sender.drain(budget, marks.will_look_again)
        if components.sender.relay_is_down:
            marks.looks_for_the_last_time()  # the schedule tries again
            marks.calls.fails("relay", components.sender.relay_refusal)
        components.retention.sweep(budget)
        return tried

    return Worker(work, services.settings.work_budget_seconds, marks, more=lambda: services.kicker.kick(SENDER))


def _mailbox_poller(services: Services, components: Components) -> MailboxPoller | None:
    settings = services.settings
    if not settings.bounce_imap_host:
        return None
    from mailroom.notifications.feedback.imap import ImapAccount  # 60 ms, which no start without a mailbox waits for
    from mailroom.notifications.feedback.mailbox import Mailbox, MailboxPoller
    from mailroom.notifications.feedback.mailbox_mark import MailboxMark

    mailbox = Mailbox(
        ImapAccount(settings, services.secrets),
        components.tokens,
        components.feedback,
        components.collection,
        components.clock,
        MailboxMark(services.database["cursors"], components.clock),
    )
    return MailboxPoller(mailbox.poll, settings.bounce_imap_seconds, settings.work_budget_seconds)


def create_metrics(services: Services) -> Metrics:
    """The metrics of the function."""
    from mailroom.notifications import metrics  # no start waits for it

    return metrics.create_sender_metrics(services)
