"""The API of notifications."""

from mailroom.function import Function
from mailroom.notifications.app import create_app
from mailroom.services import Services

app = Function(create_app, Services.from_environment)
close = app.close
