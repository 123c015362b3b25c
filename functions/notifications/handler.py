"""The API of notifications."""

from mailroom.function import Function
from mailroom.notifications import serving
from mailroom.wiring import Services

function = Function(serving.api, Services.from_environment)
handle = function
close = function.close
