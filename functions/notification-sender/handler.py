"""Drains the outbox of notifications."""

from mailroom.notifications import app
from mailroom.wiring import Services

services = Services.from_environment()
handle = app.worker(services)
close = services.close
