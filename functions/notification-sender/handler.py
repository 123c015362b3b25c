"""Drains the outbox of notifications."""

from mailroom.function import Function
from mailroom.notifications.worker import create_metrics, create_worker
from mailroom.services import Services

handle = Function(create_worker, Services.from_environment, create_metrics)
close = handle.close
metrics = handle.metrics
