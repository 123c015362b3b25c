"""Slices, leases and replays: an import continues where it was, and a stale worker changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from mailroom.errors import LeaseLost
from mailroom.invoices import worker as working
from mailroom.invoices.imports.actions import ImportActions
from mailroom.invoices.imports.chunks import Chunks
from mailroom.invoices.imports.importer import MOST_ATTEMPTS, MOST_CHUNK_ATTEMPTS
from mailroom.invoices.imports.job import COUNTS, Checkpoint, Chunk
from mailroom.platform.kick import IMPORTER
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, OneBatch, bucket_with, counts, csv, line

LINES = [line(n, gross="bad" if n % 7 == 0 else "119.00") for n in range(50)]
BODY, FIRST_ROWS = csv(*LINES), csv(*LINES[:7])


def test_a_job_longer_than_the_budget_continues_to_the_same_end(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, work_budget_seconds=0.0, import_batch_rows=7)
    import_id = bucket.submit("may.csv", BODY)

    slices = 0
    while bucket.job(import_id)["state"] != "done":
        # An empty budget still does one batch, so that every call makes progress.
        working._importer(bucket.services, bucket.services.worker_marks(IMPORTER)).run(OneBatch())
        slices += 1

    assert slices > 7
    assert counts(bucket.job(import_id)) == (50, 42, 0, 0, 0, 8)
    assert len(bucket.rejects(bucket.job(import_id)["rejects"]["key"]).splitlines()) == 9


def test_a_worker_that_lost_its_lease_can_write_nothing_to_the_job(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_lease_seconds=0.0)
    import_id = bucket.submit("may.csv", BODY)
    ledger = bucket.ledger
    stale, current = ledger.claim(), ledger.claim()
    assert stale is not None
    assert current is not None
    assert current.epoch == stale.epoch + 1

    for write in (
        lambda job: ledger.checkpoint(job, stale.checkpoint, {}),
        lambda job: ledger.finish(job, {}, None),
        lambda job: ledger.fail(job, "code", "message"),
        lambda job: ledger.release(job),
    ):
        with pytest.raises(LeaseLost):
            write(stale)
    before = bucket.job(import_id)
    ledger.fail(current, "code", "message")
    assert before["state"] == "running"
    assert bucket.job(import_id)["state"] == "failed"


def test_a_chunk_that_a_slow_worker_completes_after_all_is_not_taken_from_it(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_lease_seconds=0.0)
    import_id = bucket.submit("may.csv", BODY)
    ledger, chunks = bucket.ledger, Chunks(bucket.ledger)
    slow = ledger.claim()
    assert slow is not None
    chunk = Chunk(offset=0, end=900, row=0, rejected=0, ids=b"", attempts=1, epoch=slow.epoch, due_at=slow.leased_at)
    end = Checkpoint(900, 7, 0, {})
    assert chunks.take(slow, chunk, end, {})
    other = ledger.claim()
    assert other is not None
    assert other.abandoned is not None

    chunks.complete(slow, chunk, dict.fromkeys(COUNTS, 7), go_on=False)

    assert not chunks.take(other, other.abandoned, end, {})
    job = bucket.job(import_id)
    assert job["parts"] == {}
    assert job["checkpoint"]["counts"]["inserted"] == 7


def test_a_chunk_that_kills_its_workers_is_given_up(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_lease_seconds=0.0)
    import_id = bucket.submit("may.csv", BODY)
    ledger, chunks, length = bucket.ledger, Chunks(bucket.ledger), len(FIRST_ROWS)
    end = Checkpoint(length, 7, 1, {})
    job = ledger.claim()
    assert job is not None
    chunk = Chunk(offset=0, end=length, row=0, rejected=0, ids=b"", attempts=1, epoch=job.epoch, due_at=job.leased_at)
    assert chunks.take(job, chunk, end, {})  # and the worker dies
    for attempts in range(2, MOST_CHUNK_ATTEMPTS + 1):
        job = ledger.claim()
        assert job is not None
        assert job.abandoned is not None
        assert chunks.take(job, replace(job.abandoned, attempts=attempts), end, {})  # as all that take it over
    bucket.run()
    failed = bucket.job(import_id)
    assert failed["error"]["code"] == "import.no_progress"

    database = bucket.services.database
    ImportActions(database["imports"], database["invoices"], 30.0).retry(failed["_id"])
    bucket.run()
    assert bucket.job(import_id)["state"] == "done"
    assert counts(bucket.job(import_id)) == (50, 42, 0, 0, 0, 8)


def test_a_job_that_waits_for_a_chunk_goes_on_when_it_is_complete(bucket: Bucket):
    bucket.submit("may.csv", BODY)
    ledger, chunks, end = bucket.ledger, Chunks(bucket.ledger), Checkpoint(len(BODY), 50, 8, {})
    job = ledger.claim()
    assert job is not None
    due_at = job.leased_at + timedelta(minutes=1)
    chunk = Chunk(offset=0, end=len(BODY), row=0, rejected=0, ids=b"", attempts=1, epoch=job.epoch, due_at=due_at)
    assert chunks.take(job, chunk, end, {})
    other = ledger.claim()
    assert other is not None
    assert chunks.wait_for(other, other.chunks[0])
    assert ledger.claim() is None

    chunks.complete(job, chunk, dict.fromkeys(COUNTS, 0), go_on=False)

    assert ledger.claim() is not None


@pytest.mark.parametrize(("rows", "calls"), [(80_000, 1), (20_000, 0)], ids=["much is left", "little is left"])
def test_others_are_called_to_help_with_a_large_file(make_services: Callable[..., Services], rows: int, calls: int):
    # Without a comparison of its rows, which would take all of the one batch's time.
    bucket = bucket_with(make_services, import_batch_rows=100, import_profiles='{"": {"lineItems": "lastWins"}}')
    called: list[str] = []
    importer = replace(
        working._importer(bucket.services, bucket.services.worker_marks(IMPORTER)),
        call_help=lambda: called.append("help"),
    )
    bucket.submit("large.csv", csv(*(line(f"N{number}") for number in range(rows))))
    assert importer.run(OneBatch()) == 1  # type: ignore[arg-type]
    assert len(called) == calls


def test_a_leased_job_is_not_due(bucket: Bucket):
    bucket.submit("may.csv", BODY)
    assert bucket.ledger.claim() is not None
    assert bucket.ledger.claim() is None


def test_a_batch_replayed_after_a_crash_counts_the_same(bucket: Bucket):
    import_id = bucket.submit("may.csv", BODY)
    importer = working._importer(bucket.services, bucket.services.worker_marks(IMPORTER))
    job = importer.ledger.claim()
    assert job is not None
    crash = RuntimeError("as if the process had ended here")

    def crashing(*_: object) -> None:
        raise crash

    ledger_checkpoint = type(importer.ledger).checkpoint
    type(importer.ledger).checkpoint = crashing  # type: ignore[method-assign,assignment]
    try:
        with pytest.raises(RuntimeError) as caught:
            importer._import(job, OneBatch())  # type: ignore[arg-type]
        assert caught.value is crash
    finally:
        type(importer.ledger).checkpoint = ledger_checkpoint  # type: ignore[method-assign]
    written = bucket.invoices()
    assert len(written) == 42

    importer.ledger.release(job)
    bucket.run()

    assert counts(bucket.job(import_id)) == (50, 42, 0, 0, 0, 8)
    assert bucket.invoices() == written


def test_a_job_that_never_gets_on_is_given_up(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_lease_seconds=0.0)
    import_id = bucket.submit("may.csv", BODY)
    for _ in range(MOST_ATTEMPTS):
        assert bucket.ledger.claim() is not None  # and the worker dies
    bucket.run()
    assert bucket.job(import_id)["error"]["code"] == "import.no_progress"
