"""Measures exports of all invoices: time, size, and the peak of the function's memory meanwhile."""

import http.client
import re
import time
from dataclasses import dataclass
from pathlib import Path

from bench.measure import peak_bytes

CHUNK = 1 << 16
EARLY = 10_000_000  # bytes, of several hundred million
RESET_PEAK = "5"  # see clear_refs in proc(5)
NEXT = re.compile(rb'"?nextCursor(?:":"|,)([\w-]+)')  # ends a part of the export, in any format, unless it is the last


@dataclass
class Export:
    """The result. `early_bytes` is the peak of memory until EARLY bytes were sent, `peak_bytes` that of all."""

    seconds: float = 0.0
    size: int = 0
    pieces: int = 0
    early_bytes: int = 0
    peak_bytes: int = 0


def export(port: int, key: str, pid: int, format_: str) -> Export:
    """Reads an export to its end, part by part, without keeping it. Linux only.

    Raises RuntimeError if the export breaks off.
    """
    Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)
    done, begin, cursor = Export(), time.perf_counter(), b""
    while cursor or not done.pieces:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        target = f"/export?format={format_}" + (f"&cursor={cursor.decode()}" if cursor else "")
        connection.request("GET", target, headers={"Authorization": f"Bearer {key}"})
        end = _read(connection.getresponse(), done, pid)
        done.pieces += 1
        found = NEXT.search(end)
        cursor = found[1] if found else b""
    done.seconds, done.peak_bytes = time.perf_counter() - begin, peak_bytes(str(pid))
    return done


def _read(answer: http.client.HTTPResponse, done: Export, pid: int) -> bytes:
    """Reads one part. Returns its last bytes."""
    if answer.status != 200:
        raise RuntimeError(f"an export: {answer.status}")
    end = b""
    try:
        while piece := answer.read(CHUNK):
            end = (end + piece)[-500:]
            done.size += len(piece)
            if not done.early_bytes and done.size > EARLY:
                done.early_bytes = peak_bytes(str(pid))
    except http.client.IncompleteRead as error:
        raise RuntimeError(f"an export broke off after {done.size:,} bytes") from error
    return end
