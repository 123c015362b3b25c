"""The API of invoices and imports."""

from mailroom.invoices import app
from mailroom.wiring import Services

services = Services.from_environment()
handle = app.api(services)
close = services.close
