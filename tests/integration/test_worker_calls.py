"""Each worker notes that it was called, and with that costs MongoDB next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from mailroom.invoices import worker as importing
from mailroom.notifications import worker as sending
from mailroom.platform import worker_calls
from mailroom.platform.kick import IMPORTER, SENDER, WEBHOOK_SENDER
from mailroom.platform.worker import Worker
from mailroom.platform.worker_calls import WorkerCalls, called_at
from mailroom.services import Services
from mailroom.webhooks import worker as webhooks
from tests.support.commands import RECORDER

MAKERS: dict[str, Callable[[Services], Worker]] = {
    IMPORTER: importing.create_worker,
    SENDER: sending.create_worker,
    WEBHOOK_SENDER: webhooks.create_worker,
}


@pytest.mark.parametrize("function", sorted(MAKERS))
def test_a_worker_notes_when_it_was_called(services: Services, function: str) -> None:
    workers = services.database["workers"]
    assert called_at(workers, function) is None
    before = services.clock.now() - timedelta(seconds=1)

    with RECORDER.of(function) as used:
        assert MAKERS[function](services)()["statusCode"] == 200

    noted = called_at(workers, function)
    assert noted is not None
    assert before < noted < services.clock.now() + timedelta(seconds=1)
    assert ("workers", "update") in used


def test_many_calls_are_noted_once_in_a_while(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = services.database["workers"]
    calls = WorkerCalls(workers, services.clock, IMPORTER)
    calls.begins()
    first = called_at(workers, IMPORTER)
    assert first is not None

    for _ in range(100):
        calls.begins()
    assert called_at(workers, IMPORTER) == first

    monkeypatch.setattr(worker_calls, "WRITE_SECONDS", 0.0)
    calls.begins()
    again = called_at(workers, IMPORTER)
    assert again is not None
    assert again > first


def test_a_replica_whose_note_comes_late_does_not_put_the_time_back(services: Services) -> None:
    workers = services.database["workers"]
    later = services.clock.now().replace(microsecond=0) + timedelta(hours=1)
    workers.insert_one({"_id": IMPORTER, "calledAt": later})
    WorkerCalls(workers, services.clock, IMPORTER).begins()
    assert called_at(workers, IMPORTER) == later
