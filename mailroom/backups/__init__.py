"""Backups of the database and the buckets: made, listed, checked, restored."""
