"""Verifies a deployment from outside: a file in, an invoice out; a notification in, a mail out."""
