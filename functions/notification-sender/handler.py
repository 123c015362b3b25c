"""Drains the outbox of notifications."""

from mailroom.function import Function
from mailroom.notifications import worker as working
from mailroom.services import Services

function = Function(working.worker, Services.from_environment)
handle = function
close = function.close
