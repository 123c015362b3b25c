"""Runs the demo and draws what its terminal shows: `python -m local.demo.picture docs/demo.svg`."""

import re
import sys
from pathlib import Path

from rich.console import Console

from local.demo.__main__ import main

WIDTH = 112

# The picture must load no font from another server.
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)

if __name__ == "__main__":
    # As no terminal, so that a table that changes is recorded once.
    console = Console(record=True, width=WIDTH, highlight=False, force_terminal=False)
    failed = main(console)
    if not failed:
        Path(sys.argv[1]).write_text(FONTS.sub("", console.export_svg(title="make demo", unique_id="demo")))
    sys.exit(failed)
