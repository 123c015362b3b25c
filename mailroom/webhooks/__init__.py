"""Webhooks: events of both applications are announced, delivered to the endpoints that want them, and kept."""
