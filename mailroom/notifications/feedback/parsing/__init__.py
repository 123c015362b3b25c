"""Understands mail that reports about mail: delivery reports, complaints, and the odd forms of older servers."""
