"""Verifies a deployment through its doors: a file in, an invoice out; a notification in, a mail out."""
