"""Messages and addresses as values."""
