"""The calls of the notifications API, translated: requests to what the rest of this package does, and back."""
