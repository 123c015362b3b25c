"""The operators' commands, `python -m mailroom`. A command imports what it alone needs, so that none waits for more."""
