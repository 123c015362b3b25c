"""A throw-away PostgreSQL for django-post-office, where Debian's package is installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.processes import WayError

# Debian keeps them off the PATH. The newest comes last.
FOLDERS = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), key=lambda each: float(each.split("/")[4]))

# The default configuration, except that commits are not flushed one by one: nothing else here is.
OPTIONS = "-c listen_addresses='' -c synchronous_commit=off"


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl, if this machine has them."""
    for path in (*reversed(FOLDERS), os.environ.get("PATH", "")):
        if found := shutil.which("pg_ctl", path=path):
            return Path(found).resolve().parent
    return None


class Postgres:
    """A server within `with`. Started by root it runs as `nobody`, since PostgreSQL refuses root."""

    def __init__(self, folder: Path) -> None:
        self._binaries = folder
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="mailroom-postgres-")
        self.socket = self._folder.name
        if self._user is not None:
            os.chown(self.socket, self._user, -1)
        try:
            self._run("initdb", "--auth=trust", "--username=bench", "--encoding=UTF8", "--locale=C")
            self._run("pg_ctl", "start", "--wait", f"--log={self.socket}/log", "-o", f"-k {self.socket} {OPTIONS}")
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "stop", "--mode=immediate")
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """The id of the main process, which starts a process for each connection."""
        return int((Path(self.socket) / "data" / "postmaster.pid").read_text().splitlines()[0])

    def sql(self, database: str, statement: str) -> str:
        """Runs a statement. Returns the output of psql. Raises WayError."""
        command = (str(self._binaries / "psql"), "-h", self.socket, "-U", "bench", "-d", database, "-Atqc", statement)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise WayError(done.stderr[-1500:])
        return done.stdout.strip()

    def _run(self, name: str, *arguments: str) -> None:
        command = (str(self._binaries / name), *arguments, f"--pgdata={self.socket}/data")
        # No pipe: the server that pg_ctl starts would hold it open.
        output = Path(tempfile.gettempdir()) / f"{Path(self.socket).name}.txt"
        with output.open("wb") as stream:
            done = subprocess.run(command, user=self._user, cwd="/", stdout=stream, stderr=stream, check=False)
        said = output.read_text(errors="replace")
        output.unlink()
        if done.returncode:
            raise WayError(f"{name}: {said[-1500:]}")
