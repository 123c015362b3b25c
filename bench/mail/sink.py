"""Runs Debian's smtp-sink, which accepts mail at full speed and counts it."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PLACES = ("/usr/sbin", "/usr/lib/postfix", "/usr/lib/postfix/sbin", "/usr/libexec/postfix")
START_SECONDS = 10.0
ADVICE = (
    "smtp-sink was not found, so nothing is measured. It is part of postfix, which need not run as a service: on Debian"
    " and Ubuntu `apt-get install postfix`."
)


def binary() -> str | None:
    """The path of smtp-sink, if this machine has it."""
    return shutil.which("smtp-sink", path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES]))


class Sink:
    """An smtp-sink on its own port, within `with`. It announces PIPELINING, as relays do."""

    def __init__(self, command: str, folder: Path) -> None:
        self._command = command
        self._counters = folder / "smtp-sink.txt"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Self:
        user = ("-u", "nobody") if os.geteuid() == 0 else ()  # run by root, it requires another user
        if user:
            pwd.getpwnam("nobody")
        with self._counters.open("wb") as output:
            self._process = subprocess.Popen(
                (self._command, "-c", *user, f"127.0.0.1:{self.port}", "512"), stdout=output, stderr=output
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"smtp-sink does not start: {self._counters.read_text(errors='replace')[-500:]}")
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def delivered(self) -> int:
        """The number of messages so far: the last counter that it printed."""
        with self._counters.open("rb") as stream:
            stream.seek(max(0, self._counters.stat().st_size - 200))
            counted = [part for part in stream.read().split(b"\r") if b"mesg=" in part and part.strip()]
        return int(counted[-1].rpartition(b"mesg=")[2]) if counted else 0

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
