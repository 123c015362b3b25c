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

import msgspec
from flask import Flask

from mailroom.notifications.app import create_app
from mailroom.notifications.components import Components
from mailroom.notifications.feedback.feedback import Feedback
from mailroom.notifications.model.reports import Report
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.outbox.soft_bounces import SoftBounces
from mailroom.notifications.outbox.suppressions import Suppressions
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


POINTS: dict[str, tuple[type, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "insert": (Outbox, "claim_new", before),
    "claim": (Outbox, "claim", after),
    "handover": (Outbox, "hand_over", after),
    "250": (Outbox, "record", before),
    "recorded": (Outbox, "record", after),
    "noted": (Feedback, "_finish", before),
    "counted": (SoftBounces, "add", after),
    "suppressed": (Suppressions, "add", after),
    "finished": (Feedback, "_finish", after),
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


def apply(feedback: Feedback) -> Callable[[str], str]:
    """Applies the report of each line."""
    return lambda line: feedback.apply(decode(line))


def decode(line: str) -> Report:
    return msgspec.convert(json.loads(line), Report, dec_hook=lambda kind, value: kind(value))


def main(function: str, point: str) -> None:
    if point in POINTS:
        kind, name, wrap = POINTS[point]
        setattr(kind, name, wrap(getattr(kind, name)))
    services = Services.from_environment()
    headers = {"Authorization": f"Bearer {os.environ.get('API_KEY', '')}"} | json.loads(os.environ.get("HEADERS", "{}"))
    calls = {
        "notifications": lambda: post(create_app(services), headers),
        "notification-sender": lambda: drain(create_worker(services)),
        "feedback": lambda: apply(Components(services).feedback),
    }
    call = calls[function]()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(call(line)), flush=True)
    services.close()


main(*sys.argv[1:3])
