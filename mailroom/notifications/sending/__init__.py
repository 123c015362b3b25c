"""Sending the messages of the outbox."""
