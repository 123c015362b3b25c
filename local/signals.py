"""What ends a program in the foreground: a signal, or the death of the process that started it."""

import os
import signal
import threading
import time
from types import FrameType

WATCH_SECONDS = 0.5


def exit_on_signals() -> None:
    """SIGTERM, SIGINT and SIGHUP raise SystemExit, once: what then ends the stack is not interrupted."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def leave(number: int, _: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(0 if number == signal.SIGINT else 128 + number)

    for number in numbers:
        signal.signal(number, leave)


def exit_with_parent(parent: int) -> None:
    """Sends this process SIGTERM once `parent` is not its parent any more: a killed `make` passes nothing on."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
