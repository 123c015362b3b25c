"""The HTTP API of invoices and imports."""
