"""Both APIs, as their functions serve them, and what a call to each of their routes looks like."""

from __future__ import annotations

import re

from mailroom.invoices import app as invoices
from mailroom.notifications import app as notifications
from mailroom.services import Services
from mailroom.web.api import Api, Route

NAMES = ("invoices", "notifications")


def api(name: str, services: Services) -> Api:
    return {"invoices": invoices.api, "notifications": notifications.api}[name](services)


def path_of(route: Route) -> str:
    """A path that the route serves."""
    return re.sub(r"<[^>]+>", "0" * 24, route.path)
