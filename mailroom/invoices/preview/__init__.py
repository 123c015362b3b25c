"""What an import would make of a file, and what its columns may be: from its beginning, in a process of its own.

runner ─► python -m mailroom.invoices.preview ─► examine ─► suggest
"""
