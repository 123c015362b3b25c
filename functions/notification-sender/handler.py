"""Drains the outbox of notifications."""

from mailroom.function import Function
from mailroom.notifications import app
from mailroom.wiring import Services

function = Function(app.worker, Services.from_environment)
handle = function
close = function.close
