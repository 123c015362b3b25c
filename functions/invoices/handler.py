"""The API of invoices and imports."""

from mailroom.function import Function
from mailroom.invoices import app
from mailroom.wiring import Services

function = Function(app.api, Services.from_environment)
handle = function
close = function.close
