"""The API of notifications."""

from mailroom.notifications import app
from mailroom.wiring import Services

services = Services.from_environment()
handle = app.api(services)
close = services.close
