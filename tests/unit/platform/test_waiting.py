"""What is true of a worker, and so of all that waits for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import IndexModel
from pymongo.errors import OperationFailure

from mailroom.platform.setup_note import SetupNote, is_outdated
from mailroom.platform.waiting import WorkerState, in_turn, of_worker, worker_state
from mailroom.platform.worker_calls import Failure

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def failure(code: str = "secret", text: str = "the secret x is missing or empty", at: float = 30) -> Failure:
    return Failure(code, text, since=ago(300), at=ago(at))


@pytest.mark.parametrize(
    ("state", "code", "text", "since"),
    [
        ({"called_at": None}, "worker", "The function w was never called", None),
        ({"called_at": ago(121)}, "worker", "No w was called since 2026-01-31 11:57:59 UTC", ago(121)),
        ({"called_at": ago(121), "failure": failure()}, "worker", "No w was called", ago(121)),
        ({"failure": failure()}, "secret", "The last call of w failed: the secret x is missing or empty.", ago(300)),
        ({"failure": failure("relay", "the relay said 421")}, "relay", "failed: the relay said 421.", ago(300)),
        ({"failure": failure(), "setup_outdated": True}, "secret", "The last call of w failed", ago(300)),
        ({"setup_outdated": True}, "setup", "Set-up is older than the code: it has not run", None),
        (
            {"setup_outdated": True, "setup_ran_at": ago(9000), "failure": failure(at=121)},
            "setup",
            "it ran last at 2026-01-31 09:30:00 UTC, and must run again (python -m mailroom setup)",
            ago(9000),
        ),
    ],
    ids=["never", "not called", "not called first", "secret", "relay", "failure first", "no set-up", "old set-up"],
)
def test_what_keeps_a_worker_from_its_work(state: dict[str, Any], code: str, text: str, since: datetime | None) -> None:
    waiting = of_worker(WorkerState("w", **{"called_at": ago(30)} | state), NOW)
    assert waiting is not None
    assert (waiting.code, waiting.since) == (code, since)
    assert text in waiting.text
    assert waiting.text.endswith(".")


def test_a_function_that_may_not_read_the_notes_says_so() -> None:
    """After an upgrade, until its user has the new rights."""

    class Refusing:
        def find(self, which: Any) -> Any:
            raise OperationFailure("not authorized", 13)

    refusing: Any = Refusing()
    waiting = of_worker(worker_state(refusing, "w", {}), NOW)
    assert waiting is not None
    assert (waiting.code, "prepare must run again" in waiting.text) == ("setup", True)


@pytest.mark.parametrize("state", [{}, {"failure": failure(at=121)}], ids=["well", "failed long ago"])
def test_a_worker_that_is_well_is_no_reason(state: dict[str, Any]) -> None:
    assert of_worker(WorkerState("w", called_at=ago(119), **state), NOW) is None


@pytest.mark.parametrize(
    ("ahead", "text"),
    [
        (0, "It is the next import: a call of the worker takes it."),
        (1, "It waits for its turn behind 1 other import."),
        (999, "It waits for its turn behind 999 other imports."),
        (1000, "It waits for its turn behind more than 1,000 other imports."),
    ],
)
def test_a_turn(ahead: int, text: str) -> None:
    waiting = in_turn("import", ahead, 1000, NOW)
    assert (waiting.code, waiting.text, waiting.since) == ("turn", text, NOW)


@pytest.mark.parametrize(
    ("note", "outdated"),
    [
        (None, True),
        (SetupNote(NOW, {}), True),
        (SetupNote(NOW, {"imports": ["due"]}), True),
        (SetupNote(NOW, {"imports": ["due", "newest"]}), False),
        (SetupNote(NOW, {"imports": ["due", "newest", "newer"], "others": ["x"]}), False),
    ],
    ids=["no note", "nothing", "a part", "all", "more, by a newer set-up"],
)
def test_set_up_is_outdated_if_it_has_not_made_every_index(note: SetupNote | None, outdated: bool) -> None:
    wanted = {"imports": [IndexModel("a", name="due"), IndexModel("b", name="newest")]}
    assert is_outdated(note, wanted) is outdated
