"""Stored templates: subject, HTML and text that a request fills with its parameters."""
