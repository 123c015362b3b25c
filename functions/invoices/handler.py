"""The API of invoices and imports."""

from mailroom.function import Function
from mailroom.invoices import serving
from mailroom.wiring import Services

function = Function(serving.api, Services.from_environment)
handle = function
close = function.close
