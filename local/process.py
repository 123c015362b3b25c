"""One supervised process: started in its own session, restarted when it exits, ended with its whole group."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.reaper import send

FIRST_DELAY = 0.1  # seconds before the first restart; each further delay is twice as long
LONGEST_DELAY = 5.0
STEADY_SECONDS = 10.0  # a process that ran this long restarts with the first delay again
POLL_SECONDS = 0.02
START_SECONDS = 30.0
STOP_SECONDS = 10.0
TAIL_LINES = 30

# The shell writes its pid to the reaper's pipe, then becomes the program under the same pid. So the reaper knows every
# program, whenever the supervisor is killed. The pipe is the shell's stdin: the program does not inherit it.
LAUNCH = 'echo "+$$" >&0; exec "$@" </dev/null'


class StartError(Exception):
    """A process did not start, or did not become ready in time. The message ends with the tail of its log."""


@dataclass(frozen=True)
class Program:
    """What to run. `ready` tells at once whether the process can serve; it never raises."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM


class Process:
    """Keeps one Program running from `start` to `stop`. Thread-safe; a thread of its own waits for each exit."""

    def __init__(self, program: Program, log: Path, reaper: int, changed: Callable[[], None]) -> None:
        """`reaper` is the file descriptor of the reaper's pipe; `changed` is called after a restart."""
        self.program = program
        self.log = log
        self.pid: int | None = None
        self.exits = 0
        self._reaper = reaper
        self._changed = changed
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Returns once the process exists, not when it is ready."""
        self._stopping.clear()
        self.exits = 0
        first = self._spawn()
        self._thread = threading.Thread(target=self._keep, args=(first,), name=f"keep-{self.program.name}", daemon=True)
        self._thread.start()

    def wait_ready(self, *, may_restart: bool = False) -> None:
        """Blocks until the process is ready.

        Raises StartError after START_SECONDS, and at once if the process exits, unless it may restart.
        """
        deadline = time.monotonic() + START_SECONDS
        while not (self.pid and self.program.ready()):
            if self.exits and not may_restart:
                raise StartError(f"{self.program.name} ended while it was starting.\n{self.tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.program.name} was not ready after {START_SECONDS:.0f} s.\n{self.tail()}")
            time.sleep(POLL_SECONDS)

    def ask_to_stop(self) -> None:
        """Sends the stop signal and forbids restarts. Does not wait: `stop` does."""
        with self._lock:
            self._stopping.set()
            if self.pid:
                send(self.pid, self.program.stop_signal)

    def stop(self) -> None:
        """Blocks until the process and its group are gone. Kills them after STOP_SECONDS."""
        self.ask_to_stop()
        thread, self._thread = self._thread, None
        if not thread:
            return
        thread.join(STOP_SECONDS)
        with self._lock:
            if self.pid:
                send(self.pid, signal.SIGKILL)
        thread.join()

    def tail(self) -> str:
        """The last lines of the log, under its name."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if self.log.exists() else []
        return "\n".join([f"The end of {self.log}:", *(f"  {line}" for line in lines)])

    def _keep(self, process: subprocess.Popen[bytes] | None) -> None:
        delay = FIRST_DELAY
        while process:
            started = time.monotonic()
            status = process.wait()
            self._ended(process.pid)
            if time.monotonic() - started > STEADY_SECONDS:
                delay = FIRST_DELAY
            if not self._stopping.is_set():
                self._note(f"{self.program.name} ended with status {status}; it starts again in {delay:.1f} s")
            if self._stopping.wait(delay):
                return
            delay = min(delay * 2, LONGEST_DELAY)
            process = self._spawn()
            self._changed()

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopping.is_set():
                return None
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    ("/bin/sh", "-c", LAUNCH, "sh", *self.program.command),
                    env=dict(self.program.environment),
                    cwd=self.program.folder,
                    stdin=self._reaper,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.pid = process.pid
            return process

    def _ended(self, pid: int) -> None:
        with self._lock:
            self.pid = None
            self.exits += 1
        send(pid, signal.SIGKILL)  # its children may still be in its group
        with contextlib.suppress(OSError):
            os.write(self._reaper, b"-%d\n" % pid)

    def _note(self, text: str) -> None:
        with self.log.open("a") as log:
            log.write(f"supervisor: {text}\n")
        print(f"  {text}", file=sys.stderr, flush=True)
