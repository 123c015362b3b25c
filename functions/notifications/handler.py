"""The API of notifications."""

from mailroom.function import Function
from mailroom.notifications import app
from mailroom.wiring import Services

function = Function(app.api, Services.from_environment)
handle = function
close = function.close
