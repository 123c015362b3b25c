"""The API of notifications."""

from mailroom.function import Function
from mailroom.notifications import app as serving
from mailroom.services import Services

function = Function(serving.api, Services.from_environment)
handle = function
close = function.close
