"""The health of the whole of Mailroom in the API."""
