"""Stored templates: subject, HTML and text with gaps that a request's parameters fill."""
