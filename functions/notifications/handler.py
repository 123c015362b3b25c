"""The API of notifications."""

from mailroom.function import Function
from mailroom.notifications.app import create_app, create_metrics
from mailroom.services import Services

app = Function(create_app, Services.from_environment, create_metrics)
close = app.close
metrics = app.metrics
