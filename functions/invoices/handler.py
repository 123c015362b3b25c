"""The API of invoices and imports."""

from mailroom.function import Function
from mailroom.invoices import app as serving
from mailroom.services import Services

function = Function(serving.api, Services.from_environment)
handle = function
close = function.close
