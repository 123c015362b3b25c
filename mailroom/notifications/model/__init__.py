"""The values of a message, and addresses."""
