"""Webhooks: tells endpoints of others what became of mail and imports."""
