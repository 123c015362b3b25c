"""Measures one process: processor time, peak memory, wall time."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """Seconds of wall and processor time (user and system, all threads), and the peak of resident memory in bytes.

    `start_seconds` is the processor time before the work: the interpreter and the imports.
    """

    rows: int
    seconds: float
    processor_seconds: float
    peak_bytes: int
    start_seconds: float

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def microseconds_per_row(self) -> float:
        """Processor time per row, in microseconds."""
        return self.processor_seconds / self.rows * 1e6


def measured(work: Callable[[], int]) -> Usage:
    """Runs `work` once in this process. `work` returns the number of its rows."""
    begin, wall = _processor_seconds(), time.perf_counter()
    rows = work()
    seconds = time.perf_counter() - wall
    return Usage(rows, seconds, _processor_seconds() - begin, peak_bytes(), begin)


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_bytes(process: str = "self") -> int:
    """The peak of resident memory since the start or the last reset. `process` may be another's id, on Linux."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        # ru_maxrss would also count the parent's memory from before exec.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
