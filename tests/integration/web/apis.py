"""Both APIs, as their functions serve them, with an example call of each route."""

from __future__ import annotations

import re

from flask import Flask

from mailroom.invoices.app import create_app as create_invoices
from mailroom.notifications.app import create_app as create_notifications
from mailroom.services import Services
from mailroom.web.endpoints import KeyNeed, Route, routes

NAMES = ("invoices", "notifications")

# The routes that need no key, and check for themselves who calls.
OPEN: dict[str, set[str]] = {"invoices": set(), "notifications": {"/events/<adapter>", "/unsubscribe/<token>"}}


def api(name: str, services: Services) -> Flask:
    return {"invoices": create_invoices, "notifications": create_notifications}[name](services)


def with_key(app: Flask) -> list[Route]:
    """The routes that need a key. Where it is optional, a call with nothing else is refused all the same."""
    return [route for route in routes(app) if route.key is not KeyNeed.NONE]


def path_of(route: Route) -> str:
    """A path that the route serves."""
    return re.sub(r"<[^>]+>", "0" * 24, route.path)
