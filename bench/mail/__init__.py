"""Measures the sender of notifications beside its alternatives. `make bench-mail`."""
