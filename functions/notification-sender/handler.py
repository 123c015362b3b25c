"""Drains the outbox of notifications."""

from mailroom.function import Function
from mailroom.notifications import working
from mailroom.wiring import Services

function = Function(working.worker, Services.from_environment)
handle = function
close = function.close
