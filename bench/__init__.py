"""Measures the importer beside what a user would pick instead. `make bench-quick`, `make bench`."""
