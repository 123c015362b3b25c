"""Delivers webhooks: tells the endpoints of others what became of mail and imports."""

from mailroom.function import Function
from mailroom.services import Services
from mailroom.webhooks.worker import create_metrics, create_worker

handle = Function(create_worker, Services.from_environment, create_metrics)
close = handle.close
metrics = handle.metrics
