"""Runs due imports, one time-budgeted slice a call."""

from mailroom.function import Function
from mailroom.invoices.worker import create_metrics, create_worker
from mailroom.services import Services

handle = Function(create_worker, Services.from_environment, create_metrics)
close = handle.close
metrics = handle.metrics
