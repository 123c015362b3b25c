"""A function in its own process, which dies at the given point: `child.py FUNCTION POINT`.

Settings come from the environment. The process prints `ready`, then makes one call for each line of its input, which is
the body, and prints the answer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from flask import Flask

from mailroom.notifications.app import create_app
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.worker import create_worker
from mailroom.platform.worker import Worker
from mailroom.services import Services


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(method: Callable[..., Any]) -> Callable[..., Any]:
    """Kills the process before `method` does anything."""
    return die


def after(method: Callable[..., Any]) -> Callable[..., Any]:
    """Kills the process after `method` has done its work."""

    def called(*arguments: Any) -> Any:
        done = method(*arguments)
        die()
        return done

    return called


POINTS: dict[str, tuple[str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "insert": ("claim_new", before),
    "claim": ("claim", after),
    "handover": ("hand_over", after),
    "250": ("record", before),
    "recorded": ("record", after),
}


def post(app: Flask, headers: dict[str, str]) -> Callable[[str], list[Any]]:
    """Posts each line to the function `notifications`. Prints the status and body of each answer."""

    def call(line: str) -> list[Any]:
        answer = app.test_client().post("/", data=line.encode(), headers=headers)
        return [answer.status_code, answer.get_json(force=True)]

    return call


def drain(worker: Worker) -> Callable[[str], list[Any]]:
    """Calls the function `notification-sender` for each line."""

    def call(line: str) -> list[Any]:
        answer = worker()
        return [answer["statusCode"], answer["body"]]

    return call


def main(function: str, point: str) -> None:
    if point in POINTS:
        name, wrap = POINTS[point]
        setattr(Outbox, name, wrap(getattr(Outbox, name)))
    services = Services.from_environment()
    headers = {"Authorization": f"Bearer {os.environ.get('API_KEY', '')}"} | json.loads(os.environ.get("HEADERS", "{}"))
    call = post(create_app(services), headers) if function == "notifications" else drain(create_worker(services))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(call(line)), flush=True)
    services.close()


main(*sys.argv[1:3])
