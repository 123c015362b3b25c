"""Ends the processes of a supervisor that was killed: `python -I reaper.py [FILE]`.

Its stdin is a pipe from the supervisor. The line `+PID` reports the start of a process group, `-PID` its end. When the
pipe closes, the supervisor is gone. Then every group that is left gets SIGTERM, later SIGKILL, and FILE is removed.
The reaper runs in its own session and needs only the standard library.
"""

import os
import signal
import sys
import time
from pathlib import Path

GRACE_SECONDS = 2.0  # enough for a database to close its files; a function may need longer and is cut off


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+"):
            groups.add(pid)
        else:
            groups.discard(pid)
    end(groups)
    for name in sys.argv[1:]:
        Path(name).unlink(missing_ok=True)


def end(groups: set[int]) -> None:
    """Ends these process groups. Blocks until all are gone, at most `GRACE_SECONDS`."""
    alive = {group for group in groups if send(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = {group for group in alive if send(group, 0)}
    for group in alive:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Signals a group; False if it has no process left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS raises PermissionError for a group of zombies
        return False
    return True


if __name__ == "__main__":
    main()
