"""Which errors of MongoDB mean "later"."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteError,
)

from mailroom.platform.mongo import is_transient

DUPLICATE, TOO_LARGE, REFUSED = 11000, 10334, 13

UNREACHABLE = [6, 7, 89, 9001]
NOT_PRIMARY = [91, 189, 10107, 11600, 11602, 13435, 13436]
NOT_REPLICATED = [64, 134]
ENDED_EARLY = [43, 175, 237, 262, 11601]


@pytest.mark.parametrize("code", [*UNREACHABLE, *NOT_PRIMARY, *NOT_REPLICATED, *ENDED_EARLY])
def test_a_server_that_cannot_answer_now_is_asked_again(code: int) -> None:
    assert is_transient(OperationFailure("x", code))
    assert is_transient(WriteError("x", code))


@pytest.mark.parametrize("error", [AutoReconnect("x"), ExecutionTimeout("x", 50)])
def test_a_broken_connection_or_a_time_limit_is_transient(error: PyMongoError) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("code", [2, REFUSED, 18, 26, 121, DUPLICATE])
def test_a_refusal_is_final(code: int) -> None:
    assert not is_transient(OperationFailure("x", code))
    assert not is_transient(ConfigurationError("x"))


@pytest.mark.parametrize(
    ("codes", "transient"),
    [
        *(([code], True) for code in NOT_PRIMARY),
        ([10107, 10107], True),
        ([DUPLICATE, 11602], True),  # the repetition meets the duplicate again, and whoever wrote it expects that
        ([DUPLICATE], False),
        ([TOO_LARGE], False),
        ([10107, TOO_LARGE], False),  # the repetition would fail too
    ],
)
def test_a_bulk_write_is_repeated_if_that_can_succeed(codes: list[int], transient: bool) -> None:
    errors = [{"index": at, "code": code, "errmsg": "x"} for at, code in enumerate(codes)]
    assert is_transient(BulkWriteError({"writeErrors": errors, "writeConcernErrors": []})) is transient


def test_a_bulk_write_that_was_not_confirmed_is_repeated() -> None:
    details: dict[str, Any] = {"writeErrors": [], "writeConcernErrors": [{"code": 64, "errmsg": "x"}]}
    assert is_transient(BulkWriteError(details))
