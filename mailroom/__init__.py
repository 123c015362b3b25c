"""Mailroom: invoices in, notifications out. The code that all functions share."""

__version__ = "0.1.0"
