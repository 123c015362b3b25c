"""Draining the outbox."""
