"""Why an import waits: one sentence for each situation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailroom.invoices.imports.ledger import CANCELLED, DONE, FAILED, PENDING, RUNNING, SUPERSEDED, UNDONE
from mailroom.invoices.imports.waiting import DueImport, of_import, of_object
from mailroom.platform.waiting import WorkerState
from mailroom.platform.worker_calls import Failure

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SOON, BEFORE = NOW + timedelta(seconds=20), NOW - timedelta(seconds=20)

WELL = WorkerState("invoice-importer", called_at=BEFORE)
IDLE = WorkerState("invoice-importer", called_at=NOW - timedelta(minutes=3))
LACKS = WorkerState(
    "invoice-importer", called_at=BEFORE, failure=Failure("secret", "the secret x is missing or empty", BEFORE, BEFORE)
)


def job(state: str = PENDING, due_at: datetime | None = BEFORE, **other: Any) -> DueImport:
    return DueImport(state, due_at, updated_at=BEFORE, **other)


@pytest.mark.parametrize(
    ("waits", "importer", "code", "text"),
    [
        (job(), IDLE, "worker", "No invoice-importer was called since 2026-01-31 11:57:00 UTC"),
        (job(ahead=3), WELL, "turn", "behind 3 other imports"),
        (job(), WELL, "turn", "the next import"),
        (job(RUNNING), WELL, "turn", "the next import"),
        (job(RUNNING, SOON, attempts=1), WELL, "lease", "with a lease until 2026-01-31 12:00:20 UTC"),
        (job(RUNNING, SOON, attempts=1), IDLE, "lease", "A worker has it"),
        (job(RUNNING, SOON, attempts=1, error="of before"), WELL, "lease", "A worker has it"),
        (job(RUNNING, SOON, for_chunk=True, error="of before"), WELL, "lease", "Another worker writes a part"),
        (job(due_at=SOON, error="the store does not answer"), WELL, "server", "put off: the store does not answer;"),
        (job(error="the store does not answer"), WELL, "server", "the next is due at 2026-01-31 11:59:40 UTC."),
        (job(error="the store does not answer"), IDLE, "worker", "No invoice-importer was called"),
        (job(due_at=SOON, error="the secret x is missing or empty"), LACKS, "secret", "the secret x is missing"),
        (job(), LACKS, "secret", "The last call of invoice-importer failed: the secret x is missing or empty."),
    ],
)
def test_why_an_import_waits(waits: DueImport, importer: WorkerState, code: str, text: str) -> None:
    waiting = of_import(waits, importer, NOW)
    assert waiting is not None
    assert waiting.code == code
    assert text in waiting.text


@pytest.mark.parametrize("state", [DONE, FAILED, CANCELLED, SUPERSEDED, UNDONE])
def test_an_import_that_has_ended_waits_for_nothing(state: str) -> None:
    assert of_import(job(state, None), IDLE, NOW) is None


@pytest.mark.parametrize(
    ("age", "importer", "events", "code", "text"),
    [
        (5, WELL, True, "event", "its event is still under way"),
        (5, IDLE, True, "event", "its event is still under way"),
        (300, WELL, True, "event", "its event never came: a comparison of the bucket, at least every 3600 s, finds it"),
        (300, IDLE, True, "worker", "No invoice-importer was called"),
        (300, WELL, False, "event", "has not listed it yet (EVENTS=poll)"),
        (300, IDLE, False, "worker", "No invoice-importer was called"),
    ],
)
def test_why_an_object_has_no_import(age: float, importer: WorkerState, events: bool, code: str, text: str) -> None:
    uploaded = NOW - timedelta(seconds=age)
    waiting = of_object(uploaded, importer, NOW, events=events, seconds=3600.0)
    assert waiting.code == code
    assert text in waiting.text
    assert code == "worker" or waiting.since == uploaded
