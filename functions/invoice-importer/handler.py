"""Runs due imports, one time-budgeted slice a call."""

from mailroom.function import Function
from mailroom.invoices import worker as working
from mailroom.services import Services

function = Function(working.worker, Services.from_environment)
handle = function
close = function.close
