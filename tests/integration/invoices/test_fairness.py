"""No import keeps the others waiting: each one that waits gets its turn. Slices are counted, not seconds."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from mailroom.deploy import setup
from mailroom.invoices import worker as working
from mailroom.invoices.imports.job import ImportJob
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.writer import BatchWriter
from mailroom.platform.kick import IMPORTER
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, OneBatch, counts, csv, line
from tests.support.slow import others_slow

ENDLESS = csv(*(line(f"E-{number}") for number in range(3000)))  # 1,000 batches
SMALL = 50

packings = pytest.mark.parametrize("packed", others_slow([False, True], False), ids=["with chunks", "compressed"])


class UntilDone:
    """The budget of a call that ends when these imports are done. Never soon enough, if others keep them waiting."""

    def __init__(self, bucket: Bucket, imports: list[str], most_questions: int = 500) -> None:
        self._bucket, self._imports, self._left = bucket, imports, most_questions

    def spent(self) -> bool:
        self._left -= 1
        return self._left < 0 or all(self._bucket.job(each)["state"] == "done" for each in self._imports)


@pytest.fixture
def bucket(make_services: Callable[..., Services]) -> Bucket:
    """A slice is one batch here, and a batch three rows."""
    services = make_services(import_slice_seconds=0.0, import_batch_rows=3)
    setup.run(services, lambda line: None)
    return Bucket(services)


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The imports that workers claimed, in their order."""
    claimed: list[str] = []
    claim = Ledger.claim

    def noted(ledger: Ledger) -> ImportJob | None:
        job = claim(ledger)
        claimed.extend([str(job.id)] if job else [])
        return job

    monkeypatch.setattr(Ledger, "claim", noted)
    return claimed


def endless(bucket: Bucket, name: str, *, packed: bool) -> str:
    return bucket.submit(f"{name}.csv{'.gz' * packed}", gzip.compress(ENDLESS) if packed else ENDLESS)


def small(bucket: Bucket, number: int) -> str:
    return bucket.submit(f"small-{number}.csv", csv(line(f"S-{number}")))


@packings
def test_fifty_small_imports_begin_after_one_slice_of_an_endless_one(bucket: Bucket, slices: list[str], packed: bool):
    first = endless(bucket, "endless", packed=packed)
    waiting = [small(bucket, number) for number in range(SMALL)]

    working._importer(bucket.services, bucket.services.worker_marks(IMPORTER)).run(UntilDone(bucket, waiting))  # type: ignore[arg-type]

    assert slices == [first, *waiting]
    assert all(counts(bucket.job(each)) == (1, 1, 0, 0, 0, 0) for each in waiting)
    assert bucket.job(first)["checkpoint"]["counts"]["rows"] == 3


@packings
def test_an_import_that_arrives_during_a_slice_is_next(
    bucket: Bucket, slices: list[str], packed: bool, monkeypatch: pytest.MonkeyPatch
):
    first = endless(bucket, "endless", packed=packed)
    arrived: list[str] = []
    write = BatchWriter.write

    def write_and_receive(writer: BatchWriter, job: ImportJob, *rest: object) -> dict[str, int]:
        if str(job.id) == first and len(arrived) < 10:
            arrived.append(small(bucket, len(arrived)))
        return write(writer, job, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchWriter, "write", write_and_receive)
    importer = working._importer(bucket.services, bucket.services.worker_marks(IMPORTER))
    for _ in range(20):
        importer.run(OneBatch())  # type: ignore[arg-type]

    assert slices == [each for arrival in arrived for each in (first, arrival)]
    assert len(arrived) == 10


@packings
def test_endless_imports_take_turns_whichever_replica_works_on_them(bucket: Bucket, slices: list[str], packed: bool):
    large = [endless(bucket, f"endless-{number}", packed=packed) for number in range(3)]
    replicas = [working._importer(bucket.services, bucket.services.worker_marks(IMPORTER)) for _ in range(2)]

    for turn in range(12):
        replicas[turn % 2].run(OneBatch())  # type: ignore[arg-type]

    assert slices == large * 4


@packings
def test_an_import_whose_notification_was_lost_is_found_beside_an_endless_one(
    make_services: Callable[..., Services], slices: list[str], packed: bool
):
    services = make_services(import_slice_seconds=0.0, import_batch_rows=3, work_budget_seconds=0.001)
    setup.run(services, lambda line: None)
    bucket = Bucket(services)
    endless(bucket, "endless", packed=packed)
    bucket.put("lost.csv", csv(line("lost")))

    bucket.compare()  # after a slice of the endless one, which is due before the lost one then
    bucket.run()
    bucket.run()

    assert [bucket.job(each)["key"] for each in slices] == [*[f"endless.csv{'.gz' * packed}"] * 2, "lost.csv"]


def test_an_import_that_nobody_waits_for_goes_on_in_one_slice(bucket: Bucket, slices: list[str]):
    alone = bucket.submit("alone.csv.gz", gzip.compress(csv(*(line(number) for number in range(30)))))

    working._importer(bucket.services, bucket.services.worker_marks(IMPORTER)).run(UntilDone(bucket, [alone]))  # type: ignore[arg-type]

    assert slices == [alone]
    assert counts(bucket.job(alone)) == (30, 30, 0, 0, 0, 0)


@packings
def test_an_import_with_many_slices_ends_like_one_without(bucket: Bucket, slices: list[str], packed: bool):
    lines = [line(f"R-{number % 20}") if number % 7 else line(f"B-{number}", gross="bad") for number in range(60)]
    body = gzip.compress(csv(*lines)) if packed else csv(*lines)
    imports = [bucket.submit(f"may-{name}.csv{'.gz' * packed}", body) for name in "ab"]

    working._importer(bucket.services, bucket.services.worker_marks(IMPORTER)).run(UntilDone(bucket, imports))  # type: ignore[arg-type]

    assert slices[:6] == imports * 3
    assert [counts(bucket.job(each))[0] for each in imports] == [60, 60]
    assert sum(counts(bucket.job(each))[1] for each in imports) == 20
    assert all(counts(bucket.job(each))[5] == 9 for each in imports)
