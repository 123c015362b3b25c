"""Rejected rows after their import: read cell by cell, and corrected."""
