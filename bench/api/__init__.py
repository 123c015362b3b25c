"""Combinations of filters and sorts of the API of invoices."""
