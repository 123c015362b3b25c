"""Files made to fill the memory: the importer's memory stays bounded, and the import ends with a clear answer."""

from __future__ import annotations

import gzip
import multiprocessing
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from openpyxl import Workbook

from mailroom.deploy import setup
from mailroom.platform.mongo import Document
from mailroom.services import Services
from tests.faults import child
from tests.integration.invoices.files import HEADER, Bucket, counts, line

MOST_BYTES = 110 << 20
MEBIBYTE = 1 << 20

pytestmark = pytest.mark.timeout(900)  # large files, on any machine

# A fresh process, so that the peak is the importer's own.
_processes = multiprocessing.get_context("spawn")


def _zipped(pieces: Iterator[bytes]) -> bytes:
    out = BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file:
        for piece in pieces:
            file.write(piece)
    return out.getvalue()


def _import(bucket: Bucket, body: bytes) -> tuple[Document, int]:
    """Returns the ended import, and the peak of the memory of its process."""
    import_id = bucket.submit("big.csv", body)
    ours, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(target=child.measured, args=(bucket.services.settings, theirs), daemon=True)
    process.start()
    peak = int(ours.recv())
    process.join()
    print(f"peak {peak / MEBIBYTE:.0f} MiB for {len(body) / MEBIBYTE:.1f} MiB")
    return bucket.job(import_id), peak


@pytest.fixture
def big(make_services: Callable[..., Services]) -> Bucket:
    services = make_services(import_rejects_kept=100)
    setup.run(services, lambda line: None)
    return Bucket(services)


@pytest.mark.slow
def test_a_line_of_256_mebibytes_is_one_rejected_row(big: Bucket):
    # Random words, since zeros would be a gzip bomb; the plain file would only take longer to upload.
    words = (b"".join(b"%08x" % ((n * 2654435761 + m) % 2**32) for m in range(1 << 14)) for n in range(4))
    block = b"".join(words)
    lines = ((HEADER + line(1)).encode(), *[block] * 512, ("\n" + line(2)).encode())

    job, peak = _import(big, _zipped(iter(lines)))

    assert job["state"] == "done"
    assert counts(job) == (3, 2, 0, 0, 0, 1)
    assert peak < MOST_BYTES


def test_a_giant_field_is_a_rejected_row(big: Bucket):
    job, peak = _import(big, (HEADER + line(1, supplier='"' + "x" * 500_000 + '"') + line(2)).encode())
    assert counts(job) == (2, 1, 0, 0, 0, 1)
    assert peak < MOST_BYTES


@pytest.mark.slow
def test_a_thousand_rows_near_the_limit_are_not_held_at_once(big: Bucket):
    row = ",".join(["y" * 90_000] * 10) + "\n"
    job, peak = _import(big, _zipped(iter([HEADER.encode(), line(0).encode(), *[row.encode()] * 150])))
    assert job["state"] in ("done", "failed")
    assert peak < MOST_BYTES


@pytest.mark.slow
def test_a_gzip_bomb_is_refused(big: Bucket):
    bomb = gzip.compress((HEADER + line(1)).encode() + b"x" * (400 * MEBIBYTE))
    job, peak = _import(big, bomb)
    assert (job["state"], job["error"]["code"]) == ("failed", "file.too_large")
    assert "dueAt" not in job
    assert peak < MOST_BYTES


@pytest.mark.slow
def test_blank_lines_without_end_are_refused(big: Bucket):
    job, peak = _import(big, _zipped(iter([HEADER.encode(), line(1).encode(), *[b"\n" * MEBIBYTE] * 40])))
    assert (job["state"], job["error"]["code"]) == ("failed", "file.blank")
    assert peak < MOST_BYTES


def _workbook(unit: bytes, total: int, entries: int) -> bytes:
    """A workbook of one invoice, with so many bytes of `unit` after it, and so many empty parts."""
    book, out, packed = Workbook(), BytesIO(), BytesIO()
    for row in (HEADER + line(1)).splitlines():
        book.worksheets[0].append(row.split(","))
    book.save(out)
    with ZipFile(out) as old, ZipFile(packed, "w", ZIP_DEFLATED, compresslevel=9) as new:
        for name in old.namelist():
            before, end, after = old.read(name).partition(b"</sheetData>")
            with new.open(name, "w") as part:
                part.write(before)
                for _ in range(total // len(unit * 1000) if end else 0):
                    part.write(unit * 1000)
                part.write(end + after)
        for number in range(entries):
            new.writestr(f"a{number}", b"")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("unit", "total", "entries"),
    [
        (b"<row/>", 100_000_000, 0),
        pytest.param(b"<row>" + b"<c/>" * 1900 + b"</row>", 250_000_000, 0, marks=pytest.mark.slow),
        (b"<row/>", 0, 60_000),
    ],
    ids=["rows", "cells", "entries"],
)
def test_a_workbook_that_unfolds_without_end_is_refused(big: Bucket, unit: bytes, total: int, entries: int):
    job, peak = _import(big, _workbook(unit, total, entries))
    assert (job["state"], job["error"]["code"]) == ("failed", "file.too_large")
    assert peak < MOST_BYTES


def test_gzip_members_without_content_are_refused(big: Bucket):
    job, peak = _import(big, gzip.compress((HEADER + line(1)).encode()) + gzip.compress(b"") * 1_000_000)
    assert (job["state"], job["error"]["code"]) == ("failed", "file.too_large")
    assert peak < MOST_BYTES


@pytest.mark.parametrize("columns", [2_000, 1_000_000])
def test_a_million_columns_are_refused(big: Bucket, columns: int):
    job, peak = _import(big, ",".join(f"c{n}" for n in range(columns)).encode() + b"\n")
    assert job["state"] == "failed"
    assert job["error"]["code"].startswith(("header.", "file."))
    assert peak < MOST_BYTES


@pytest.mark.slow
def test_a_file_of_line_items_only_is_compared_in_bounded_memory(big: Bucket):
    """Two lines of each invoice, one in each half of the file: each row is read once more, by itself."""

    def peak(invoices: int) -> int:
        lines = (line(f"{invoices}-{n % invoices}", status=f"s{n // invoices}") for n in range(2 * invoices))
        job, found = _import(big, (HEADER + "".join(lines)).encode())
        assert counts(job) == (2 * invoices, 0, 0, 0, 0, 2 * invoices)
        assert big.services.database["comparisons"].count_documents({}) == 0
        return found

    # Both are larger than a batch: below, the peak grows with the file.
    smaller = peak(8_000)
    assert smaller < MOST_BYTES
    assert peak(24_000) < 1.1 * smaller


@pytest.mark.slow
def test_many_rejected_rows_are_counted_and_the_first_kept(big: Bucket):
    job, peak = _import(big, (HEADER + "bad,row\n" * 200_000).encode())
    assert counts(job) == (200_000, 0, 0, 0, 0, 200_000)
    assert len(big.rejects(job["rejects"]["key"]).splitlines()) == 101
    assert job["rejects"]["omitted"] == 199_900
    assert peak < MOST_BYTES


@pytest.mark.slow
def test_rejected_rows_near_the_limit_fill_neither_memory_nor_a_disk(
    make_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """128 MiB of them are kept. The file is larger than the memory, and the importer has no place for it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    services = make_services()
    setup.run(services, lambda line: None)
    bucket = Bucket(services)
    row = ",".join(["ä" * 45_000] * 11) + "\n"  # two bytes each

    job, peak = _import(bucket, _zipped(iter([HEADER.encode(), line(0).encode(), *[row.encode()] * 300])))

    assert counts(job) == (301, 1, 0, 0, 0, 300)
    assert 100 < 300 - job["rejects"]["omitted"] < 140
    assert services.database["rejects"].count_documents({}) == 300 - job["rejects"]["omitted"]
    assert peak < MOST_BYTES
