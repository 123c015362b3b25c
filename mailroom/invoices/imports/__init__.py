"""Imports: jobs, their leases, and the work of a slice."""
