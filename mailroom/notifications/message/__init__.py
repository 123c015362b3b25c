"""What a request may hold, and the bytes that are sent."""
