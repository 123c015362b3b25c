"""Measures the importer beside its alternatives. `make bench-quick`, `make bench`."""
