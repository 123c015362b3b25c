"""Why something waits that a worker should take: what is true of all that this worker does.

The domains add what they know of an import or a message: see `waiting.py` of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec
from pymongo import IndexModel
from pymongo.errors import OperationFailure

from mailroom.platform.mongo import Documents
from mailroom.platform.setup_note import SETUP_ID, is_outdated, note_of
from mailroom.platform.worker_calls import Failure

# The schedule calls each worker once a minute, and a note of that may be a quarter of a minute old.
_NOT_CALLED = timedelta(minutes=2)

# A failure is told for as long. Another replica may have done better since.
_FAILURE_COUNTS = timedelta(minutes=2)


_UNAUTHORIZED = 13  # the code of an error of MongoDB


class Waiting(msgspec.Struct, frozen=True):
    """Why something waits. `code` is stable and for programs, `text` is one sentence for people.

    `since` is when the reason began, if that is known.
    """

    code: str
    text: str
    since: datetime | None = None


class WorkerState(msgspec.Struct, frozen=True):
    """What is noted about a worker function. `setup_ran_at` is None if set-up made no note.

    `readable`: this function may read the notes. After an upgrade it may not, until its user has the new rights.
    """

    function: str
    called_at: datetime | None = None
    failure: Failure | None = None
    setup_ran_at: datetime | None = None
    setup_outdated: bool = False
    readable: bool = True


def of_worker(worker: WorkerState, now: datetime) -> Waiting | None:
    """Why this worker takes nothing; None if it seems well. The code is `worker`, `setup`, or that of a failure."""
    if not worker.readable:
        text = "The rights of the functions in MongoDB are older than the code: prepare must run again."
        return Waiting("setup", text)
    if worker.called_at is None:
        return Waiting(
            "worker", f"The function {worker.function} was never called: it does not run, or has no schedule."
        )
    if worker.called_at < now - _NOT_CALLED:
        text = f"No {worker.function} was called since {shown(worker.called_at)}: it does not run, or has no schedule."
        return Waiting("worker", text, worker.called_at)
    failure = worker.failure
    if failure is not None and failure.at >= now - _FAILURE_COUNTS:
        return Waiting(failure.code, f"The last call of {worker.function} failed: {failure.text}.", failure.since)
    if worker.setup_outdated:
        ran = f"ran last at {shown(worker.setup_ran_at)}" if worker.setup_ran_at else "has not run"
        text = f"Set-up is older than the code: it {ran}, and must run again (python -m mailroom setup)."
        return Waiting("setup", text, worker.setup_ran_at)
    return None


def in_turn(what: str, ahead: int, most: int, since: datetime) -> Waiting:
    """What is due waits for the next call of its worker, behind `ahead` others, of which `most` are counted."""
    if not ahead:
        return Waiting("turn", f"It is the next {what}: a call of the worker takes it.", since)
    others = f"{'more than ' if ahead >= most else ''}{ahead:,} other {what}{'' if ahead == 1 else 's'}"
    return Waiting("turn", f"It waits for its turn behind {others}.", since)


def shown(time: datetime) -> str:
    """A time in a sentence."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def worker_state(workers: Documents, function: str, wanted: Mapping[str, Iterable[IndexModel]]) -> WorkerState:
    """What is noted about a worker that wants these indexes. Blocks for one answer of MongoDB."""
    try:
        found = {each["_id"]: each for each in workers.find({"_id": {"$in": [function, SETUP_ID]}})}
    except OperationFailure as error:
        if error.code != _UNAUTHORIZED:
            raise
        return WorkerState(function, setup_outdated=True, readable=False)
    noted, setup = found.get(function, {}), note_of(found.get(SETUP_ID))
    return WorkerState(
        function,
        called_at=noted.get("calledAt"),
        failure=msgspec.convert(noted.get("failure"), Failure | None),
        setup_ran_at=setup.ran_at if setup else None,
        setup_outdated=is_outdated(setup, wanted),
    )
