"""Notifications: e-mail accepted over HTTP, kept in an outbox, handed to an SMTP relay."""
