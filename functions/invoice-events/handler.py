"""MinIO's webhook: one import job per object version, written before the answer."""

from mailroom.events.webhook import create_handler, create_metrics
from mailroom.function import Function
from mailroom.services import Services

handle = Function(create_handler, Services.from_environment, create_metrics)
close = handle.close
metrics = handle.metrics
