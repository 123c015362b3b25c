"""A function in a process of its own, which dies where it is told to: `child.py FUNCTION POINT`.

Settings come from the environment. The process prints `ready`, then makes one call for each line of its input, which is
the body, and prints the answer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from mailroom.notifications import app as serving
from mailroom.notifications import worker as working
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.services import Services


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(method: Callable[..., Any]) -> Callable[..., Any]:
    """The process is gone before `method` does anything."""
    return die


def after(method: Callable[..., Any]) -> Callable[..., Any]:
    """The process is gone once `method` has done its work."""

    def called(*arguments: Any) -> Any:
        done = method(*arguments)
        die()
        return done

    return called


POINTS: dict[str, tuple[str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "insert": ("claim_new", before),
    "claim": ("claim", after),
    "handover": ("hand_over", after),
    "250": ("settle", before),
}


def main(function: str, point: str) -> None:
    if point in POINTS:
        name, wrap = POINTS[point]
        setattr(Outbox, name, wrap(getattr(Outbox, name)))
    services = Services.from_environment()
    handle: Callable[[Any], dict[str, Any]] = (serving.api if function == "notifications" else working.worker)(services)
    headers = {"Authorization": f"Bearer {os.environ.get('API_KEY', '')}"} | json.loads(os.environ.get("HEADERS", "{}"))
    print("ready", flush=True)
    for line in sys.stdin:
        event = SimpleNamespace(body=line.encode(), headers=headers, method="POST", query={}, path="/")
        answer = handle(event)
        body = answer["body"]
        print(json.dumps([answer["statusCode"], json.loads(body) if isinstance(body, bytes) else body]), flush=True)
    services.close()


main(*sys.argv[1:3])
