"""Marks that spare kicks, while MongoDB does not answer. tests/integration/invoices/test_kicks.py has the rest."""

from typing import Any

from pymongo.errors import AutoReconnect

from mailroom.platform.kick_marks import KickMarks, WorkerMarks
from mailroom.platform.worker_calls import WorkerCalls


class Away:
    """A clock and a collection of a MongoDB that does not answer."""

    def now(self) -> Any:
        raise AutoReconnect("away")

    def update_one(self, *_: Any) -> Any:
        raise AutoReconnect("away")


def test_a_worker_that_cannot_set_its_marks_goes_on_with_what_it_has_claimed() -> None:
    away: Any = Away()
    marks = WorkerMarks(KickMarks(away, away), WorkerCalls(away, away, "worker"), "worker")

    marks.call_begins()
    assert not marks.will_look_again()
    assert marks.looks_for_the_last_time()
