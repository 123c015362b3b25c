"""`python -m mailroom.invoices.preview SECONDS MIB`: reads a task and a file's beginning, writes an examination.

The first line of the input is the task as JSON. The process ends by itself after so much processor time, and cannot
take more memory, write a file or start a process.
"""

from __future__ import annotations

import importlib
import resource
import sys

TOO_MUCH_MEMORY = 3
"""The exit code of a process that came to its limit."""

MOST_ANSWER_BYTES = 4 << 20


def main(seconds: int, mebibytes: int) -> int:
    """Returns the exit code."""
    _limit(resource.RLIMIT_CPU, seconds)
    _limit(resource.RLIMIT_AS, mebibytes << 20)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        sys.stdout.buffer.write(_answer())
    except (MemoryError, ImportError):  # a module that finds no memory cannot be imported
        return TOO_MUCH_MEMORY
    return 0


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = value + 1 if hard == resource.RLIM_INFINITY else min(value + 1, hard)
    resource.setrlimit(kind, (min(value, most), most))  # at the second limit of time, no signal tells what it was


def _answer() -> bytes:
    import msgspec
    from msgspec.structs import replace

    from mailroom.invoices.files import is_workbook
    from mailroom.invoices.preview.examination import PreviewTask
    from mailroom.invoices.preview.examine import examine

    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=PreviewTask)
    data = sys.stdin.buffer.read()
    if is_workbook(data):
        importlib.import_module(
            "openpyxl.reader.excel"
        )  # here, for a reader of workbooks calls any error a damaged file
    found = examine(task, data)
    while len(answer := msgspec.json.encode(found)) > MOST_ANSWER_BYTES and found.rows:
        found = replace(found, rows=found.rows[: len(found.rows) // 2])
    return answer


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
