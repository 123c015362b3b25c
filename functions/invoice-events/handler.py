"""MinIO's webhook: one import job per object version, written before the answer."""

from mailroom.events import webhook as app
from mailroom.function import Function
from mailroom.services import Services

function = Function(app.api, Services.from_environment)
handle = function
close = function.close
