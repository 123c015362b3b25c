"""The API of invoices and imports."""

from mailroom.function import Function
from mailroom.invoices.app import create_app
from mailroom.services import Services

app = Function(create_app, Services.from_environment)
close = app.close
