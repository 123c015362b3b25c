"""Messages: checking a request, and composing the bytes that are sent."""
