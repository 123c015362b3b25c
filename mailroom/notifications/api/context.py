"""What the views of notifications work with. `mailroom.notifications.app` puts it together."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec
from bson import ObjectId
from flask import Flask, current_app

from mailroom.notifications.feedback.adapters.receiver import Receiver
from mailroom.notifications.feedback.feedback import Feedback
from mailroom.notifications.feedback.tracing import Tracing
from mailroom.notifications.message.request import Extras
from mailroom.notifications.message.stored_files import Files
from mailroom.notifications.message.unsubscribe import UnsubscribeLinks
from mailroom.notifications.model.messages import MailFrom, State
from mailroom.notifications.outbox.accept import Submissions
from mailroom.notifications.outbox.actions import MessageActions
from mailroom.notifications.outbox.figures import MessageFigures
from mailroom.notifications.outbox.history import History
from mailroom.notifications.outbox.retention import Erasure
from mailroom.notifications.outbox.suppressions import Suppressions
from mailroom.notifications.outbox.waiting_facts import MessageWaiting
from mailroom.notifications.templates.store import Templates

_NAME = "mailroom.notifications"


class NotificationsContext(msgspec.Struct, frozen=True):
    """`send_new` is that of `Sender`. `kick` tells the sender that there is work.

    A caller waits at most `wait_seconds` for the relay.
    """

    submissions: Submissions
    history: History
    waiting: MessageWaiting
    figures: MessageFigures
    tracing: Tracing
    actions: MessageActions
    erasure: Erasure
    suppressions: Suppressions
    feedback: Feedback
    templates: Templates
    extras: Extras
    files: Files
    unsubscribe_links: UnsubscribeLinks
    mail_from: MailFrom
    receiver: Receiver
    send_new: Callable[[ObjectId, float], State | None]
    kick: Callable[[], None]
    wait_seconds: float

    def attach(self, app: Flask) -> None:
        """Makes it the context of `app`."""
        app.extensions[_NAME] = self


def context() -> NotificationsContext:
    """The context of the application that serves this call."""
    return cast(NotificationsContext, current_app.extensions[_NAME])
