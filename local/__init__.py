"""Runs the functions of stack.yml on this machine, without Docker: real servers, one process for each."""
