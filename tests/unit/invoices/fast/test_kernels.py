"""Loading Arrow: the first large file of a process waits for it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]

READ = """
import sys
from datetime import UTC, datetime
from bson import ObjectId
from mailroom.invoices.columnar import Stamp, read_batches
from mailroom.invoices.files import Rules, detect
from samples.generate import HEADER, rows
content = (HEADER + "".join(rows(100))).encode()
dialect = detect(content, Rules(), complete=True)
stamp = Stamp(ObjectId(), "0" * 16, datetime.now(UTC))
batches = read_batches(
    [content], dialect, Rules(), offset=0, row=0, most_rows=100, most_bytes=1 << 20, stamp=lambda: stamp
)
print(*(len(batch.encoded) for batch in batches))
print("pyarrow" in sys.modules, "pyarrow.compute" in sys.modules)
"""


def test_arrow_comes_without_the_module_that_takes_half_of_the_time_to_load() -> None:
    done = subprocess.run((sys.executable, "-c", READ), cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["100", "True", "False"]
