"""Bucket notifications: from a webhook's body to import jobs."""
