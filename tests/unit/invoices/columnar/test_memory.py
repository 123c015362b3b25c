"""The memory of a batch of wide rows, in its own process."""

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from bson import ObjectId

import mailroom.invoices.columnar.column_reader  # noqa: F401  # in the child too: what it takes to load is no batch's
from mailroom.invoices.columnar import Stamp, read_batches
from mailroom.invoices.files import Dialect, Rules
from mailroom.invoices.imports.source import BATCH_BYTES
from mailroom.invoices.model.columns import COLUMNS
from mailroom.platform.settings import Settings

MEBIBYTE = 1 << 20
DIALECT = Dialect("utf-8", "none", 0, ",", "doubled", "\n", ".", False, "", (), False, COLUMNS, COLUMNS)
STAMP = Stamp(ObjectId(), "0189abcdef01 v1 ", datetime(2026, 1, 2, tzinfo=UTC))


def test_a_batch_of_wide_rows_takes_little_memory():
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of the memory is read from /proc")
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=_read, args=(theirs,), daemon=True)
    process.start()
    assert ours.poll(60)
    taken = ours.recv()
    process.join()
    assert taken < 50 * MEBIBYTE  # 34 were seen


def _read(told: Connection) -> None:
    before = _peak()
    batches = read_batches(
        _chunks(),
        DIALECT,
        Rules(),
        offset=0,
        row=0,
        most_rows=Settings.import_batch_rows,
        most_bytes=BATCH_BYTES,
        stamp=lambda: STAMP,
    )
    for batch in batches:
        for _ in batch.encoded.portions(8 * MEBIBYTE) if batch.encoded else ():
            pass
    told.send(_peak() - before)


def _chunks() -> Iterator[bytes]:
    address = "x" * 900
    for n in range(0, 20_000, 64):
        rows = (f"N{n + m},2024-05-06,119.00,100.00,19.00,Acme GmbH,{address} {n + m},EUR,open\n" for m in range(64))
        yield "".join(rows).encode()


def _peak() -> int:
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
