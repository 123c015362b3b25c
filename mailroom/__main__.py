"""`python -m mailroom`: the operators' commands."""

from mailroom.cli.main import main

main(prog_name="python -m mailroom")
