"""Measures the sender of notifications beside what a user would pick instead. `make bench-mail`."""
