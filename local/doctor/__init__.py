"""Finds what is wrong with a deployment, or missing for it on this machine, and says how to fix it."""
