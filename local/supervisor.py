"""Starts processes, waits until they can serve, keeps them running and ends them all, also when it is killed."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from local import reaper
from local.process import Process, Program

REAPER_SECONDS = 10.0


class Supervisor:
    """A set of processes. They live no longer than the process that made the supervisor.

    Each process has its own session, so Ctrl-C reaches only the supervisor, which then ends them in reverse order. If
    the supervisor is killed, the reaper ends them: it reads the other end of a pipe. The reaper also holds the
    descriptors in `keep_open`: the lock of the data folder stays locked until the last process is gone.
    """

    def __init__(
        self, logs: Path, changed: Callable[[], None], keep_open: Sequence[int] = (), leftover: Path | None = None
    ) -> None:
        """`changed` is called from another thread after each restart; the reaper removes the file `leftover`."""
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._changed = changed
        self._stages: list[list[Process]] = []
        self._by_name: dict[str, Process] = {}
        theirs, self._pipe = os.pipe()
        self._reaper = subprocess.Popen(
            (sys.executable, "-I", reaper.__file__, *([str(leftover)] if leftover else [])),
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=tuple(keep_open),
        )
        os.close(theirs)

    def start(self, programs: Iterable[Program]) -> None:
        """Starts these programs together, as one stage. Does not wait until they are ready."""
        stage: list[Process] = []
        self._stages.append(stage)
        for program in programs:
            process = Process(program, self._logs / f"{program.name}.log", self._pipe, self._changed)
            stage.append(process)
            self._by_name[program.name] = process
            process.start()

    def wait_ready(self, names: Iterable[str], *, may_restart: bool = False) -> None:
        """Blocks until these processes can serve. Raises StartError: see Process.wait_ready."""
        for name in names:
            self._by_name[name].wait_ready(may_restart=may_restart)

    def process(self, name: str) -> Process:
        """The process of that name. Raises KeyError."""
        return self._by_name[name]

    def pids(self) -> dict[str, int]:
        """The processes that run now."""
        return {name: process.pid for name, process in self._by_name.items() if process.pid}

    def stop(self) -> None:
        """Ends every process, the last stage first and the processes of a stage together; then the reaper."""
        for stage in reversed(self._stages):
            for process in stage:
                process.ask_to_stop()
            for process in stage:
                process.stop()
        os.close(self._pipe)
        self._reaper.wait(REAPER_SECONDS)
