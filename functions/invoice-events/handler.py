"""MinIO's webhook: one import job per object version, written before the answer."""

from mailroom.events import app
from mailroom.wiring import Services

services = Services.from_environment()
handle = app.api(services)
close = services.close
