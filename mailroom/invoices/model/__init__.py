"""Invoices: identity, documents, merging, changes."""
