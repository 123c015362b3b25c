"""Trials: each way imports a file into a new database with all our indexes, and the stored invoices are checked.

csv.reader reads the same file before and after each trial, because the speed of a shared machine changes in a minute.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bench.landed import landed
from bench.measure import Usage
from bench.processes import WayError, run
from bench.servers import BenchServers
from bench.table import Line
from bench.ways import Task
from local.tools import say
from mailroom.services import Services


@dataclass
class Trials:
    """Collects the lines of the table. Every method blocks until the import has ended."""

    servers: BenchServers
    lines: list[Line] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def ours(self, file: Path, rows: int, note: str = "") -> Usage | None:
        """Our importer on a new file."""
        with self.database() as services:
            return self._import(services, file, rows, f"**Mailroom**{note}", file)

    def again(self, file: Path, changed: Path, rows: int) -> None:
        """Our importer on a file, on the same file again, and on the file with changes."""
        with self.database() as services:
            self._import(services, file, rows, "**Mailroom**", file)
            self._import(services, file, rows, "**Mailroom**, the same file again", file)
            self._import(services, changed, rows, "**Mailroom**, 1 % of the rows changed", changed)

    def peer(self, name: str, import_: Callable[[Task], Usage], file: Path, rows: int) -> None:
        """Another way on a new file."""
        with self.database() as services:
            self._line(name, lambda: import_(self._task(services, file, rows)), services, file, rows)

    def _import(self, services: Services, file: Path, rows: int, name: str, expected: Path) -> Usage | None:
        task, environment = self.uploaded(services, file, rows)
        return self._line(name, lambda: run("ours", task, environment), services, expected, rows)

    def _line(
        self, name: str, import_: Callable[[], Usage], services: Services, expected: Path, rows: int
    ) -> Usage | None:
        say(f"{name.replace('*', '')}: {rows:,} rows")
        before = _read(expected, rows)
        try:
            usage = import_()
        except WayError as error:
            say(f"  failed: {error}")
            self.lines.append(Line(name, None, (before,), f"failed: {str(error).splitlines()[-1]}"))
            return None
        readings = before, _read(expected, rows)
        self.lines.append(Line(name, usage, readings, landed(services.database["invoices"], expected, rows)))
        say(
            f"  {usage.rows_per_second:,.0f} rows/s, {usage.microseconds_per_row:.2f} µs of processor time per row,"
            f" {self.lines[-1].times_reader:.1f} times csv.reader, {usage.peak_bytes / 1e6:.0f} MB"
        )
        return usage

    def uploaded(self, services: Services, file: Path, rows: int) -> tuple[Task, dict[str, str]]:
        """Uploads the file. Returns the task and the environment for the process that imports it."""
        services.objects.client.fput_object(services.settings.invoices_bucket, file.name, str(file))
        return self._task(services, file, rows), self.servers.environment(services.settings.mongodb_database)

    def _task(self, services: Services, file: Path, rows: int) -> Task:
        return Task(str(file), rows, file.name, self.servers.info["mongoUri"], services.settings.mongodb_database)

    @contextmanager
    def database(self) -> Iterator[Services]:
        """A new database and bucket. In an old bucket our importer would find the files of earlier trials."""
        services = self.servers.services(f"bench-{next(self._numbers)}")
        try:
            yield services
        finally:
            services.database.client.drop_database(services.settings.mongodb_database)
            services.close()


def _read(file: Path, rows: int) -> Usage:
    return run("csv_reader", Task(str(file), rows, "", "", ""), {})
