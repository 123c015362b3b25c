"""What the views of webhooks work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec
from flask import Flask, current_app

from mailroom.webhooks.endpoints import WebhookEndpoints
from mailroom.webhooks.history import WebhookDeliveries

_NAME = "mailroom.webhooks"


class WebhooksContext(msgspec.Struct, frozen=True):
    """`kick` tells the worker that delivers that there is work."""

    endpoints: WebhookEndpoints
    deliveries: WebhookDeliveries
    kick: Callable[[], None]

    def attach(self, app: Flask) -> None:
        """Makes it the context of `app`."""
        app.extensions[_NAME] = self


def context() -> WebhooksContext:
    """The context of the application that serves this call."""
    return cast(WebhooksContext, current_app.extensions[_NAME])
