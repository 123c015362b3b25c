"""What the API reads: lists, totals, exports."""
