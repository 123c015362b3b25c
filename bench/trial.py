"""Trials: each way imports a file into a fresh database with all our indexes, and what landed is looked at.

Before and after each, csv.reader reads the same file: the speed of a machine that others share changes in a minute.
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
    """The lines of the table, as they come. Every method blocks for as long as the import takes."""

    servers: BenchServers
    lines: list[Line] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def ours(self, file: Path, rows: int, note: str = "") -> Usage | None:
        """The importer on a file nobody has imported before."""
        with self.database() as services:
            return self._import(services, file, rows, f"**Mailroom**{note}", file)

    def again(self, file: Path, changed: Path, rows: int) -> None:
        """The importer on a file, on the same once more, and on the same with one row in a hundred changed."""
        with self.database() as services:
            self._import(services, file, rows, "**Mailroom**", file)
            self._import(services, file, rows, "**Mailroom**, the same file again", file)
            self._import(services, changed, rows, "**Mailroom**, 1 % of the rows changed", changed)

    def peer(self, name: str, import_: Callable[[Task], Usage], file: Path, rows: int) -> None:
        """Another way to import."""
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
        """The file is in the bucket: what a process is told that is to import it, and its environment."""
        services.objects.client.fput_object(services.settings.invoices_bucket, file.name, str(file))
        return self._task(services, file, rows), self.servers.environment(services.settings.mongodb_database)

    def _task(self, services: Services, file: Path, rows: int) -> Task:
        return Task(str(file), rows, file.name, self.servers.info["mongoUri"], services.settings.mongodb_database)

    @contextmanager
    def database(self) -> Iterator[Services]:
        """A fresh one, and a bucket: an importer with nothing to do would find the files of the trials before."""
        services = self.servers.services(f"bench-{next(self._numbers)}")
        try:
            yield services
        finally:
            services.database.client.drop_database(services.settings.mongodb_database)
            services.close()


def _read(file: Path, rows: int) -> Usage:
    return run("csv_reader", Task(str(file), rows, "", "", ""), {})
