"""MinIO's webhook: one import job per object version, written before the answer."""

from mailroom.events import app
from mailroom.function import Function
from mailroom.wiring import Services

function = Function(app.api, Services.from_environment)
handle = function
close = function.close
