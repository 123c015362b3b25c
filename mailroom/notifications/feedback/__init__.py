"""What became of sent mail: delivery reports, complaints and other feedback."""
