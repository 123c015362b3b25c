"""What an API tells of its workers: when they were called last, and what keeps them from their work."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from flask import Response

from mailroom.platform.clock import rfc3339
from mailroom.platform.waiting import WorkerState, of_worker
from mailroom.web.endpoints import Operation
from mailroom.web.representation import json_response
from mailroom.web.schemas import Schema, Time, WaitingFor, waiting_for


class WorkerStatus(Schema):
    """`calledAt` is the last call of any replica, to within 15 seconds. `problem` is null if the worker seems well."""

    name: str
    called_at: Time | None
    problem: WaitingFor | None


class Workers(Schema):
    items: list[WorkerStatus]


WORKERS = Operation("The workers of this API, and what keeps them from their work", {200: Workers})


def answer(workers: Iterable[WorkerState], now: datetime) -> Response:
    """The answer to `WORKERS`."""
    items = [
        WorkerStatus(
            name=each.function,
            called_at=None if each.called_at is None else rfc3339(each.called_at),
            problem=waiting_for(of_worker(each, now)),
        )
        for each in workers
    ]
    return json_response(Workers(items=items))
