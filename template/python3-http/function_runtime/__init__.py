"""What index.py is made of. The name is long so that no module of a function is hidden by it."""
