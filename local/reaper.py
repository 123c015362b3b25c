"""Kills what a supervisor left behind: `python -I reaper.py [FILE]`, with a pipe from the supervisor as stdin.

Lines on the pipe are `+PID` when a process group begins and `-PID` when it is over. The end of the pipe means that the
supervisor is gone, however it died: every group still listed gets SIGTERM, then SIGKILL, and FILE is removed.
It runs in its own session and needs nothing but the standard library.
"""

import os
import signal
import sys
import time
from pathlib import Path

GRACE_SECONDS = 2.0  # for a database to close its files; a function's drain may take longer and is cut


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
    """Ends these process groups; returns once none answers or `GRACE_SECONDS` are over."""
    alive = {group for group in groups if send(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = {group for group in alive if send(group, 0)}
    for group in alive:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """False when no process of the group is left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says this of a group of zombies
        return False
    return True


if __name__ == "__main__":
    main()
