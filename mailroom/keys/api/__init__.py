"""The HTTP API of sessions and keys."""
