"""The function `webhook-sender` in its own process, which dies at the given point: `child.py POINT`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from mailroom.platform.outgoing import Outgoing
from mailroom.services import Services
from mailroom.webhooks.deliveries import Deliveries
from mailroom.webhooks.expansion import Expansion
from mailroom.webhooks.worker import create_worker


def dying_after(method: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any, **named: Any) -> Any:
        done = method(*arguments, **named)
        if done is not None or method.__name__ != "claim":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return called


POINTS: dict[str, tuple[type, str]] = {
    "deliveries made": (Expansion, "_insert"),
    "announcement removed": (Expansion, "_step"),
    "claimed": (Deliveries, "claim"),
    "sent": (Outgoing, "call"),
    "recorded": (Deliveries, "record"),
}


def main(point: str) -> None:
    owner, name = POINTS[point]
    setattr(owner, name, dying_after(getattr(owner, name)))
    create_worker(Services.from_environment())()


if __name__ == "__main__":
    main(sys.argv[1])
