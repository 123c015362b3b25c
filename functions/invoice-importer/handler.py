"""Runs due imports, one time-budgeted slice a call."""

from mailroom.invoices import app
from mailroom.wiring import Services

services = Services.from_environment()
handle = app.worker(services)
close = services.close
